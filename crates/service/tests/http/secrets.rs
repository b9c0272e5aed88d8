//! What must not be in the log, whatever its level.

use crate::support::{Service, key};
use serde_json::json;
use std::{
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

/// A log to read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn tokens_signatures_inputs_and_bodies_are_never_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let service = Service::start().await;
    let work = service.work().await;
    let token = service.token(&key(2)).await;
    let fence = service.lease(&work, key(2).address()).await.token;
    let fail = json!({ "fence": fence, "code": "internal", "message": "fine", "secret-field": "424242" });
    let path = format!("POST /v1/jobs/{}/fail", work.job);
    service.call(&path, Some(&token), &fail).await.refused(400, "bad_request");
    service.call(&path, Some("deadbeef-token"), &fail).await.refused(401, "unauthorized");
    service.get("/v1/info?key=query-secret", None).await;
    let blob = zkpool_protocol::BlobId::of(b"private-input");
    let put = crate::support::request(&format!("PUT /v1/blobs/{blob}"), Some(&token));
    service.send(put.body(axum::body::Body::from("private-input")).unwrap()).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("answered") && text.contains("/v1/jobs/{id}/fail"), "the log is the one of the requests");
    for secret in [&token[..], "deadbeef-token", "424242", "query-secret", "private-input", "wants you to sign in"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}
