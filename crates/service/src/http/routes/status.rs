//! Who the operator is and how it does.

use crate::{
    http::{
        App,
        error::{Answer, Fault},
    },
    ops,
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use zkpool_api::{ApiError, Info};
use zkpool_protocol::ErrorCode;

/// Who the operator is and what it takes.
#[utoipa::path(get, operation_id = "info", path = "/v1/info", tag = "operator", responses((status = 200, body = Info)))]
pub(super) async fn info(State(app): State<App>) -> Answer<axum::Json<Info>> {
    Ok(axum::Json(ops::info::info(app.ctx()).await?))
}

/// Whether the service can work.
#[utoipa::path(get, operation_id = "health", path = "/healthz", tag = "operator", responses(
    (status = 200, body = str, content_type = "text/plain", description = "`ok`"),
    (status = 503, body = ApiError, description = "It cannot, or is about to stop; the message says why."),
))]
pub(super) async fn healthz(State(app): State<App>) -> Answer<&'static str> {
    let unwell = |fault: Fault| fault.with_status(StatusCode::SERVICE_UNAVAILABLE);
    if app.stop().is_cancelled() {
        return Err(unwell(Fault::new(ErrorCode::Starting, "draining: the service is about to stop")));
    }
    ops::info::health(app.ctx()).await.map_err(|error| unwell(error.into()))?;
    Ok("ok\n")
}

/// Prometheus metrics.
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", tag = "operator", responses(
    (status = 200, body = str, content_type = "text/plain", description = "Text exposition format 0.0.4."),
))]
pub(super) async fn metrics(State(app): State<App>) -> Answer<impl IntoResponse> {
    crate::gauges::refresh(app.ctx()).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics().render()))
}

/// This document.
#[utoipa::path(get, operation_id = "openapi", path = "/openapi.json", tag = "operator", responses(
    (status = 200, body = Object, content_type = "application/json"),
))]
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], super::document())
}
