//! Blobs are there completely or not at all.

#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures::{StreamExt, stream};
use std::io;
use zkpool_protocol::{BlobId, ErrorCode};
use zkpool_store::{Blobs, StoreError};

fn chunks(parts: &[&'static [u8]]) -> impl futures::Stream<Item = io::Result<Bytes>> + Send + Unpin + use<> {
    stream::iter(parts.iter().map(|part| Ok(Bytes::from_static(part))).collect::<Vec<_>>())
}

fn files(directory: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn what_was_put_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::in_directory(directory.path()).unwrap();
    let id = BlobId::of(b"hello world");
    assert_eq!(blobs.length(id).await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(blobs.put(id, 11, chunks(&[b"hello ", b"world"])).await.unwrap(), 11);
    }
    assert_eq!(blobs.read(id, 11).await.unwrap().unwrap().as_ref(), b"hello world");
    assert!(matches!(blobs.read(id, 10).await, Err(StoreError::TooLarge { limit: 10 })));
    let reader = blobs.open(id).await.unwrap().unwrap();
    assert_eq!(reader.length, 11);
    assert_eq!(reader.bytes.map(|chunk| chunk.unwrap().len()).collect::<Vec<_>>().await.iter().sum::<usize>(), 11);
    assert_eq!(std::fs::read(blobs.file(id).unwrap()).unwrap(), b"hello world");
    assert!(blobs.file(id).unwrap().starts_with(directory.path().canonicalize().unwrap()));
}

#[tokio::test]
async fn what_was_removed_is_gone_and_can_come_again() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::in_directory(directory.path()).unwrap();
    let id = blobs.put_bytes(Bytes::from_static(b"segment")).await.unwrap();
    for _ in 0..2 {
        blobs.remove(id).await.unwrap();
        assert_eq!(blobs.length(id).await.unwrap(), None);
    }
    assert_eq!(blobs.put_bytes(Bytes::from_static(b"segment")).await.unwrap(), id);
    assert_eq!(blobs.length(id).await.unwrap(), Some(7));
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::in_directory(directory.path()).unwrap();
    let id = blobs.put_bytes(Bytes::new()).await.unwrap();
    assert_eq!(blobs.read(id, 0).await.unwrap().unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_wrong_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = Blobs::in_directory(directory.path()).unwrap();
    let id = BlobId::of(b"hello world");
    let wrong = blobs.put(id, 100, chunks(&[b"hello ", b"w0rld"])).await.unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::HashMismatch, "{wrong}");
    let large = blobs.put(id, 10, chunks(&[b"hello ", b"world"])).await.unwrap_err();
    assert_eq!(large.code(), ErrorCode::TooLarge, "{large}");
    let broken = stream::iter([Ok(Bytes::from_static(b"hello ")), Err(io::Error::other("line lost"))]);
    let broken = blobs.put(id, 100, broken).await.unwrap_err();
    assert_eq!(broken.code(), ErrorCode::BadRequest, "{broken}");
    assert_eq!(blobs.length(id).await.unwrap(), None);
    assert_eq!(files(directory.path()), 0);
    // What is there already is not replaced by whoever names its hash without having it.
    blobs.put(id, 100, chunks(&[b"hello world"])).await.unwrap();
    assert!(blobs.put(id, 100, chunks(&[b"else"])).await.is_err());
    assert_eq!(blobs.read(id, 100).await.unwrap().unwrap().as_ref(), b"hello world");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_said_to_be_one() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Blobs::in_directory(&file.join("blobs")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Storage, "{error}");
}
