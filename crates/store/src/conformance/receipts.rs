//! Receipts, and what committees sign for them.

use super::*;
use crate::{AttestationRecord, StoreError};

/// By whoever knows its hash.
pub async fn a_receipt_is_kept_and_found(store: Subject) {
    let receipt = BlobId::of(b"receipt");
    let idle = quoted(&store, 2).await;
    assert!(matches!(store.put_receipt(idle.key, receipt).await, Err(StoreError::Moved { .. })));
    let (task, _) = proving(&store, 1, &[&[]]).await;
    assert!(store.tasks_of_receipt(receipt).await.unwrap().is_empty());
    for _ in 0..2 {
        store.put_receipt(task.key, receipt).await.unwrap();
    }
    let found = store.tasks_of_receipt(receipt).await.unwrap();
    assert_eq!(found.iter().map(|task| (task.key, task.receipt)).collect::<Vec<_>>(), [(task.key, Some(receipt))]);
}

/// Whatever they say later.
pub async fn members_are_believed_once_and_their_lies_are_kept(store: Subject) {
    let (task, _) = proving(&store, 1, &[&[]]).await;
    let said = |signer, honest, byte| AttestationRecord {
        signer: address(signer),
        honest,
        image_id: B256::repeat_byte(1),
        journal_digest: B256::repeat_byte(byte),
        receipt_hash: B256::repeat_byte(3),
        signature: vec![byte; 65],
        at: 7,
    };
    assert!(store.put_attestation(task.key, &said(9, true, 1)).await.unwrap());
    assert!(!store.put_attestation(task.key, &said(9, true, 2)).await.unwrap());
    assert!(store.put_attestation(task.key, &said(9, false, 4)).await.unwrap());
    assert!(!store.put_attestation(task.key, &said(9, false, 5)).await.unwrap());
    assert!(store.put_attestation(task.key, &said(8, true, 6)).await.unwrap());
    let all = store.attestations_of(task.key).await.unwrap();
    assert_eq!(all, [said(8, true, 6), said(9, false, 4), said(9, true, 1)]);
    assert!(matches!(store.put_attestation(99, &said(9, true, 1)).await, Err(StoreError::Missing("task"))));
}

/// By one of the same, whose signatures still count.
pub async fn a_proof_is_replaced_before_it_is_submitted(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[]]).await;
    let other = BlobId::of(b"other");
    assert!(matches!(store.replace_proof(task.key, other).await, Err(StoreError::Moved { .. })));
    finish(&store, jobs[0], 1).await;
    let before = store.task_by_key(task.key).await.unwrap().unwrap();
    store.replace_proof(task.key, other).await.unwrap();
    let after = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((after.state, after.proof, after.version), (TaskState::Proven, Some(other), before.version + 1));
}
