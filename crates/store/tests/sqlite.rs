//! SQLite does what every store must, and what only a file can.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use zkpool_protocol::{Address, Domain, ErrorCode};
use zkpool_store::{Owner, SqliteStore, Store, StoreError, conformance::OWNER, store_conformance};

async fn open(owner: Owner) -> (Arc<dyn Store>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("zkpool.db"), owner).await.unwrap();
    (Arc::new(store), directory)
}

store_conformance!(open);

#[tokio::test]
async fn one_service_per_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deeper/zkpool.db");
    let first = SqliteStore::open(&path, OWNER).await.unwrap();
    let second = SqliteStore::open(&path, OWNER).await.unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }) && second.code() == ErrorCode::DatabaseInUse, "{second}");
    drop(first);
    SqliteStore::open(&path, OWNER).await.unwrap();
}

#[tokio::test]
async fn another_chain_contract_or_operator_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zkpool.db");
    drop(SqliteStore::open(&path, OWNER).await.unwrap());
    let others = [
        Owner { domain: Domain { chain_id: 1, ..OWNER.domain }, ..OWNER },
        Owner { domain: Domain { pool: Address::repeat_byte(1), ..OWNER.domain }, ..OWNER },
        Owner { operator: Address::repeat_byte(1), ..OWNER },
    ];
    for other in others {
        let error = SqliteStore::open(&path, other).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::WrongChain, "{error}");
    }
    SqliteStore::open(&path, OWNER).await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zkpool.db");
    std::fs::write(&path, "this is a text, and not a short one, so that it cannot pass for an empty database").unwrap();
    assert!(SqliteStore::open(&path, OWNER).await.is_err());
    let nowhere = directory.path().join("zkpool.db/below/a/file.db");
    let error = SqliteStore::open(&nowhere, OWNER).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Storage, "{error}");
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_says_so() {
    let (store, directory) = open(OWNER).await;
    let path = directory.path().join("zkpool.db");
    drop(store);
    // A cap on the file's size is the disk that is full.
    let store = SqliteStore::open_with_page_limit(&path, OWNER, 80).await.unwrap();
    let blob = |n: u32| zkpool_protocol::BlobId::of(&n.to_be_bytes());
    let mut noted = 0;
    let error = loop {
        match store.note_upload(Address::repeat_byte(1), blob(noted), 1, u64::MAX, 1).await {
            Ok(()) => noted += 1,
            Err(error) => break error,
        }
    };
    assert!(error.code() == ErrorCode::Storage && error.to_string().contains("full"), "{error}");
    assert_eq!(store.uploaded_bytes(Address::repeat_byte(1)).await.unwrap(), u64::from(noted));
}

#[tokio::test]
async fn a_write_that_a_full_disk_ended_does_not_spoil_the_next() {
    let (_, directory) = open(OWNER).await;
    let store = SqliteStore::open(&directory.path().join("zkpool.db"), OWNER).await.unwrap();
    for n in 0..3_u8 {
        store.lose_a_write().await.unwrap_err();
        let id = zkpool_protocol::BlobId::of(&[n]);
        store.note_upload(Address::repeat_byte(1), id, 1, u64::MAX, 1).await.unwrap();
    }
    assert_eq!(store.uploaded_bytes(Address::repeat_byte(1)).await.unwrap(), 3);
}

#[tokio::test]
async fn many_writers_wait_for_each_other() {
    let (store, _directory) = open(OWNER).await;
    let writers = (0..32_u8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let id = zkpool_protocol::BlobId::of(&[n]);
            store.note_upload(Address::repeat_byte(1), id, 1, u64::MAX, 1).await
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(store.uploaded_bytes(Address::repeat_byte(1)).await.unwrap(), 32);
}
