//! Waits that end, and calls that are repeated or not.

use crate::server::{client, error, quick, raw, scripted, sign_in};
use axum::response::IntoResponse;
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use zkpool_api::{
    ClaimRequest, Client, ClientError, ClientOptions, HeartbeatRequest, QuoteReply, QuoteStatus, ResultRequest,
};
use zkpool_protocol::{BlobId, ErrorCode, JobId};

fn claim() -> ClaimRequest {
    ClaimRequest { device: "d".into(), holding: vec![], wait: 30 }
}

/// A service that takes connections and never says a word. Time is the test's: it jumps when nothing else happens.
#[tokio::test(start_paused = true)]
async fn nothing_waits_for_ever() {
    let url = raw(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let client = client(&url);
    let blob = BlobId::of(b"b");
    let job = JobId { task: Default::default(), index: 0 };
    let heartbeat = HeartbeatRequest { fence: 1, stage: "s".into(), progress: 0.5 };
    let result = ResultRequest { fence: 1, proof: vec![1].into(), proving_ms: None, signature: None };
    let started = Instant::now();
    let outcomes: Vec<ClientError> = vec![
        client.info().await.unwrap_err(),
        client.sign_in().await.unwrap_err(),
        client.task(Default::default()).await.unwrap_err(),
        client.claim(&claim()).await.unwrap_err(),
        client.heartbeat(job, &heartbeat).await.unwrap_err(),
        client.result(job, &result).await.unwrap_err(),
        client.upload(&b"b"[..]).await.unwrap_err(),
        client.download(blob, 100).await.unwrap_err(),
        client.has_blob(blob).await.unwrap_err(),
        client.task_events(Default::default(), None).next().await.unwrap().unwrap_err(),
    ];
    for error in &outcomes {
        assert!(matches!(error, ClientError::Unreachable { timed_out: true, .. }), "{error}");
        assert!(error.to_string().contains("no answer within") || error.to_string().contains("silent"), "{error}");
        assert_eq!(error.code(), ErrorCode::TimedOut);
        assert!(error.is_transient());
    }
    // Each takes three tries of thirty seconds and short pauses.
    let each = started.elapsed() / u32::try_from(outcomes.len()).unwrap();
    assert!(each <= Duration::from_secs(100), "{each:?}");
}

/// The same once signed in: calls that wait longer by design are bounded too.
#[tokio::test(start_paused = true)]
async fn long_calls_are_bounded_once_signed_in() {
    let (url, seen) = scripted(|request| async move {
        match sign_in(&request, "t") {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    })
    .await;
    let client = client(&url);
    client.sign_in().await.unwrap();
    let started = Instant::now();
    let error = client.claim(&claim()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { timed_out: true, .. }), "{error}");
    assert!(started.elapsed() >= Duration::from_secs(30), "the service may take its thirty seconds");
    assert!(started.elapsed() < Duration::from_secs(70));
    assert_eq!(seen.count("POST /v1/jobs/claim"), 1, "a claim is not repeated");
    assert!(client.upload(vec![7; 1 << 20]).await.unwrap_err().to_string().contains("no answer"));
    assert!(client.download(BlobId::of(b"b"), 9).await.unwrap_err().to_string().contains("no answer"));
}

#[tokio::test]
async fn a_closed_port_is_said_to_be_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&url).info().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { timed_out: false, .. }), "{error}");
    assert!(error.to_string().contains("no connection"), "{error}");
}

/// A service that asks for patience `times` times with these headers, then answers with `not_found`.
async fn impatient(
    times: usize,
    code: &'static str,
    retry_after: Option<&'static str>,
) -> (String, crate::server::Seen) {
    let calls = Arc::new(AtomicUsize::new(0));
    scripted(move |request| {
        let calls = Arc::clone(&calls);
        async move {
            if let Some(answer) = sign_in(&request, "t") {
                return answer;
            }
            if calls.fetch_add(1, Ordering::Relaxed) >= times {
                return error(404, "not_found", "no");
            }
            let mut answer = error(429, code, "later");
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert("retry-after", seconds.parse().unwrap());
            }
            answer
        }
    })
    .await
}

#[tokio::test]
async fn patience_is_shown_when_asked_for_and_ends() {
    let (url, seen) = impatient(2, "rate_limited", None).await;
    assert_eq!(client(&url).info().await.unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(seen.routes().len(), 3);

    let (url, seen) = impatient(9, "rate_limited", None).await;
    assert_eq!(client(&url).info().await.unwrap_err().code(), ErrorCode::RateLimited);
    assert_eq!(seen.routes().len(), 3, "two repetitions");

    let (url, seen) = impatient(1, "rate_limited", Some("1")).await;
    let started = Instant::now();
    assert_eq!(client(&url).info().await.unwrap_err().code(), ErrorCode::NotFound);
    assert!(started.elapsed() >= Duration::from_secs(1), "the service said when");
    assert_eq!(seen.routes().len(), 2);

    let (url, seen) = impatient(1, "rate_limited", Some("600")).await;
    let error = client(&url).info().await.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), (ErrorCode::RateLimited, Some(Duration::from_secs(600))));
    assert_eq!(seen.routes().len(), 1, "ten minutes are the caller's to wait");
}

#[tokio::test]
async fn refusals_are_not_repeated_and_claims_never() {
    let (url, seen) = impatient(9, "no_capacity", None).await;
    assert_eq!(client(&url).info().await.unwrap_err().code(), ErrorCode::NoCapacity);
    assert_eq!(seen.routes().len(), 1);
    let (url, seen) = impatient(9, "rate_limited", None).await;
    assert_eq!(client(&url).claim(&claim()).await.unwrap_err().code(), ErrorCode::RateLimited);
    assert_eq!(seen.count("POST /v1/jobs/claim"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_quote_is_polled_until_the_bound() {
    let (url, seen) = scripted(|request| async move {
        sign_in(&request, "t").unwrap_or_else(|| {
            axum::Json(json!(QuoteReply::new(BlobId::of(b"r"), QuoteStatus::Preflight))).into_response()
        })
    })
    .await;
    let request = serde_json::from_value(json!({
        "kind": "groth16-bn254", "program": BlobId::of(b"p"), "input": BlobId::of(b"i"),
        "payer": crate::server::ADDRESS, "target": crate::server::ADDRESS, "call": { "prefix": "0x" }, "call_gas": 1,
        "reward_token": crate::server::ADDRESS, "liability_token": crate::server::ADDRESS, "proof_window": 1,
        "liability_window": 1, "liability": "1", "bond": "0", "burn": "0",
    }))
    .unwrap();
    let options = ClientOptions { request_timeout: Duration::from_secs(3_600), ..quick() };
    let client = Client::new(&url, crate::server::identity(), options).unwrap();
    let error = client.quote_within(&request, Duration::from_secs(10)).await.unwrap_err();
    assert!(error.to_string().contains("preflight was not over within 10 s"), "{error}");
    let polls = seen.count(&format!("GET /v1/quotes/{}", BlobId::of(b"r")));
    assert!((4..=8).contains(&polls), "{polls}");
}
