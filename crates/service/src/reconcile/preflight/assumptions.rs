//! The receipts that a program builds on, held against the receipt that the task is to end in.
//!
//! That they are sound, and that they are what the program verifies, the worker has found out. It does so once for an input,
//! whatever is asked for with it: which kinds of them will do depends on what is asked for.

use crate::{Context, OpError, OpResult, ops::results};
use zkpool_protocol::{ErrorCode, ProofKind};
use zkpool_store::InputRecord;
use zkpool_verifiers::risc0::{MAX_ASSUMPTION, check_assumption};

/// Fails with `BadInput` for a receipt that a task of this kind cannot build on.
pub(super) async fn check(ctx: &Context, kind: ProofKind, input: &InputRecord) -> OpResult<()> {
    if !kind.is_risc0() {
        return Ok(());
    }
    // The first one is the standard input.
    for id in input.attached.iter().skip(1) {
        let receipt = results::read(ctx, *id, MAX_ASSUMPTION).await?;
        let checked = tokio::task::spawn_blocking(move || check_assumption(kind, &receipt)).await;
        let checked = checked
            .map_err(|error| OpError::caused_by(ErrorCode::Internal, "a receipt could not be looked at", error))?;
        checked.map_err(|error| {
            let message = format!("receipt {id} that the input names will not do: {error}");
            OpError::caused_by(ErrorCode::BadInput, message, error)
        })?;
    }
    Ok(())
}
