//! The same over the real contracts on a real chain, where nothing is made up: a task is taken along each of its ways
//! once, undisturbed, and every step that was stored is noted. Then it is taken there again for every one of these steps,
//! by a process that dies of it, before or after it is durable, and is started again.
//!
//! However often it dies, the money is where the contract's rules say, and no transaction was paid for twice.

mod journey;

use crate::{crash::BEGINNINGS, stage::Stage};
use journey::{Journey, Way};
use std::collections::HashSet;
use zkpool_protocol::TaskState;
use zkpool_store::faults::{Move, Side};

/// Dies at each step of every way, those aside that another way had before.
async fn survive(side: Side) {
    let stage = Stage::set().await;
    let mut known = HashSet::new();
    for way in Way::ALL {
        let steps = Journey::begin(&stage, way, "undisturbed").await.travel(None).await;
        for step in steps.into_iter().filter(|step| known.insert(*step)) {
            Journey::begin(&stage, way, &format!("{step}:{side}")).await.travel(Some((step, side))).await;
        }
    }
    let begins = |step: &&Move| matches!(step, Move::Task(None, _) | Move::Job(None, _));
    for step in known.iter().filter(begins) {
        assert!(BEGINNINGS.contains(step), "{step}: to be died at in the crash tests");
    }
    // A new state needs a way through it.
    for state in TaskState::ALL.iter().filter(|state| state.is_live()) {
        assert!(known.iter().any(|step| matches!(step, Move::Task(Some(from), _) if from == state)), "{state}");
    }
}

#[tokio::test]
async fn every_way_is_travelled_though_it_dies_before_each_step() {
    survive(Side::Before).await;
}

#[tokio::test]
async fn every_way_is_travelled_though_it_dies_after_each_step() {
    survive(Side::After).await;
}
