//! A task's ways through the service, with the money that moves.

use crate::{
    ledger::SINK,
    operator::DOMAIN,
    pool::{FUNDS, PAYER, Pool},
    prover::Habit,
};
use zkpool_api::QuoteStatus;
use zkpool_protocol::{ErrorCode, TaskState};
use zkpool_service::ops;
use zkpool_store::{End, LeaseEnd};

#[tokio::test]
async fn from_a_wish_to_the_money() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(1)).await;
    let before = pool.balance(pool.operator.address());
    let quote = pool.quote("one").await;
    assert_eq!(quote.signer(&DOMAIN).unwrap(), pool.operator.signer.address());
    assert_eq!(quote.quote.task.statement, crate::pool::statement());
    let (id, terms) = (pool.publish(&quote), quote.quote.terms.clone());
    pool.until(id, TaskState::Delivered).await;
    assert_eq!(pool.task(id).await.chain.ended.unwrap().1, End::DeliveredOnTime);
    assert_eq!(pool.balance(PAYER), FUNDS - terms.reward);
    assert_eq!(pool.balance(pool.operator.address()), before + terms.reward);
    let view = ops::tasks::task(pool.operator.ctx(), id).await.unwrap();
    assert_eq!((view.jobs.len(), view.txs.len(), view.state), (1, 1, TaskState::Delivered));
    assert_eq!(view.timings.proving_ms, Some(500));
    // And the slot serves again once the end cannot be taken back and the quote has expired.
    pool.round_of(100).await.unwrap();
    pool.rounds(3).await;
    assert_eq!(pool.quote("two").await.quote.task.slot, quote.quote.task.slot);
}

#[tokio::test]
async fn a_proof_is_shown_only_when_its_publication_is_deep_enough() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let id = pool.publish(&pool.quote("one").await);
    pool.world.hold(false);
    pool.world.mine(1);
    pool.world.hold(true);
    // The proof is there, and the publication is the newest block.
    for _ in 0..3 {
        let prover = &mut pool.provers[0];
        prover.claim_and(&pool.operator).await.unwrap();
        prover.work(&pool.operator).await.unwrap();
    }
    pool.operator.reconcile().await.unwrap();
    assert_eq!(pool.state(id).await, TaskState::Proven);
    assert!(pool.world.waiting().is_empty(), "{:?}", pool.world.waiting());
    pool.world.mine(1);
    pool.operator.reconcile().await.unwrap();
    assert_eq!(pool.state(id).await, TaskState::Submitting);
    let signer = pool.operator.signer.address();
    assert_eq!(pool.world.waiting(), [format!("{signer}/prove:{id}")]);
}

#[tokio::test]
async fn a_publication_that_is_taken_back_before_the_proof_is_shown_costs_nothing() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let quote = pool.quote("one").await;
    let id = pool.publish(&quote);
    pool.world.mine(1);
    let published = pool.world.head().number;
    pool.operator.only(&["follow", "plan"]).await.unwrap();
    assert_eq!(pool.state(id).await, TaskState::Proving);
    pool.world.rewind(published - 1);
    pool.rounds(3).await;
    assert_eq!(pool.state(id).await, TaskState::Quoted);
    assert!(pool.provers[0].given.is_empty());
    // It comes in again, later.
    pool.publish(&quote);
    pool.until(id, TaskState::Delivered).await;
}

#[tokio::test]
async fn a_lie_goes_to_somebody_else_and_never_back() {
    let mut pool = Pool::start().await.and_prover(Habit::Lies).await;
    let id = pool.publish(&pool.quote("one").await);
    pool.rounds(5).await;
    assert_eq!(pool.state(id).await, TaskState::Proving);
    let liar = pool.operator.ctx().store.prover(&pool.provers[0].id()).await.unwrap().unwrap();
    assert_eq!(liar.standing.misses, 1);
    // It is honest from now on, and its exclusion is over; the job does not come back to it all the same.
    pool.provers[0].habit = Habit::Works(0);
    pool.round_of(20).await.unwrap();
    for _ in 0..45 {
        pool.world.mine(1);
        pool.provers[0].claim_and(&pool.operator).await.unwrap();
    }
    assert_eq!(pool.provers[0].given.len(), 1);
    pool.join(Habit::Works(0)).await;
    pool.until(id, TaskState::Delivered).await;
    assert_eq!((pool.provers[0].given.len(), pool.provers[1].given.len()), (1, 1));
}

#[tokio::test]
async fn what_is_given_up_goes_to_somebody_else() {
    let mut pool = Pool::start().await.and_prover(Habit::GivesUp).await.and_prover(Habit::Works(0)).await;
    let quotes = [pool.quote("one").await, pool.quote("two").await];
    let ids = quotes.each_ref().map(|quote| pool.publish(quote));
    for id in ids {
        pool.until(id, TaskState::Delivered).await;
    }
    assert!(pool.provers[0].given.len() <= 2);
}

#[tokio::test]
async fn a_prover_that_vanishes_loses_its_lease_and_may_have_the_job_again() {
    let mut pool = Pool::start().await.and_prover(Habit::Vanishes).await;
    let id = pool.publish(&pool.quote("one").await);
    pool.rounds(4).await;
    let lost = pool.provers[0].held.clone();
    assert_eq!(lost.len(), 1);
    // Its process is started again: it holds nothing, and is given the same lease.
    pool.provers[0].held.clear();
    pool.rounds(5).await;
    assert_eq!(pool.provers[0].held[0].0.lease.fence, lost[0].0.lease.fence);
    // It says nothing for longer than the lease.
    for _ in 0..20 {
        pool.world.mine(1);
        pool.operator.reconcile().await.unwrap();
    }
    let leases = pool.operator.ctx().store.leases_of(lost[0].0.id).await.unwrap();
    assert_eq!(leases[0].ended, Some(LeaseEnd::Expired));
    // What it brings late counts while nobody else has the job.
    pool.provers[0].habit = Habit::Works(0);
    pool.provers[0].work(&pool.operator).await.unwrap();
    pool.until(id, TaskState::Delivered).await;
}

