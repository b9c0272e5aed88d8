//! Quotes: asked for here, made by the `preflight` reconciler.

use super::programs;
use crate::{Change, Context, OpError, OpResult};
use std::time::Duration;
use tokio::time::Instant;
use zkpool_api::{ApiError, GuestRunView, MAX_QUOTE_WAIT, Price, QuoteReply, QuoteRequest, QuoteStatus, RequestId};
use zkpool_protocol::{Address, ErrorCode, MAX_CALL_GAS, TaskState};
use zkpool_store::{Ask, NewTask, Refusal, StoreError, TaskRecord};

/// Longest `reference`, in bytes.
const MAX_REFERENCE: usize = 64;
/// Longest call, in bytes: prefix, suffix and check together.
const MAX_CALL: usize = 128 * 1024;
/// A refusal stands for so long before the same request is tried anew, in milliseconds.
const REFUSAL_STANDS: u64 = 1_000;

/// Asks for a quote and waits up to `wait` (at most [`zkpool_api::MAX_QUOTE_WAIT`]) for what becomes of it. The same body
/// gets the same quote until its task has ended; after that, and after a refusal that time or the requester can mend, it
/// is a new wish.
/// Fails with `Forbidden` (`who` is not the payer), `UnknownInput`, `UnknownProgram`, `BadRequest`, `TooManyQuotes`. A
/// refusal is no failure but an answer.
pub async fn request_quote(ctx: &Context, who: Address, wish: QuoteRequest, wait: Duration) -> OpResult<QuoteReply> {
    if who != wish.payer {
        return Err(OpError::new(ErrorCode::Forbidden, "only the payer itself can ask: sign in as the payer"));
    }
    let request = wish.id();
    let end = Instant::now() + wait.min(Duration::from_secs(MAX_QUOTE_WAIT.into()));
    let mut news = ctx.changes.listen();
    let now = ctx.clock.now();
    let mut task = match ctx.store.latest_task(request).await? {
        Some(task) if !may_be_tried_anew(&task, now) => task,
        latest => {
            check(ctx, who, &wish).await?;
            let attempt = latest.map_or(0, |task| task.attempt + 1);
            let new = NewTask { request, attempt, payer: who, ask: ask(wish) };
            let task = ctx.store.create_task(&new, ctx.config.limits.pending_quotes, now).await;
            ctx.nudges.preflight.wake();
            task.map_err(|error| match error {
                StoreError::TooManyQuotes(_) => OpError::new(
                    ErrorCode::TooManyQuotes,
                    "too many requests wait for their preflight: try again later",
                ),
                other => other.into(),
            })?
        }
    };
    while is_pending(&task) && Instant::now() < end {
        let key = task.key;
        let change = async { while matches!(news.recv().await, Ok(change) if change != Change::Task(key)) {} };
        let _ = tokio::time::timeout_at(end.min(Instant::now() + Duration::from_secs(1)), change).await;
        task = ctx.store.task_by_key(key).await?.ok_or_else(no_such_request)?;
    }
    reply(ctx, &task).await
}

/// What became of a request. Only the payer who asked is told; fails with `NotFound` otherwise.
pub async fn quote(ctx: &Context, who: Address, request: RequestId) -> OpResult<QuoteReply> {
    let task = ctx.store.latest_task(request).await?.filter(|task| task.payer == who);
    reply(ctx, &task.ok_or_else(no_such_request)?).await
}

fn no_such_request() -> OpError {
    OpError::new(ErrorCode::NotFound, "there is no such request of yours: ask for a quote (POST /v1/quotes)")
}

/// Not decided, or decided and not signed yet.
fn is_pending(task: &TaskRecord) -> bool {
    match task.state {
        TaskState::Preflight => true,
        TaskState::Quoted => task.signature.is_none(),
        _ => false,
    }
}

/// Ended, or refused for a reason that may have passed; what the input or the program was refused for stays.
fn may_be_tried_anew(task: &TaskRecord, now: u64) -> bool {
    let lasting = |refusal: &Refusal| {
        matches!(
            refusal.code,
            ErrorCode::BadProvingKey
                | ErrorCode::BadWitnessGenerator
                | ErrorCode::BadInput
                | ErrorCode::WitnessUnsatisfied
                | ErrorCode::GuestFailed
                | ErrorCode::WrongPublicInputs
                | ErrorCode::PreflightExceeded
        )
    };
    match task.state {
        TaskState::Refused => !task.refusal.as_ref().is_some_and(lasting) && task.changed_at + REFUSAL_STANDS <= now,
        state => state.is_final(),
    }
}

