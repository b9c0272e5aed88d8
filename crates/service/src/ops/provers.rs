//! Provers come and go.

use super::bonds;
use crate::{Context, KeyRole, OpError, OpResult};
use zkpool_api::{JoinReply, JoinRequest, LeaveRequest, MAX_CLAIM_WAIT, MAX_DEVICE_NAME};
use zkpool_protocol::{Address, ErrorCode};
use zkpool_store::{ProverDescription, ProverId};

/// The most jobs at once that are believed of one device.
const MAX_CONCURRENCY: u32 = 256;

/// The most SGX programs that are believed of one device.
const MAX_ENCLAVES: usize = 64;

/// A device joins, or describes itself anew. An exclusion that still runs goes on. Fails with `BadRequest`, `Excluded` if
/// it was put out, `Unbonded`, `RpcUnreachable` if its bond cannot be looked at.
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
    bonds::admit(ctx, who).await?;
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

/// The operator lets an address in again that was put out; whatever bond that took is not asked for any more. Fails with
/// `Forbidden` unless `who` is the operator, or has its signer's key, and `NotFound` if the address is not out.
pub async fn readmit(ctx: &Context, who: Address, prover: Address) -> OpResult<()> {
    if who != ctx.config.operator && Some(who) != ctx.chain.address_of(KeyRole::Signer) {
        let message = "only the operator lets provers in again: sign in with its key, or with its signer's";
        return Err(OpError::new(ErrorCode::Forbidden, message));
    }
    if !ctx.store.let_in(prover, true).await? {
        return Err(OpError::new(ErrorCode::NotFound, format!("prover {prover} is not out")));
    }
    tracing::info!(%prover, "the operator has let a prover in again");
    ctx.status.keep_bonds(|known| known != prover);
    ctx.nudges.pay.wake();
    ctx.nudges.dispatch.wake();
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
