//! Batches for tests: random valid ones, and of each kind of invalid ones one that only its own check notices.

use crate::{
    Domain, State, Wallet,
    batch::{Parts, Touched},
};
use num_bigint::BigUint;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rollup_core::{Account, Crypto, Fault, Journal, MODULUS, ORDER, PointFault, Refusal, Transfer};
use serde_json::Value;

/// A batch and what is to be said to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// The core's input.
    pub input: Vec<u8>,
    /// The circuit's; none if the circuit has no way to be told this.
    pub circuit_input: Option<Value>,
    /// What the core says. The circuit takes what the core takes.
    pub expected: Result<Journal, Refusal>,
}

/// A rollup whose places are all taken, by wallets with some money.
#[derive(Clone, Debug)]
pub struct World<const DEPTH: usize, C: Crypto> {
    /// The rollup.
    pub domain: Domain,
    /// The owner of each place.
    pub wallets: Vec<Wallet>,
    /// The state.
    pub state: State<DEPTH, C>,
    /// Where randomness comes from.
    pub rng: StdRng,
}

impl<const DEPTH: usize, C: Crypto> World<DEPTH, C> {
    /// The same seed gives the same world.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let wallets: Vec<Wallet> = (0..State::<DEPTH, C>::ACCOUNTS).map(|_| Wallet::from_seed(&rng.r#gen())).collect();
        let account = |wallet: &Wallet, rng: &mut StdRng| Account {
            key: wallet.key(),
            balance: rng.gen_range(1_000..1 << 40),
            nonce: rng.gen_range(1..1 << 20),
        };
        let accounts: Vec<Account> = wallets.iter().map(|wallet| account(wallet, &mut rng)).collect();
        let state = State::new(&accounts).expect("as many accounts as places");
        let domain = Domain { chain_id: rng.r#gen(), rollup: rng.r#gen() };
        Self { domain, wallets, state, rng }
    }

    /// Two different places.
    pub fn places(&mut self) -> (u32, u32) {
        let places = State::<DEPTH, C>::ACCOUNTS as u32;
        let from = self.rng.gen_range(0..places);
        (from, (from + self.rng.gen_range(1..places)) % places)
    }

    /// A valid transfer, after which the state is not changed yet.
    pub fn transfer(&mut self) -> Transfer {
        let (from, to) = self.places();
        let account = self.state.accounts()[from as usize];
        let amount = self.rng.gen_range(0..=account.balance / 2);
        self.wallets[from as usize].transfer_with::<C>(&self.domain, from, to, amount, account.nonce)
    }

    fn edit(&mut self, place: u32, edit: impl FnOnce(&mut Account)) {
        let mut account = self.state.accounts()[place as usize];
        edit(&mut account);
        self.state.set(place, account);
    }

