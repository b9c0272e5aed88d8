//! Accounts and transfers.

use crate::{
    curve::{self, BASE},
    sha,
};
use num_bigint::BigUint;
use rollup_core::{Account, Journal, Transfer};

pub(crate) struct Model {
    chain_id: u64,
    rollup: [u8; 20],
    accounts: Vec<Account>,
}

impl Model {
    pub(crate) fn new(chain_id: u64, rollup: [u8; 20], accounts: &[Account]) -> Self {
        Self { chain_id, rollup, accounts: accounts.to_vec() }
    }

    pub(crate) fn root(&self) -> [u8; 32] {
        fn over(accounts: &[Account]) -> [u8; 32] {
            if let [account] = accounts {
                let mut block = account.key.to_vec();
                block.extend(account.balance.to_be_bytes());
                block.extend(account.nonce.to_be_bytes());
                block.resize(64, 0);
                return compressed("leaf", &block);
            }
            let (left, right) = accounts.split_at(accounts.len() / 2);
            compressed("node", &[over(left), over(right)].concat())
        }
        fn compressed(name: &str, block: &[u8]) -> [u8; 32] {
            let start = sha::sha256(format!("zkpool example rollup: {name}").as_bytes());
            let words = std::array::from_fn(|i| u32::from_be_bytes(start[4 * i..4 * i + 4].try_into().unwrap()));
            sha::bytes(sha::compress(words, block))
        }
        over(&self.accounts)
    }

    /// Applies a transfer, if it is valid.
    pub(crate) fn apply(&mut self, transfer: &Transfer) -> bool {
        let (from, to) = (transfer.from as usize, transfer.to as usize);
        let ok = from < self.accounts.len()
            && to < self.accounts.len()
            && from != to
            && self.accounts[from].nonce == transfer.nonce
            && transfer.nonce < u32::MAX
            && self.accounts[from].balance >= transfer.amount
            && u128::from(self.accounts[to].balance) + u128::from(transfer.amount) < 1 << 64
            && self.signed(&self.accounts[from].key, transfer);
        if ok {
            self.accounts[from].balance -= transfer.amount;
            self.accounts[from].nonce += 1;
            self.accounts[to].balance += transfer.amount;
        }
        ok
    }

    fn signed(&self, key: &[u8; 32], transfer: &Transfer) -> bool {
        let message = [
            &transfer.r[..],
            key,
            &self.chain_id.to_be_bytes(),
            &self.rollup,
            &transfer.from.to_be_bytes(),
            &transfer.to.to_be_bytes(),
            &transfer.amount.to_be_bytes(),
            &transfer.nonce.to_be_bytes(),
            b"rollup1",
        ]
        .concat();
        let c = BigUint::from_bytes_be(&sha::sha256(&message)[..16]);
        let s = BigUint::from_bytes_be(&transfer.s);
        let (Some(key), Some(r)) = (curve::decode(key), curve::decode(&transfer.r)) else { return false };
        key != curve::neutral() && s < curve::order() && curve::times(&s, BASE) == curve::add(r, curve::times(&c, key))
    }

    pub(crate) fn journal(&self, batch: u32, journal: &Journal) -> [u8; 128] {
        let parts: [&[u8]; 6] = [
            &self.chain_id.to_be_bytes(),
            &self.rollup,
            &batch.to_be_bytes(),
            &journal.pre_root,
            &journal.post_root,
            &journal.transfers,
        ];
        parts.concat().try_into().unwrap()
    }
}
