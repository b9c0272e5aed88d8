//! Each request in the log and in the metrics: route, status, time. Never a header, a query or a body.

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use rand::RngCore;
use std::time::Instant;
use tracing::Instrument;
use zkpool_protocol::ErrorCode;

/// The answer's header that names its line in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps every request.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let method = known(request.method());
    // The route's pattern: a path itself could be anything, and there is no end of them.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let id = format!("{:016x}", rand::thread_rng().next_u64());
    let span = tracing::info_span!("request", id, method, route);
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let status = response.status();
    let code = response.extensions().get::<ErrorCode>().map_or("", |code| code.as_str());
    span.in_scope(|| {
        let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(status = status.as_u16(), code, duration_ms, "answered");
    });
    crate::metrics::http_request(method, &route, status.as_u16(), elapsed);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response.headers_mut().entry("cache-control").or_insert(HeaderValue::from_static("no-store"));
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// A method's name; clients can invent methods, metrics cannot have a series for each.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}
