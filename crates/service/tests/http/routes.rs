//! Requests that are none: each gets the error that says what is wrong with it.

use crate::support::{Service, key, request};
use axum::body::Body;
use serde_json::{Value, json};
use zkpool_protocol::BlobId;

#[tokio::test]
async fn what_is_no_route_or_no_method_is_said_in_json() {
    let service = Service::start().await;
    for path in ["/", "/v1", "/v1/nothing", "/v2/info", "/v1/info/", "/v1/blobs", "/v1/blobs/", "/..%2f..%2fetc/passwd"]
    {
        service.get(path, None).await.refused(404, "not_found");
    }
    for route in ["POST /v1/info", "GET /v1/auth/nonce", "DELETE /v1/blobs/x", "BREW /v1/info"] {
        service.call(route, None, &Value::Null).await.refused(405, "bad_request");
    }
}

#[tokio::test]
async fn every_answer_can_be_found_in_the_log_and_is_not_kept() {
    let service = Service::start().await;
    for path in ["/nothing", "/openapi.json"] {
        let answer = service.get(path, None).await;
        assert_eq!(answer.headers["x-request-id"].len(), 16);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn names_that_are_no_ids_lead_nowhere() {
    let service = Service::start().await;
    let token = service.token(&key(1)).await;
    let id = BlobId::of(b"x").to_string();
    let names = ["x", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "%ff", "a%0d%0ab", &id[1..], &format!("{id}0")];
    service.get(&format!("/v1/blobs/{}", id.to_uppercase()), Some(&token)).await.refused(400, "bad_request");
    for name in names {
        for route in ["GET /v1/blobs", "PUT /v1/blobs", "GET /v1/programs", "GET /v1/quotes"] {
            service.call(&format!("{route}/{name}"), Some(&token), &Value::Null).await.refused(400, "bad_request");
        }
        let none = service.get(&format!("/v1/tasks/{name}"), None).await;
        assert!(none.refused(400, "bad_request").contains("path"));
        let body = json!({ "fence": 1, "code": "internal", "message": "" });
        let fail = service.call(&format!("POST /v1/jobs/{name}/fail"), Some(&token), &body).await;
        fail.refused(400, "bad_request");
    }
}

#[tokio::test]
async fn bodies_are_json_of_the_right_shape() {
    let service = Service::start().await;
    let post = async |kind: Option<&str>, body: &'static [u8]| {
        let mut builder = request("POST /v1/auth/login", None);
        if let Some(kind) = kind {
            builder = builder.header("content-type", kind);
        }
        service.send(builder.body(Body::from(body)).unwrap()).await
    };
    let fine = br#"{"message":"m","signature":"0x"}"#;
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp")] {
        post(kind, fine).await.refused(415, "bad_request");
    }
    let json = Some("Application/JSON; charset=utf-8");
    assert!(post(json, fine).await.refused(400, "bad_request").contains("EIP-4361"), "the shape is right");
    let unknown = post(json, br#"{"message":"m","signature":"0x","admin":true}"#).await;
    assert!(unknown.refused(400, "bad_request").contains("unknown field `admin`"));
    let missing = post(json, br#"{"message":"m"}"#).await;
    assert!(missing.refused(400, "bad_request").contains("missing field `signature`"));
    let deep: &'static [u8] = "[".repeat(100_000).leak().as_bytes();
    let wrong: [&[u8]; 7] = [b"", b"{", b"null", b"\xff\xfe", b"{\"message\":1,\"signature\":\"0x\"}", b"[]", deep];
    for body in wrong {
        post(json, body).await.refused(400, "bad_request");
    }
}

#[tokio::test]
async fn every_request_type_refuses_fields_that_it_does_not_know() {
    let service = Service::start().await;
    let token = service.token(&key(1)).await;
    let job = format!("{:#x}-0", zkpool_protocol::TaskId::ZERO);
    let bodies = [
        ("POST /v1/programs".to_owned(), json!({ "kind": "groth16-bn254", "zkey": BlobId::of(b"z") })),
        ("POST /v1/provers/leave".to_owned(), json!({ "device": "d" })),
        (
            "POST /v1/provers/join".to_owned(),
            json!({ "device": "d", "cpus": 1, "memory": 1, "kinds": [], "concurrency": 1 }),
        ),
        ("POST /v1/jobs/claim".to_owned(), json!({ "device": "d", "wait": 0 })),
        (format!("POST /v1/jobs/{job}/heartbeat"), json!({ "fence": 1, "stage": "", "progress": 0 })),
        (format!("POST /v1/jobs/{job}/result"), json!({ "fence": 1, "proof": "0x" })),
        (format!("POST /v1/jobs/{job}/fail"), json!({ "fence": 1, "code": "internal", "message": "" })),
        ("POST /v1/quotes".to_owned(), quote()),
    ];
    for (route, mut body) in bodies {
        body["surprise"] = json!(1);
        let refused = service.call(&route, Some(&token), &body).await;
        assert!(refused.refused(400, "bad_request").contains("surprise"), "{route}");
    }
}

/// A well-formed wish.
fn quote() -> Value {
    let address = key(1).address();
    json!({
        "kind": "groth16-bn254", "program": BlobId::of(b"p"), "input": BlobId::of(b"i"), "payer": address,
        "target": address, "call": { "prefix": "0x" }, "call_gas": 1, "reward_token": address,
        "liability_token": address, "proof_window": 1, "liability_window": 1, "liability": "1", "bond": "0",
        "burn": "0",
    })
}

#[tokio::test]
async fn what_provers_say_of_themselves_is_checked() {
    let service = Service::start().await;
    let token = service.token(&key(1)).await;
    let fine = json!({
        "device": "rig-1", "cpus": 2, "memory": 1 << 30, "concurrency": 1,
        "kinds": [{ "kind": "groth16-bn254", "units_per_second": 1000.0 }],
    });
    let changes: [(&str, Value); 9] = [
        ("device", json!("")),
        ("device", json!("a b")),
        ("device", json!("../x")),
        ("device", json!("x".repeat(65))),
        ("cpus", json!(0)),
        ("memory", json!(0)),
        ("concurrency", json!(0)),
        ("kinds", json!([])),
        ("kinds", json!([{ "kind": "groth16-bn254", "units_per_second": 0.0 }])),
    ];
    for (field, value) in changes {
        let mut body = fine.clone();
        body[field] = value;
        service.call("POST /v1/provers/join", Some(&token), &body).await.refused(400, "bad_request");
    }
    for device in ["", "a/b", "\u{1b}[31m"] {
        let leave = json!({ "device": device });
        service.call("POST /v1/provers/leave", Some(&token), &leave).await.refused(400, "bad_request");
        let claim = json!({ "device": device, "wait": 0 });
        service.call("POST /v1/jobs/claim", Some(&token), &claim).await.refused(400, "bad_request");
    }
}

#[tokio::test]
async fn what_provers_say_of_jobs_is_checked() {
    let service = Service::start().await;
    let token = service.token(&key(1)).await;
    let job = format!("/v1/jobs/{:#x}-0", zkpool_protocol::TaskId::ZERO);
    let post =
        async |action: &str, body: Value| service.call(&format!("POST {job}/{action}"), Some(&token), &body).await;
    for progress in [json!(-0.1), json!(1.1), json!(1e300)] {
        post("heartbeat", json!({ "fence": 1, "stage": "s", "progress": progress })).await.refused(400, "bad_request");
    }
    for stage in ["x".repeat(65), "two\nlines".into()] {
        post("heartbeat", json!({ "fence": 1, "stage": stage, "progress": 0 })).await.refused(400, "bad_request");
    }
    for message in ["x".repeat(1025), "\u{1b}[2J".into()] {
        let body = json!({ "fence": 1, "code": "internal", "message": message });
        post("fail", body).await.refused(400, "bad_request");
    }
    post("fail", json!({ "fence": 1, "code": "no_such_code", "message": "" })).await.refused(400, "bad_request");
    let proof = zkpool_protocol::Bytes::from(vec![0; zkpool_api::MAX_PROOF + 1]);
    post("result", json!({ "fence": 1, "proof": proof })).await.refused(413, "too_large");
    post("result", json!({ "fence": 1, "proof": "0xzz" })).await.refused(400, "bad_request");
}
