//! A batch, and what its proofs are made from.

use crate::State;
use rollup_core::{Account, Context, Crypto, Hash, Journal, Portable, Refusal, Transfer, apply};
use serde_json::{Value, json};
use std::marker::PhantomData;

/// Which rollup: what a signature is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The chain.
    pub chain_id: u64,
    /// The rollup's contract there.
    pub rollup: [u8; 20],
}

impl Domain {
    /// The context of one of its batches.
    pub fn context(&self, batch: u32) -> Context {
        Context { chain_id: self.chain_id, rollup: self.rollup, batch }
    }
}

/// A batch that is ready to be proposed and proven.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Its transfers, without padding.
    pub transfers: Vec<Transfer>,
    /// Its records, padding included: what the contract publishes.
    pub records: Vec<u8>,
    /// What every proof of it must show.
    pub journal: Journal,
    /// The zkVM guest's standard input: [`apply`]'s.
    pub zkvm_input: Vec<u8>,
    /// The SGX program's input: the same.
    pub sgx_input: Vec<u8>,
    /// The circuit's signals, as its witness generator takes them.
    pub circuit_input: Value,
}

impl Batch {
    /// The state's root before it.
    pub fn pre_root(&self) -> Hash {
        self.journal.pre_root
    }

    /// And after it.
    pub fn post_root(&self) -> Hash {
        self.journal.post_root
    }
}

/// What a transfer touches.
#[derive(Clone, Debug)]
pub(crate) struct Touched<const DEPTH: usize> {
    pub(crate) from: Account,
    pub(crate) eighth: [u8; 64],
    pub(crate) from_siblings: [Hash; DEPTH],
    pub(crate) to: Account,
    pub(crate) to_siblings: [Hash; DEPTH],
}

impl<const DEPTH: usize> Touched<DEPTH> {
    /// For the padding of a circuit, which asks for a point on the curve in any case.
    fn nothing() -> Self {
        Self {
            from: Account::default(),
            eighth: Portable::base_times(&{
                let mut one = [0; 32];
                one[31] = 1;
                one
            }),
            from_siblings: [[0; 32]; DEPTH],
            to: Account::default(),
            to_siblings: [[0; 32]; DEPTH],
        }
    }

    /// Of a transfer between places that may not exist, and which may not be valid: what is needed to refuse it. The state
    /// becomes the one after the transfer, as far as there is one.
    pub(crate) fn by<C: Crypto>(transfer: &Transfer, state: &mut State<DEPTH, C>) -> Self {
        let inside = |place: u32| place % State::<DEPTH, C>::ACCOUNTS as u32;
        let (from_place, to_place) = (inside(transfer.from), inside(transfer.to));
        let account = |state: &State<DEPTH, C>, place| state.account(place).copied().unwrap_or_default();

        let from = account(state, from_place);
        let from_siblings = state.siblings(from_place);
        let paid =
            Account { balance: from.balance.wrapping_sub(transfer.amount), nonce: from.nonce.wrapping_add(1), ..from };
        state.set(from_place, paid);
        let to = account(state, to_place);
        let to_siblings = state.siblings(to_place);
        state.set(to_place, Account { balance: to.balance.wrapping_add(transfer.amount), ..to });
        let eighth = Portable::eighth_of(&from.key).unwrap_or(Self::nothing().eighth);
        Self { from, eighth, from_siblings, to, to_siblings }
    }
}

/// A batch from its parts, whether it is valid or not.
#[derive(Clone, Debug)]
pub(crate) struct Parts<const DEPTH: usize, const TRANSFERS: usize, C = Portable> {
    pub(crate) context: Context,
    pub(crate) pre_root: Hash,
    /// At most `TRANSFERS`.
    pub(crate) transfers: Vec<(Transfer, Touched<DEPTH>)>,
    crypto: PhantomData<C>,
}

