//! What this operator signs for, and takes over: its own lists.

use crate::{Context, OpError, OpResult, config::AllowedVerifier};
use zkpool_protocol::{Address, ErrorCode, ProgramId, ProofKind};

/// How a delivery is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge<'a> {
    /// By a verifier on the list.
    Verifier(&'a AllowedVerifier),
    /// By a target that is trusted.
    Target,
}

/// Whether this operator agrees to be judged so. Fails with `VerifierNotAllowed`.
pub(crate) fn judge(
    ctx: &Context,
    kind: ProofKind,
    program: ProgramId,
    verifier: Address,
    target: Address,
) -> OpResult<Judge<'_>> {
    let refuse = |message: String| Err(OpError::new(ErrorCode::VerifierNotAllowed, message));
    if verifier.is_zero() {
        return match ctx.config.trusted_targets.contains(&target) {
            true => Ok(Judge::Target),
            false => refuse(format!(
                "target {target} is not one that this operator lets judge a delivery: name a verifier (GET /v1/info)"
            )),
        };
    }
    let mut listed = ctx.config.verifiers.iter().filter(|allowed| allowed.address == verifier && allowed.kind == kind);
    let fitting = listed.clone().find(|allowed| allowed.program.is_none_or(|only| only == program));
    match (fitting, listed.next()) {
        (Some(allowed), _) => Ok(Judge::Verifier(allowed)),
        (None, Some(_)) => refuse(format!("verifier {verifier} is not the one for program {program}")),
        (None, None) => {
            refuse(format!("this operator does not sign for verifier {verifier} with {kind} (GET /v1/info lists them)"))
        }
    }
}

/// Whether this operator takes the reward's token and has slots in the liability's. Fails with `TokenNotAllowed`.
pub(crate) fn tokens(ctx: &Context, reward: Address, liability: Address) -> OpResult<()> {
    let refuse = |message: String| Err(OpError::new(ErrorCode::TokenNotAllowed, message));
    if !ctx.config.token(reward).is_some_and(|token| token.reward) {
        return refuse(format!("rewards are not taken in token {reward} (GET /v1/info lists those that are)"));
    }
    if !ctx.config.slots.iter().any(|slots| slots.token == liability) {
        return refuse(format!(
            "this operator has no slots in token {liability} (GET /v1/info lists those that it has)"
        ));
    }
    Ok(())
}
