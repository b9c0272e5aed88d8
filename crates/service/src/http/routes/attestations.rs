//! Committees: receipts that wait for signatures, signatures, and the receipts themselves.

use super::blobs::stream_out;
use crate::{
    http::{
        App,
        error::Answer,
        extract::{Id, Json, MaybeSignedIn, Query, SignedIn},
    },
    ops,
};
use axum::{extract::State, response::IntoResponse};
use zkpool_api::{
    ApiError, AttestationReply, AttestationRequest, AttestationsQuery, AttestationsReply, MAX_ATTESTATION_WAIT, schema,
};
use zkpool_protocol::BlobId;

/// Receipts that wait for the caller's signature; waits for one, up to the time that is asked for.
#[utoipa::path(get, operation_id = "open_attestations", path = "/v1/attestations", tag = "committee", security(("token" = [])),
    params(AttestationsQuery), responses(
    (status = 200, body = AttestationsReply, description = "What waits; nothing if the wait is over."),
    (status = 403, body = ApiError, description = "`forbidden`: not a member of this committee."),
    (status = 422, body = ApiError, description = "`verifier_not_allowed`"),
))]
pub(super) async fn open(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Query(mut query): Query<AttestationsQuery>,
) -> Answer<axum::Json<AttestationsReply>> {
    query.wait = query.wait.min(MAX_ATTESTATION_WAIT);
    let answer = app.unless_stopping(ops::attestations::open_attestations(app.ctx(), who, query)).await;
    Ok(axum::Json(answer.unwrap_or(Ok(AttestationsReply { open: vec![] }))?))
}

/// Takes a member's signature for a receipt. One that is for something else is kept as evidence.
#[utoipa::path(post, operation_id = "attest", path = "/v1/attestations", tag = "committee", security(("token" = [])),
    request_body = AttestationRequest, responses(
    (status = 200, body = AttestationReply, description = "Checked and stored."),
    (status = 403, body = ApiError, description = "`forbidden`: not a member of the task's committee."),
    (status = 404, body = ApiError, description = "`not_found`: no receipt of this task waits for a signature."),
    (status = 422, body = ApiError, description = "`proof_invalid`: it is for something else; the message says for what it should be."),
))]
pub(super) async fn attest(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Json(request): Json<AttestationRequest>,
) -> Answer<axum::Json<AttestationReply>> {
    Ok(axum::Json(ops::attestations::attest(app.ctx(), who, request).await?))
}

/// The receipt that was signed, so that anyone can look whether it proves what its signers say.
///
/// Before its task is delivered, for members of the task's committee that send their token.
#[utoipa::path(get, operation_id = "receipt", path = "/v1/receipts/{id}", tag = "committee",
    params(("id" = schema::BlobId, Path, description = "SHA-256 of the receipt.")), responses(
    (status = 200, body = schema::Binary, content_type = "application/octet-stream", description = "bincode of a RISC Zero `Receipt`."),
    (status = 404, body = ApiError, description = "`not_found`: not there, or not for the caller yet."),
))]
pub(super) async fn receipt(
    State(app): State<App>,
    MaybeSignedIn(who): MaybeSignedIn,
    Id(id): Id<BlobId>,
) -> Answer<impl IntoResponse> {
    let permit = app.rates().transfer()?;
    let blob = ops::receipts::receipt(app.ctx(), who, id).await?;
    Ok(stream_out(&app, permit, blob))
}
