//! Sign-in.

use crate::http::{App, error::Answer, extract::Json};
use axum::extract::State;
use zkpool_api::{ApiError, LoginReply, LoginRequest, NonceReply};

/// What the next sign-in message is made of.
#[utoipa::path(post, operation_id = "sign_in_nonce", path = "/v1/auth/nonce", tag = "sign-in", responses(
    (status = 200, body = NonceReply, description = "Good once, for some minutes."),
    (status = 429, body = ApiError, description = "`rate_limited`"),
))]
pub(super) async fn nonce(State(app): State<App>) -> axum::Json<NonceReply> {
    axum::Json(app.auth().nonce(app.now()))
}

/// A token for whoever signed the message.
///
/// The message's domain is the service's host, its chain the operator's, its nonce fresh; it names an expiration time.
#[utoipa::path(post, operation_id = "sign_in", path = "/v1/auth/login", tag = "sign-in", request_body = LoginRequest, responses(
    (status = 200, body = LoginReply, description = "Signed in."),
    (status = 400, body = ApiError, description = "`bad_request`: not an EIP-4361 message."),
    (status = 401, body = ApiError, description = "`unauthorized`: the message says why."),
    (status = 422, body = ApiError, description = "`wrong_chain`"),
))]
pub(super) async fn login(State(app): State<App>, Json(request): Json<LoginRequest>) -> Answer<axum::Json<LoginReply>> {
    Ok(axum::Json(app.auth().login(app.now(), &request)?))
}
