//! Receipts: whoever wants to know what was signed can look.

use super::blobs::BlobOut;
use crate::{Context, OpError, OpResult};
use zkpool_protocol::{Address, BlobId, ErrorCode, TaskState};

/// Opens a task's receipt: for anyone once the task is delivered, before that for members of its committee. Fails with
/// `NotFound`, also where it is only not for the caller: a receipt is a bearer's proof.
pub async fn receipt(ctx: &Context, who: Option<Address>, id: BlobId) -> OpResult<BlobOut> {
    let not_found = || {
        let message =
            format!("there is no receipt {id}, or its task is not delivered yet and you are not to sign for it");
        OpError::new(ErrorCode::NotFound, message)
    };
    let mut may = false;
    for task in ctx.store.tasks_of_receipt(id).await? {
        may |= task.state == TaskState::Delivered;
        if let (false, Some(who)) = (may, who) {
            let committee = ctx.committee(task.ask.verifier).await?;
            may = committee.is_some_and(|committee| committee.members.contains(&who));
        }
    }
    if !may {
        return Err(not_found());
    }
    let reader = ctx.blobs.open(id).await?.ok_or_else(not_found)?;
    Ok(BlobOut { length: reader.length, bytes: reader.bytes })
}
