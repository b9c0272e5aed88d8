//! How jobs are handed out: what that costs, and what comes of it.

use crate::{
    pool::{PAYER, Pool},
    prover::{Habit, Prover},
};
use serde_json::json;
use zkpool_api::{QuoteReply, QuoteRequest, QuoteStatus};
use zkpool_protocol::{ErrorCode, Strategy, TaskId, TaskState};
use zkpool_service::ops;
use zkpool_store::{LeaseEnd, LeaseRecord, Standing};

fn wish(reference: &str, strategy: Option<Strategy>) -> QuoteRequest {
    QuoteRequest { strategy, ..Pool::wish(reference) }
}

const RACE: Option<Strategy> = Some(Strategy::Race { provers: 2 });

async fn leases(pool: &Pool, task: TaskId) -> Vec<LeaseRecord> {
    pool.operator.ctx().store.leases_of_task(pool.task(task).await.key, 0..1).await.unwrap()
}

fn work(reply: &QuoteReply) -> (u128, Strategy) {
    let price = reply.price.as_ref().unwrap();
    assert_eq!(price.reward, price.work + price.gas + price.premium);
    (price.work, price.strategy)
}

#[tokio::test]
async fn a_race_costs_the_work_of_all_and_takes_as_many_owners() {
    let mut pool = Pool::start().await.and_prover(Habit::Works(0)).await;
    let (alone, chosen) = work(&pool.ask(wish("assigned", None)).await.unwrap());
    assert_eq!(chosen, Strategy::Assign, "the operator's choice, unless it says how often jobs fail");
    let bid = pool.ask(wish("bid for", Some(Strategy::Compete))).await.unwrap();
    assert_eq!((bid.status, work(&bid)), (QuoteStatus::Quoted, (alone, Strategy::Compete)));
    let expects = |reply: &QuoteReply| reply.price.as_ref().unwrap().expected_ms;
    // What is promised comes first, and bids take two seconds.
    assert_eq!(expects(&bid), expects(&pool.ask(wish("assigned", None)).await.unwrap()) + 1_000 + 2_000);

    let raced = pool.ask(wish("raced", RACE)).await.unwrap();
    assert_eq!((raced.status, work(&raced)), (QuoteStatus::Indicative, (2 * alone, Strategy::Race { provers: 2 })));
    let error = raced.error.unwrap();
    assert_eq!(error.code, ErrorCode::NoProver);
    assert!(error.message.contains("2 different owners") && error.message.contains("present 1 could"), "{error:?}");
    pool.join(Habit::Works(0)).await;
    pool.round_of(2).await.unwrap();
    let raced = pool.ask(wish("raced", RACE)).await.unwrap();
    assert_eq!((raced.status, work(&raced).0), (QuoteStatus::Quoted, 2 * alone));
}

#[tokio::test]
async fn the_first_result_of_a_race_ends_it_for_all() {
    let mut pool = Pool::start().await.and_prover(Habit::Dawdles).await.and_prover(Habit::Works(1)).await;
    pool.join(Habit::Works(0)).await;
    let quote = pool.ask(wish("raced", RACE)).await.unwrap().quote.unwrap();
    let id = pool.publish(&quote);
    pool.until(id, TaskState::Delivered).await;
    let leases = leases(&pool, id).await;
    let by = |place: usize| leases.iter().find(|lease| lease.prover == pool.provers[place].id());
    let winner = leases.iter().find(|lease| lease.ended == Some(LeaseEnd::Done)).unwrap();
    let slow = by(0).unwrap();
    assert_eq!((leases.len(), slow.ended), (2, Some(LeaseEnd::Cancelled)), "{leases:?}");
    assert_ne!(winner.prover, slow.prover);
    let store = &pool.operator.ctx().store;
    assert_eq!(store.prover(&slow.prover).await.unwrap().unwrap().standing, Standing::default(), "no miss");
    let view = ops::tasks::task(pool.operator.ctx(), id).await.unwrap();
    assert_eq!((view.strategy, view.jobs[0].failures.len()), (Strategy::Race { provers: 2 }, 0));
    // It was told to stop, and has.
    pool.rounds(2).await;
    assert!(pool.provers[0].held.is_empty());
}

