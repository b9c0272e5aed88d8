//! The document, and that it says what the routes do.

use crate::support::{Service, key};
use serde_json::{Value, json};
use zkpool_protocol::BlobId;

#[test]
fn the_committed_document_is_fresh() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/openapi.json");
    let fresh = zkpool_service::http::openapi();
    if std::env::var_os("ZKPOOL_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "crates/api/openapi.json is stale: run this test with ZKPOOL_UPDATE_SNAPSHOTS=1 and review the difference"
    );
}

fn document() -> Value {
    serde_json::from_str(&zkpool_service::http::openapi()).unwrap()
}

/// Every `METHOD path` with what stands in the document about it.
fn operations() -> Vec<(String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap().clone();
    let each = |(path, methods): (String, Value)| {
        let methods = methods.as_object().unwrap().clone();
        methods.into_iter().map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
    };
    paths.into_iter().flat_map(each).collect()
}

#[test]
fn the_document_has_every_route_of_the_architecture_and_no_other() {
    let mut routes: Vec<_> = operations().into_iter().map(|(route, _)| route).collect();
    routes.sort();
    let expected = [
        "GET /healthz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /v1/attestations",
        "GET /v1/blobs/{id}",
        "GET /v1/info",
        "GET /v1/pay/provers/{address}",
        "GET /v1/pay/provers/{address}/receipts",
        "GET /v1/pay/tasks/{id}",
        "GET /v1/pay/tranches",
        "GET /v1/pay/tranches/{index}",
        "GET /v1/programs/{id}",
        "GET /v1/quotes/{request}",
        "GET /v1/receipts/{id}",
        "GET /v1/tasks/{id}",
        "GET /v1/tasks/{id}/events",
        "POST /v1/attestations",
        "POST /v1/auth/login",
        "POST /v1/auth/nonce",
        "POST /v1/jobs/claim",
        "POST /v1/jobs/{id}/fail",
        "POST /v1/jobs/{id}/heartbeat",
        "POST /v1/jobs/{id}/result",
        "POST /v1/programs",
        "POST /v1/provers/join",
        "POST /v1/provers/leave",
        "POST /v1/provers/{address}/readmit",
        "POST /v1/published",
        "POST /v1/quotes",
        "PUT /v1/blobs/{id}",
    ];
    assert_eq!(routes, expected);
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    assert!(document.pointer("/components/securitySchemes/token").is_some());
}

#[tokio::test]
async fn what_needs_a_token_says_so_and_refuses_without_one() {
    let service = Service::start().await;
    let token = service.token(&key(1)).await;
    for (route, operation) in operations() {
        let job = format!("{:#x}-0", zkpool_protocol::TaskId::ZERO);
        let id = if route.contains("/jobs/") { job } else { BlobId::of(b"x").to_string() };
        let id = if route.contains("/tasks/") { format!("0x{id}") } else { id };
        let path = route.replace("{id}", &id).replace("{request}", &id);
        let secured = operation.get("security").is_some();
        let body = if route.starts_with("POST") { json!({}) } else { Value::Null };
        let without = service.call(&path, None, &body).await;
        if secured {
            without.refused(401, "unauthorized");
            service.call(&path, Some("0000"), &body).await.refused(401, "unauthorized");
            let with = service.call(&path, Some(&token), &body).await;
            assert_ne!(with.status, 401, "{route}");
            assert_ne!(with.status, 500, "{route}: {with:?}");
        } else {
            assert_ne!(without.status, 401, "{route}");
        }
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let service = Service::start().await;
    let answer = service.get("/openapi.json", None).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.body, zkpool_service::http::openapi());
}