    fn parts<const TRANSFERS: usize>(&mut self, transfers: &[Transfer]) -> Parts<DEPTH, TRANSFERS, C> {
        let context = self.domain.context(self.rng.r#gen());
        Parts::new(context, transfers, &mut self.state)
    }
}

/// A random valid batch of so many transfers.
pub fn valid<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(seed: u64, transfers: usize) -> Case {
    let mut world = World::<DEPTH, C>::new(seed);
    let mut after = world.state.clone();
    let mut signed = vec![];
    for _ in 0..transfers {
        let transfer = world.transfer();
        Touched::by(&transfer, &mut world.state);
        signed.push(transfer);
    }
    let context = world.domain.context(world.rng.r#gen());
    let parts = Parts::<DEPTH, TRANSFERS, C>::new(context, &signed, &mut after);
    let expected = Ok(Journal {
        context,
        pre_root: parts.pre_root,
        post_root: after.root(),
        transfers: rollup_core::sha256::<C>(&parts.records()),
    });
    case("valid", &parts, expected)
}

/// Invalid batches, one of each kind. The bad transfer is the last one; those before it are valid.
pub fn invalid<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(seed: u64) -> Vec<Case> {
    let mut cases = forged::<C, DEPTH, TRANSFERS>(seed);
    cases.extend(misplaced::<C, DEPTH, TRANSFERS>(seed));
    cases.extend(mispointed::<C, DEPTH, TRANSFERS>(seed));
    cases.extend(misshapen::<C, DEPTH, TRANSFERS>(seed));
    cases
}

fn case<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(
    name: &'static str,
    parts: &Parts<DEPTH, TRANSFERS, C>,
    expected: Result<Journal, Refusal>,
) -> Case {
    Case { name, input: parts.input(), circuit_input: Some(parts.circuit_input()), expected }
}

/// A batch whose last transfer `last` makes, for a state that it may change, and whose parts `spoil` may change. Others do
/// not touch its accounts.
fn refused<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(
    name: &'static str,
    seed: u64,
    fault: Fault,
    last: impl FnOnce(&mut World<DEPTH, C>) -> Transfer,
    spoil: impl FnOnce(&mut Touched<DEPTH>),
) -> Case {
    let mut world = World::<DEPTH, C>::new(seed);
    let bad = last(&mut world);
    let places = State::<DEPTH, C>::ACCOUNTS as u32;
    let others: Vec<u32> = (0..places).filter(|place| ![bad.from % places, bad.to % places].contains(place)).collect();
    let mut ahead = world.clone();
    let mut transfers = vec![];
    while transfers.len() + 1 < TRANSFERS && others.len() > 1 {
        let transfer = ahead.transfer();
        if [transfer.from, transfer.to].iter().all(|place| others.contains(place)) {
            Touched::by(&transfer, &mut ahead.state);
            transfers.push(transfer);
        }
    }
    transfers.push(bad);
    let mut parts = world.parts::<TRANSFERS>(&transfers);
    if let Some((_, touched)) = parts.transfers.last_mut() {
        spoil(touched);
    }
    case(name, &parts, Err(Refusal::Transfer { at: transfers.len() - 1, fault }))
}

fn untouched<const DEPTH: usize>(_: &mut Touched<DEPTH>) {}

/// Transfers that their sender did not sign.
fn forged<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(seed: u64) -> Vec<Case> {
    let altered = |name, alter: fn(&mut Transfer)| {
        let last = move |world: &mut World<DEPTH, C>| {
            let mut transfer = world.transfer();
            alter(&mut transfer);
            transfer
        };
        refused::<C, DEPTH, TRANSFERS>(name, seed, Fault::Signature, last, untouched)
    };
    let elsewhere = |name, alter: fn(&mut Domain)| {
        let last = move |world: &mut World<DEPTH, C>| {
            let home = world.domain;
            alter(&mut world.domain);
            let transfer = world.transfer();
            world.domain = home;
            transfer
        };
        refused::<C, DEPTH, TRANSFERS>(name, seed, Fault::Signature, last, untouched)
    };
    let mut cases = vec![
        altered("another amount was signed", |transfer| transfer.amount ^= 1),
        altered("another R", |transfer| transfer.r[20] ^= 1),
        altered("another sign of R's x", |transfer| transfer.r[0] ^= 0x80),
        altered("another s", |transfer| transfer.s[20] ^= 1),
        elsewhere("signed for another chain", |domain| domain.chain_id ^= 1),
        elsewhere("signed for another rollup", |domain| domain.rollup[0] ^= 1),
    ];
    if DEPTH > 1 {
        let last = |world: &mut World<DEPTH, C>| {
            let mut transfer = world.transfer();
            let places = State::<DEPTH, C>::ACCOUNTS as u32;
            transfer.to = (0..places).find(|to| ![transfer.from, transfer.to].contains(to)).unwrap_or_default();
            transfer
        };
        cases.push(refused::<C, DEPTH, TRANSFERS>(
            "another receiver was signed",
            seed,
            Fault::Signature,
            last,
            untouched,
        ));
    }
    // The same equation holds for s and for s plus the order.
    let high = |world: &mut World<DEPTH, C>| {
        loop {
            let mut transfer = world.transfer();
            let s = BigUint::from_bytes_be(&transfer.s) + BigUint::from_bytes_be(&ORDER);
            if s.bits() <= 251 {
                transfer.s = bytes(&s);
                return transfer;
            }
        }
    };
    cases.push(refused::<C, DEPTH, TRANSFERS>("an s that is not reduced", seed, Fault::Scalar, high, untouched));
    cases
}

/// Transfers that the state does not allow.
fn misplaced<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(seed: u64) -> Vec<Case> {
    type Last<C, const DEPTH: usize> = fn(&mut World<DEPTH, C>) -> Transfer;
    let refused = |name, fault, last: Last<C, DEPTH>, spoil: fn(&mut Touched<DEPTH>)| {
        refused::<C, DEPTH, TRANSFERS>(name, seed, fault, last, spoil)
    };
    vec![
        refused("a nonce to come", Fault::Nonce, |world| signed(world, |_| (), |t| t.nonce += 1), untouched),
        refused("a nonce of the past", Fault::Nonce, |world| signed(world, |_| (), |t| t.nonce -= 1), untouched),
        refused(
            "the last nonce",
            Fault::NonceSpent,
            |world| signed(world, |account| account.nonce = u32::MAX, |_| ()),
            untouched,
        ),
        refused(
            "more than there is",
            Fault::Balance,
            |world| signed(world, |account| account.balance = 500, |t| t.amount = 501),
            untouched,
        ),
        refused(
            "more than fits",
            Fault::Overflow,
            |world| {
                let transfer = signed(world, |_| (), |t| t.amount = 1);
                world.edit(transfer.to, |account| account.balance = u64::MAX);
                transfer
            },
            untouched,
        ),
        refused(
            "a sender beyond the tree",
            Fault::FromIndex,
            |world| signed(world, |_| (), |t| t.from += 1 << DEPTH),
            untouched,
        ),
        refused(
            "a receiver beyond the tree",
            Fault::ToIndex,
            |world| signed(world, |_| (), |t| t.to += 1 << DEPTH),
            untouched,
        ),
        refused("to oneself", Fault::Same, |world| signed(world, |_| (), |t| t.to = t.from), untouched),
        refused(
            "a sender richer than in the state",
            Fault::FromPath,
            |world| signed(world, |_| (), |_| ()),
            |touched| touched.from.balance += 1,
        ),
        refused(
            "another sibling of the sender",
            Fault::FromPath,
            |world| signed(world, |_| (), |_| ()),
            |touched| touched.from_siblings[DEPTH - 1][7] ^= 1,
        ),
        refused(
            "a receiver richer than in the state",
            Fault::ToPath,
            |world| signed(world, |_| (), |_| ()),
            |touched| touched.to.balance += 1,
        ),
        refused(
            "a receiver of another nonce",
            Fault::ToPath,
            |world| signed(world, |_| (), |_| ()),
            |touched| touched.to.nonce += 1,
        ),
        refused(
            "a receiver of another key",
            Fault::ToPath,
            |world| signed(world, |_| (), |_| ()),
            |touched| touched.to.key[9] ^= 1,
        ),
        refused(
            "another sibling of the receiver",
            Fault::ToPath,
            |world| signed(world, |_| (), |_| ()),
            |touched| touched.to_siblings[0][31] ^= 1,
        ),
    ]
}

/// A transfer of an account that `account` changes, signed after `alter` changed it.
fn signed<C: Clone + Crypto, const DEPTH: usize>(
    world: &mut World<DEPTH, C>,
    account: impl FnOnce(&mut Account),
    alter: impl FnOnce(&mut Transfer),
) -> Transfer {
    let (from, to) = world.places();
    world.edit(from, account);
    let account = world.state.accounts()[from as usize];
    let mut transfer = Transfer { from, to, amount: 7, nonce: account.nonce, r: [0; 32], s: [0; 32] };
    alter(&mut transfer);
    let Transfer { from: place, to, amount, nonce, .. } = transfer;
    world.wallets[from as usize].transfer_with::<C>(&world.domain, place, to, amount, nonce)
}

/// Keys that are none, or another's.
fn mispointed<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(seed: u64) -> Vec<Case> {
    let neutral = std::array::from_fn(|i| u8::from(i == 63));
    let mut range = refused::<C, DEPTH, TRANSFERS>(
        "a coordinate that is not reduced",
        seed,
        Fault::Point(PointFault::Range),
        |world| world.transfer(),
        |touched| {
            let modulus = BigUint::from_slice(&MODULUS);
            let x = BigUint::from_bytes_be(&touched.eighth[..32]) + modulus;
            touched.eighth[..32].copy_from_slice(&bytes(&x));
        },
    );
    // A field element has no second form.
    range.circuit_input = None;
    let thief = Wallet::from_seed(&[0xee; 32]);
    let stolen = thief.clone();
    let mut foreign = refused::<C, DEPTH, TRANSFERS>(
        "signed with another's key",
        seed,
        Fault::Key,
        |world| {
            let Transfer { from, to, amount, nonce, .. } = world.transfer();
            let posing = stolen.posing_as(world.wallets[from as usize].key());
            posing.transfer_with::<C>(&world.domain, from, to, amount, nonce)
        },
        |touched| touched.eighth = eighth(&thief),
    );
    // The circuit takes the key from its eighth, and the challenge is then of that key.
    foreign.circuit_input = refused::<C, DEPTH, TRANSFERS>(
        "signed with another's key",
        seed,
        Fault::Key,
        |world| {
            let Transfer { from, to, amount, nonce, .. } = world.transfer();
            thief.transfer_with::<C>(&world.domain, from, to, amount, nonce)
        },
        |touched| touched.eighth = eighth(&thief),
    )
    .circuit_input;
    vec![
        range,
        foreign,
        refused::<C, DEPTH, TRANSFERS>(
            "a point that is not on the curve",
            seed,
            Fault::Point(PointFault::Curve),
            |world| world.transfer(),
            |touched| touched.eighth[63] ^= 1,
        ),
        refused::<C, DEPTH, TRANSFERS>(
            "the neutral key",
            seed,
            Fault::Point(PointFault::Order),
            |world| {
                let (from, to) = world.places();
                let nobody = Wallet::nobodys();
                world.edit(from, |account| account.key = nobody.key());
                nobody.transfer_with::<C>(&world.domain, from, to, 7, world.state.accounts()[from as usize].nonce)
            },
            |touched| touched.eighth = neutral,
        ),
    ]
}

fn eighth(wallet: &Wallet) -> [u8; 64] {
    rollup_core::Portable::eighth_of(&wallet.key()).expect("a wallet's key has prime order")
}

/// Batches of a wrong form.
fn misshapen<C: Clone + Crypto, const DEPTH: usize, const TRANSFERS: usize>(seed: u64) -> Vec<Case> {
    let mut world = World::<DEPTH, C>::new(seed);
    let empty = world.parts::<TRANSFERS>(&[]);
    let mut cases = vec![case("no transfer", &empty, Err(Refusal::Empty))];

    let full = valid::<C, DEPTH, TRANSFERS>(seed, TRANSFERS);
    let length = full.input.len();
    for (name, actual) in [("an input that is too short", length - 1), ("an input that is too long", length + 1)] {
        let mut input = full.input.clone();
        input.resize(actual, 0);
        let expected = Err(Refusal::Length { expected: length, actual });
        cases.push(Case { name, input, circuit_input: None, expected });
    }

    if TRANSFERS > 1 {
        let transfer = world.transfer();
        let parts = world.parts::<TRANSFERS>(&[transfer]);
        let mut input = parts.input();
        let records = 64..64 + TRANSFERS * Transfer::LENGTH;
        input[records].rotate_right(Transfer::LENGTH);
        let mut circuit_input = parts.circuit_input();
        for (name, rows) in circuit_input.as_object_mut().into_iter().flatten() {
            if let Some(rows) = rows.as_array_mut()
                && name != "root"
            {
                rows.rotate_right(1);
            }
        }
        let circuit_input = Some(circuit_input);
        cases.push(Case { name: "padding first", input, circuit_input, expected: Err(Refusal::Empty) });
    }
    if TRANSFERS > 2 {
        // The roots fit: padding changes nothing.
        let mut between = valid::<C, DEPTH, TRANSFERS>(seed, TRANSFERS - 1);
        between.name = "padding between";
        between.input[64 + Transfer::LENGTH..64 + TRANSFERS * Transfer::LENGTH].rotate_right(Transfer::LENGTH);
        for (name, rows) in between.circuit_input.iter_mut().filter_map(Value::as_object_mut).flatten() {
            if let Some(rows) = rows.as_array_mut()
                && name != "root"
            {
                rows[1..].rotate_right(1);
            }
        }
        between.expected = Err(Refusal::Gap { at: 2 });
        cases.push(between);
    }
    cases
}

fn bytes(number: &BigUint) -> [u8; 32] {
    let digits = number.to_bytes_be();
    let mut bytes = [0; 32];
    bytes[32 - digits.len()..].copy_from_slice(&digits);
    bytes
}
