//! The sender against a real anvil: everything is carried out once, whatever happens in between.

#![allow(clippy::unwrap_used)]

mod support;

use alloy::primitives::U256;
use async_trait::async_trait;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use support::{Deed, Proxy, break_counter, chain, count, counted, desk, desk_with, hasty, mend_counter, options};
use zkpool_chain::{
    DirJournal, FailureKind, JournalError, MemoryJournal, SenderOptions, TxJournal, TxRecord, TxState,
    alloy::primitives::Address,
};
use zkpool_protocol::ErrorCode;

#[tokio::test]
async fn a_transaction_is_sent_once_however_often_it_is_asked_for() {
    let chain = chain().await;
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    for _ in 0..3 {
        desk.sender.enqueue(count("a")).await.unwrap();
        desk.tick().await;
    }
    let done = desk.sender.wait("a", Duration::from_secs(10)).await.unwrap();
    assert_eq!((done.state, counted(&chain).await, done.attempts.len()), (TxState::Succeeded, 1, 1));
    let receipt = done.receipt.unwrap();
    assert!(receipt.success && receipt.gas_used > 21_000 && done.gas.unwrap() > receipt.gas_used);
    // And once more after it is final.
    desk.sender.enqueue(count("a")).await.unwrap();
    assert!(desk.sender.tick().await.unwrap().is_empty());
    assert_eq!(counted(&chain).await, 1);
}

#[tokio::test]
async fn several_are_in_flight_with_nonces_in_order() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk_with(chain.rpc(), &chain, SenderOptions { max_in_flight: 2, ..options() });
    for purpose in ["a", "b", "c"] {
        desk.sender.enqueue(count(purpose)).await.unwrap();
    }
    desk.tick().await;
    let nonces = [desk.state("a").await.nonce, desk.state("b").await.nonce, desk.state("c").await.nonce];
    assert_eq!(nonces, [Some(0), Some(1), None], "no more than allowed");
    chain.mine(1).await.unwrap();
    desk.tick().await;
    assert_eq!(desk.state("c").await.nonce, Some(2));
    chain.mine(1).await.unwrap();
    desk.tick().await;
    for purpose in ["a", "b", "c"] {
        assert_eq!(desk.state(purpose).await.state, TxState::Succeeded);
    }
    assert_eq!(counted(&chain).await, 3);
}

#[tokio::test]
async fn it_is_final_only_after_enough_confirmations() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk_with(chain.rpc(), &chain, SenderOptions { confirmations: 3, ..options() });
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    for state in [TxState::Sent, TxState::Mined, TxState::Mined, TxState::Succeeded] {
        desk.tick().await;
        assert_eq!(desk.state("a").await.state, state);
        chain.mine(1).await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_transaction_is_sent_again_as_it_was() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    let hash = desk.state("a").await.attempts[0].hash;
    chain.drop_transaction(hash).await.unwrap();
    chain.mine(1).await.unwrap();
    assert_eq!(counted(&chain).await, 0);
    desk.tick().await;
    chain.mine(1).await.unwrap();
    desk.tick().await;
    let record = desk.state("a").await;
    assert_eq!((record.state, record.attempts.len(), counted(&chain).await), (TxState::Succeeded, 1, 1));
}

/// Fails after a number of writes, as a process that is killed there.
struct Mortal {
    inner: Arc<MemoryJournal>,
    left: AtomicI64,
    /// Whether the last write still happens.
    last_one_lands: bool,
}

#[async_trait]
impl TxJournal for Mortal {
    async fn insert(&self, record: TxRecord) -> Result<TxRecord, JournalError> {
        self.inner.insert(record).await
    }
    async fn save(&self, record: &TxRecord) -> Result<(), JournalError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 1 || (left == 1 && self.last_one_lands) {
            self.inner.save(record).await?;
        }
        if left > 1 { Ok(()) } else { Err(JournalError::new("write", "killed")) }
    }
    async fn get(&self, purpose: &str) -> Result<Option<TxRecord>, JournalError> {
        self.inner.get(purpose).await
    }
    async fn open(&self, from: Address) -> Result<Vec<TxRecord>, JournalError> {
        self.inner.open(from).await
    }
    async fn highest_nonce(&self, from: Address) -> Result<Option<u64>, JournalError> {
        self.inner.highest_nonce(from).await
    }
    async fn at_nonce(&self, from: Address, nonce: u64) -> Result<Option<TxRecord>, JournalError> {
        self.inner.at_nonce(from, nonce).await
    }
}