impl<const DEPTH: usize, const TRANSFERS: usize, C: Crypto> Parts<DEPTH, TRANSFERS, C> {
    /// Of transfers one after the other. The state becomes the one after them.
    pub(crate) fn new(context: Context, transfers: &[Transfer], state: &mut State<DEPTH, C>) -> Self {
        let pre_root = state.root();
        let transfers = transfers.iter().map(|transfer| (*transfer, Touched::by(transfer, state))).collect();
        Self { context, pre_root, transfers, crypto: PhantomData }
    }

    /// The records, padded.
    pub(crate) fn records(&self) -> Vec<u8> {
        let mut records: Vec<u8> = self.transfers.iter().flat_map(|(transfer, _)| transfer.encode()).collect();
        records.resize(TRANSFERS * Transfer::LENGTH, 0);
        records
    }

    /// The input of [`apply`].
    pub(crate) fn input(&self) -> Vec<u8> {
        let mut input = self.context.encode().to_vec();
        input.extend(self.pre_root);
        input.extend(self.records());
        for (_, touched) in &self.transfers {
            input.extend(touched.from.encode());
            input.extend(touched.eighth);
            input.extend(touched.from_siblings.as_flattened());
            input.extend(touched.to.encode());
            input.extend(touched.to_siblings.as_flattened());
        }
        input
    }

    /// The circuit's signals. All are decimal strings, as some are beyond what JSON's numbers hold exactly.
    pub(crate) fn circuit_input(&self) -> Value {
        const NOTHING: Transfer = Transfer { from: 0, to: 0, amount: 0, nonce: 0, r: [0; 32], s: [0; 32] };
        let mut rows: Vec<(bool, Transfer, Touched<DEPTH>)> =
            self.transfers.iter().map(|(transfer, touched)| (false, *transfer, touched.clone())).collect();
        rows.resize_with(TRANSFERS, || (true, NOTHING, Touched::nothing()));
        let each =
            |value: &dyn Fn(&(bool, Transfer, Touched<DEPTH>)) -> Value| Value::Array(rows.iter().map(value).collect());
        let paths = |siblings: &[Hash]| Value::Array(siblings.iter().map(words).collect());
        json!({
            "chainId": self.context.chain_id.to_string(),
            "rollup": number(&self.context.rollup),
            "batch": self.context.batch.to_string(),
            "root": words(&self.pre_root),
            "padding": each(&|(padding, ..)| u8::from(*padding).to_string().into()),
            "from": each(&|(_, transfer, _)| transfer.from.to_string().into()),
            "to": each(&|(_, transfer, _)| transfer.to.to_string().into()),
            "amount": each(&|(_, transfer, _)| transfer.amount.to_string().into()),
            "nonce": each(&|(_, transfer, _)| transfer.nonce.to_string().into()),
            "r": each(&|(_, transfer, _)| words(&transfer.r)),
            "s": each(&|(_, transfer, _)| words(&transfer.s)),
            "eighth": each(&|(.., touched)| json!([number(&touched.eighth[..32]), number(&touched.eighth[32..])])),
            "fromBalance": each(&|(.., touched)| touched.from.balance.to_string().into()),
            "fromSiblings": each(&|(.., touched)| paths(&touched.from_siblings)),
            "toKey": each(&|(.., touched)| words(&touched.to.key)),
            "toBalance": each(&|(.., touched)| touched.to.balance.to_string().into()),
            "toNonce": each(&|(.., touched)| touched.to.nonce.to_string().into()),
            "toSiblings": each(&|(.., touched)| paths(&touched.to_siblings)),
        })
    }

    /// What the core says to it.
    pub(crate) fn apply(&self) -> Result<Journal, Refusal> {
        apply::<C, DEPTH, TRANSFERS>(&self.input())
    }
}

/// A hash as the circuit takes it: eight numbers of 32 bits.
fn words(hash: &Hash) -> Value {
    let (words, _) = hash.as_chunks();
    words.iter().map(|word| Value::from(u32::from_be_bytes(*word).to_string())).collect()
}

fn number(bytes: &[u8]) -> String {
    num_bigint::BigUint::from_bytes_be(bytes).to_string()
}
