//! Blobs in and out, as streams.

use crate::{
    http::{
        App,
        error::{Answer, Fault},
        extract::{Id, SignedIn},
    },
    ops::{self, blobs::BlobOut},
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::header,
    response::IntoResponse,
};
use futures::{Stream, StreamExt, stream};
use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::Instant;
use zkpool_api::{ApiError, BlobReply, schema};
use zkpool_protocol::{BlobId, ErrorCode};

/// The slowest transfer that is waited for.
const MIN_BYTES_PER_SECOND: u64 = 8 * 1024;

/// Stores bytes under their SHA-256.
///
/// Nothing is stored unless the bytes have the hash that the path names.
#[utoipa::path(put, operation_id = "put_blob", path = "/v1/blobs/{id}", tag = "requester", security(("token" = [])),
    params(("id" = schema::BlobId, Path, description = "SHA-256 of the body.")),
    request_body(content = schema::Binary, content_type = "application/octet-stream"), responses(
    (status = 200, body = BlobReply, description = "Stored."),
    (status = 413, body = ApiError, description = "`too_large`: the blob, or all that the caller has stored."),
    (status = 422, body = ApiError, description = "`hash_mismatch`"),
    (status = 507, body = ApiError, description = "`storage`"),
))]
pub(super) async fn put(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Id(id): Id<BlobId>,
    request: Request,
) -> Answer<axum::Json<BlobReply>> {
    let _held = app.rates().transfer()?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let limit = app.ctx().config.limits.blob;
    if length.is_some_and(|length| length > limit) {
        return Err(Fault::new(ErrorCode::TooLarge, format!("a blob has at most {limit} bytes")));
    }
    let cause = Cause::default();
    let bytes = upload(request.into_body(), limit, app.bounds().idle, cause.clone()).boxed();
    match ops::blobs::put_blob(app.ctx(), who, id, length, bytes).await {
        Ok(reply) => Ok(axum::Json(reply)),
        // What broke the stream is the reason, not what the operation made of its end.
        Err(error) => Err(cause.take().map_or_else(|| error.into(), Fault::from)),
    }
}

/// The bytes of a blob.
///
/// A registered program's parts for anyone signed in; otherwise what the caller has uploaded, or needs for a job that it
/// holds. What one may not see is not found.
#[utoipa::path(get, operation_id = "get_blob", path = "/v1/blobs/{id}", tag = "requester", security(("token" = [])),
    params(("id" = schema::BlobId, Path, description = "The blob.")), responses(
    (status = 200, body = schema::Binary, content_type = "application/octet-stream"),
    (status = 404, body = ApiError, description = "`not_found`: not there, or not for the caller."),
))]
pub(super) async fn get(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Id(id): Id<BlobId>,
) -> Answer<impl IntoResponse> {
    let permit = app.rates().transfer()?;
    let blob = ops::blobs::get_blob(app.ctx(), who, id).await.map_err(|error| match error.code {
        // Whether the operator holds an input is nobody's business: its hash could be guessed from its contents.
        ErrorCode::Forbidden | ErrorCode::NotFound => Fault::new(
            ErrorCode::NotFound,
            format!(
                "no blob {id}, or it is not for you: inputs are for who uploaded them and for provers at work on them"
            ),
        ),
        _ => error.into(),
    })?;
    Ok(stream_out(&app, permit, blob))
}

/// A blob as it is read, at no less than the least speed.
pub(super) fn stream_out<P: Send + Sync + 'static>(app: &App, permit: P, blob: BlobOut) -> impl IntoResponse + use<P> {
    let mut pace = Pace::new(app.bounds().idle);
    let bytes = blob.bytes.map(move |chunk| {
        // The stream holds its permit for as long as it lives.
        let _held = &permit;
        let chunk = chunk?;
        pace.moved(chunk.len()).map_err(|()| io::Error::other("the download is too slow"))?;
        Ok::<_, io::Error>(chunk)
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, blob.length.to_string()),
    ];
    (headers, Body::from_stream(bytes))
}

/// Why a stream was cut off.
#[derive(Clone, Default)]
struct Cause(Arc<OnceLock<ApiError>>);