#[tokio::test]
async fn a_lost_racer_is_replaced() {
    let mut pool = Pool::start().await.and_prover(Habit::GivesUp).await.and_prover(Habit::Dawdles).await;
    pool.join(Habit::Works(0)).await;
    let quote = pool.ask(wish("raced", RACE)).await.unwrap().quote.unwrap();
    let id = pool.publish(&quote);
    pool.until(id, TaskState::Delivered).await;
    let ends: Vec<_> = leases(&pool, id).await.into_iter().map(|lease| lease.ended).collect();
    let expected = [LeaseEnd::GivenUp, LeaseEnd::Cancelled, LeaseEnd::Done];
    assert!(expected.iter().all(|end| ends.contains(&Some(*end))), "{ends:?}");
}

#[tokio::test]
async fn what_is_worth_it_is_raced_for_if_the_requester_does_not_choose() {
    let pricing = json!({
        "wei_per_million_units": "1000000", "load_bps": 0, "premium_bps": 100, "advance_bps": 1000,
        "min_gas_price": "0", "miss_bps": 2000,
    });
    let mut pool = Pool::with(json!({ "pricing": pricing })).await.and_prover(Habit::Works(1)).await;
    // Ten times the work is at stake, and every fifth job fails.
    let race = Strategy::Race { provers: 2 };
    let (alone, chosen) = work(&pool.ask(wish("one", None)).await.unwrap());
    assert_eq!(chosen, Strategy::Assign, "nobody to race");
    pool.join(Habit::Works(0)).await;
    let two = pool.ask(wish("two", None)).await.unwrap();
    assert_eq!(work(&two), (2 * alone, race));
    let frugal = QuoteRequest { max_reward: Some(two.price.unwrap().reward - 1), ..wish("three", None) };
    assert_eq!(work(&pool.ask(frugal).await.unwrap()), (alone, Strategy::Assign), "not for more than the payer has");
    assert_eq!(work(&pool.ask(wish("two", None)).await.unwrap()).1, race);
    // What was decided stays.
    pool.operator.config.pricing.miss_bps = 0;
    pool.operator.restart().await;
    let id = pool.publish(&two.quote.unwrap());
    assert_eq!(pool.task(id).await.strategy(), race);
    assert_eq!(pool.task(id).await.ask.strategy, None);
    assert_eq!(pool.task(id).await.payer, PAYER);
    pool.until(id, TaskState::Delivered).await;
    assert_eq!(leases(&pool, id).await.len(), 2);
}

/// A quote would bind, and nobody would do the work for what it pays.
#[tokio::test]
async fn nothing_is_promised_that_nobody_would_do_for_its_pay() {
    let mut pool = Pool::start().await;
    let mut dear = Prover::new(0xc0, Habit::Works(0));
    dear.ask = Some(1_000_001);
    dear.join(&pool.operator).await.unwrap();
    pool.provers.push(dear);
    let reply = pool.ask(Pool::wish("dear")).await.unwrap();
    assert_eq!((reply.status, reply.error.unwrap().code), (QuoteStatus::Indicative, ErrorCode::NoProver));
    // A race pays its winner twice.
    let reply = pool.ask(wish("raced", RACE)).await.unwrap();
    assert!(reply.error.unwrap().message.contains("present 1 could"));
    pool.provers[0].ask = Some(1_000_000);
    pool.provers[0].join(&pool.operator).await.unwrap();
    pool.round_of(2).await.unwrap();
    assert_eq!(pool.ask(Pool::wish("dear")).await.unwrap().status, QuoteStatus::Quoted);
}
