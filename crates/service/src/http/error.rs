//! Every answer that is not a success has the same shape: a code and a message.

use crate::OpError;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{any::Any, time::Duration};
use zkpool_api::ApiError;
use zkpool_protocol::ErrorCode;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Fault {
    error: ApiError,
    /// Where the code's own status does not say it.
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
}

/// What handlers return.
pub(crate) type Answer<T> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ApiError::new(code, message).into()
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    pub(crate) fn error(&self) -> &ApiError {
        &self.error
    }

    /// Too many at once of something that `what` names.
    pub(crate) fn busy(what: &str) -> Self {
        Self::new(ErrorCode::RateLimited, format!("too many {what} at once: try again in a few seconds"))
            .retry_after(Duration::from_secs(5))
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self { error, status: None, retry_after: None }
    }
}

/// The boundary at which operations' errors are logged, once: faults of the service in full, refusals by code alone,
/// since their messages can quote what was sent.
impl From<OpError> for Fault {
    fn from(error: OpError) -> Self {
        let api = ApiError::new(error.code, error.message.clone());
        if api.status() >= 500 {
            tracing::warn!(code = %error.code, error = error.chain(), "an operation failed");
        } else {
            tracing::debug!(code = %error.code, "an operation was refused");
        }
        api.into()
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = self.status.or_else(|| StatusCode::from_u16(self.error.status()).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self.error)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let default = (self.error.code == ErrorCode::Starting).then_some(Duration::from_secs(2));
        if let Some(wait) = self.retry_after.or(default) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil().max(1.0) as u64));
        }
        response.extensions_mut().insert(self.error.code);
        response
    }
}

/// No such route.
pub(crate) async fn not_found() -> Fault {
    Fault::new(ErrorCode::NotFound, "no such route: GET /openapi.json lists them")
}

/// A route, but not with this method.
pub(crate) async fn method_not_allowed() -> Fault {
    Fault::new(ErrorCode::BadRequest, "this route does not take this method: GET /openapi.json lists them")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

/// A handler panicked. The panic's text stays in the log.
pub(crate) fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!(panic = text, "a handler panicked");
    Fault::new(ErrorCode::Internal, "the service failed on this request: tell the operator").into_response()
}
