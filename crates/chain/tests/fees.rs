//! Fees follow the market and the clock, within their limit.

#![allow(clippy::unwrap_used)]

mod support;

use support::{chain, count, counted, desk, desk_with, options};
use zkpool_chain::{FeePolicy, SenderOptions, TxState};

#[tokio::test]
async fn fees_rise_by_an_eighth_when_it_is_not_mined_in_time() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    desk.hands.pass(44);
    desk.tick().await;
    assert_eq!(desk.state("a").await.attempts.len(), 1, "patience");
    desk.hands.pass(1);
    desk.tick().await;
    let record = desk.state("a").await;
    let [first, second] = &record.attempts[..] else { panic!("{record:?}") };
    assert_eq!(first.nonce, second.nonce);
    assert!(second.max_fee * 8 >= first.max_fee * 9 && second.priority_fee * 8 >= first.priority_fee * 9);
    chain.mine(1).await.unwrap();
    desk.tick().await;
    let record = desk.state("a").await;
    assert_eq!(record.receipt.unwrap().hash, record.attempts[1].hash, "the node took the replacement");
    assert_eq!(counted(&chain).await, 1);
}

#[tokio::test]
async fn a_near_deadline_shortens_the_patience() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    let now = chain.rpc().head().await.unwrap().timestamp;
    desk.sender.enqueue(count("a").by(now + 100)).await.unwrap();
    desk.tick().await;
    desk.hands.pass(13);
    desk.tick().await;
    assert_eq!(desk.state("a").await.attempts.len(), 2);
}

#[tokio::test]
async fn a_base_fee_that_rises_above_the_offer_is_followed_at_once() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    let offered = desk.state("a").await.attempts[0].max_fee;
    chain.set_base_fee(offered * 3).await.unwrap();
    chain.mine(1).await.unwrap();
    assert_eq!(counted(&chain).await, 0, "the block is too dear for it");
    desk.tick().await;
    let record = desk.state("a").await;
    assert!(record.attempts.last().unwrap().max_fee > offered * 3, "no waiting for the clock");
    chain.mine(1).await.unwrap();
    desk.tick().await;
    assert_eq!((desk.state("a").await.state, counted(&chain).await), (TxState::Succeeded, 1));
}

#[tokio::test]
async fn fees_stop_at_the_limit_and_the_record_says_so() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let fees = FeePolicy { max_fee: 2_100_000_000, ..FeePolicy::default() };
    let desk = desk_with(chain.rpc(), &chain, SenderOptions { fees, ..options() });
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    for _ in 0..5 {
        desk.hands.pass(60);
        desk.tick().await;
    }
    let record = desk.state("a").await;
    assert!(record.attempts.iter().all(|attempt| attempt.max_fee <= 2_100_000_000));
    assert!(record.complaint.unwrap().contains("fee limit"));
    // It is still there and is mined when blocks are cheap enough.
    chain.mine(1).await.unwrap();
    desk.tick().await;
    assert_eq!(counted(&chain).await, 1);
}

#[tokio::test]
async fn a_pending_transaction_of_somebody_else_at_our_nonce_is_outbid() {
    let chain = chain().await;
    let desk = desk(&chain);
    chain.set_automine(false).await.unwrap();
    // Left over from a journal that was lost: same key, same nonce, dearer.
    let lost = desk_with(chain.rpc(), &chain, options());
    lost.sender.enqueue(count("lost")).await.unwrap();
    lost.tick().await;
    lost.hands.pass(60);
    lost.tick().await;
    assert_eq!(lost.state("lost").await.attempts.len(), 2);
    desk.sender.enqueue(count("a")).await.unwrap();
    for _ in 0..6 {
        desk.tick().await;
    }
    chain.mine(1).await.unwrap();
    desk.tick().await;
    assert_eq!((desk.state("a").await.state, counted(&chain).await), (TxState::Succeeded, 1));
}
