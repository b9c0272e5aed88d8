//! Health, metrics, info.

use crate::support::Service;
use serde_json::json;
use zkpool_chain::Head;
use zkpool_protocol::B256;

fn head(timestamp: u64) -> Head {
    let mut head = Head { number: 10, hash: B256::ZERO, parent: B256::ZERO, timestamp, base_fee: 0, gas_limit: 0 };
    head.number = 10;
    head
}

#[tokio::test]
async fn health_is_said_with_its_reasons() {
    let service = Service::start().await;
    let unwell = service.get("/healthz", None).await;
    assert_eq!(unwell.status, 503, "the chain has not been seen yet");
    assert!(!unwell.json()["message"].as_str().unwrap().is_empty());
    let now = service.ctx.clock.now();
    service.ctx.status.saw_chain(head(now / 1000), true, now);
    let well = service.get("/healthz", None).await;
    assert_eq!((well.status.as_u16(), &well.body[..]), (200, &b"ok\n"[..]));
    service.stop.cancel();
    let draining = service.get("/healthz", None).await;
    assert!(draining.refused(503, "starting").contains("draining"));
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let service = Service::start().await;
    service.work().await;
    service.get("/v1/nothing", None).await;
    let now = service.ctx.clock.now();
    service.ctx.status.saw_chain(head(now / 1000 - 7), true, now);
    let answer = service.get("/metrics", None).await;
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = std::str::from_utf8(&answer.body).unwrap();
    for line in [
        "zkpool_http_requests_total{method=\"GET\",route=\"unknown\",status=\"404\"} 1",
        "zkpool_tasks{state=\"proving\"} 1",
        "zkpool_tasks{state=\"quoted\"} 0",
        "zkpool_jobs{state=\"ready\"} 1",
        "zkpool_provers 0",
        "zkpool_claims_waiting 0",
        "zkpool_circuit_open 0",
        "zkpool_head_block 10",
        "zkpool_head_lag_seconds 7",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("# HELP zkpool_http_request_seconds"), "{text}");
}

#[tokio::test]
async fn anyone_may_know_who_the_operator_is() {
    let service = Service::start().await;
    let info = service.get("/v1/info", None).await.json();
    assert_eq!(info["chain_id"], json!(crate::support::CHAIN));
    assert_eq!(info["operator"], json!(crate::support::OPERATOR));
    assert_eq!(info["limits"]["blob_bytes"], json!(service.ctx.config.limits.blob));
}
