//! What a program in an enclave is asked to do.

use super::size::attached_are_here;
use crate::{Context, OpError, OpResult};
use zkpool_protocol::{ATTEST_UNITS, BlobId, ErrorCode};
use zkpool_store::{InputRecord, Measured, TaskRecord};

/// What an enclave is to run. It is not run here: what it comes to is what the requester, or the bundle's other legs, say.
pub(super) async fn look(ctx: &Context, task: &TaskRecord, attached: Vec<BlobId>) -> OpResult<InputRecord> {
    attached_are_here(ctx, task, &attached).await?;
    let unknown = || {
        let message = "what an enclave comes to is not known beforehand: name the statement that you expect";
        OpError::new(ErrorCode::BadInput, message)
    };
    let input = InputRecord {
        blob: task.ask.input,
        program: task.ask.program,
        attached,
        measured: Measured { units: ATTEST_UNITS, memory: 0 },
        statement: task.ask.statement.ok_or_else(unknown)?,
        public_inputs: vec![],
        tried: true,
        run: None,
    };
    ctx.store.put_input(&input, ctx.clock.now()).await?;
    Ok(input)
}

/// Whether the payer's word is taken for what an enclave comes to. Fails with `Forbidden`.
pub(super) fn trusted(ctx: &Context, task: &TaskRecord) -> OpResult<()> {
    if ctx.config.trusted_payers.contains(&task.payer) {
        return Ok(());
    }
    let message = format!(
        "what an enclave comes to is not known before it has run, and this operator does not take the word of {} for it: have \
         it read the very bytes that a zkVM leg of the bundle reads, or ask the operator to trust you (trusted_payers)",
        task.payer
    );
    Err(OpError::new(ErrorCode::Forbidden, message))
}
