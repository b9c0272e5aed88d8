//! The reconcilers: idempotent, without input, run periodically and when nudged.
//!
//! Each has a `tick(&Context) -> OpResult<bool>`, true if there is more to do at once. A tick that fails is logged and
//! tried again; one that dies half-way is an ordinary tick later.

pub(crate) mod account;
pub(crate) mod aftermath;
mod calldata;
pub(crate) mod dispatch;
pub(crate) mod execute;
pub(crate) mod follow;
pub(crate) mod gather;
pub(crate) mod pay;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod rescue;
pub(crate) mod seal;
pub(crate) mod segments;
pub(crate) mod slots;
pub(crate) mod submit;

use crate::{OpError, OpResult};
use zkpool_store::TaskRecord;

/// What came of one task. What is wrong with it alone is said, and holds up no other; what the store or an endpoint has
/// against it ends the run.
fn isolated<T>(task: &TaskRecord, attempt: &str, outcome: OpResult<T>) -> OpResult<Option<T>> {
    let fails_all = |error: &OpError| error.is_store_fault() || error.is_endpoint_fault();
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_over() => Ok(None),
        Err(error) if fails_all(&error) => Err(error),
        Err(error) => {
            let id = task.id().map(tracing::field::display);
            tracing::warn!(task.id = id, code = %error.code, error = error.chain(), "{attempt} has failed");
            Ok(None)
        }
    }
}
