//! Tasks that were published with another operator: this one may take them over when they are late.

use super::{programs, quotes};
use crate::{Context, OpError, OpResult, envelope};
use zkpool_api::{PublishedReply, PublishedRequest};
use zkpool_protocol::{Address, B256, BlobId, Call, ErrorCode, Quote, TaskId, TaskState};
use zkpool_store::{NewWatch, Role};

/// Tells of a quote published with another operator. The input must be held here (uploaded by `who`), the program
/// registered, and the call be the one that the quote commits to. The chain is asked whether the task is live.
/// One of this operator's own tasks is answered with its state.
/// Fails with `UnknownInput`, `UnknownProgram`, `BadRequest`, `NotFound` (the chain does not hold it as a live task, yet),
/// `QuoteAltered`, `VerifierNotAllowed`, `TokenNotAllowed`, `TooManyQuotes`, `RpcUnreachable`.
pub async fn announce_published(ctx: &Context, who: Address, told: PublishedRequest) -> OpResult<PublishedReply> {
    watch(ctx, who, told.quote.quote, told.call).await
}

/// Has heard of a publication with another operator from the chain itself. If this operator was asked for the same, it has
/// all that is needed to take the task over: nobody needs to tell it. False if it has not, or would not have signed it.
pub(crate) async fn overhear(ctx: &Context, task: TaskId, transaction: B256) -> OpResult<bool> {
    if ctx.store.task(task).await?.is_some() {
        return Ok(true);
    }
    let quote = match ctx.chain.published_quote(task, transaction).await {
        Ok(Some(quote)) => quote,
        Err(error) if error.is_transient() => return Err(error.into()),
        // Nodes need not keep transactions for ever.
        _ => return Ok(false),
    };
    let asked = ctx.store.asked_on(quote.task.input_hash.into()).await?;
    let Some(same) = asked.into_iter().find(|asked| asked.ask.call.hash() == quote.task.call_hash) else {
        return Ok(false);
    };
    match watch(ctx, same.payer, quote, same.ask.call).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_store_fault() || error.is_endpoint_fault() => Err(error),
        Err(error) => {
            tracing::debug!(task.id = %task, code = %error.code, error = error.chain(), "a task of another is not watched");
            Ok(false)
        }
    }
}

async fn watch(ctx: &Context, who: Address, quote: Quote, call: Call) -> OpResult<PublishedReply> {
    let id = quote.id(&ctx.domain());
    if let Some(task) = ctx.store.task(id).await? {
        return Ok(PublishedReply { task: id, state: task.state });
    }
    let terms = &quote.terms;
    if terms.operator == ctx.config.operator {
        let message = "this operator did not sign this quote: is it the one that was published?";
        return Err(OpError::new(ErrorCode::QuoteAltered, message));
    }
    terms.check().map_err(|error| OpError::caused_by(ErrorCode::BadRequest, error.to_string(), error))?;
    if call.hash() != quote.task.call_hash {
        let message = "the call is not the one that the quote commits to (callHash)";
        return Err(OpError::new(ErrorCode::QuoteAltered, message));
    }
    let input = BlobId::from(quote.task.input_hash);
    quotes::held(ctx, who, input).await?;
    let head = envelope::head(ctx, input).await?;
    let program = programs::known(ctx, head.program).await?;
    // Only what this operator would have signed itself. A quote does not say the kind of proof; its verifier does.
    let mut kinds = program.manifest.kinds().iter().copied();
    let judged = |kind| crate::policy::judge(ctx, kind, head.program, terms.verifier, terms.target);
    let kind = match kinds.find(|kind| judged(*kind).is_ok()) {
        Some(kind) => kind,
        None => return Err(judged(program.manifest.kinds()[0]).err().unwrap_or_else(no_kind)),
    };
    crate::policy::tokens(ctx, terms.reward_token, terms.liability_token)?;
    let watched = ctx.store.tasks_in(&[TaskState::Watched]).await?;
    let limit = ctx.config.rescue.watched_per_address as usize;
    if watched.iter().filter(|task| task.payer == who && task.role == Role::Rescue).count() >= limit {
        let message = format!("{limit} tasks of yours are watched already, as many as one may have");
        return Err(OpError::new(ErrorCode::TooManyQuotes, message));
    }
    let Some(live) = ctx.chain.live_task(&quote).await? else {
        let message = "the chain does not hold this as a live task: publish it, and tell again when it is included";
        return Err(OpError::new(ErrorCode::NotFound, message));
    };
    let chain_head = ctx.chain.head().await?;
    // The windows end where the chain says; the publication was as long before as they last.
    let published = live.proof_deadline.saturating_sub(u64::from(terms.proof_window));
    let watch = NewWatch { id, kind, program: head.program, call, told_by: who, quote };
    let deadlines = (live.proof_deadline, live.liability_deadline);
    let now = ctx.clock.now();
    let task = ctx.store.watch_task(&watch, (chain_head.number, published), deadlines, now).await?;
    ctx.nudges.rescue.wake();
    Ok(PublishedReply { task: id, state: task.state })
}

fn no_kind() -> OpError {
    OpError::new(ErrorCode::VerifierNotAllowed, "the program yields no kind of proof")
}
