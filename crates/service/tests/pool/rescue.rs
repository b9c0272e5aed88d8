//! Late tasks of other operators.

use crate::{
    operator::{DOMAIN, Operator, UNITS},
    pool::{PAYER, Pool},
    prover::Habit,
};
use serde_json::json;
use zkpool_api::PublishedRequest;
use zkpool_chain::PoolEvent;
use zkpool_protocol::{B256, ErrorCode, SignedQuote, TaskState};
use zkpool_service::ops;

/// A second operator, with whom the same requester has published, and who stalls.
async fn stalling(pool: &mut Pool) -> (Operator, SignedQuote) {
    let mut other = Operator::new(pool.world.clone(), 0x61, json!({}));
    let address = other.address();
    pool.world.force(move |ledger, _| {
        ledger.mint(address, 100_000_000);
        vec![]
    });
    pool.world.mine(1);
    other.start().await;
    for _ in 0..4 {
        pool.world.mine(1);
        other.reconcile().await.unwrap();
    }
    let prover = crate::prover::Prover::new(0xd0, Habit::Vanishes);
    prover.join(&other).await.unwrap();
    Pool::prepare(&other).await.unwrap();
    let mut wish = Pool::wish("theirs");
    // So much that somebody else takes it over gladly.
    (wish.bond, wish.liability_window) = (100_000, 200);
    let request = wish.id();
    let asked = ops::quotes::request_quote(other.ctx(), PAYER, wish, std::time::Duration::ZERO).await;
    other.judge(asked).unwrap();
    other.only(&["preflight"]).await.unwrap();
    let reply = ops::quotes::quote(other.ctx(), PAYER, request).await.unwrap();
    let quote = reply.quote.unwrap_or_else(|| panic!("{:?}", reply.error));
    pool.publish(&quote);
    pool.round().await.unwrap();
    (other, quote)
}

async fn tell(pool: &Pool, quote: &SignedQuote) -> zkpool_service::OpResult<zkpool_api::PublishedReply> {
    Pool::prepare(&pool.operator).await.unwrap();
    let told = PublishedRequest { quote: quote.clone(), call: Pool::wish("").call };
    ops::published::announce_published(pool.operator.ctx(), PAYER, told).await
}

#[tokio::test]
async fn a_late_task_of_another_operator_is_taken_over_and_paid() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let (other, quote) = stalling(&mut pool).await;
    let (id, terms) = (quote.quote.id(&DOMAIN), quote.quote.terms.clone());
    assert_eq!(tell(&pool, &quote).await.unwrap().state, TaskState::Watched);
    let before = (pool.balance(pool.operator.address()), pool.balance(other.address()), pool.balance(PAYER));
    pool.rounds(20).await;
    assert_eq!(pool.state(id).await, TaskState::Watched, "not late yet");
    pool.round_of(45).await.unwrap();
    pool.until(id, TaskState::Delivered).await;
    assert_eq!(pool.task(id).await.price.unwrap().units.0, UNITS, "what its provers are paid by");
    assert_eq!(pool.balance(pool.operator.address()), before.0 + terms.reward + terms.bond / 2);
    assert_eq!(pool.balance(other.address()), before.1, "it has its advance and nothing else");
    assert_eq!(pool.balance(PAYER), before.2 + terms.bond - terms.bond / 2);
    // The stalling operator sees that it has lost the task.
    other.only(&["follow"]).await.unwrap();
    let theirs = other.ctx().store.task(id).await.unwrap().unwrap();
    assert_eq!(theirs.state, TaskState::Rescued);
}

#[tokio::test]
async fn nobody_needs_to_tell_of_a_late_task() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    // The requester has asked this operator, too.
    let mut wish = Pool::wish("theirs");
    (wish.bond, wish.liability_window) = (100_000, 200);
    pool.ask(wish).await.unwrap();
    let (_other, quote) = stalling(&mut pool).await;
    let id = quote.quote.id(&DOMAIN);
    assert_eq!(pool.state(id).await, TaskState::Watched);
    pool.round_of(61).await.unwrap();
    pool.until(id, TaskState::Delivered).await;
}

#[tokio::test]
async fn what_this_operator_was_not_asked_for_is_not_watched() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let (_other, quote) = stalling(&mut pool).await;
    pool.rounds(3).await;
    assert_eq!(pool.operator.ctx().store.task(quote.quote.id(&DOMAIN)).await.unwrap(), None);
}

