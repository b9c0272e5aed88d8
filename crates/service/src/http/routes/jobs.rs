//! Provers and their jobs.

use crate::{
    http::{
        App,
        error::{Answer, Fault},
        extract::{Id, Json, SignedIn},
    },
    ops,
};
use axum::{extract::State, http::StatusCode};
use zkpool_api::{
    ApiError, ClaimReply, ClaimRequest, FailReply, FailRequest, HeartbeatReply, HeartbeatRequest, JoinReply,
    JoinRequest, LeaveRequest, MAX_CLAIM_WAIT, MAX_DEVICE_NAME, MAX_FAIL_MESSAGE, MAX_PROOF, MAX_STAGE, ResultReply,
    ResultRequest, schema,
};
use zkpool_protocol::{Address, ErrorCode, JobId};

/// A device offers its work; again replaces what it said before.
#[utoipa::path(post, operation_id = "join", path = "/v1/provers/join", tag = "prover", security(("token" = [])), request_body = JoinRequest,
    responses((status = 200, body = JoinReply), (status = 400, body = ApiError, description = "`bad_request`"),
    (status = 403, body = ApiError, description = "`unbonded`: the message says what bond is missing; `excluded`: put out, until the operator lets it in."),
))]
pub(super) async fn join(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Json(request): Json<JoinRequest>,
) -> Answer<axum::Json<JoinReply>> {
    check_device(&request.device)?;
    if request.kinds.iter().any(|kind| !(kind.units_per_second.is_finite() && kind.units_per_second > 0.0)) {
        return Err(bad("units_per_second must be above zero"));
    }
    if request.kinds.is_empty() || request.cpus == 0 || request.memory == 0 || request.concurrency == 0 {
        return Err(bad("kinds, cpus, memory and concurrency must not be empty or zero"));
    }
    Ok(axum::Json(ops::provers::join(app.ctx(), who, request).await?))
}

/// A device takes its offer back; what it holds goes to others.
#[utoipa::path(post, operation_id = "leave", path = "/v1/provers/leave", tag = "prover", security(("token" = [])), request_body = LeaveRequest,
    responses((status = 204, description = "It gets no more jobs.")))]
pub(super) async fn leave(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Json(request): Json<LeaveRequest>,
) -> Answer<StatusCode> {
    check_device(&request.device)?;
    ops::provers::leave(app.ctx(), who, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The operator lets a prover in again that was put out after misses in a row.
#[utoipa::path(post, operation_id = "readmit", path = "/v1/provers/{address}/readmit", tag = "prover", security(("token" = [])),
    params(("address" = schema::Address, Path, description = "The prover.")), responses(
    (status = 204, description = "It is in again; what it has to sit out stays."),
    (status = 403, body = ApiError, description = "`forbidden`: for the operator's owner and signer alone."),
    (status = 404, body = ApiError, description = "`not_found`: it is not out."),
))]
pub(super) async fn readmit(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Id(prover): Id<Address>,
) -> Answer<StatusCode> {
    ops::provers::readmit(app.ctx(), who, prover).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Waits for a job, up to the time that is asked for and never longer than 30 s.
///
/// The wait ends when the client hangs up. Without a job, or when the service is about to stop, `job` is null.
#[utoipa::path(post, operation_id = "claim_job", path = "/v1/jobs/claim", tag = "prover", security(("token" = [])), request_body = ClaimRequest,
    responses(
    (status = 200, body = ClaimReply, description = "A job with a lease, or nothing yet."),
    (status = 403, body = ApiError, description = "`forbidden`: join first; `excluded`: not before the time named; `unbonded`: the message says what bond is missing."),
))]
pub(super) async fn claim(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Json(mut request): Json<ClaimRequest>,
) -> Answer<axum::Json<ClaimReply>> {
    check_device(&request.device)?;
    request.wait = request.wait.min(MAX_CLAIM_WAIT);
    if app.stop().is_cancelled() {
        return Err(Fault::new(ErrorCode::Starting, "the service is about to stop: try again"));
    }
    let answer = app.unless_stopping(ops::jobs::claim_job(app.ctx(), who, request)).await;
    Ok(axum::Json(answer.unwrap_or(Ok(ClaimReply { job: None }))?))
}

