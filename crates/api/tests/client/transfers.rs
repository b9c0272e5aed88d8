//! Blobs, up and down.

use crate::server::{client, error, raw, scripted, sign_in};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde_json::json;
use std::{
    io,
    sync::{Arc, Mutex},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zkpool_api::ClientError;
use zkpool_protocol::{BlobId, ErrorCode};

/// A service that keeps what it is sent.
async fn keeper() -> (String, Arc<Mutex<Vec<u8>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&kept);
    let (url, _) = scripted(move |request: Request| {
        let kept = Arc::clone(&copy);
        async move {
            if let Some(answer) = sign_in(&request, "t") {
                return answer;
            }
            if request.method() == "HEAD" {
                return error(404, "not_found", "not yet");
            }
            let length: usize = request.headers()["content-length"].to_str().unwrap().parse().unwrap();
            let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
            assert_eq!(body.len(), length);
            let reply = axum::Json(json!({ "id": BlobId::of(&body), "size": body.len() }));
            *kept.lock().unwrap() = body.to_vec();
            reply.into_response()
        }
    })
    .await;
    (url, kept)
}

#[tokio::test]
async fn bytes_and_files_of_any_size_arrive() {
    let (url, kept) = keeper().await;
    let client = client(&url);
    let directory = tempfile::tempdir().unwrap();
    for size in [0, 1, 256 * 1024, 3_000_001] {
        let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        let reply = client.upload(bytes.clone()).await.unwrap();
        assert_eq!((reply.id, reply.size), (BlobId::of(&bytes), size));
        assert_eq!(*kept.lock().unwrap(), bytes);
        kept.lock().unwrap().clear();
        let path = directory.path().join("blob");
        tokio::fs::write(&path, &bytes).await.unwrap();
        assert_eq!(client.upload_file(&path).await.unwrap().id, reply.id);
        assert_eq!(*kept.lock().unwrap(), bytes);
    }
    let missing = client.upload_file(&directory.path().join("nothing")).await.unwrap_err();
    assert!(matches!(missing, ClientError::Io { .. }) && missing.code() == ErrorCode::Storage, "{missing}");
}

#[tokio::test]
async fn a_reply_about_another_blob_is_refused() {
    let (url, _) = scripted(|request| async move {
        sign_in(&request, "t")
            .unwrap_or_else(|| axum::Json(json!({ "id": BlobId::of(b"x"), "size": 1 })).into_response())
    })
    .await;
    let error = client(&url).upload(&b"b"[..]).await.unwrap_err();
    assert!(matches!(error, ClientError::BadAnswer { .. }), "{error}");
}

/// Signs in, then serves `answer` for every download.
async fn serving(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> String {
    let serve = move |request| {
        let answer = answer.clone();
        async move { sign_in(&request, "t").unwrap_or_else(answer) }
    };
    scripted(serve).await.0
}

#[tokio::test]
async fn a_download_is_checked_to_the_last_byte() {
    let url = serving(|| Bytes::from_static(b"blob").into_response()).await;
    let client = client(&url);
    let id = BlobId::of(b"blob");
    assert_eq!(client.download(id, 4).await.unwrap(), b"blob");
    let mut sink = Vec::new();
    assert_eq!(client.download_to(id, 4, &mut sink).await.unwrap(), 4);
    assert_eq!(sink, b"blob");
    let wrong = client.download(BlobId::of(b"other"), 4).await.unwrap_err();
    assert!(matches!(wrong, ClientError::WrongBlob { .. }) && wrong.code() == ErrorCode::HashMismatch, "{wrong}");
    let large = client.download(id, 3).await.unwrap_err();
    assert!(matches!(large, ClientError::BlobTooLarge { cap: 3, .. }), "{large}");
}

#[tokio::test]
async fn an_endless_download_is_cut_off_at_the_cap() {
    let endless = || {
        let chunks = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[0; 1024])));
        Body::from_stream(chunks).into_response()
    };
    let url = serving(endless).await;
    let error = client(&url).download(BlobId::of(b""), 100_000).await.unwrap_err();
    assert!(matches!(error, ClientError::BlobTooLarge { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_download_that_stops_is_given_up() {
    let stalls = || {
        let chunks = stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"bl"))]).chain(stream::pending());
        Body::from_stream(chunks).into_response()
    };
    let url = serving(stalls).await;
    let error = client(&url).download(BlobId::of(b"blob"), 100).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { timed_out: true, .. }), "{error}");
}

#[tokio::test]
async fn an_upload_that_nobody_reads_is_given_up() {
    // Signs in, then takes the head of the upload and nothing more.
    let (front, _) = scripted(|request| async move { sign_in(&request, "t").unwrap() }).await;
    let front = front.strip_prefix("http://").unwrap().to_owned();
    let url = raw(move |mut near| {
        let front = front.clone();
        async move {
            let mut head = vec![0; 16];
            if near.peek(&mut head).await.is_err() || head.starts_with(b"PUT") {
                return std::future::pending().await;
            }
            let mut far = tokio::net::TcpStream::connect(front).await.unwrap();
            let mut bytes = vec![0; 8192];
            let n = near.read(&mut bytes).await.unwrap();
            let text = String::from_utf8_lossy(&bytes[..n]).replacen("\r\n", "\r\nconnection: close\r\n", 1);
            far.write_all(text.as_bytes()).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        }
    })
    .await;
    let options = zkpool_api::ClientOptions {
        retries: 0,
        idle_timeout: std::time::Duration::from_millis(200),
        ..crate::server::quick()
    };
    let client = zkpool_api::Client::new(&url, crate::server::identity(), options).unwrap();
    let error = client.upload(vec![0; 64 << 20]).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { timed_out: true, .. }), "{error}");
}

#[tokio::test]
async fn whether_a_blob_is_there_can_be_asked() {
    let (url, _) = scripted(|request: Request| async move {
        let there = request.uri().path().ends_with(&BlobId::of(b"there").to_string());
        sign_in(&request, "t")
            .unwrap_or_else(|| if there { "there".into_response() } else { error(404, "not_found", "no") })
    })
    .await;
    let client = client(&url);
    assert!(client.has_blob(BlobId::of(b"there")).await.unwrap());
    assert!(!client.has_blob(BlobId::of(b"elsewhere")).await.unwrap());
}
