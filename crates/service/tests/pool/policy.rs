//! What an operator does not sign, and why; what it signs once.

use crate::{
    operator::{DOMAIN, TARGET, TOKEN},
    pool::{FUNDS, PAYER, Pool},
    prover::Habit,
};
use serde_json::json;
use std::{sync::atomic::Ordering, time::Duration};
use zkpool_api::{QuoteReply, QuoteRequest, QuoteStatus};
use zkpool_protocol::{Address, B256, BlobId, ErrorCode, TaskState};
use zkpool_service::ops;

async fn refused(pool: &Pool, wish: QuoteRequest) -> (QuoteStatus, ErrorCode, QuoteReply) {
    let reply = pool.ask(wish).await.unwrap();
    let error = reply.error.clone().unwrap_or_else(|| panic!("not refused: {reply:?}"));
    assert!(reply.quote.is_none() && !error.message.is_empty());
    (reply.status, error.code, reply)
}

async fn code(pool: &Pool, change: impl FnOnce(&mut QuoteRequest)) -> ErrorCode {
    let mut wish = Pool::wish("refused");
    change(&mut wish);
    refused(pool, wish).await.1
}

#[tokio::test]
async fn what_the_operator_does_not_agree_to_is_refused_by_name() {
    let pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let stranger = Address::repeat_byte(9);
    assert_eq!(code(&pool, |wish| wish.verifier = Some(stranger)).await, ErrorCode::VerifierNotAllowed);
    assert_eq!(code(&pool, |wish| wish.verifier = None).await, ErrorCode::VerifierNotAllowed);
    assert_eq!(code(&pool, |wish| wish.reward_token = stranger).await, ErrorCode::TokenNotAllowed);
    assert_eq!(code(&pool, |wish| wish.liability_token = stranger).await, ErrorCode::TokenNotAllowed);
    assert_eq!(code(&pool, |wish| wish.statement = Some(B256::ZERO)).await, ErrorCode::WrongPublicInputs);
    assert_eq!(code(&pool, |wish| wish.max_reward = Some(1)).await, ErrorCode::TooExpensive);
    assert_eq!(code(&pool, |wish| wish.proof_window = 3).await, ErrorCode::DeadlineTooShort);
    assert_eq!(code(&pool, |wish| wish.liability = 2_000_000).await, ErrorCode::NoCapacity);
    pool.world.switch(|switches| switches.empty = [TARGET].into());
    assert_eq!(code(&pool, |_| {}).await, ErrorCode::TargetFails);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_itself_is_an_error() {
    let pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    Pool::prepare(&pool.operator).await.unwrap();
    let ask = async |who: Address, change: fn(&mut QuoteRequest)| {
        let mut wish = Pool::wish("wrong");
        change(&mut wish);
        ops::quotes::request_quote(pool.operator.ctx(), who, wish, Duration::ZERO).await.unwrap_err().code
    };
    assert_eq!(ask(Address::repeat_byte(1), |_| {}).await, ErrorCode::Forbidden);
    assert_eq!(ask(PAYER, |wish| wish.program = BlobId::of(b"?")).await, ErrorCode::UnknownProgram);
    assert_eq!(ask(PAYER, |wish| wish.input = BlobId::of(b"?")).await, ErrorCode::UnknownInput);
    let changes: [fn(&mut QuoteRequest); 6] = [
        |wish| wish.proof_window = 0,
        |wish| wish.liability_window = 1,
        |wish| wish.liability_window = u32::MAX,
        |wish| wish.call_gas = u32::MAX,
        |wish| wish.target = Address::ZERO,
        |wish| wish.reference = "x".repeat(65),
    ];
    for change in changes {
        assert_eq!(ask(PAYER, change).await, ErrorCode::BadRequest);
    }
    // Nothing of it was stored.
    assert!(pool.operator.ctx().store.tasks_in(TaskState::ALL).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_prover_there_is_only_a_price() {
    let mut pool = Pool::start().await;
    let (status, code, reply) = refused(&pool, Pool::wish("one")).await;
    assert_eq!((status, code), (QuoteStatus::Indicative, ErrorCode::NoProver));
    assert!(reply.price.unwrap().reward > 0);
    // The same request is decided anew once there is one.
    pool.join(Habit::Works(0)).await;
    pool.round_of(2).await.unwrap();
    assert!(pool.quote("one").await.quote.terms.reward > 0);
}

#[tokio::test]
async fn a_payer_must_have_the_money_for_all_its_open_quotes() {
    let pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let reward = pool.quote("one").await.quote.terms.reward;
    let poor = move |ledger: &mut crate::ledger::Ledger, _| {
        // Enough for one and a half.
        ledger.balances.insert(PAYER, reward + reward / 2);
        ledger.mint(crate::ledger::SINK, FUNDS - reward - reward / 2);
        vec![]
    };
    pool.world.force(poor);
    pool.world.mine(1);
    let (status, code, _) = refused(&pool, Pool::wish("two")).await;
    assert_eq!((status, code), (QuoteStatus::Indicative, ErrorCode::Unfunded));
    // What the pool may take from its wallet counts, too.
    pool.world.switch(|switches| switches.payable = reward);
    pool.quote("three").await;
}

#[tokio::test]
async fn a_payer_has_so_many_live_quotes_and_no_more() {
    let pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    for reference in ["one", "two", "three"] {
        pool.quote(reference).await;
    }
    let (status, code, _) = refused(&pool, Pool::wish("four")).await;
    assert_eq!((status, code), (QuoteStatus::Indicative, ErrorCode::TooManyQuotes));
}

#[tokio::test]
async fn a_slot_backs_one_promise_at_a_time() {
    let quotes = json!({ "validity": 60, "live_per_payer": 10 });
    let pool = Pool::with(json!({ "quotes": quotes })).await.and_prover(Habit::Works(0)).await;
    let mut slots = Vec::new();
    for reference in ["one", "two", "three", "four"] {
        slots.push(pool.quote(reference).await.quote.task.slot);
    }
    slots.sort_unstable();
    assert_eq!(slots, [0, 1, 2, 3]);
    let (status, code, _) = refused(&pool, Pool::wish("five")).await;
    assert_eq!((status, code), (QuoteStatus::Indicative, ErrorCode::NoCapacity));
}

#[tokio::test]
async fn a_retry_returns_the_same_quote_across_restarts() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let quote = pool.quote("one").await;
    assert_eq!(pool.quote("one").await, quote);
    pool.operator.restart().await;
    assert_eq!(pool.quote("one").await, quote);
    assert_ne!(pool.quote("one").await.quote.task.salt, B256::ZERO);
}

#[tokio::test]
async fn slots_from_before_a_start_are_left_alone_until_no_quote_can_be_good() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    pool.operator.restart().await;
    let reply = pool.ask(Pool::wish("blind")).await.unwrap();
    assert_eq!(reply.error.unwrap().code, ErrorCode::Starting, "the chain was not read yet");
    pool.rounds(2).await;
    let (status, code, reply) = refused(&pool, Pool::wish("one")).await;
    assert_eq!((status, code), (QuoteStatus::Indicative, ErrorCode::Starting));
    assert!(reply.price.is_some());
    pool.round_of(301).await.unwrap();
    pool.quote("one").await;
}

#[tokio::test]
async fn slots_that_are_opened_after_a_start_serve_at_once() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    pool.operator.config.slots[0].count = 5;
    pool.operator.restart().await;
    pool.rounds(4).await;
    assert_eq!(pool.quote("one").await.quote.task.slot, 4);
}

