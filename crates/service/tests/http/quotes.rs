//! Quotes, as far as HTTP goes: who may ask, what is pending, what a stop does.

use crate::{
    support::{Service, key},
    work::requester,
};
use serde_json::{Value, json};
use std::time::Duration;
use zkpool_protocol::BlobId;

/// What the requester of [`Service::work`] asks for.
fn wish(program: BlobId, input: BlobId) -> Value {
    json!({
        "kind": "groth16-bn254", "program": program, "input": input, "payer": requester(), "target": key(1).address(),
        "call": { "prefix": "0x" }, "call_gas": 100_000, "reward_token": crate::support::TOKEN,
        "liability_token": crate::support::TOKEN, "proof_window": 600, "liability_window": 1_200, "liability": "10",
        "bond": "1", "burn": "0",
    })
}

#[tokio::test]
async fn only_the_payer_asks_and_is_told() {
    let service = Service::start().await;
    let work = service.work().await;
    let (payer, other) = (service.token(&key(0x51)).await, service.token(&key(1)).await);
    let wish = wish(work.program, work.input);
    service.call("POST /v1/quotes", Some(&other), &wish).await.refused(403, "forbidden");
    let mut unknown = wish.clone();
    unknown["program"] = json!(BlobId::of(b"none"));
    service.call("POST /v1/quotes", Some(&payer), &unknown).await.refused(404, "unknown_program");
    let mut unknown = wish.clone();
    unknown["input"] = json!(work.stray);
    service.call("POST /v1/quotes", Some(&payer), &unknown).await.refused(404, "unknown_input");
    // A quote that is there: told to its payer and to nobody else, and its state does not matter.
    let path = format!("/v1/quotes/{}", work.request);
    let reply = service.get(&path, Some(&payer)).await;
    assert_eq!((reply.status.as_u16(), &reply.json()["status"]), (200, &json!("quoted")), "{reply:?}");
    assert_eq!(reply.json()["task"], json!(work.id));
    service.get(&path, Some(&other)).await.refused(404, "not_found");
}

#[tokio::test]
async fn a_service_that_stops_does_not_hold_a_request_up_nor_lose_it() {
    let service = Service::start().await;
    let work = service.work().await;
    let payer = service.token(&key(0x51)).await;
    let wish = wish(work.program, work.input);
    let asked = service.call("POST /v1/quotes", Some(&payer), &wish);
    let (refused, ()) = tokio::join!(asked, async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        service.stop.cancel();
    });
    refused.refused(503, "starting");
    assert_eq!(refused.headers["retry-after"], "2");
    let request: zkpool_api::QuoteRequest = serde_json::from_value(wish).unwrap();
    let pending = service.get(&format!("/v1/quotes/{}", request.id()), Some(&payer)).await;
    assert_eq!((pending.status.as_u16(), &pending.json()["status"]), (202, &json!("preflight")));
}
