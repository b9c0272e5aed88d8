//! The receipt of a whole execution.

use super::{
    ReceiptError,
    codec::{MAX_ASSUMPTION, MAX_JOURNAL, MAX_RECEIPT, context, decode_receipt, digest, guarded, word},
};
use alloy_primitives::B256;
use risc0_zkvm::{
    ExitCode, Groth16Receipt, Groth16ReceiptVerifierParameters, InnerReceipt, MaybePruned, Receipt, ReceiptClaim,
    sha::{Digestible, Impl, Sha256},
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use zkpool_protocol::ProofKind;

/// Whether the receipt is of this kind and proves that the program with this image id ended well and made `journal`
/// public, without further assumptions.
///
/// # Errors
///
/// [`ReceiptError`] names what is wrong.
pub fn verify_receipt(kind: ProofKind, receipt: &[u8], image: B256, journal: &[u8]) -> Result<(), ReceiptError> {
    check_journal(journal)?;
    guarded(|| {
        let receipt = decode_receipt("receipt", receipt, MAX_RECEIPT)?;
        let found = kind_of(&receipt.inner)?;
        if found != kind {
            return Err(ReceiptError::Kind { expected: kind, found });
        }
        if receipt.journal.bytes != journal {
            return Err(ReceiptError::Journal);
        }
        if let InnerReceipt::Composite(composite) = &receipt.inner {
            chain(composite.segments.iter().map(|segment| &segment.claim))?;
        }
        if let MaybePruned::Value(claim) = receipt.claim().map_err(seal)? {
            explain(&claim, image, journal)?;
        }
        receipt.verify_with_context(&context(), digest(image)).map_err(seal)
    })
}

/// What a committee signs for a receipt: the SHA-256 of its bytes.
pub fn receipt_hash(receipt: &[u8]) -> B256 {
    word(*Impl::hash_bytes(receipt))
}

/// The image id of a program binary (`R0BF`). Its memory is laid out, which costs what the program claims: foreign ones
/// are for a process with bounds on memory.
///
/// # Errors
///
/// [`ReceiptError::Malformed`].
pub fn image_id(binary: &[u8]) -> Result<B256, ReceiptError> {
    let malformed = |reason: String| ReceiptError::Malformed { what: "program binary", reason };
    let compute = || risc0_binfmt::compute_image_id(binary);
    match catch_unwind(AssertUnwindSafe(compute)) {
        Ok(Ok(digest)) => Ok(word(digest)),
        Ok(Err(error)) => Err(malformed(format!("{error:#}"))),
        Err(_) => Err(malformed("it cannot be laid out in memory".into())),
    }
}

/// Verifies a receipt that a program is to build on, whatever it proves, and says of which kind it is: only a succinct
/// one can be resolved in the recursion. One with assumptions of its own is refused, as no task's receipt can hold it.
///
/// # Errors
///
/// [`ReceiptError`] names what is wrong.
pub fn verify_assumption(receipt: &[u8]) -> Result<ProofKind, ReceiptError> {
    guarded(|| {
        let receipt = unconditional(receipt)?;
        receipt.inner.verify_integrity_with_context(&context()).map_err(seal)?;
        kind_of(&receipt.inner)
    })
}

/// Whether a task that ends in a receipt of kind `task` can build on this receipt, which has been verified: one that goes
/// through the recursion must be succinct.
///
/// # Errors
///
/// [`ReceiptError::Assumption`], [`ReceiptError::Nested`], or what is wrong with the bytes.
pub fn check_assumption(task: ProofKind, receipt: &[u8]) -> Result<(), ReceiptError> {
    let found = guarded(|| kind_of(&unconditional(receipt)?.inner))?;
    match task {
        ProofKind::Risc0Composite => Ok(()),
        _ if found == ProofKind::Risc0Succinct => Ok(()),
        _ => Err(ReceiptError::Assumption { task, found }),
    }
}

fn unconditional(receipt: &[u8]) -> Result<Receipt, ReceiptError> {
    let receipt = decode_receipt("receipt of an assumption", receipt, MAX_ASSUMPTION)?;
    match &receipt.inner {
        InnerReceipt::Composite(composite) if !composite.assumption_receipts.is_empty() => Err(ReceiptError::Nested),
        _ => Ok(receipt),
    }
}

/// Checks a seal as the contract takes it: four bytes that name the verifier's parameters, and the points.
pub(super) fn verify_groth16_seal(image: B256, journal: &[u8], bytes: &[u8]) -> Result<(), ReceiptError> {
    check_journal(journal)?;
    guarded(|| {
        let parameters = Groth16ReceiptVerifierParameters::default().digest();
        let Some((selector, points)) = bytes.split_at_checked(4) else {
            return Err(ReceiptError::Malformed { what: "seal", reason: "it is shorter than its selector".into() });
        };
        if *selector != parameters.as_bytes()[..4] {
            return Err(ReceiptError::Seal("it is for another version of the verifier".into()));
        }
        let claim = ReceiptClaim::ok(digest(image), MaybePruned::Pruned(*Impl::hash_bytes(journal)));
        let receipt = Groth16Receipt::new(points.to_vec(), MaybePruned::Value(claim), parameters);
        receipt.verify_integrity_with_context(&context()).map_err(seal)
    })
}

pub(super) fn check_journal(journal: &[u8]) -> Result<(), ReceiptError> {
    if journal.len() > MAX_JOURNAL {
        return Err(ReceiptError::TooLarge { what: "journal", found: journal.len(), max: MAX_JOURNAL });
    }
    Ok(())
}

/// Whether the claims are neighbours in this order, and only the last one ends.
pub(super) fn chain<'a>(claims: impl Iterator<Item = &'a ReceiptClaim> + Clone) -> Result<(), ReceiptError> {
    for (at, (left, right)) in claims.clone().zip(claims.skip(1)).enumerate() {
        chained(at, left, right)?;
    }
    Ok(())
}

