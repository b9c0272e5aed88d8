//! Signing in, staying signed in, and not signing what one should not.

use crate::server::{ADDRESS, CHAIN, client, error, identity, quick, scripted, sign_in};
use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use zkpool_api::{Client, ClientError, ClientOptions, Identity};
use zkpool_protocol::{Address, BlobId, Bytes, ErrorCode};

fn program() -> BlobId {
    BlobId::of(b"p")
}

fn token_of(request: &Request) -> Option<&str> {
    request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

#[tokio::test]
async fn one_sign_in_serves_many_calls_and_what_is_public_needs_none() {
    let (url, seen) =
        scripted(|request| async move { sign_in(&request, "t").unwrap_or_else(|| error(404, "not_found", "no")) })
            .await;
    let client = client(&url);
    let _ = client.info().await;
    let _ = client.task(Default::default()).await;
    assert!(seen.tokens().iter().all(Option::is_none));
    let calls: Vec<_> = (0..8).map(|_| client.program(program())).collect();
    futures::future::join_all(calls).await;
    assert_eq!(seen.count("POST /v1/auth/login"), 1);
    assert_eq!(seen.tokens().iter().flatten().filter(|token| *token == "Bearer t").count(), 8);
}

#[tokio::test]
async fn a_forgotten_token_is_renewed_once_per_call() {
    // A service that was restarted: only the second token is good.
    let logins = Arc::new(AtomicUsize::new(0));
    let (url, seen) = scripted(move |request| {
        let logins = Arc::clone(&logins);
        async move {
            if request.uri().path() == "/v1/auth/login" {
                let n = logins.fetch_add(1, Ordering::Relaxed) + 1;
                return sign_in(&request, &format!("t{n}")).unwrap();
            }
            sign_in(&request, "").unwrap_or_else(|| match token_of(&request) {
                Some("t2") => error(404, "unknown_program", "no"),
                _ => error(401, "unauthorized", "sign in again"),
            })
        }
    })
    .await;
    let client = client(&url);
    assert_eq!(client.program(program()).await.unwrap_err().code(), ErrorCode::UnknownProgram);
    assert_eq!(seen.count("POST /v1/auth/login"), 2);

    let (url, seen) =
        scripted(
            |request| async move { sign_in(&request, "t").unwrap_or_else(|| error(401, "unauthorized", "never")) },
        )
        .await;
    let error = crate::server::client(&url).program(program()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unauthorized);
    assert_eq!(seen.count("POST /v1/auth/login"), 2, "no endless signing");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends() {
    let (url, seen) =
        scripted(
            |request| async move { sign_in(&request, "t").unwrap_or_else(|| error(404, "unknown_program", "no")) },
        )
        .await;
    let options = ClientOptions { request_timeout: std::time::Duration::from_secs(100_000), ..quick() };
    let client = Client::new(&url, identity(), options).unwrap();
    let _ = client.program(program()).await;
    tokio::time::advance(std::time::Duration::from_secs(3_000)).await;
    let _ = client.program(program()).await;
    assert_eq!(seen.count("POST /v1/auth/login"), 1);
    tokio::time::advance(std::time::Duration::from_secs(300)).await;
    let _ = client.program(program()).await;
    assert_eq!(seen.count("POST /v1/auth/login"), 2);
}

#[tokio::test]
async fn what_is_signed_names_the_host_that_was_asked_for() {
    let signed = Arc::new(Mutex::new(String::new()));
    let (url, _) = scripted(|request| async move { sign_in(&request, "t").unwrap() }).await;
    let copy = Arc::clone(&signed);
    let identity = Identity::new(ADDRESS, move |message: String| {
        *copy.lock().unwrap() = message;
        async { Ok::<_, String>(Bytes::from(vec![1; 65])) }
    });
    Client::new(&url, identity, quick()).unwrap().sign_in().await.unwrap();
    let message = signed.lock().unwrap().clone();
    let host = url.strip_prefix("http://").unwrap();
    assert!(message.starts_with(&format!("{host} wants you to sign in")), "{message}");
    assert!(message.contains(&format!("Chain ID: {CHAIN}\n")), "{message}");
}

fn nonce(change: impl Fn(&mut serde_json::Value)) -> Response {
    let mut body = json!({ "nonce": "abcdefgh12345678", "chain_id": CHAIN, "issued_at": 1, "expires_at": 2 });
    change(&mut body);
    axum::Json(body).into_response()
}

#[tokio::test]
async fn nothing_is_signed_for_another_chain_or_a_hostile_nonce() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let identity = Identity::new(ADDRESS, move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, String>(Bytes::from(vec![1; 65])) }
    });
    let (url, _) = scripted(|_| async { nonce(|body| body["chain_id"] = json!(1)) }).await;
    let error = Client::new(&url, identity.clone(), quick()).unwrap().sign_in().await.unwrap_err();
    assert!(matches!(error, ClientError::WrongChain { theirs: 1, ours: CHAIN, .. }), "{error}");
    let (url, _) = scripted(|_| async { nonce(|body| body["nonce"] = json!("12345678\nResources:\n- x")) }).await;
    let error = Client::new(&url, identity, quick()).unwrap().sign_in().await.unwrap_err();
    assert!(matches!(error, ClientError::SignIn { .. }), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_missing_refuses_or_sleeps_is_named() {
    let (url, _) = scripted(|request| async move { sign_in(&request, "t").unwrap() }).await;
    let without = Client::anonymous(&url, quick()).unwrap();
    assert!(without.program(program()).await.unwrap_err().to_string().contains("without one"));
    let refuses = Identity::new(ADDRESS, |_| async { Err("locked") });
    let error = Client::new(&url, refuses, quick()).unwrap().sign_in().await.unwrap_err();
    assert!(error.to_string().contains("refused to sign: locked"), "{error}");
    let sleeps = Identity::new(ADDRESS, |_| std::future::pending::<Result<Bytes, String>>());
    let error = Client::new(&url, sleeps, quick()).unwrap().sign_in().await.unwrap_err();
    assert!(error.to_string().contains("no signature within"), "{error}");
    assert_eq!(error.code(), ErrorCode::Unauthorized);
}

#[tokio::test]
async fn being_taken_for_somebody_else_is_an_error() {
    let (url, _) = scripted(|request| async move { sign_in(&request, "t").unwrap() }).await;
    let other = Identity::new(Address::repeat_byte(1), |_| async { Ok::<_, String>(Bytes::from(vec![1; 65])) });
    let error = Client::new(&url, other, quick()).unwrap().sign_in().await.unwrap_err();
    assert!(matches!(error, ClientError::SignIn { .. }), "{error}");
}

#[tokio::test]
async fn tokens_stay_out_of_every_text() {
    let (url, _) =
        scripted(
            |request| async move { sign_in(&request, "topsecret").unwrap_or_else(|| error(500, "internal", "no")) },
        )
        .await;
    let client = client(&url);
    let error = client.program(program()).await.unwrap_err();
    assert!(!format!("{client:?} {error} {error:?}").contains("topsecret"));
    let login = zkpool_api::LoginReply { token: "topsecret".into(), address: ADDRESS, expires_at: 1, expires_in: 1 };
    assert!(!format!("{login:?}").contains("topsecret"));
}