#[tokio::test]
async fn a_holder_that_falls_behind_is_helped() {
    let mut pool = Pool::start().await.and_prover(Habit::Dawdles).await;
    let id = pool.publish(&pool.quote("one").await);
    pool.rounds(3).await;
    assert_eq!(pool.provers[0].held.len(), 1);
    pool.join(Habit::Works(0)).await;
    pool.until(id, TaskState::Delivered).await;
    assert_eq!(pool.provers[1].given.len(), 1);
    assert_eq!(pool.task(id).await.chain.ended.unwrap().1, End::DeliveredOnTime);
    pool.rounds(1).await;
    assert!(pool.provers[0].held.is_empty(), "it was told to stop");
}

#[tokio::test]
async fn late_is_delivered_while_it_can_be_paid() {
    let mut pool = Pool::start().await.and_prover(Habit::Vanishes).await;
    let before = pool.balance(pool.operator.address());
    let quote = pool.quote("one").await;
    let (id, terms) = (pool.publish(&quote), quote.quote.terms.clone());
    pool.rounds(5).await;
    pool.round_of(60).await.unwrap();
    pool.provers[0].held.clear();
    pool.join(Habit::Works(0)).await;
    pool.until(id, TaskState::Delivered).await;
    assert_eq!(pool.task(id).await.chain.ended.unwrap().1, End::DeliveredLate);
    assert_eq!(pool.balance(pool.operator.address()), before + terms.reward);
    assert_eq!(pool.balance(PAYER), FUNDS - terms.reward + 501, "the larger half of the bond");
}

#[tokio::test]
async fn what_is_never_delivered_is_collected_and_the_slot_filled_up() {
    let mut pool = Pool::start().await.and_prover(Habit::Vanishes).await;
    let quote = pool.quote("one").await;
    let (id, terms) = (pool.publish(&quote), quote.quote.terms.clone());
    pool.until(id, TaskState::Missed).await;
    pool.collect(&quote);
    pool.until(id, TaskState::Defaulted).await;
    assert_eq!(pool.balance(PAYER), FUNDS + terms.liability + terms.bond);
    assert_eq!(pool.balance(SINK), terms.burn);
    pool.rounds(3).await;
    let slot = pool.world.ledger().slot(pool.operator.address(), quote.quote.task.slot);
    assert_eq!(slot.collateral, 1_000_000, "topped up");
}

#[tokio::test]
async fn a_slot_that_nobody_collects_from_is_freed_in_the_end() {
    let mut pool = Pool::start().await.and_prover(Habit::Vanishes).await;
    let id = pool.publish(&pool.quote("one").await);
    pool.until(id, TaskState::Missed).await;
    pool.round_of(3_700).await.unwrap();
    pool.until(id, TaskState::Defaulted).await;
    assert!(pool.balance(PAYER) > FUNDS, "the requester has what it is owed");
}

#[tokio::test]
async fn two_tasks_at_once_on_two_slots() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(2)).await;
    let quotes = [pool.quote("one").await, pool.quote("two").await];
    assert_ne!(quotes[0].quote.task.slot, quotes[1].quote.task.slot);
    let ids = quotes.each_ref().map(|quote| pool.publish(quote));
    for id in ids {
        pool.until(id, TaskState::Delivered).await;
    }
}

#[tokio::test]
async fn a_rejected_proof_is_tried_again_until_the_contract_takes_it() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let id = pool.publish(&pool.quote("one").await);
    pool.world.force(|ledger, _| {
        ledger.refused = Some("prove");
        vec![]
    });
    pool.rounds(12).await;
    let task = pool.task(id).await;
    assert!(task.failed_submissions > 1, "{task:?}");
    pool.world.force(|ledger, _| {
        ledger.refused = None;
        vec![]
    });
    pool.until(id, TaskState::Delivered).await;
}

#[tokio::test]
async fn a_halted_verifier_is_noted_once_per_period() {
    let mut pool = Pool::start().await.and_prover(Habit::Vanishes).await;
    pool.publish(&pool.quote("one").await);
    pool.rounds(3).await;
    pool.world.switch(|switches| switches.halted = true);
    pool.world.hold(true);
    pool.rounds(5).await;
    let id = pool.operator.ctx().store.tasks_in(&[TaskState::Proving]).await.unwrap()[0].id().unwrap();
    let noted = pool.operator.ctx().store.transactions_of(id).await.unwrap();
    let halts = noted.iter().filter(|tx| tx.purpose.starts_with("halt:")).count();
    assert!((1..=2).contains(&halts), "{halts}");
}

#[tokio::test]
async fn a_quote_that_is_not_published_frees_its_slot() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let quote = pool.quote("one").await;
    let id = quote.quote.id(&DOMAIN);
    pool.round_of(61).await.unwrap();
    assert_eq!(pool.state(id).await, TaskState::Quoted, "a block that is not deep enough could still bring it");
    pool.until(id, TaskState::Lapsed).await;
    let reply = ops::quotes::quote(pool.operator.ctx(), PAYER, Pool::wish("one").id()).await.unwrap();
    assert_eq!((reply.status, reply.error.unwrap().code), (QuoteStatus::Refused, ErrorCode::QuoteExpired));
    // Asked anew, it is another task on the same slot.
    let again = pool.quote("one").await.quote;
    assert_ne!(again.id(&DOMAIN), id);
    assert_eq!(again.task.slot, quote.quote.task.slot);
}