#[tokio::test]
async fn a_crash_at_any_write_loses_nothing_and_repeats_nothing() {
    for writes in 1..=6 {
        for last_one_lands in [false, true] {
            let chain = chain().await;
            let desk = desk(&chain);
            for purpose in ["a", "b"] {
                desk.sender.enqueue(count(purpose)).await.unwrap();
            }
            let mortal = Mortal { inner: desk.journal.clone(), left: AtomicI64::new(writes), last_one_lands };
            let doomed = support::sender(chain.rpc(), &chain, Arc::new(mortal), &desk.hands, options());
            for _ in 0..4 {
                if let Err(error) = doomed.tick().await {
                    assert_eq!(error.code(), ErrorCode::Storage);
                    break;
                }
            }
            // Another process with the same journal.
            for _ in 0..4 {
                desk.tick().await;
            }
            for purpose in ["a", "b"] {
                let done = desk.sender.wait(purpose, Duration::from_secs(10)).await.unwrap();
                assert_eq!(done.state, TxState::Succeeded, "{writes} {last_one_lands}");
            }
            assert_eq!(counted(&chain).await, 2, "{writes} {last_one_lands}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_send_it_twice() {
    let chain = chain().await;
    let proxy = Proxy::before(
        &chain,
        |method, _| {
            if method == "eth_sendRawTransaction" { Deed::Swallow } else { Deed::Forward }
        },
    )
    .await;
    let desk = desk_with(hasty(&proxy.url), &chain, options());
    desk.sender.enqueue(count("a")).await.unwrap();
    assert_eq!(desk.sender.tick().await.unwrap_err().code(), ErrorCode::RpcUnreachable);
    proxy.judge(|_, _| Deed::Forward);
    let record = desk.sender.wait("a", Duration::from_secs(10)).await.unwrap();
    assert_eq!((record.state, record.attempts.len(), counted(&chain).await), (TxState::Succeeded, 1, 1));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_for_a_while_only_delays() {
    let chain = chain().await;
    let proxy = Proxy::before(&chain, |_, _| Deed::Hang).await;
    let desk = desk_with(hasty(&proxy.url), &chain, options());
    desk.sender.enqueue(count("a")).await.unwrap();
    let error = desk.sender.tick().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RpcUnreachable);
    assert!(error.to_string().contains("check the RPC address"), "{error}");
    proxy.judge(|_, _| Deed::Forward);
    assert_eq!(desk.sender.wait("a", Duration::from_secs(10)).await.unwrap().state, TxState::Succeeded);
}

#[tokio::test]
async fn what_would_revert_is_not_sent_and_can_be_tried_again() {
    let chain = chain().await;
    let desk = desk(&chain);
    break_counter(&chain).await;
    desk.sender.enqueue(count("a")).await.unwrap();
    let error = desk.sender.wait("a", Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TransactionFailed);
    assert!(error.to_string().contains("the slot is busy (SlotBusy)"), "{error}");
    let record = desk.state("a").await;
    let failure = record.failure.clone().unwrap();
    assert_eq!((failure.kind, failure.error.as_deref()), (FailureKind::Refused, Some("SlotBusy")));
    assert!(!record.was_signed());
    mend_counter(&chain).await;
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    assert_eq!(desk.state("a").await.state, TxState::Failed, "enqueueing again is not trying again");
    desk.sender.retry(count("a")).await.unwrap();
    desk.sender.wait("a", Duration::from_secs(10)).await.unwrap();
    assert_eq!(counted(&chain).await, 1);
    desk.sender.retry(count("a")).await.unwrap();
    desk.tick().await;
    assert_eq!(counted(&chain).await, 1, "what succeeded is not tried again");
}

#[tokio::test]
async fn a_revert_on_chain_is_reported_with_its_reason() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    break_counter(&chain).await;
    chain.mine(1).await.unwrap();
    desk.tick().await;
    let record = desk.state("a").await;
    let failure = record.failure.unwrap();
    assert_eq!(record.state, TxState::Failed);
    assert_eq!((failure.kind, failure.error.as_deref()), (FailureKind::Reverted, Some("SlotBusy")));
    assert!(!record.receipt.unwrap().success);
    // The next one takes the next nonce.
    mend_counter(&chain).await;
    chain.set_automine(true).await.unwrap();
    desk.sender.enqueue(count("b")).await.unwrap();
    desk.sender.wait("b", Duration::from_secs(10)).await.unwrap();
    assert_eq!(counted(&chain).await, 1);
}

#[tokio::test]
async fn an_account_without_ether_is_told_so_before_anything_is_signed() {
    let chain = chain().await;
    let desk = desk(&chain);
    chain.set_ether(chain.account(0), U256::from(1000)).await.unwrap();
    desk.sender.enqueue(count("a")).await.unwrap();
    let error = desk.sender.wait("a", Duration::from_secs(10)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unfunded);
    assert!(!desk.state("a").await.was_signed());
}

#[tokio::test]
async fn more_gas_than_a_transaction_may_have_is_refused() {
    let chain = chain().await;
    let desk = desk(&chain);
    desk.sender.enqueue(count("a").with_gas(16_777_217)).await.unwrap();
    desk.sender.enqueue(count("b").with_gas(16_777_216)).await.unwrap();
    let error = desk.sender.wait("a", Duration::from_secs(10)).await.unwrap_err();
    assert!(error.to_string().contains("16777216"), "{error}");
    desk.sender.wait("b", Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn what_is_too_late_is_not_sent() {
    let chain = chain().await;
    let desk = desk(&chain);
    let now = chain.rpc().head().await.unwrap().timestamp;
    desk.sender.enqueue(count("a").not_after(now - 1)).await.unwrap();
    assert_eq!(desk.sender.wait("a", Duration::from_secs(10)).await.unwrap_err().code(), ErrorCode::TimedOut);
    assert!(!desk.state("a").await.was_signed());
    assert_eq!(counted(&chain).await, 0);
}

#[tokio::test]
async fn what_became_too_late_on_its_way_is_cancelled() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    let now = chain.rpc().head().await.unwrap().timestamp;
    desk.sender.enqueue(count("a").not_after(now + 10)).await.unwrap();
    desk.tick().await;
    // Blocks that are too dear for it, beyond its time.
    chain.set_base_fee(desk.state("a").await.attempts[0].max_fee * 2).await.unwrap();
    chain.mine_at(now + 11).await.unwrap();
    desk.tick().await;
    let record = desk.state("a").await;
    assert!(record.attempts.last().unwrap().cancels && !record.attempts[0].cancels);
    chain.mine(1).await.unwrap();
    desk.tick().await;
    let record = desk.state("a").await;
    assert_eq!((record.state, record.failure.unwrap().kind), (TxState::Failed, FailureKind::Expired));
    assert_eq!(counted(&chain).await, 0);
    // The nonce is used up, the next one is not stuck behind it.
    chain.set_automine(true).await.unwrap();
    desk.sender.enqueue(count("b")).await.unwrap();
    desk.sender.wait("b", Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_is_reorganised_out_is_sent_again() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk_with(chain.rpc(), &chain, SenderOptions { confirmations: 3, ..options() });
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    chain.mine(1).await.unwrap();
    desk.tick().await;
    assert_eq!(desk.state("a").await.state, TxState::Mined);
    chain.reorganise(1).await.unwrap();
    chain.drop_all_transactions().await.unwrap();
    assert_eq!(counted(&chain).await, 0);
    desk.tick().await;
    chain.mine(1).await.unwrap();
    desk.tick().await;
    assert_eq!((desk.state("a").await.state, counted(&chain).await), (TxState::Mined, 1));
    chain.mine(3).await.unwrap();
    desk.tick().await;
    assert_eq!((desk.state("a").await.state, counted(&chain).await), (TxState::Succeeded, 1));
}

#[tokio::test]
async fn a_reorganisation_deeper_than_the_confirmations_is_healed() {
    let chain = chain().await;
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.sender.wait("a", Duration::from_secs(10)).await.unwrap();
    chain.reorganise(1).await.unwrap();
    chain.drop_all_transactions().await.unwrap();
    assert_eq!(counted(&chain).await, 0);
    desk.sender.enqueue(count("b")).await.unwrap();
    for _ in 0..4 {
        desk.tick().await;
    }
    for purpose in ["a", "b"] {
        let done = desk.sender.wait(purpose, Duration::from_secs(10)).await.unwrap();
        assert_eq!(done.state, TxState::Succeeded);
    }
    assert_eq!(counted(&chain).await, 2);
}

#[tokio::test]
async fn a_nonce_that_nobody_holds_is_used_up() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    for purpose in ["a", "b"] {
        desk.sender.enqueue(count(purpose)).await.unwrap();
    }
    desk.tick().await;
    chain.drop_all_transactions().await.unwrap();
    // The record of the first is lost: the second would wait for ever.
    let torn = Arc::new(MemoryJournal::new());
    torn.insert(desk.state("b").await).await.unwrap();
    let sender = support::sender(chain.rpc(), &chain, torn, &desk.hands, options());
    chain.set_automine(true).await.unwrap();
    let record = sender.wait("b", Duration::from_secs(10)).await.unwrap();
    assert_eq!((record.nonce, counted(&chain).await), (Some(1), 1));
}

#[tokio::test]
async fn a_nonce_that_went_to_somebody_else_is_replaced() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.tick().await;
    chain.drop_all_transactions().await.unwrap();
    // Another program with the same key.
    chain.set_automine(true).await.unwrap();
    chain.send(chain.account(0), Some(Address::repeat_byte(5)), support::nothing(), U256::ONE).await.unwrap();
    desk.tick().await;
    assert_eq!(desk.state("a").await.nonce, Some(0), "not before it is certain");
    chain.mine(3).await.unwrap();
    desk.sender.wait("a", Duration::from_secs(10)).await.unwrap();
    let record = desk.state("a").await;
    assert_eq!((record.nonce, record.attempts.len(), counted(&chain).await), (Some(1), 2, 1));
}

#[tokio::test]
async fn a_journal_of_another_chain_is_refused() {
    let chain = chain().await;
    let desk = desk(&chain);
    desk.sender.enqueue(count("a")).await.unwrap();
    desk.sender.wait("a", Duration::from_secs(10)).await.unwrap();
    let mut record = desk.state("a").await;
    record.nonce = Some(5_000);
    desk.journal.save(&record).await.unwrap();
    let error = desk.sender.tick().await.unwrap_err();
    assert!(error.to_string().contains("another chain"), "{error}");
}

#[tokio::test]
async fn a_wait_is_bounded_and_says_what_for() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let desk = desk_with(chain.rpc(), &chain, SenderOptions { poll: Duration::from_millis(10), ..options() });
    desk.sender.enqueue(count("a")).await.unwrap();
    let error = desk.sender.wait("a", Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TimedOut);
    assert!(error.to_string().contains("\"a\" (sent"), "{error}");
}

#[tokio::test]
async fn a_journal_in_a_directory_survives_the_process() {
    let chain = chain().await;
    chain.set_automine(false).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let hands = support::Hands::default();
    let open = || Arc::new(DirJournal::open(dir.path().join("journal")).unwrap());
    let sender = support::sender(chain.rpc(), &chain, open(), &hands, options());
    sender.enqueue(count("a/../b")).await.unwrap();
    sender.tick().await.unwrap();
    drop(sender);
    chain.drop_all_transactions().await.unwrap();
    chain.set_automine(true).await.unwrap();
    let sender = support::sender(chain.rpc(), &chain, open(), &hands, options());
    sender.wait("a/../b", Duration::from_secs(10)).await.unwrap();
    assert_eq!(counted(&chain).await, 1);
    assert_eq!(open().get("a/../b").await.unwrap().unwrap().state, TxState::Succeeded);
    // What another program wrote there is not mistaken for a record.
    std::fs::write(dir.path().join("journal/tx-00.json"), "{").unwrap();
    assert!(DirJournal::open(dir.path().join("journal")).is_err());
}
