//! The transaction that delivers: how long its call is, what that costs, and whether nodes take it.
//!
//! A zkVM program's journal travels with its proof, so a call can be far longer than the proof of a circuit makes it.

use crate::{Context, OpError, OpResult, parts::Parts};
use zkpool_protocol::{ErrorCode, ProofKind};
use zkpool_store::{Ask, InputRecord};
use zkpool_verifiers::sgx::PROOF_LEN;

/// The quote and what ABI puts around it all, in bytes.
const FRAME: u64 = 1_536;
/// What `DELIVERY_GAS` and its like count already, in bytes.
const ORDINARY: u64 = 2_560;
/// The longest call: nodes take transactions of 128 KiB, and the transaction is more than its call.
const MOST: u64 = 120 << 10;
/// The seal of a Groth16 receipt; a committee's, without its signatures; each of those.
const GROTH16_SEAL: u64 = 260;
const COMMITTEE_SEAL: u64 = 36;
const SIGNATURE: u64 = 65;
/// What ABI puts around a leg's proof, and what it may need to fill a word.
const LEG_FRAME: u64 = 160;
/// Gas of a leg that a target takes by itself, without what the transaction and its bytes cost.
const EARLY_LEG_GAS: u64 = 500_000;
/// What `receiveLeg` carries besides the proof.
const EARLY_LEG_FRAME: u64 = 132;
/// A byte that is sent, at most, and what it costs to be copied and hashed on its way to target and verifier.
const GAS_PER_BYTE: u64 = 16 + 8;
/// What a transaction costs at least, for itself and for each byte (EIP-7623).
const BASE_GAS: u64 = 21_000;
const LEAST_GAS_PER_BYTE: u64 = 40;

/// How long the call is that delivers what was asked for, in bytes; no less than it will be.
pub(super) async fn length(ctx: &Context, ask: &Ask, parts: &Parts) -> OpResult<u64> {
    let mut proof = 0;
    for part in &parts.all {
        proof += proof_length(ctx, &part.ask, &part.input).await?;
        if ask.kind == ProofKind::Bundle {
            proof += LEG_FRAME;
        }
    }
    let call = words(ask.call.prefix.len()) + words(ask.call.suffix.len()) + words(ask.call.done_check.len());
    Ok(FRAME + call + proof)
}

async fn proof_length(ctx: &Context, ask: &Ask, input: &InputRecord) -> OpResult<u64> {
    if ask.kind == ProofKind::Sgx {
        return Ok(words(PROOF_LEN));
    }
    let Some(run) = &input.run else { return Ok(256 + 32 * input.public_inputs.len() as u64) };
    let committee = match ask.verifier.is_zero() {
        true => None,
        false => ctx.committee(ask.verifier).await?,
    };
    let signed = |threshold: u32| COMMITTEE_SEAL + SIGNATURE * u64::from(threshold);
    Ok(words(run.journal.len()) + committee.map_or(GROTH16_SEAL, |committee| signed(committee.threshold)))
}

fn words(length: usize) -> u64 {
    words64(length as u64)
}

const fn words64(length: u64) -> u64 {
    length.next_multiple_of(32)
}

/// What the transactions cost at most, in gas, with which a target is sent those legs that it takes by themselves.
pub(super) async fn early_legs(ctx: &Context, ask: &Ask, parts: &Parts) -> OpResult<u64> {
    let mut gas = 0;
    for (place, part) in (0u32..).zip(&parts.all).filter(|_| parts.early) {
        if ctx.chain.leg_window(ask.target, parts.input.statement, place).await?.is_some() {
            gas += early_leg(words64(proof_length(ctx, &part.ask, &part.input).await?) + EARLY_LEG_FRAME);
        }
    }
    Ok(gas)
}

/// The gas that a transaction may take with which a target is sent a leg: a call of this length.
pub(super) fn early_leg(length: u64) -> u64 {
    let gas = BASE_GAS + EARLY_LEG_GAS + length.saturating_mul(GAS_PER_BYTE);
    gas.max(BASE_GAS.saturating_add(length.saturating_mul(LEAST_GAS_PER_BYTE)))
}

/// Whether a transaction with such a call would be taken by nodes. Fails with `TooLarge`.
pub(super) fn check(length: u64) -> OpResult<()> {
    if length <= MOST {
        return Ok(());
    }
    let message = format!(
        "delivering takes a call of about {} KiB, and nodes take at most {} KiB: make less public, or shorten the call's \
         prefix and suffix",
        length.div_ceil(1 << 10),
        MOST >> 10
    );
    Err(OpError::new(ErrorCode::TooLarge, message))
}

/// The gas of a transaction that takes `ordinary` with a call of ordinary length, with one of this length.
pub(super) fn gas(ordinary: u64, length: u64) -> u64 {
    let longer = ordinary.saturating_add(length.saturating_sub(ORDINARY).saturating_mul(GAS_PER_BYTE));
    longer.max(BASE_GAS.saturating_add(length.saturating_mul(LEAST_GAS_PER_BYTE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_calls_cost_what_their_bytes_cost() {
        assert_eq!(gas(450_000, 2_048), 450_000);
        assert_eq!(gas(450_000, 2_560 + 1_000), 474_000);
        assert_eq!(gas(450_000, 100_000), 21_000 + 4_000_000, "the floor of EIP-7623");
        assert!(check(120 << 10).is_ok());
        assert_eq!(check((120 << 10) + 1).unwrap_err().code, ErrorCode::TooLarge);
    }
}
