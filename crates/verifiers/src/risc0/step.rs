//! The result of one step.

use super::{
    ReceiptError,
    codec::{MAX_ASSUMPTION, MAX_RESULT, context, decode, decode_receipt, digest, guarded, included, word},
    receipt::{assumption_of, chained, seal},
};
use alloy_primitives::B256;
use risc0_zkvm::{Groth16Receipt, MaybePruned, ReceiptClaim, SegmentReceipt, SuccinctReceipt, sha::Digestible};
use zkpool_protocol::{Operation, zkvm::MIN_SEGMENT_PO2};

/// The largest segment that can be lifted with the zkVM's default parameters.
const MAX_LIFT_PO2: u32 = 22;
/// Where a segment's seal holds its size: after a version and the circuit's globals.
const SEAL_PO2: usize = 1 + 90;

/// A step, and what it was done on. The inputs have been checked when they came.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What was to be done.
    pub operation: Operation,
    /// For `prove`: the digest of the claim that the segment's executor named. It covers image or state before, state
    /// after, exit code and output, so that no other segment and no other program's can pass.
    pub claim: Option<B256>,
    /// The results that it needed, in order: one for `lift`, `resolve` and `wrap`, two for `join`.
    pub needs: &'a [&'a [u8]],
    /// For `resolve`: the receipt of what was assumed.
    pub assumption: Option<&'a [u8]>,
}

impl Step<'_> {
    /// Whether `result` is what the step should yield: read, held against its inputs, and its seal verified.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`] names what is wrong.
    pub fn check(&self, result: &[u8]) -> Result<(), ReceiptError> {
        guarded(|| match (self.operation, self.needs, self.assumption) {
            (Operation::Prove, [], None) => prove(result, self.claim.ok_or_else(|| self.misfit())?),
            (Operation::Lift, [segment], None) => {
                let segment: SegmentReceipt = decode("segment receipt", segment, MAX_RESULT)?;
                recursion(result, &segment.claim)
            }
            (Operation::Join, [left, right], None) => {
                let (left, right) = (claim_of(left)?, claim_of(right)?);
                chained(0, &left, &right)?;
                recursion(result, &left.join(&right))
            }
            (Operation::Resolve, [conditional], Some(assumption)) => {
                let receipt = decode_receipt("receipt of the assumption", assumption, MAX_ASSUMPTION)?;
                let assumed = assumption_of(&receipt)?;
                let resolved = claim_of(conditional)?.resolve(assumed);
                recursion(result, &resolved.map_err(|error| ReceiptError::NotAssumed(error.to_string()))?)
            }
            (Operation::Wrap, [succinct], None) => wrap(result, &claim_of(succinct)?),
            _ => Err(self.misfit()),
        })
    }

    fn misfit(&self) -> ReceiptError {
        ReceiptError::Inputs { operation: self.operation, found: self.needs.len() }
    }
}

fn prove(result: &[u8], claim: B256) -> Result<(), ReceiptError> {
    let receipt: SegmentReceipt = decode("segment receipt", result, MAX_RESULT)?;
    same(claim, receipt.claim.digest())?;
    open(&receipt.claim)?;
    receipt.verify_integrity_with_context(&context()).map_err(seal)?;
    let found = receipt.seal.get(SEAL_PO2).copied().unwrap_or_default();
    if !(MIN_SEGMENT_PO2..=MAX_LIFT_PO2).contains(&found) {
        return Err(ReceiptError::Size { found, min: MIN_SEGMENT_PO2, max: MAX_LIFT_PO2 });
    }
    Ok(())
}

fn recursion(result: &[u8], claim: &ReceiptClaim) -> Result<(), ReceiptError> {
    let receipt: SuccinctReceipt<ReceiptClaim> = decode("succinct receipt", result, MAX_RESULT)?;
    same(word(claim.digest()), receipt.claim.digest())?;
    open(receipt.claim.as_value().map_err(|_| ReceiptError::Pruned("parts"))?)?;
    included(&receipt)?;
    receipt.verify_integrity_with_context(&context()).map_err(seal)
}

fn wrap(result: &[u8], claim: &ReceiptClaim) -> Result<(), ReceiptError> {
    let receipt: Groth16Receipt<ReceiptClaim> = decode("Groth16 receipt", result, MAX_RESULT)?;
    same(word(claim.digest()), receipt.claim.digest())?;
    receipt.verify_integrity_with_context(&context()).map_err(seal)
}

/// The claim of a succinct receipt that was checked when it came.
fn claim_of(succinct: &[u8]) -> Result<ReceiptClaim, ReceiptError> {
    let receipt: SuccinctReceipt<ReceiptClaim> = decode("succinct receipt", succinct, MAX_RESULT)?;
    receipt.claim.value().map_err(|_| ReceiptError::Pruned("parts"))
}

fn same(expected: B256, found: risc0_zkvm::Digest) -> Result<(), ReceiptError> {
    if digest(expected) == found { Ok(()) } else { Err(ReceiptError::Claim { expected, found: word(found) }) }
}

/// Whether the claim says all that later steps open. Its digest is the same if it does not, so that a prover could stop
/// a task with a receipt that verifies.
fn open(claim: &ReceiptClaim) -> Result<(), ReceiptError> {
    let value = |open: bool, part| if open { Ok(()) } else { Err(ReceiptError::Pruned(part)) };
    value(matches!(claim.pre, MaybePruned::Value(_)), "first state")?;
    value(matches!(claim.post, MaybePruned::Value(_)), "last state")?;
    let MaybePruned::Value(output) = &claim.output else { return Err(ReceiptError::Pruned("output")) };
    let Some(output) = output else { return Ok(()) };
    let MaybePruned::Value(assumptions) = &output.assumptions else {
        return Err(ReceiptError::Pruned("assumptions"));
    };
    value(assumptions.iter().all(|assumption| matches!(assumption, MaybePruned::Value(_))), "assumptions")
}
