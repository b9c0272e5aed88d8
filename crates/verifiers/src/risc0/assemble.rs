//! The steps' results, made into the receipt of the whole task.
//!
//! What comes out is well-formed, but its seals are not verified again: [`super::verify_receipt`] does that.

use super::{
    ProofBytes, ReceiptError,
    codec::{MAX_ASSUMPTION, MAX_RECEIPT, MAX_RESULT, composite_of, decode, decode_receipt, encode, guarded, word},
    receipt::{chain, check_journal, seal},
};
use alloy_primitives::B256;
use risc0_zkvm::{
    Groth16Receipt, InnerAssumptionReceipt, InnerReceipt, MaybePruned, Receipt, ReceiptClaim, SegmentReceipt,
    SuccinctReceipt,
};

/// A composite receipt of the segments' receipts, in order, and of the receipts that the program builds on, in any
/// order.
///
/// # Errors
///
/// [`ReceiptError::Order`] for segments that do not follow each other, [`ReceiptError::Unresolved`] for an assumption
/// without receipt, and what is wrong with the bytes.
pub fn composite<S, A>(segments: &[S], assumptions: &[A], journal: &[u8]) -> Result<Vec<u8>, ReceiptError>
where
    S: AsRef<[u8]>,
    A: AsRef<[u8]>,
{
    check_journal(journal)?;
    guarded(|| {
        let segments: Vec<SegmentReceipt> = segments
            .iter()
            .map(|bytes| decode("segment receipt", bytes.as_ref(), MAX_RESULT))
            .collect::<Result<_, _>>()?;
        chain(segments.iter().map(|segment| &segment.claim))?;
        let proven: Vec<InnerAssumptionReceipt> = assumptions
            .iter()
            .map(|bytes| Ok(decode_receipt("receipt of an assumption", bytes.as_ref(), MAX_ASSUMPTION)?.inner.into()))
            .collect::<Result<_, ReceiptError>>()?;
        let last = segments.last().ok_or(ReceiptError::Exit("has no segment"))?;
        let resolved: Vec<_> =
            assumed(&last.claim)?.into_iter().map(|claim| find(&proven, claim)).collect::<Result<_, _>>()?;
        finish(composite_of(&segments, &resolved)?, journal)
    })
}

/// A succinct receipt of the last step's result.
///
/// # Errors
///
/// [`ReceiptError`], if the bytes are not such a result.
pub fn succinct(result: &[u8], journal: &[u8]) -> Result<Vec<u8>, ReceiptError> {
    check_journal(journal)?;
    let receipt: SuccinctReceipt<ReceiptClaim> = guarded(|| decode("succinct receipt", result, MAX_RESULT))?;
    finish(InnerReceipt::Succinct(receipt), journal)
}

/// A Groth16 receipt of the wrap's result, and the proof that the contract takes.
///
/// # Errors
///
/// [`ReceiptError`], if the bytes are not such a result.
pub fn groth16(result: &[u8], image: B256, journal: &[u8]) -> Result<(Vec<u8>, ProofBytes), ReceiptError> {
    check_journal(journal)?;
    let receipt: Groth16Receipt<ReceiptClaim> = guarded(|| decode("Groth16 receipt", result, MAX_RESULT))?;
    let seal = [&receipt.verifier_parameters.as_bytes()[..4], &receipt.seal].concat();
    let proof = ProofBytes { image, journal: journal.to_vec(), seal };
    Ok((finish(InnerReceipt::Groth16(receipt), journal)?, proof))
}

fn finish(inner: InnerReceipt, journal: &[u8]) -> Result<Vec<u8>, ReceiptError> {
    let bytes = encode("receipt", &Receipt::new(inner, journal.to_vec()))?;
    if bytes.len() > MAX_RECEIPT {
        return Err(ReceiptError::TooLarge { what: "receipt", found: bytes.len(), max: MAX_RECEIPT });
    }
    Ok(bytes)
}

/// The claims that the last segment's program assumed, in the order in which they are listed.
fn assumed(claim: &ReceiptClaim) -> Result<Vec<risc0_zkvm::Digest>, ReceiptError> {
    let output = claim.output.as_value().map_err(|_| ReceiptError::Pruned("output"))?;
    let Some(output) = output else { return Ok(vec![]) };
    let list = match &output.assumptions {
        MaybePruned::Value(list) => list,
        pruned if pruned.is_empty() => return Ok(vec![]),
        MaybePruned::Pruned(_) => return Err(ReceiptError::Pruned("assumptions")),
    };
    let claim = |item: &MaybePruned<risc0_zkvm::Assumption>| {
        item.as_value().map(|item| item.claim).map_err(|_| ReceiptError::Pruned("assumptions"))
    };
    list.iter().map(claim).collect()
}

fn find(proven: &[InnerAssumptionReceipt], claim: risc0_zkvm::Digest) -> Result<InnerAssumptionReceipt, ReceiptError> {
    for receipt in proven {
        if receipt.claim_digest().map_err(seal)? == claim {
            return Ok(receipt.clone());
        }
    }
    Err(ReceiptError::Unresolved(word(claim)))
}
