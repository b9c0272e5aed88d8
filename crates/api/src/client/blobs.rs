//! Transfers: bytes that are named by their hash, of any size, never all in memory unless asked for.

use super::{Client, ClientError, call::Call};
use crate::BlobReply;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use reqwest::{
    Body, Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
};
use zkpool_protocol::{BlobId, ErrorCode};

/// Bytes read from a file at a time.
const CHUNK: usize = 256 * 1024;

impl Client {
    /// Uploads bytes and returns their id.
    pub async fn upload(&self, bytes: impl Into<Bytes>) -> Result<BlobReply, ClientError> {
        let bytes = bytes.into();
        let id = BlobId::of(&bytes);
        let size = bytes.len() as u64;
        self.put(id, size, || {
            let chunks: Vec<_> =
                (0..bytes.len()).step_by(CHUNK).map(|at| bytes.slice(at..bytes.len().min(at + CHUNK))).collect();
            std::future::ready(Ok(stream::iter(chunks.into_iter().map(Ok))))
        })
        .await
    }

    /// Uploads a file, in two passes: one to name it, one to send it. Nothing is sent if the service has it already.
    pub async fn upload_file(&self, path: &Path) -> Result<BlobReply, ClientError> {
        let (id, size) = hash_file(path).await?;
        if self.has_blob(id).await? {
            return Ok(BlobReply { id, size });
        }
        self.put(id, size, || async {
            let file = File::open(path).await.map_err(|e| io(path, e))?;
            Ok(read_chunks(file))
        })
        .await
    }

