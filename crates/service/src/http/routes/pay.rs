//! What provers earn: set apart, earned, published.

use crate::{
    http::{
        App,
        error::Answer,
        extract::{Id, MaybeSignedIn, Query},
    },
    ops,
};
use axum::extract::State;
use zkpool_api::{
    ApiError, EarmarksReply, ReceiptsQuery, ReceiptsReply, TaskPayReply, TrancheReply, TranchesReply, schema,
};
use zkpool_protocol::{Address, TaskId};

/// All tranches that this operator has opened.
#[utoipa::path(get, operation_id = "tranches", path = "/v1/pay/tranches", tag = "pay", responses(
    (status = 200, body = TranchesReply, description = "None with an operator that pays its provers outside."),
))]
pub(super) async fn tranches(State(app): State<App>) -> Answer<axum::Json<TranchesReply>> {
    Ok(axum::Json(ops::pay::tranches(app.ctx()).await?))
}

/// A tranche with everybody who is in it: enough to build its tree.
#[utoipa::path(get, operation_id = "tranche", path = "/v1/pay/tranches/{index}", tag = "pay",
    params(("index" = u64, Path, description = "Its index among the operator's.")), responses(
    (status = 200, body = TrancheReply),
    (status = 404, body = ApiError, description = "`not_found`"),
))]
pub(super) async fn tranche(State(app): State<App>, Id(index): Id<u64>) -> Answer<axum::Json<TrancheReply>> {
    Ok(axum::Json(ops::pay::tranche(app.ctx(), index).await?))
}

/// What is set apart for a prover, with the proof of it and the last voucher.
#[utoipa::path(get, operation_id = "earmarks", path = "/v1/pay/provers/{address}", tag = "pay",
    params(("address" = schema::Address, Path, description = "The prover.")), responses(
    (status = 200, body = EarmarksReply, description = "In tranches that still pay."),
))]
pub(super) async fn prover(State(app): State<App>, Id(prover): Id<Address>) -> Answer<axum::Json<EarmarksReply>> {
    Ok(axum::Json(ops::pay::earmarks(app.ctx(), prover).await?))
}

/// A prover's receipts in a tranche, in the order of their chain.
///
/// The prover, with its token, sees all of them; anyone else those before the first whose task has not ended.
#[utoipa::path(get, operation_id = "prover_receipts", path = "/v1/pay/provers/{address}/receipts", tag = "pay",
    params(("address" = schema::Address, Path, description = "The prover."), ReceiptsQuery), responses(
    (status = 200, body = ReceiptsReply),
))]
pub(super) async fn receipts(
    State(app): State<App>,
    MaybeSignedIn(who): MaybeSignedIn,
    Id(prover): Id<Address>,
    Query(query): Query<ReceiptsQuery>,
) -> Answer<axum::Json<ReceiptsReply>> {
    Ok(axum::Json(ops::pay::receipts(app.ctx(), who, prover, query).await?))
}

/// From what a task's jobs were paid, and the receipts of all of them, once the task has ended.
#[utoipa::path(get, operation_id = "task_pay", path = "/v1/pay/tasks/{id}", tag = "pay",
    params(("id" = schema::Word, Path, description = "The quote's digest.")), responses(
    (status = 200, body = TaskPayReply),
    (status = 404, body = ApiError, description = "`not_found`: not this operator's, or not ended yet."),
))]
pub(super) async fn task(State(app): State<App>, Id(id): Id<TaskId>) -> Answer<axum::Json<TaskPayReply>> {
    Ok(axum::Json(ops::pay::of_task(app.ctx(), id).await?))
}
