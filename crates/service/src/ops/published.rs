//! Tasks that were published with another operator: this one may take them over when they are late.

use super::{programs, quotes};
use crate::{Context, OpError, OpResult, envelope};
use zkpool_api::{PublishedReply, PublishedRequest};
use zkpool_protocol::{Address, BlobId, ErrorCode, Strategy, TaskState, WorkUnits};
use zkpool_store::{NewWatch, Price, Role};

/// Tells of a quote published with another operator. The input must be held here (uploaded by `who`), the program
/// registered, and the call be the one that the quote commits to. The chain is asked whether the task is live.
/// One of this operator's own tasks is answered with its state.
/// Fails with `UnknownInput`, `UnknownProgram`, `BadRequest`, `NotFound` (the chain does not hold it as a live task, yet),
/// `QuoteAltered`, `VerifierNotAllowed`, `TokenNotAllowed`, `TooManyQuotes`, `RpcUnreachable`.
pub async fn announce_published(ctx: &Context, who: Address, told: PublishedRequest) -> OpResult<PublishedReply> {
    let quote = told.quote.quote;
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
    if told.call.hash() != quote.task.call_hash {
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
    let watch = NewWatch {
        id,
        kind,
        program: head.program,
        call: told.call,
        told_by: who,
        // A race costs more than the reward was made for.
        price: Price { work: 0, gas: 0, premium: 0, units: WorkUnits(0), strategy: Strategy::Assign, expected_ms: 0 },
        quote,
    };
    let deadlines = (live.proof_deadline, live.liability_deadline);
    let now = ctx.clock.now();
    let task = ctx.store.watch_task(&watch, (chain_head.number, published), deadlines, now).await?;
    ctx.nudges.rescue.wake();
    Ok(PublishedReply { task: id, state: task.state })
}

fn no_kind() -> OpError {
    OpError::new(ErrorCode::VerifierNotAllowed, "the program yields no kind of proof")
}
