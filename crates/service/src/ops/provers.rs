//! Provers come and go.

use crate::{Context, OpError, OpResult};
use zkpool_api::{JoinReply, JoinRequest, LeaveRequest, MAX_CLAIM_WAIT, MAX_DEVICE_NAME};
use zkpool_protocol::{Address, ErrorCode};
use zkpool_store::{ProverDescription, ProverId};

/// The most jobs at once that are believed of one device.
const MAX_CONCURRENCY: u32 = 256;

/// The most SGX programs that are believed of one device.
const MAX_ENCLAVES: usize = 64;

/// A device joins, or describes itself anew. An exclusion that still runs goes on; one that was out after misses in a row
/// is let in again when it has run out. Fails with `BadRequest`.
pub async fn join(ctx: &Context, who: Address, request: JoinRequest) -> OpResult<JoinReply> {
    let (id, now) = (device(who, request.device)?, ctx.clock.now());
    let speeds = request.kinds.iter().map(|kind| (kind.kind, kind.units_per_second)).collect();
    let mut description = ProverDescription {
        cpus: request.cpus,
        // Amounts beyond what a database holds are as good as that.
        memory: request.memory.min(1 << 62),
        concurrency: request.concurrency.min(MAX_CONCURRENCY),
        asks: request.asks.iter().map(|ask| (ask.kind, ask.wei_per_million_units)).collect(),
        speeds,
        enclaves: request.enclaves.into_iter().take(MAX_ENCLAVES).collect(),
        unpaid: request.unpaid,
    };
    let usable = |speed: &f64| speed.is_finite() && *speed > 0.0;
    if description.concurrency == 0 || description.speeds.is_empty() || !description.speeds.values().all(usable) {
        let message = "a device needs a concurrency above zero and kinds with speeds above zero";
        return Err(OpError::new(ErrorCode::BadRequest, message));
    }
    if description.asks.values().any(|ask| *ask == 0) {
        return Err(OpError::new(
            ErrorCode::BadRequest,
            "what a device asks is above zero: leave out what it does not ask",
        ));
    }
    let speeds = &description.speeds;
    description.asks.retain(|kind, _| speeds.contains_key(kind));
    // How long a lease may last follows from the speed: whoever holds one has not become slower meanwhile.
    if !ctx.store.held_by(&id).await?.is_empty()
        && let Some(known) = ctx.store.prover(&id).await?
    {
        for (kind, speed) in known.description.speeds {
            let said = description.speeds.entry(kind).or_insert(speed);
            *said = said.max(speed);
        }
    }
    let prover = ctx.store.join_prover(&id, &description, now).await?;
    ctx.status.heard(&id, now);
    ctx.nudges.dispatch.wake();
    ctx.nudges.pay.wake();
    // Requests that were refused for want of a prover are not tried again by themselves; new ones find this one.
    let excluded = prover.standing.excluded_until;
    tracing::info!(prover = %id, "a prover has joined");
    Ok(JoinReply {
        prover: who,
        excluded_until_ms: (excluded > now).then_some(excluded),
        max_claim_wait: MAX_CLAIM_WAIT,
    })
}

/// A device leaves: it gets no more jobs, and what it holds goes to others; nothing counts against it.
pub async fn leave(ctx: &Context, who: Address, request: LeaveRequest) -> OpResult<()> {
    let id = device(who, request.device)?;
    ctx.store.leave_prover(&id, ctx.clock.now()).await?;
    ctx.status.left(&id);
    ctx.nudges.dispatch.wake();
    tracing::info!(prover = %id, "a prover has left");
    Ok(())
}

/// A device of an address.
pub(crate) fn device(who: Address, name: String) -> OpResult<ProverId> {
    let fits = !name.is_empty()
        && name.len() <= MAX_DEVICE_NAME
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !fits {
        let message = format!("a device's name has 1 to {MAX_DEVICE_NAME} letters, digits, '.', '_' and '-'");
        return Err(OpError::new(ErrorCode::BadRequest, message));
    }
    Ok(ProverId { address: who, device: name })
}