/// Refuses at once what needs no preflight to be refused.
async fn check(ctx: &Context, who: Address, wish: &QuoteRequest) -> OpResult<()> {
    let bad = |message: String| Err(OpError::new(ErrorCode::BadRequest, message));
    if wish.reference.len() > MAX_REFERENCE {
        return bad(format!("reference has at most {MAX_REFERENCE} bytes"));
    }
    if wish.beneficiary().is_zero() || wish.target.is_zero() {
        return bad("requester and target must not be the zero address".into());
    }
    if wish.proof_window == 0 || wish.liability_window < wish.proof_window {
        return bad("proof_window must be above zero and at most liability_window".into());
    }
    let longest = ctx.config.limits.liability_window;
    if wish.liability_window > longest {
        return bad(format!("liability_window is at most {longest} s here"));
    }
    if wish.call_gas > MAX_CALL_GAS {
        return bad(format!("call_gas is at most {MAX_CALL_GAS}"));
    }
    if wish.call.prefix.len() + wish.call.suffix.len() + wish.call.done_check.len() > MAX_CALL {
        return bad(format!("the call has at most {MAX_CALL} bytes"));
    }
    if wish.encoder.is_some() && !wish.call.suffix.is_empty() {
        return bad("with an encoder the call has no suffix".into());
    }
    let program = programs::known(ctx, wish.program).await?;
    if !program.manifest.kinds().contains(&wish.kind) {
        let kinds: Vec<_> = program.manifest.kinds().iter().map(ToString::to_string).collect();
        return bad(format!("program {} yields {}, not {}", wish.program, kinds.join(", "), wish.kind));
    }
    held(ctx, who, wish.input).await
}

/// Whether the input is here, and `who` brought it.
pub(crate) async fn held(ctx: &Context, who: Address, input: zkpool_protocol::BlobId) -> OpResult<()> {
    if !ctx.store.has_uploaded(who, input).await? {
        let message = format!("input {input} is not here: upload it first (PUT /v1/blobs/{input})");
        return Err(OpError::new(ErrorCode::UnknownInput, message));
    }
    let limit = ctx.config.limits.input;
    match ctx.blobs.length(input).await? {
        Some(length) if length > limit => {
            Err(OpError::new(ErrorCode::TooLarge, format!("an envelope has at most {limit} bytes")))
        }
        Some(_) => Ok(()),
        None => {
            Err(OpError::new(ErrorCode::UnknownInput, format!("input {input} is not here any more: upload it again")))
        }
    }
}

fn ask(wish: QuoteRequest) -> Ask {
    Ask {
        requester: wish.beneficiary(),
        program: wish.program,
        kind: wish.kind,
        input: wish.input,
        statement: wish.statement,
        target: wish.target,
        encoder: wish.encoder.unwrap_or_default(),
        verifier: wish.verifier.unwrap_or_default(),
        call: wish.call,
        call_gas: wish.call_gas,
        proof_window: wish.proof_window,
        liability_window: wish.liability_window,
        reward_token: wish.reward_token,
        max_reward: wish.max_reward,
        liability_token: wish.liability_token,
        liability: wish.liability,
        bond: wish.bond,
        burn: wish.burn,
        strategy: wish.strategy,
    }
}

async fn reply(ctx: &Context, task: &TaskRecord) -> OpResult<QuoteReply> {
    let mut reply = QuoteReply::new(task.request, QuoteStatus::Preflight);
    if is_pending(task) {
        return Ok(reply);
    }
    if let Some(input) = ctx.store.input(task.ask.input).await? {
        match input.run {
            Some(run) => reply.run = Some(GuestRunView { journal: run.journal, cycles: run.cycles }),
            None => reply.public_inputs = Some(input.public_inputs),
        }
        reply.price = task.price.map(|price| Price {
            reward: price.reward(),
            work: price.work,
            gas: price.gas,
            premium: price.premium,
            units: price.units,
            strategy: price.strategy,
            expected_ms: price.expected_ms,
        });
    }
    match (&task.refusal, task.state) {
        (Some(refusal), _) => {
            let indicative = reply.price.is_some() && ApiError::new(refusal.code, "").is_transient()
                || refusal.code == ErrorCode::Unfunded && reply.price.is_some();
            reply.status = if indicative { QuoteStatus::Indicative } else { QuoteStatus::Refused };
            reply.error = Some(ApiError::new(refusal.code, refusal.message.clone()));
        }
        (None, TaskState::Lapsed) => {
            reply.status = QuoteStatus::Refused;
            let message = "the quote has expired without being published: ask anew";
            reply.error = Some(ApiError::new(ErrorCode::QuoteExpired, message));
        }
        (None, _) => {
            reply.status = QuoteStatus::Quoted;
            reply.quote = task.signed();
            reply.task = task.id();
            reply.call = Some(task.ask.call.clone());
        }
    }
    Ok(reply)
}