/// The collateral would be the liar's.
#[tokio::test]
async fn a_task_that_cannot_be_proven_is_not_taken_over() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let (other, quote) = stalling(&mut pool).await;
    let mut lie = quote.clone();
    (lie.quote.task.statement, lie.quote.task.slot) = (B256::repeat_byte(9), 1);
    lie.signature = other.signer.sign_digest(&lie.quote.id(&DOMAIN)).unwrap();
    let id = pool.publish(&lie);
    pool.round().await.unwrap();
    // The input is known to prove what the honest quote says.
    tell(&pool, &quote).await.unwrap();
    pool.rounds(3).await;
    assert_eq!(tell(&pool, &lie).await.unwrap().state, TaskState::Watched);
    pool.round_of(61).await.unwrap();
    pool.rounds(3).await;
    assert_eq!(pool.state(id).await, TaskState::Released);
    assert!(!pool.world.events_of(id).iter().any(|event| matches!(event, PoolEvent::RescueAnnounced { .. })));
    pool.until(quote.quote.id(&DOMAIN), TaskState::Delivered).await;
}

#[tokio::test]
async fn nothing_is_taken_over_that_nobody_could_prove() {
    let mut pool = Pool::start().await;
    let (_other, quote) = stalling(&mut pool).await;
    tell(&pool, &quote).await.unwrap();
    pool.round_of(61).await.unwrap();
    pool.rounds(5).await;
    assert_eq!(pool.state(quote.quote.id(&DOMAIN)).await, TaskState::Watched);
}

#[tokio::test]
async fn a_rescue_ends_when_the_original_delivers_in_the_grace_period() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let (mut other, quote) = stalling(&mut pool).await;
    let id = quote.quote.id(&DOMAIN);
    tell(&pool, &quote).await.unwrap();
    pool.round_of(61).await.unwrap();
    pool.rounds(4).await;
    assert!(pool.state(id).await.is_live(), "announced");
    let mut prover = crate::prover::Prover::new(0xd1, Habit::Works(0));
    prover.join(&other).await.unwrap();
    other.running = zkpool_service::RECONCILERS.to_vec();
    for _ in 0..20 {
        pool.world.mine(1);
        prover.claim_and(&other).await.unwrap();
        prover.work(&other).await.unwrap();
    }
    pool.until(id, TaskState::Released).await;
    let slot = pool.world.ledger().slot(pool.operator.address(), 0);
    assert_eq!(slot.collateral, 1_000_000, "nothing was lost");
    pool.rounds(5).await;
}

#[tokio::test]
async fn what_does_not_pay_is_left_alone() {
    let rescue = json!({ "enabled": true, "min_gain": "1000000000", "watched_per_address": 4 });
    let mut pool = Pool::with(json!({ "rescue": rescue })).await.and_prover(Habit::Works(0)).await;
    let (_other, quote) = stalling(&mut pool).await;
    let id = quote.quote.id(&DOMAIN);
    tell(&pool, &quote).await.unwrap();
    pool.round_of(61).await.unwrap();
    pool.rounds(10).await;
    assert_eq!(pool.state(id).await, TaskState::Watched);
    pool.round_of(200).await.unwrap();
    pool.until(id, TaskState::Released).await;
}

#[tokio::test]
async fn only_what_is_live_and_known_is_watched() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let (_other, quote) = stalling(&mut pool).await;
    let refused = |outcome: zkpool_service::OpResult<zkpool_api::PublishedReply>| outcome.unwrap_err().code;
    let mut altered = quote.clone();
    altered.quote.terms.reward += 1;
    assert_eq!(refused(tell(&pool, &altered).await), ErrorCode::NotFound, "the chain does not know it");
    let mut other_call = PublishedRequest { quote: quote.clone(), call: Pool::wish("").call };
    other_call.call.prefix = vec![9].into();
    let told = ops::published::announce_published(pool.operator.ctx(), PAYER, other_call).await;
    assert_eq!(refused(told), ErrorCode::QuoteAltered);
    let mut foreign = quote.clone();
    foreign.quote.terms.verifier = zkpool_protocol::Address::repeat_byte(9);
    assert_eq!(refused(tell(&pool, &foreign).await), ErrorCode::VerifierNotAllowed);
    let told = PublishedRequest { quote: quote.clone(), call: Pool::wish("").call };
    let stranger = zkpool_protocol::Address::repeat_byte(3);
    let told = ops::published::announce_published(pool.operator.ctx(), stranger, told).await;
    assert_eq!(refused(told), ErrorCode::UnknownInput);
    let own = pool.quote("own").await;
    assert_eq!(tell(&pool, &own).await.unwrap().state, TaskState::Quoted);
}
