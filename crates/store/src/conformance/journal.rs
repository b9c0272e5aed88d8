//! The transactions' journal.

use super::*;
use zkpool_chain::{Attempt, Failure, FailureKind, Receipt, TxRecord, TxState, Urgency};

fn record(purpose: &str, order: u64) -> TxRecord {
    TxRecord {
        purpose: purpose.into(),
        order,
        from: address(1),
        to: address(2),
        value: U256::MAX,
        data: vec![1, 2, 3].into(),
        gas: Some(21_000),
        urgency: Urgency::By(77),
        not_after: Some(99),
        nonce: None,
        attempts: vec![],
        state: TxState::Queued,
        receipt: None,
        failure: None,
        complaint: None,
    }
}

fn attempt(nonce: u64, byte: u8) -> Attempt {
    Attempt {
        hash: B256::repeat_byte(byte),
        nonce,
        raw: vec![byte; 100].into(),
        max_fee: u128::MAX,
        priority_fee: 3,
        signed_at: 12,
        cancels: byte == 9,
    }
}

/// What was recorded first stays until it is saved anew.
pub async fn transactions_are_recorded_once_and_come_back_whole(store: Subject) {
    let mut first = record("prove", 1);
    assert_eq!(store.insert(first.clone()).await.unwrap(), first);
    let other = TxRecord { to: address(9), ..first.clone() };
    assert_eq!(store.insert(other).await.unwrap(), first);
    first.nonce = Some(4);
    first.attempts = vec![attempt(4, 8)];
    first.state = TxState::Sent;
    store.save(&first).await.unwrap();
    first.attempts.push(attempt(4, 9));
    first.state = TxState::Failed;
    first.receipt = Some(Receipt {
        hash: B256::repeat_byte(8),
        block: 5,
        block_hash: B256::repeat_byte(6),
        success: false,
        gas_used: 7,
        gas_price: u128::MAX,
    });
    first.failure = Some(Failure { kind: FailureKind::Reverted, reason: "no".into(), error: Some("TooLate".into()) });
    first.complaint = Some("busy".into());
    store.save(&first).await.unwrap();
    assert_eq!(store.get("prove").await.unwrap(), Some(first));
    assert_eq!(store.get("other").await.unwrap(), None);
}

/// Of one sender, without the final ones.
pub async fn open_transactions_come_in_order(store: Subject) {
    for (purpose, order) in [("b", 2), ("a", 3), ("c", 1)] {
        store.insert(record(purpose, order)).await.unwrap();
    }
    store.insert(TxRecord { from: address(7), ..record("d", 0) }).await.unwrap();
    store.save(&TxRecord { state: TxState::Succeeded, ..record("b", 2) }).await.unwrap();
    let open = store.open(address(1)).await.unwrap();
    assert_eq!(open.iter().map(|record| record.purpose.as_str()).collect::<Vec<_>>(), ["c", "a"]);
}

/// Final ones included.
pub async fn a_nonce_finds_its_transaction(store: Subject) {
    assert_eq!(store.highest_nonce(address(1)).await.unwrap(), None);
    for (purpose, nonce) in [("a", 3), ("b", 5)] {
        let state = if nonce == 5 { TxState::Failed } else { TxState::Sent };
        store.insert(TxRecord { nonce: Some(nonce), state, ..record(purpose, nonce) }).await.unwrap();
    }
    assert_eq!(store.highest_nonce(address(1)).await.unwrap(), Some(5));
    assert_eq!(store.at_nonce(address(1), 5).await.unwrap().unwrap().purpose, "b");
    assert_eq!(store.at_nonce(address(1), 4).await.unwrap(), None);
    assert_eq!(store.at_nonce(address(2), 5).await.unwrap(), None);
}

/// `what:0x…:n`.
pub async fn a_purpose_that_names_a_task_is_found_by_it(store: Subject) {
    let task = B256::repeat_byte(0x3c);
    for (purpose, order) in [(format!("prove:{task}:1"), 2), (format!("prove:{task}:0"), 1), ("open".into(), 0)] {
        store.insert(record(&purpose, order)).await.unwrap();
    }
    let found = store.transactions_of(task).await.unwrap();
    assert_eq!(found.iter().map(|record| record.order).collect::<Vec<_>>(), [1, 2]);
}