    /// Whether the service has this blob and would give it to this caller.
    pub async fn has_blob(&self, id: BlobId) -> Result<bool, ClientError> {
        match self.send_empty(&Call::new(Method::HEAD, format!("/v1/blobs/{id}"))).await {
            Ok(()) => Ok(true),
            Err(ClientError::Api { error, .. }) if error.code == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The blob's bytes, checked against its id; at most `cap` of them.
    pub async fn download(&self, id: BlobId, cap: u64) -> Result<Vec<u8>, ClientError> {
        self.repeat(true, || async {
            let mut bytes = Vec::new();
            self.download_once("blobs", true, id, cap, &mut bytes).await?;
            Ok(bytes)
        })
        .await
    }

    /// Writes the blob to `sink`, checked against its id; at most `cap` bytes. On an error, what was written must be
    /// discarded. Not repeated, because the sink cannot be rewound.
    pub async fn download_to<W: AsyncWrite + Unpin>(
        &self,
        id: BlobId,
        cap: u64,
        sink: &mut W,
    ) -> Result<u64, ClientError> {
        self.download_once("blobs", true, id, cap, sink).await
    }

    /// A receipt that members of a committee have signed, or should: its bytes, checked against its id; at most `cap` of
    /// them. Before its task is delivered, members only.
    pub async fn receipt(&self, id: BlobId, cap: u64) -> Result<Vec<u8>, ClientError> {
        self.repeat(true, || async {
            let mut bytes = Vec::new();
            self.download_once("receipts", self.address().is_some(), id, cap, &mut bytes).await?;
            Ok(bytes)
        })
        .await
    }

    async fn download_once<W: AsyncWrite + Unpin>(
        &self,
        collection: &str,
        signed: bool,
        id: BlobId,
        cap: u64,
        sink: &mut W,
    ) -> Result<u64, ClientError> {
        let path = format!("/v1/{collection}/{id}");
        let route = format!("GET {path}");
        let bound = self.inner.options.request_timeout;
        let attempt = self.authorised(signed, |token| {
            let (path, route) = (path.clone(), route.clone());
            async move {
                let request = self.request(&Method::GET, &path, token.as_ref())?;
                let head = async {
                    let response = request.send().await.map_err(|e| self.unreachable(&route, &e))?;
                    self.check(&route, response).await
                };
                self.within(&route, bound, head).await
            }
        });
        let mut response = attempt.await?;
        let too_large = || ClientError::BlobTooLarge { host: self.host(), id, cap };
        if response.content_length().is_some_and(|size| size > cap) {
            return Err(too_large());
        }
        let started = tokio::time::Instant::now();
        let (mut hash, mut size) = (Sha256::new(), 0u64);
        while let Some(chunk) = self.chunk(&route, &mut response).await? {
            size += chunk.len() as u64;
            if size > cap {
                return Err(too_large());
            }
            if started.elapsed() > self.transfer_bound(size) {
                return Err(self.timed_out(&route, started.elapsed()));
            }
            hash.update(&chunk);
            sink.write_all(&chunk)
                .await
                .map_err(|source| ClientError::Io { what: "writing a download".into(), source })?;
        }
        sink.flush().await.map_err(|source| ClientError::Io { what: "writing a download".into(), source })?;
        if BlobId::from_digest(hash.finalize().into()) != id {
            return Err(ClientError::WrongBlob { host: self.host(), id });
        }
        Ok(size)
    }

    async fn put<F, Fut, S>(&self, id: BlobId, size: u64, open: F) -> Result<BlobReply, ClientError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<S, ClientError>>,
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        let path = format!("/v1/blobs/{id}");
        let route = format!("PUT {path}");
        self.repeat(true, || async {
            self.authorised(true, |token| {
                let (path, route, open) = (path.clone(), route.clone(), &open);
                async move {
                    let moved = Arc::new(AtomicU64::new(0));
                    let counter = Arc::clone(&moved);
                    let body = open().await?.inspect(move |chunk| {
                        let n = chunk.as_ref().map_or(0, Bytes::len) as u64;
                        counter.fetch_add(n, Ordering::Relaxed);
                    });
                    let request = self
                        .request(&Method::PUT, &path, token.as_ref())?
                        .header(CONTENT_TYPE, "application/octet-stream")
                        .header(CONTENT_LENGTH, size)
                        .body(Body::wrap_stream(body));
                    let attempt = async {
                        let response = request.send().await.map_err(|e| self.unreachable(&route, &e))?;
                        let response = self.check(&route, response).await?;
                        let body = self.read(&route, response, CHUNK).await?;
                        serde_json::from_slice::<BlobReply>(&body)
                            .map_err(|_| self.bad_answer(&route, "no blob reply".into()))
                    };
                    let reply = self.while_moving(&route, size, &moved, attempt).await?;
                    if reply.id != id {
                        return Err(self.bad_answer(&route, "the reply names another blob".into()));
                    }
                    Ok(reply)
                }
            })
            .await
        })
        .await
    }

    /// Waits for a transfer for as long as bytes move, and never longer than its size justifies.
    async fn while_moving<T>(
        &self,
        route: &str,
        size: u64,
        moved: &AtomicU64,
        transfer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let transfer = self.within(route, self.transfer_bound(size), transfer);
        tokio::pin!(transfer);
        let mut seen = 0;
        loop {
            match tokio::time::timeout(self.inner.options.idle_timeout, &mut transfer).await {
                Ok(done) => return done,
                Err(_) if moved.load(Ordering::Relaxed) == seen => {
                    return Err(self.timed_out(route, self.inner.options.idle_timeout));
                }
                Err(_) => seen = moved.load(Ordering::Relaxed),
            }
        }
    }

    /// The longest that a transfer of so many bytes may take.
    fn transfer_bound(&self, size: u64) -> Duration {
        let options = &self.inner.options;
        options.request_timeout + options.idle_timeout + Duration::from_secs(size / options.min_bytes_per_second.max(1))
    }
}

/// Reads a file once to learn its id and size.
async fn hash_file(path: &Path) -> Result<(BlobId, u64), ClientError> {
    let file = File::open(path).await.map_err(|e| io(path, e))?;
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    let mut chunks = std::pin::pin!(read_chunks(file));
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| io(path, e))?;
        size += chunk.len() as u64;
        hash.update(&chunk);
    }
    Ok((BlobId::from_digest(hash.finalize().into()), size))
}

fn read_chunks(file: File) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(file, |mut file| async move {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
        let n = file.read_buf(&mut chunk).await?;
        Ok((n > 0).then(|| (chunk.freeze(), file)))
    })
}

fn io(path: &Path, source: std::io::Error) -> ClientError {
    ClientError::Io { what: format!("reading {}", path.display()), source }
}
