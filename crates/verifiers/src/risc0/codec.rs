//! Reading foreign bytes: bounded in length and in depth, and never a panic.

use super::ReceiptError;
use alloy_primitives::B256;
use bincode::Options;
use risc0_zkvm::{
    CompositeReceipt, Digest, FakeReceipt, Groth16Receipt, InnerAssumptionReceipt, InnerReceipt, Journal, Receipt,
    ReceiptClaim, ReceiptMetadata, SegmentReceipt, SuccinctReceipt, Unknown, VerifierContext,
};
use serde::{Deserialize, de::DeserializeOwned};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The longest journal, in bytes: what a transaction can still carry.
pub const MAX_JOURNAL: usize = 64 << 10;
/// The longest result of a step, in bytes; honest ones are below 300 KB and their journal.
pub const MAX_RESULT: usize = 1 << 20;
/// The longest receipt of a task, in bytes: about a thousand segments. Longer executions take a succinct receipt.
pub const MAX_RECEIPT: usize = 256 << 20;
/// The longest receipt of an assumption, in bytes; and all of a task's together, as they go into its receipt: the rest of
/// that is the segments'.
pub const MAX_ASSUMPTION: usize = 32 << 20;

/// The height of the tree of recursion programs, which the recursion programs themselves have built in.
const CONTROL_DEPTH: usize = 8;

/// Runs the zkVM's own code on foreign data.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, ReceiptError>) -> Result<T, ReceiptError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ReceiptError::Seal("it cannot be read".into())))
}

/// Reads a value that fills `bytes`. The type must not be recursive.
pub(super) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8], max: usize) -> Result<T, ReceiptError> {
    if bytes.len() > max {
        return Err(ReceiptError::TooLarge { what, found: bytes.len(), max });
    }
    let options = bincode::DefaultOptions::new().with_fixint_encoding().with_limit(bytes.len() as u64);
    options.deserialize(bytes).map_err(|error| ReceiptError::Malformed { what, reason: error.to_string() })
}

/// Writes what this crate has made or read.
pub(super) fn encode<T: serde::Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, ReceiptError> {
    bincode::serialize(value).map_err(|error| ReceiptError::Malformed { what, reason: error.to_string() })
}

/// Reads a whole receipt. An assumption may be composite, but may not have assumptions itself: the zkVM's own type is
/// recursive without bound, and a long chain of receipts would end the process.
pub(super) fn decode_receipt(what: &'static str, bytes: &[u8], max: usize) -> Result<Receipt, ReceiptError> {
    let shape: ReceiptShape = decode(what, bytes, max)?;
    if shape.inner.is_fake() {
        return Err(ReceiptError::DevelopmentMode);
    }
    let receipt: Receipt = decode(what, bytes, max)?;
    match &receipt.inner {
        InnerReceipt::Succinct(succinct) => included(succinct)?,
        InnerReceipt::Composite(composite) => {
            for assumption in &composite.assumption_receipts {
                if let InnerAssumptionReceipt::Succinct(succinct) = assumption {
                    included(succinct)?;
                }
            }
        }
        _ => {}
    }
    Ok(receipt)
}

/// Whether the place of a succinct receipt's program is one of the tree's. The zkVM's verifier looks only at as many bits
/// of it as there are levels, but the recursion takes all of it: a receipt with a bit above them verifies, and whatever
/// is to be made of it fails, so that a prover could stop a task with it.
pub(super) fn included<Claim>(receipt: &SuccinctReceipt<Claim>) -> Result<(), ReceiptError> {
    let proof = &receipt.control_inclusion_proof;
    if proof.digests.len() != CONTROL_DEPTH || proof.index >> CONTROL_DEPTH != 0 {
        return Err(ReceiptError::Place { index: proof.index, levels: proof.digests.len() });
    }
    Ok(())
}

/// How receipts are checked: never by the environment.
pub(super) fn context() -> VerifierContext {
    VerifierContext::default().with_dev_mode(false)
}

pub(super) fn word(digest: Digest) -> B256 {
    B256::new(digest.into())
}

pub(super) fn digest(word: B256) -> Digest {
    Digest::from(word.0)
}

// The same bytes as the zkVM's types, without their recursion. The fields are there to be read.

#[derive(Deserialize)]
#[allow(dead_code, reason = "what they hold is read again as the zkVM's own types")]
struct ReceiptShape {
    inner: InnerShape,
    journal: Journal,
    metadata: ReceiptMetadata,
}

#[derive(Deserialize)]
#[allow(dead_code, clippy::large_enum_variant, reason = "what they hold is read again as the zkVM's own types")]
enum InnerShape {
    Composite(CompositeShape<AssumptionShape>),
    Succinct(SuccinctReceipt<ReceiptClaim>),
    Groth16(Groth16Receipt<ReceiptClaim>),
    Fake(FakeReceipt<ReceiptClaim>),
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what they hold is read again as the zkVM's own types")]
struct CompositeShape<Assumption> {
    segments: Vec<SegmentReceipt>,
    assumption_receipts: Vec<Assumption>,
    verifier_parameters: Digest,
}

#[derive(Deserialize)]
#[allow(dead_code, clippy::large_enum_variant, reason = "what they hold is read again as the zkVM's own types")]
enum AssumptionShape {
    Composite(CompositeShape<Unknown>),
    Succinct(SuccinctReceipt<Unknown>),
    Groth16(Groth16Receipt<Unknown>),
    Fake(FakeReceipt<Unknown>),
}

impl InnerShape {
    fn is_fake(&self) -> bool {
        match self {
            Self::Fake(_) => true,
            Self::Composite(composite) => {
                composite.assumption_receipts.iter().any(|receipt| matches!(receipt, AssumptionShape::Fake(_)))
            }
            Self::Succinct(_) | Self::Groth16(_) => false,
        }
    }
}

/// A composite receipt: its type cannot be constructed outside its crate, but read.
pub(super) fn composite_of(
    segments: &[SegmentReceipt],
    assumptions: &[InnerAssumptionReceipt],
) -> Result<InnerReceipt, ReceiptError> {
    use risc0_zkvm::sha::Digestible;
    let missing = || ReceiptError::Seal("the verifier's parameters are missing".into());
    let parameters: Digest = context().composite_verifier_parameters().ok_or_else(missing)?.digest();
    let bytes = encode("composite receipt", &(segments, assumptions, parameters))?;
    let composite: CompositeReceipt = bincode::deserialize(&bytes)
        .map_err(|error| ReceiptError::Malformed { what: "composite receipt", reason: error.to_string() })?;
    Ok(InnerReceipt::Composite(composite))
}