/// Notes progress and renews the lease.
#[utoipa::path(post, operation_id = "heartbeat", path = "/v1/jobs/{id}/heartbeat", tag = "prover", security(("token" = [])),
    params(("id" = schema::JobId, Path, description = "The job.")), request_body = HeartbeatRequest, responses(
    (status = 200, body = HeartbeatReply, description = "Renewed, or not needed any more."),
    (status = 409, body = ApiError, description = "`lease_lost`"),
))]
pub(super) async fn heartbeat(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Id(job): Id<JobId>,
    Json(request): Json<HeartbeatRequest>,
) -> Answer<axum::Json<HeartbeatReply>> {
    check_text("stage", &request.stage, MAX_STAGE)?;
    if !(0.0..=1.0).contains(&request.progress) {
        return Err(bad("progress must be from 0 to 1"));
    }
    Ok(axum::Json(ops::jobs::heartbeat(app.ctx(), who, job, request).await?))
}

/// The largest body that carries a result: its bytes in hex, and what stands around them.
const MAX_RESULT_BODY: usize = 2 * MAX_PROOF + 4096;

/// Takes a job's result: it is verified and stored before this answers. The same result again gives the same answer.
#[utoipa::path(post, operation_id = "return_result", path = "/v1/jobs/{id}/result", tag = "prover", security(("token" = [])),
    params(("id" = schema::JobId, Path, description = "The job.")), request_body = ResultRequest, responses(
    (status = 200, body = ResultReply, description = "Verified and durable."),
    (status = 409, body = ApiError, description = "`lease_lost`"),
    (status = 422, body = ApiError, description = "`proof_invalid`"),
))]
pub(super) async fn result(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Id(job): Id<JobId>,
    Json(request): Json<ResultRequest, MAX_RESULT_BODY>,
) -> Answer<axum::Json<ResultReply>> {
    if request.proof.len() > MAX_PROOF {
        return Err(Fault::new(ErrorCode::TooLarge, format!("a result has at most {MAX_PROOF} bytes")));
    }
    Ok(axum::Json(ops::jobs::accept_result(app.ctx(), who, job, request).await?))
}

/// Takes a job back; it never returns to this prover.
#[utoipa::path(post, operation_id = "fail_job", path = "/v1/jobs/{id}/fail", tag = "prover", security(("token" = [])),
    params(("id" = schema::JobId, Path, description = "The job.")), request_body = FailRequest, responses(
    (status = 200, body = FailReply, description = "It goes to somebody else."),
    (status = 409, body = ApiError, description = "`lease_lost`"),
))]
pub(super) async fn fail(
    State(app): State<App>,
    SignedIn(who): SignedIn,
    Id(job): Id<JobId>,
    Json(request): Json<FailRequest>,
) -> Answer<axum::Json<FailReply>> {
    check_text("message", &request.message, MAX_FAIL_MESSAGE)?;
    Ok(axum::Json(ops::jobs::fail_job(app.ctx(), who, job, request).await?))
}

fn bad(message: impl Into<String>) -> Fault {
    Fault::new(ErrorCode::BadRequest, message)
}

/// Names end up in logs, on pages and in metrics.
fn check_device(name: &str) -> Result<(), Fault> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_DEVICE_NAME || !name.bytes().all(fine) {
        return Err(bad(format!(
            "a device's name is 1 to {MAX_DEVICE_NAME} letters, digits, dots, underscores or hyphens"
        )));
    }
    Ok(())
}

fn check_text(what: &str, text: &str, most: usize) -> Result<(), Fault> {
    if text.len() > most || text.chars().any(char::is_control) {
        return Err(bad(format!("{what} is at most {most} bytes of one line")));
    }
    Ok(())
}
