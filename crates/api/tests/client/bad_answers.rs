//! What answers is no service of ours, or a broken one.

use crate::server::{client, error, quick, scripted, sign_in, writes};
use axum::response::{Html, IntoResponse, Redirect};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use zkpool_api::{Client, ClientError, ClientOptions, Reach};
use zkpool_protocol::{BlobId, ErrorCode};

#[tokio::test]
async fn foreign_answers_are_named_as_such() {
    let answers: [&[u8]; 7] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n\xff\xfe\xfd\xfc",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ];
    for answer in answers {
        let url = writes(answer).await;
        let error = client(&url).info().await.unwrap_err();
        assert!(matches!(error, ClientError::BadAnswer { .. }), "{error}");
        assert_eq!(error.code(), ErrorCode::Internal);
        assert!(error.to_string().contains("is this a ZKPool service?"), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn what_is_not_http_or_breaks_off_counts_as_unreachable() {
    let answers: [&[u8]; 4] =
        [b"SSH-2.0-OpenSSH_9\r\n", b"", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhel", b"HTTP/1.1 200 OK\r\n"];
    for answer in answers {
        let url = writes(answer).await;
        let error = client(&url).info().await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { timed_out: false, .. }), "{error}");
        assert!(error.to_string().contains("check that the service runs"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let body = vec![b' '; 9 * 1024 * 1024];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let url = writes([head.as_bytes(), &body].concat()).await;
    let error = client(&url).info().await.unwrap_err();
    assert!(matches!(&error, ClientError::BadAnswer { reason, .. } if reason.contains("larger")), "{error}");
}

#[tokio::test]
async fn a_redirect_gets_no_token() {
    let (thief, stolen) = scripted(|_| async { "thanks" }).await;
    let (url, _) = scripted(move |request| {
        let thief = thief.clone();
        async move { sign_in(&request, "secret").unwrap_or_else(|| Redirect::temporary(&thief).into_response()) }
    })
    .await;
    let error = client(&url).program(BlobId::of(b"p")).await.unwrap_err();
    assert!(matches!(error, ClientError::BadAnswer { .. }), "{error}");
    assert!(stolen.routes().is_empty());
}

#[tokio::test]
async fn a_gateway_in_front_of_nothing_is_tried_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (url, seen) = scripted(move |_| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            let gateway = (axum::http::StatusCode::BAD_GATEWAY, Html("<h1>bad gateway</h1>"));
            if call == 0 { gateway.into_response() } else { error(404, "not_found", "no such task") }
        }
    })
    .await;
    let error = client(&url).task(Default::default()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert_eq!(seen.routes().len(), 2);
}

#[tokio::test]
async fn errors_are_typed_and_safe_to_print() {
    let (url, _) = scripted(|_| async { error(403, "forbidden", "no\u{1b}[31m\nway") }).await;
    let error = client(&url).info().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Forbidden);
    let text = error.to_string();
    assert!(text.contains("GET /v1/info") && text.contains("forbidden") && text.contains("way"), "{text}");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[tokio::test]
async fn an_address_that_cannot_be_one_is_refused_before_anything_is_sent() {
    for bad in ["", "pool.example", "ftp://pool.example", "http://", "http://user:hunter2@pool.example"] {
        let error = Client::anonymous(bad, quick()).unwrap_err();
        assert!(matches!(error, ClientError::BadUrl { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_strangers_address_leads_to_public_places_only() {
    let strange = ClientOptions { reach: Reach::Public, ..quick() };
    for bad in [
        "http://pool.example",
        "https://127.0.0.1:8700",
        "https://0x7f.1",
        "https://2130706433",
        "https://[::1]",
        "https://[::ffff:10.0.0.1]",
        "https://169.254.169.254/latest",
        "https://192.168.1.1./",
    ] {
        let error = Client::anonymous(bad, strange.clone()).unwrap_err();
        assert!(matches!(error, ClientError::BadUrl { .. }), "{bad}: {error}");
        assert!(Client::check_url(bad, Reach::Public).is_err());
    }
    Client::check_url("https://pool.example/a", Reach::Public).unwrap();
    let base = |url: &str| Client::base_of(url, Reach::Public).unwrap();
    for same in
        ["https://POOL.example/", "https://pool.example:443", " https://pool.example./?1#2", "HTTPS://pool.example//"]
    {
        assert_eq!(base(same), "https://pool.example", "{same}");
    }
    for other in ["https://pool.example/a", "https://pool.example:444", "https://a.pool.example"] {
        assert_ne!(base(other), base("https://pool.example"));
    }
    // A name that leads here is found out when it is resolved.
    let (url, seen) = scripted(|_| async { error(404, "not_found", "no") }).await;
    let url = url.replace("http://127.0.0.1", "https://localhost");
    let error = Client::anonymous(&url, strange).unwrap().info().await.unwrap_err();
    assert!(error.to_string().contains("no public address"), "{error}");
    assert_eq!(seen.count("GET /v1/info"), 0);
}

#[tokio::test]
async fn a_service_under_a_path_is_reached_there() {
    let (url, seen) = scripted(|_| async { error(404, "not_found", "no") }).await;
    for base in [format!("{url}/pool"), format!("{url}/pool/")] {
        let client = Client::anonymous(&base, quick()).unwrap();
        assert_eq!(client.info().await.unwrap_err().code(), ErrorCode::NotFound);
    }
    assert_eq!(seen.count("GET /pool/v1/info"), 2);
}

#[tokio::test]
async fn tls_to_a_service_that_speaks_none_is_no_connection() {
    let url = writes("HTTP/1.1 400 Bad Request\r\n\r\n").await.replace("http:", "https:");
    let error = client(&url).info().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

/// Runs itself once more in a world without root certificates.
#[test]
fn without_root_certificates_only_https_is_refused() {
    const INNER: &str = "ZKPOOL_TEST_WITHOUT_CERTIFICATES";
    if std::env::var_os(INNER).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bad_answers::without_root_certificates_only_https_is_refused"])
            .envs([(INNER, "1"), ("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")])
            .status();
        assert!(status.unwrap().success());
        return;
    }
    assert!(Client::anonymous("http://127.0.0.1:1", quick()).is_ok());
    let error = Client::anonymous("https://127.0.0.1:1", quick()).unwrap_err();
    assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
}