#[tokio::test]
async fn after_misses_nothing_is_promised_until_time_or_the_operator_say_so() {
    let mut pool = Pool::start().await.and_prover(Habit::Vanishes).await;
    for reference in ["one", "two"] {
        let quote = pool.quote(reference).await;
        let id = pool.publish(&quote);
        pool.until(id, TaskState::Missed).await;
        pool.collect(&quote);
        pool.provers[0] = crate::prover::Prover::new(0xe0 + reference.len() as u8, Habit::Vanishes);
        pool.provers[0].join(&pool.operator).await.unwrap();
        pool.rounds(3).await;
    }
    let (status, code, _) = refused(&pool, Pool::wish("three")).await;
    assert_eq!((status, code), (QuoteStatus::Indicative, ErrorCode::CircuitOpen));
    let info = ops::info::info(pool.operator.ctx()).await.unwrap();
    assert!(!info.quoting && info.not_quoting.unwrap().code == ErrorCode::CircuitOpen);
    ops::info::health(pool.operator.ctx()).await.unwrap();
    ops::info::reset_breaker(pool.operator.ctx()).await.unwrap();
    pool.provers[0].join(&pool.operator).await.unwrap();
    assert!(pool.ask(Pool::wish("four")).await.unwrap().error.is_none_or(|error| error.code != ErrorCode::CircuitOpen));
}

