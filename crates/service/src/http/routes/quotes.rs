//! Programs and quotes.

use crate::{
    http::{
        App,
        error::Answer,
        extract::{Id, Json, SignedIn},
    },
    ops,
};
use axum::{extract::State, http::StatusCode};
use std::time::Duration;
use zkpool_api::{
    ApiError, MAX_QUOTE_WAIT, ProgramView, PublishedReply, PublishedRequest, QuoteReply, QuoteRequest, QuoteStatus,
    schema,
};
use zkpool_protocol::{BlobId, ProgramManifest};

/// Registers a program whose parts have been uploaded. Again is no change.
#[utoipa::path(post, operation_id = "register_program", path = "/v1/programs", tag = "requester", security(("token" = [])),
    request_body = schema::ProgramManifest, responses(
    (status = 200, body = ProgramView, description = "Registered."),
    (status = 404, body = ApiError, description = "`not_found`: a part has not been uploaded."),
    (status = 422, body = ApiError, description = "`bad_proving_key`, `bad_witness_generator`, `preflight_exceeded`"),
))]
pub(super) async fn register_program(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Json(manifest): Json<ProgramManifest>,
) -> Answer<axum::Json<ProgramView>> {
    Ok(axum::Json(ops::programs::register_program(app.ctx(), who, manifest).await?))
}

/// A registered program.
#[utoipa::path(get, operation_id = "program", path = "/v1/programs/{id}", tag = "requester", security(("token" = [])),
    params(("id" = schema::BlobId, Path, description = "The program.")), responses(
    (status = 200, body = ProgramView),
    (status = 404, body = ApiError, description = "`unknown_program`"),
))]
pub(super) async fn program(
    State(app): State<App>,
    _: SignedIn,
    Id(id): Id<BlobId>,
) -> Answer<axum::Json<ProgramView>> {
    Ok(axum::Json(ops::programs::program(app.ctx(), id).await?))
}

/// Asks for a quote, and waits up to 20 s for the preflight.
///
/// The same body gives the same quote. Only the payer may ask.
#[utoipa::path(post, operation_id = "request_quote", path = "/v1/quotes", tag = "requester", security(("token" = [])), request_body = QuoteRequest,
    responses(
    (status = 200, body = QuoteReply, description = "Quoted, indicative or refused: the status says which."),
    (status = 202, body = QuoteReply, description = "The preflight goes on: ask `GET /v1/quotes/{request}`."),
    (status = 403, body = ApiError, description = "`forbidden`: not the payer."),
    (status = 404, body = ApiError, description = "`unknown_input`, `unknown_program`: upload or register it first."),
))]
pub(super) async fn request(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Json(wish): Json<QuoteRequest>,
) -> Answer<(StatusCode, axum::Json<QuoteReply>)> {
    let wait = Duration::from_secs(MAX_QUOTE_WAIT.into());
    // A service that stops answers with what it knows: the request is stored, and polling finds it after the restart.
    let answer = ops::quotes::request_quote(app.ctx(), who, wish, wait);
    Ok(with_status(app.unless_stopping(answer).await??))
}

/// What became of a request for a quote.
#[utoipa::path(get, operation_id = "quote", path = "/v1/quotes/{request}", tag = "requester", security(("token" = [])),
    params(("request" = schema::BlobId, Path, description = "As named in the answer to `POST /v1/quotes`.")), responses(
    (status = 200, body = QuoteReply, description = "Quoted, indicative or refused."),
    (status = 202, body = QuoteReply, description = "The preflight goes on."),
    (status = 404, body = ApiError, description = "`not_found`: no such request of the caller's."),
))]
pub(super) async fn quote(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Id(request): Id<BlobId>,
) -> Answer<(StatusCode, axum::Json<QuoteReply>)> {
    Ok(with_status(ops::quotes::quote(app.ctx(), who, request).await?))
}

fn with_status(reply: QuoteReply) -> (StatusCode, axum::Json<QuoteReply>) {
    let pending = reply.status == QuoteStatus::Preflight;
    (if pending { StatusCode::ACCEPTED } else { StatusCode::OK }, axum::Json(reply))
}

/// Tells of a quote that was published with another operator, which this one may take over if it is late.
#[utoipa::path(post, operation_id = "announce_published", path = "/v1/published", tag = "requester", security(("token" = [])),
    request_body = PublishedRequest, responses(
    (status = 200, body = PublishedReply, description = "The task is known."),
    (status = 404, body = ApiError, description = "`not_found`: the chain does not have it as a live task (yet); \
        `unknown_input`, `unknown_program`: upload or register it first."),
    (status = 422, body = ApiError, description = "`quote_altered`, `verifier_not_allowed`, `token_not_allowed`"),
    (status = 502, body = ApiError, description = "`rpc_unreachable`"),
))]
pub(super) async fn published(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Json(told): Json<PublishedRequest>,
) -> Answer<axum::Json<PublishedReply>> {
    Ok(axum::Json(ops::published::announce_published(app.ctx(), who, told).await?))
}
