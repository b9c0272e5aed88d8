//! Blobs: bytes under their SHA-256, in an object store (a directory, by default).
//!
//! A blob's place follows from its id alone, so no name from outside ever becomes a path. It is there completely or not
//! at all: it is written aside, and moved into place when its hash has been checked.

use crate::{StoreError, StoreResult};
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{BoxStream, Stream},
};
use object_store::{
    Error as ObjectError, ObjectStore, ObjectStoreExt, WriteMultipart, local::LocalFileSystem, path::Path as ObjectPath,
};
use sha2::{Digest, Sha256};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use zkpool_protocol::BlobId;

/// Where blobs are kept.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    local: Option<Arc<LocalFileSystem>>,
}

/// A blob being read.
pub struct BlobReader {
    /// Its length.
    pub length: u64,
    /// Its bytes.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

impl Blobs {
    /// In a directory, which is made if need be. Every blob reaches the disk before it counts.
    pub fn in_directory(directory: &Path) -> StoreResult<Self> {
        const WHAT: &str = "open the blobs' directory";
        std::fs::create_dir_all(directory).map_err(|error| StoreError::io(WHAT, error))?;
        let local = LocalFileSystem::new_with_prefix(directory).map_err(|error| fault(WHAT, error))?;
        let local = Arc::new(local.with_fsync(true));
        Ok(Self { store: local.clone(), local: Some(local) })
    }

    /// Whether the blob is there, and how long it is.
    pub async fn length(&self, id: BlobId) -> StoreResult<Option<u64>> {
        match self.store.head(&place(id)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault("look for a blob", error)),
        }
    }

    /// Stores what `bytes` yields if it hashes to `id` and is at most `limit` bytes long; otherwise nothing stays behind.
    /// Returns its length.
    pub async fn put(
        &self,
        id: BlobId,
        limit: u64,
        mut bytes: impl Stream<Item = io::Result<Bytes>> + Send + Unpin,
    ) -> StoreResult<u64> {
        const WHAT: &str = "store a blob";
        let there = self.length(id).await?.is_some();
        let mut writer = None;
        if !there {
            let upload = self.store.put_multipart(&place(id)).await.map_err(|error| fault(WHAT, error))?;
            writer = Some(WriteMultipart::new(upload));
        }
        let mut hash = Sha256::new();
        let mut length = 0;
        let outcome = loop {
            let chunk = match bytes.next().await {
                None => break Ok(()),
                Some(Err(error)) => break Err(StoreError::Upload(error)),
                Some(Ok(chunk)) => chunk,
            };
            length += chunk.len() as u64;
            if length > limit {
                break Err(StoreError::TooLarge { limit });
            }
            hash.update(&chunk);
            if let Some(writer) = &mut writer {
                if let Err(error) = writer.wait_for_capacity(4).await {
                    break Err(fault(WHAT, error));
                }
                writer.put(chunk);
            }
        };
        let outcome = outcome.and_then(|()| {
            let actual = BlobId::from_digest(hash.finalize().into());
            if actual == id { Ok(()) } else { Err(StoreError::HashMismatch { expected: id, actual }) }
        });
        match (outcome, writer) {
            (Ok(()), None) => {}
            (Ok(()), Some(writer)) => {
                writer.finish().await.map_err(|error| fault(WHAT, error))?;
            }
            (Err(error), writer) => {
                if let Some(writer) = writer
                    && let Err(left) = writer.abort().await
                {
                    tracing::warn!(error = %left, "a broken upload was left behind");
                }
                return Err(error);
            }
        }
        Ok(length)
    }

    /// Stores bytes that are at hand; returns their id.
    pub async fn put_bytes(&self, bytes: Bytes) -> StoreResult<BlobId> {
        let id = BlobId::of(&bytes);
        self.put(id, u64::MAX, futures::stream::iter([Ok(bytes)])).await?;
        Ok(id)
    }

    /// Opens a blob.
    pub async fn open(&self, id: BlobId) -> StoreResult<Option<BlobReader>> {
        match self.store.get(&place(id)).await {
            Ok(found) => {
                let length = found.meta.size;
                let bytes = found.into_stream().map(|chunk| chunk.map_err(io::Error::other)).boxed();
                Ok(Some(BlobReader { length, bytes }))
            }
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault("read a blob", error)),
        }
    }

    /// A whole blob of at most `limit` bytes.
    pub async fn read(&self, id: BlobId, limit: u64) -> StoreResult<Option<Bytes>> {
        match self.length(id).await? {
            None => return Ok(None),
            Some(length) if length > limit => return Err(StoreError::TooLarge { limit }),
            Some(_) => {}
        }
        let Some(reader) = self.open(id).await? else { return Ok(None) };
        let chunks: Vec<io::Result<Bytes>> = reader.bytes.collect().await;
        let mut whole = Vec::with_capacity(usize::try_from(reader.length).unwrap_or_default());
        for chunk in chunks {
            whole.extend_from_slice(&chunk.map_err(|error| StoreError::io("read a blob", error))?);
        }
        Ok(Some(whole.into()))
    }

    /// Removes a blob that nobody needs any more; it may be gone already. Whoever reads it meanwhile reads it to its end, or
    /// fails.
    pub async fn remove(&self, id: BlobId) -> StoreResult<()> {
        match self.store.delete(&place(id)).await {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault("remove a blob", error)),
        }
    }

    /// Where the blob's file is, for a process that is handed files; `None` if blobs are not kept in files.
    pub fn file(&self, id: BlobId) -> Option<PathBuf> {
        self.local.as_ref()?.path_to_filesystem(&place(id)).ok()
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blobs").field(&self.store.to_string()).finish()
    }
}

/// Two hex digits as a directory, so that none grows too large.
fn place(id: BlobId) -> ObjectPath {
    let name = id.to_string();
    ObjectPath::from_iter([&name[..2], &name[..]])
}

fn fault(what: &'static str, error: ObjectError) -> StoreError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return StoreError::io(what, io::Error::new(error.kind(), error.to_string()));
        }
        cause = inner.source();
    }
    let reason = format!("the blob storage answers {error}");
    StoreError::Disk { what, reason, source: Some(Box::new(error)) }
}
