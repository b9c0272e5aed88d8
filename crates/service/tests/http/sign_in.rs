//! Sign-in over HTTP. The rules of the message itself are tested beside `http::auth`.

use crate::support::{HERE, Service, key, signed};
use serde_json::{Value, json};
use zkpool_api::sign_in_message;

#[tokio::test]
async fn a_signed_message_gives_a_token_and_only_once() {
    let service = Service::start().await;
    let nonce = service.call("POST /v1/auth/nonce", None, &Value::Null).await.json();
    let nonce = serde_json::from_value(nonce).unwrap();
    let message = sign_in_message(&format!("http://{HERE}"), key(1).address(), &nonce).unwrap();
    let request = signed(message, &key(1));
    let reply = service.call("POST /v1/auth/login", None, &request).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["cache-control"], "no-store");
    let reply = reply.json();
    assert_eq!(reply["address"], json!(key(1).address()));
    assert_eq!(reply["token"].as_str().unwrap().len(), 64);
    let again = service.call("POST /v1/auth/login", None, &request).await;
    assert!(again.refused(401, "unauthorized").contains("used before"));
    assert_eq!(again.headers["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn messages_for_elsewhere_are_refused() {
    let service = Service::start().await;
    let login = async |url: &str, change: fn(&mut Value), signer: u8| {
        let mut nonce = service.call("POST /v1/auth/nonce", None, &Value::Null).await.json();
        change(&mut nonce);
        let nonce = serde_json::from_value(nonce).unwrap();
        let message = sign_in_message(url, key(1).address(), &nonce).unwrap();
        service.call("POST /v1/auth/login", None, &signed(message, &key(signer))).await
    };
    let here = format!("http://{HERE}");
    assert_eq!(login(&here, |_| {}, 1).await.status, 200);
    assert_eq!(login("http://localhost:8700", |_| {}, 1).await.status, 200);
    assert!(login("https://evil.example", |_| {}, 1).await.refused(401, "unauthorized").contains("evil.example"));
    assert!(
        login(&here, |nonce| nonce["chain_id"] = json!(1), 1).await.refused(422, "wrong_chain").contains("chain 1")
    );
    login(&here, |nonce| nonce["nonce"] = json!("a".repeat(80)), 1).await.refused(401, "unauthorized");
    login(&here, |nonce| nonce["expires_at"] = json!(1), 1).await.refused(401, "unauthorized");
    login(&here, |_| {}, 2).await.refused(401, "unauthorized");
    let garbage = json!({ "message": "let me in", "signature": "0x00" });
    service.call("POST /v1/auth/login", None, &garbage).await.refused(400, "bad_request");
}

#[tokio::test]
async fn an_old_nonce_is_refused() {
    let service = Service::start().await;
    let nonce = service.call("POST /v1/auth/nonce", None, &Value::Null).await.json();
    let nonce = serde_json::from_value(nonce).unwrap();
    let message = sign_in_message(&format!("http://{HERE}"), key(1).address(), &nonce).unwrap();
    service.clock.advance(301);
    let late = service.call("POST /v1/auth/login", None, &signed(message, &key(1))).await;
    assert!(late.refused(401, "unauthorized").contains("expired"));
}

#[tokio::test]
async fn a_token_is_good_until_it_expires_and_nothing_else_is() {
    let service = Service::start().await;
    let token = service.token(&key(1)).await;
    let path = format!("/v1/quotes/{}", zkpool_protocol::BlobId::of(b"q"));
    assert_ne!(service.get(&path, Some(&token)).await.status, 401);
    service.get(&path, None).await.refused(401, "unauthorized");
    service.get(&path, Some("nonsense")).await.refused(401, "unauthorized");
    service.get(&path, Some(&token[1..])).await.refused(401, "unauthorized");
    for header in ["Basic abc", "Bearer", &token] {
        let request = axum::http::Request::get(&path).header("authorization", header);
        service.send(request.body(axum::body::Body::empty()).unwrap()).await.refused(401, "unauthorized");
    }
    service.clock.advance(3_600);
    assert!(service.get(&path, Some(&token)).await.refused(401, "unauthorized").contains("sign in again"));
}