/// Whether the execution goes on from part `at` to the next one.
pub(super) fn chained(at: usize, left: &ReceiptClaim, right: &ReceiptClaim) -> Result<(), ReceiptError> {
    let (ends, begins) = (left.post.digest(), right.pre.digest());
    if ends != begins {
        let (ends, begins) = (word(ends), word(begins));
        return Err(ReceiptError::Order { left: at, right: at + 1, ends, begins });
    }
    if left.exit_code != ExitCode::SystemSplit {
        return Err(ReceiptError::Exit("ends before its last part"));
    }
    Ok(())
}

/// What a receipt proves, for whoever assumed it: only a succinct receipt resolves an assumption.
pub(super) fn assumption_of(receipt: &Receipt) -> Result<&MaybePruned<ReceiptClaim>, ReceiptError> {
    match &receipt.inner {
        InnerReceipt::Succinct(succinct) => Ok(&succinct.claim),
        other => Err(ReceiptError::Kind { expected: ProofKind::Risc0Succinct, found: kind_of(other)? }),
    }
}

/// Names what a claim shows that it should not.
fn explain(claim: &ReceiptClaim, image: B256, journal: &[u8]) -> Result<(), ReceiptError> {
    let found = word(claim.pre.digest());
    if found != image {
        return Err(ReceiptError::Image { expected: image, found });
    }
    match claim.exit_code {
        ExitCode::Halted(0) => {}
        ExitCode::Halted(_) => return Err(ReceiptError::Exit("ended with an error of the program")),
        ExitCode::Paused(_) => return Err(ReceiptError::Exit("paused before its end")),
        ExitCode::SystemSplit => return Err(ReceiptError::Exit("goes on after its last part")),
        _ => return Err(ReceiptError::Exit("did not come to its end")),
    }
    let MaybePruned::Value(Some(output)) = &claim.output else { return Ok(()) };
    if output.journal.digest() != *Impl::hash_bytes(journal) {
        return Err(ReceiptError::Journal);
    }
    if let MaybePruned::Value(assumptions) = &output.assumptions
        && let Some(first) = assumptions.first()
    {
        let claim = match first {
            MaybePruned::Value(assumption) => assumption.claim,
            MaybePruned::Pruned(digest) => *digest,
        };
        return Err(ReceiptError::Unresolved(word(claim)));
    }
    Ok(())
}

fn kind_of(receipt: &InnerReceipt) -> Result<ProofKind, ReceiptError> {
    match receipt {
        InnerReceipt::Composite(_) => Ok(ProofKind::Risc0Composite),
        InnerReceipt::Succinct(_) => Ok(ProofKind::Risc0Succinct),
        InnerReceipt::Groth16(_) => Ok(ProofKind::Risc0Groth16),
        _ => Err(ReceiptError::DevelopmentMode),
    }
}

pub(super) fn seal(error: impl std::fmt::Display) -> ReceiptError {
    ReceiptError::Seal(error.to_string())
}