impl Cause {
    fn set(&self, code: ErrorCode, message: String) -> io::Error {
        let _ = self.0.set(ApiError::new(code, message.clone()));
        io::Error::other(message)
    }

    fn take(&self) -> Option<ApiError> {
        self.0.get().cloned()
    }
}

/// The least speed of a transfer, so that its place is not held for ever by trickling.
struct Pace {
    started: Instant,
    idle: Duration,
    bytes: u64,
}

impl Pace {
    fn new(idle: Duration) -> Self {
        Self { started: Instant::now(), idle, bytes: 0 }
    }

    /// So much has moved; an error if that took too long.
    fn moved(&mut self, bytes: usize) -> Result<u64, ()> {
        self.bytes += bytes as u64;
        let enough = self.idle * 4 + Duration::from_secs(self.bytes / MIN_BYTES_PER_SECOND);
        if self.started.elapsed() > enough { Err(()) } else { Ok(self.bytes) }
    }
}

/// A body's bytes: at most `limit`, never more than `idle` between two parts, and not at a trickle.
fn upload(body: Body, limit: u64, idle: Duration, cause: Cause) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((body.into_data_stream(), Pace::new(idle)), move |(mut body, mut pace)| {
        let cause = cause.clone();
        async move {
            loop {
                let next = tokio::time::timeout(idle, body.next()).await.map_err(|_| {
                    let message = format!("no bytes came for {} s: send it again", idle.as_secs());
                    cause.set(ErrorCode::TimedOut, message)
                })?;
                let Some(chunk) = next else { return Ok(None) };
                let chunk = chunk
                    .map_err(|_| cause.set(ErrorCode::BadRequest, "the upload broke off: send it again".into()))?;
                let size = pace.moved(chunk.len()).map_err(|()| {
                    let message = format!("the upload is slower than {MIN_BYTES_PER_SECOND} bytes per second");
                    cause.set(ErrorCode::TimedOut, message)
                })?;
                if size > limit {
                    return Err(cause.set(ErrorCode::TooLarge, format!("a blob has at most {limit} bytes")));
                }
                if !chunk.is_empty() {
                    return Ok(Some((chunk, (body, pace))));
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(parts: &[&'static [u8]]) -> Body {
        Body::from_stream(stream::iter(parts.iter().map(|part| Ok::<_, io::Error>(*part)).collect::<Vec<_>>()))
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_is_bounded_in_size_and_in_silence() {
        let idle = Duration::from_secs(30);
        let cause = Cause::default();
        let all: Vec<_> =
            upload(parts(&[b"ab", b"", b"c"]), 3, idle, cause.clone()).map(Result::unwrap).collect().await;
        assert_eq!(all.concat(), b"abc");
        assert!(cause.take().is_none());

        let cause = Cause::default();
        let all: Vec<_> = upload(parts(&[b"ab", b"cd"]), 3, idle, cause.clone()).collect().await;
        assert!(all[1].is_err());
        assert_eq!(cause.take().unwrap().code, ErrorCode::TooLarge);

        let cause = Cause::default();
        let silent = Body::from_stream(stream::pending::<io::Result<Bytes>>());
        let all: Vec<_> = upload(silent, 3, idle, cause.clone()).collect().await;
        assert!(all[0].is_err());
        assert_eq!(cause.take().unwrap().code, ErrorCode::TimedOut);

        let cause = Cause::default();
        let trickle = stream::repeat(()).then(|()| async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok::<_, io::Error>(Bytes::from_static(b"x"))
        });
        let all: Vec<_> = upload(Body::from_stream(trickle), 1 << 30, idle, cause.clone()).collect().await;
        assert_eq!(all.len(), 7, "two minutes of patience");
        assert_eq!(cause.take().unwrap().code, ErrorCode::TimedOut);

        let cause = Cause::default();
        let broken = Body::from_stream(stream::iter([Ok(&b"a"[..]), Err(io::Error::other("gone"))]));
        let all: Vec<_> = upload(broken, 3, idle, cause.clone()).collect().await;
        assert_eq!(all.len(), 2);
        assert_eq!(cause.take().unwrap().code, ErrorCode::BadRequest);
    }
}
