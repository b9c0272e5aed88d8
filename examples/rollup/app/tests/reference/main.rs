//! The core and the sequencer against a model that was written from the documents alone: the slowest way that each of them
//! can be read.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod curve;
mod model;
mod sha;

use model::Model;
use rand::Rng;
use rollup_core::{Journal, Portable, Transfer};
use zkpool_rollup::{Sequencer, testing::World};

/// A transfer, and what may be done to it on its way.
fn tampered(world: &mut World<3, Portable>, transfer: Transfer) -> Transfer {
    let (from, to) = world.places();
    let owner = &world.wallets[transfer.from as usize];
    let account = world.state.accounts()[transfer.from as usize];
    let Transfer { amount, nonce, .. } = transfer;
    let again = |from, to, amount, nonce| owner.transfer(&world.domain, from, to, amount, nonce);
    match world.rng.gen_range(0..12) {
        0 => again(transfer.from, transfer.to, account.balance, nonce),
        1 => again(transfer.from, transfer.to, account.balance + 1, nonce),
        2 => again(transfer.from, transfer.to, u64::MAX, nonce),
        3 => again(transfer.from, transfer.from, amount, nonce),
        4 => again(transfer.from, transfer.to + 8, amount, nonce),
        5 => again(transfer.from, transfer.to, amount, nonce.wrapping_sub(1)),
        6 => again(from, to, amount, nonce),
        7 | 8 => {
            let mut record = transfer.encode();
            let bit = world.rng.gen_range(0..8 * Transfer::LENGTH);
            record[bit / 8] ^= 1 << (bit % 8);
            Transfer::decode(&record)
        }
        _ => transfer,
    }
}

#[test]
fn core_and_model_agree_on_random_transfers() {
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..30 {
        let mut world = World::<3, Portable>::new(seed);
        let mut model = Model::new(world.domain.chain_id, world.domain.rollup, world.state.accounts());
        let mut sequencer = Sequencer::<3, 2>::new(world.domain, world.state.accounts(), 5).unwrap();
        assert_eq!(sequencer.state().root(), model.root());
        let mut expected = vec![];
        for _ in 0..10 {
            let transfer = world.transfer();
            let transfer = tampered(&mut world, transfer);
            let (before, valid) = (model.root(), model.apply(&transfer));
            assert_eq!(sequencer.submit(transfer).is_ok(), valid, "seed {seed}: {transfer:?}");
            if valid {
                expected.push((before, transfer, model.root()));
                world.state = sequencer.pending().clone();
            }
            *(if valid { &mut taken } else { &mut refused }) += 1;
            assert_eq!(sequencer.pending().root(), model.root());
        }
        for (batch, expected) in (5..).zip(expected.chunks(2)) {
            let made = sequencer.next_batch().unwrap();
            let mut records: Vec<u8> = expected.iter().flat_map(|(_, transfer, _)| transfer.encode()).collect();
            records.resize(2 * Transfer::LENGTH, 0);
            assert_eq!(made.records, records);
            let journal = Journal {
                context: world.domain.context(batch),
                pre_root: expected[0].0,
                post_root: expected[expected.len() - 1].2,
                transfers: sha::sha256(&records),
            };
            assert_eq!(made.journal, journal);
            assert_eq!(made.journal.encode(), model.journal(batch, &journal));
            let applied = rollup_core::apply::<Portable, 3, 2>(&made.zkvm_input);
            assert_eq!((applied, &made.sgx_input), (Ok(journal), &made.zkvm_input));
        }
        assert_eq!(sequencer.next_batch(), None);
    }
    assert!(taken > 80 && refused > 80, "{taken} taken, {refused} refused");
}
