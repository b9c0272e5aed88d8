//! Uploads, programs, inputs.

use super::*;
use crate::StoreError;

/// It says whose it is, and begins at nothing.
pub async fn knows_whose_it_is(store: Subject) {
    let meta = store.meta().await.unwrap();
    assert_eq!((meta.chain_id, meta.pool), (OWNER.domain.chain_id, OWNER.domain.pool));
    assert_eq!((meta.operator, meta.cursor, meta.head), (OWNER.operator, None, (0, 0)));
}

/// The same blob again costs nothing; one too many is refused and not noted.
pub async fn uploads_are_counted_once_and_limited(store: Subject) {
    let (a, b) = (BlobId::of(b"a"), BlobId::of(b"b"));
    for _ in 0..2 {
        store.note_upload(PAYER, a, 60, 100, 1).await.unwrap();
    }
    assert_eq!(store.uploaded_bytes(PAYER).await.unwrap(), 60);
    assert!(matches!(store.note_upload(PAYER, b, 41, 100, 2).await, Err(StoreError::TooLarge { limit: 100 })));
    store.note_upload(PAYER, b, 40, 100, 3).await.unwrap();
    store.note_upload(address(1), b, 40, 100, 3).await.unwrap();
    assert!(store.has_uploaded(PAYER, a).await.unwrap());
    assert!(!store.has_uploaded(address(1), a).await.unwrap());
}

/// Every field survives; a part is known as a part; a trial is not forgotten.
pub async fn programs_and_inputs_come_back_whole(store: Subject) {
    let input = catalogued(&store).await;
    assert!(store.is_program_part(BlobId::of(b"wasm")).await.unwrap());
    assert!(!store.is_program_part(input.blob).await.unwrap());
    assert_eq!(store.input(input.blob).await.unwrap(), Some(input.clone()));
    let tried = InputRecord { tried: true, ..input.clone() };
    store.put_input(&tried, 3).await.unwrap();
    store.put_input(&input, 4).await.unwrap();
    assert_eq!(store.input(input.blob).await.unwrap(), Some(tried));
    assert_eq!(store.input(BlobId::of(b"other")).await.unwrap(), None);
    assert_eq!(store.program(BlobId::of(b"other")).await.unwrap(), None);
}

/// Per verifier, not in general.
pub async fn a_verified_program_is_remembered_for_its_verifier(store: Subject) {
    let id = program().id();
    for _ in 0..2 {
        store.note_verified_program(address(1), id, 1).await.unwrap();
    }
    assert!(store.is_verified_program(address(1), id).await.unwrap());
    assert!(!store.is_verified_program(address(2), id).await.unwrap());
}