#[tokio::test]
async fn promised_time_is_not_promised_twice() {
    // A prover that takes 15 s for a task, asked for tasks that have 60 s.
    let pool = Pool::start().await;
    let prover = crate::prover::Prover::new(0xc0, Habit::Works(15));
    prover.join_at(&pool.operator, 1_000.0 / 15.0).await.unwrap();
    for reference in ["one", "two", "three"] {
        pool.quote(reference).await;
    }
    let (_, code, _) = refused(&pool, Pool::wish("four")).await;
    assert_eq!(code, ErrorCode::DeadlineTooShort);
}

#[tokio::test]
async fn a_foreign_program_is_tried_once_per_input_and_on_its_verifier() {
    let pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    pool.world.switch(|switches| switches.rejects = true);
    assert_eq!(refused(&pool, Pool::wish("one")).await.1, ErrorCode::VerifierNotAllowed);
    pool.world.switch(|switches| switches.rejects = false);
    pool.operator.clock.set(pool.world.mine(5).timestamp);
    pool.quote("one").await;
    let looked = pool.operator.worker.looked.load(Ordering::Relaxed);
    pool.quote("two").await;
    assert_eq!(pool.operator.worker.looked.load(Ordering::Relaxed), looked, "the input is known");
}

#[tokio::test]
async fn what_the_worker_refuses_stays_refused() {
    let pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    *pool.operator.worker.refusal.lock().unwrap() = Some(ErrorCode::WitnessUnsatisfied);
    let (status, code, reply) = refused(&pool, Pool::wish("one")).await;
    assert_eq!((status, code, reply.price), (QuoteStatus::Refused, ErrorCode::WitnessUnsatisfied, None));
    *pool.operator.worker.refusal.lock().unwrap() = None;
    pool.operator.clock.set(pool.world.mine(60).timestamp);
    assert_eq!(refused(&pool, Pool::wish("one")).await.1, ErrorCode::WitnessUnsatisfied);
}

#[tokio::test]
async fn in_target_mode_the_target_is_called_with_the_trial_proof() {
    let pool = Pool::with(json!({ "trusted_targets": [TARGET] })).await.and_prover(Habit::Works(0)).await;
    let wish = |reference: &str| QuoteRequest { verifier: None, ..Pool::wish(reference) };
    pool.world.switch(|switches| switches.target_fails = true);
    assert_eq!(refused(&pool, wish("one")).await.1, ErrorCode::TargetFails);
    pool.world.switch(|switches| switches.target_fails = false);
    let quote = pool.ask(wish("two")).await.unwrap().quote.unwrap();
    assert!(quote.quote.terms.verifier.is_zero());
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_refuses_and_stops_nothing() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    Pool::prepare(&pool.operator).await.unwrap();
    pool.world.switch(|switches| switches.unreachable = true);
    assert_eq!(refused(&pool, Pool::wish("one")).await.1, ErrorCode::RpcUnreachable);
    let error = zkpool_service::reconcile_once(pool.operator.ctx(), &["follow"]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RpcUnreachable);
    pool.world.switch(|switches| switches.unreachable = false);
    pool.rounds(2).await;
    let id = pool.publish(&pool.quote("one").await);
    pool.until(id, TaskState::Delivered).await;
}

#[tokio::test]
async fn info_says_what_is_taken() {
    let pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let info = ops::info::info(pool.operator.ctx()).await.unwrap();
    assert_eq!((info.chain_id, info.pool, info.operator), (DOMAIN.chain_id, DOMAIN.pool, pool.operator.address()));
    assert!(info.quoting && info.kinds.len() == 1 && info.verifiers.len() == 1);
    assert!(info.tokens.iter().all(|token| token.address == TOKEN && token.reward && token.liability));
}
