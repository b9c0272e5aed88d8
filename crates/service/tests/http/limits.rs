//! Bounds on how often, how much, how long.

use crate::support::{Service, key, request};
use axum::body::Body;
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use std::{convert::Infallible, time::Duration};
use zkpool_service::http::Bounds;

const NONCE: &str = "POST /v1/auth/nonce";

#[tokio::test]
async fn too_many_requests_from_one_place_are_told_when_to_come_back() {
    let service = Service::with(json!({ "http": { "requests_per_second_per_ip": 1 } }), Bounds::default()).await;
    // Twice as many as the rate at once.
    for _ in 0..2 {
        assert_eq!(service.call(NONCE, None, &Value::Null).await.status, 200);
    }
    let refused = service.call(NONCE, None, &Value::Null).await;
    assert!(refused.refused(429, "rate_limited").contains("come back in"));
    assert_eq!(refused.headers["retry-after"], "1");
    // Whatever the route, even one that is none.
    service.get("/nothing", None).await.refused(429, "rate_limited");
}

#[tokio::test]
async fn too_many_requests_by_one_address_do_not_hinder_another() {
    let wishes = json!({ "limits": { "requests_per_second": 1 }, "http": { "requests_per_second_per_ip": 0 } });
    let service = Service::with(wishes, Bounds::default()).await;
    let (one, other) = (service.token(&key(1)).await, service.token(&key(2)).await);
    let path = format!("/v1/programs/{}", zkpool_protocol::BlobId::of(b"p"));
    for _ in 0..2 {
        service.get(&path, Some(&one)).await.refused(404, "unknown_program");
    }
    let refused = service.get(&path, Some(&one)).await;
    refused.refused(429, "rate_limited");
    assert_eq!(refused.headers["retry-after"], "1");
    // A second sign-in is the same address.
    let again = service.token(&key(1)).await;
    service.get(&path, Some(&again)).await.refused(429, "rate_limited");
    service.get(&path, Some(&other)).await.refused(404, "unknown_program");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let service = Service::with(json!({ "limits": { "json": 1000 } }), Bounds::default()).await;
    let body = json!({ "message": "x".repeat(2000), "signature": "0x" });
    let declared = service.call("POST /v1/auth/login", None, &body).await;
    assert!(declared.refused(413, "too_large").contains("1000"));
    let chunks = stream::iter([Ok::<_, Infallible>(body.to_string())]);
    let request = request("POST /v1/auth/login", None)
        .header("content-type", "application/json")
        .body(Body::from_stream(chunks))
        .unwrap();
    service.send(request).await.refused(413, "too_large");
    // An endless one is cut off, not waited for.
    let endless = stream::repeat_with(|| Ok::<_, Infallible>("[".repeat(100)));
    let request = crate::support::request("POST /v1/auth/login", None)
        .header("content-type", "application/json")
        .body(Body::from_stream(endless))
        .unwrap();
    service.send(request).await.refused(413, "too_large");
}

#[tokio::test]
async fn a_body_that_does_not_come_or_breaks_off_is_given_up() {
    let bounds = Bounds { request: Duration::from_millis(50), ..Bounds::default() };
    let service = Service::with(json!({}), bounds).await;
    let post = |body: Body| {
        let builder = request("POST /v1/auth/login", None).header("content-type", "application/json");
        service.send(builder.body(body).unwrap())
    };
    let silent = stream::iter([Ok::<_, Infallible>("{")]).chain(stream::pending());
    post(Body::from_stream(silent)).await.refused(504, "timed_out");
    let broken = stream::iter([Ok("{"), Err(std::io::Error::other("gone"))]);
    post(Body::from_stream(broken)).await.refused(400, "bad_request");
}

#[tokio::test]
async fn an_operation_that_hangs_is_given_up() {
    let bounds = Bounds { request: Duration::from_millis(100), ..Bounds::default() };
    let wishes = json!({
        "verifiers": [{ "address": zkpool_protocol::Address::repeat_byte(5), "kind": "groth16-bn254" }],
        "slots": [{ "token": crate::support::TOKEN, "count": 1, "collateral": "100", "honour": "1" }],
    });
    let service = Service::with(wishes, bounds).await;
    let told = service.told().await;
    let token = service.token(&key(0x51)).await;
    service.call("POST /v1/published", Some(&token), &told).await.refused(502, "rpc_unreachable");
    service.chain.hangs.store(true, std::sync::atomic::Ordering::Relaxed);
    service.call("POST /v1/published", Some(&token), &told).await.refused(504, "timed_out");
}
