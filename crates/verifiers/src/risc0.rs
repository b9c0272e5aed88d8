//! Receipts of the RISC Zero zkVM: what provers return for each step of a task, and the receipt that the steps come to.
//!
//! Receipts travel as bincode. Everything here is foreign: lengths are bounded before anything is read, nested receipts
//! are bounded in depth, and what the zkVM's own code panics on is an error. Receipts of the development mode prove
//! nothing and are refused whatever the environment says.
//!
//! | result of | bytes |
//! | --- | --- |
//! | `prove` | a `SegmentReceipt` |
//! | `lift`, `join`, `resolve` | a `SuccinctReceipt<ReceiptClaim>` |
//! | `wrap` | a `Groth16Receipt<ReceiptClaim>` |
//!
//! A service checks each result by [`Step::check`] when it comes, makes the receipt of the whole task ([`composite`],
//! [`succinct`], [`groth16`]) and checks that, too ([`verify_receipt`]). A contract takes [`ProofBytes`].

mod assemble;
mod codec;
mod error;
mod proof;
mod receipt;
mod step;

pub use assemble::{composite, groth16, succinct};
pub use codec::{MAX_ASSUMPTION, MAX_JOURNAL, MAX_RECEIPT, MAX_RESULT};
pub use error::ReceiptError;
pub use proof::ProofBytes;
pub use receipt::{check_assumption, image_id, receipt_hash, verify_assumption, verify_receipt};
pub use step::Step;

use crate::{Verifier, VerifyError};
use alloy_primitives::B256;
use zkpool_protocol::{ProofKind, zkvm};

/// Checks the finished proofs of one program.
///
/// The proof is [`ProofBytes`]. For a Groth16 receipt its seal is what the contract takes; for the others it is the
/// whole receipt, which no contract can check.
#[derive(Clone, Copy, Debug)]
pub struct Risc0Verifier {
    kind: ProofKind,
    image: B256,
}

impl Risc0Verifier {
    /// For a kind of receipt and the program's image id, which is its verifying key. `None` for another kind.
    pub fn new(kind: ProofKind, image: B256) -> Option<Self> {
        kind.is_risc0().then_some(Self { kind, image })
    }
}

impl Verifier for Risc0Verifier {
    fn kind(&self) -> ProofKind {
        self.kind
    }

    fn verify(&self, statement: B256, proof: &[u8]) -> Result<(), VerifyError> {
        let ProofBytes { image, journal, seal } = ProofBytes::decode(proof)?;
        if image != self.image {
            return Err(ReceiptError::Image { expected: self.image, found: image }.into());
        }
        let found = zkvm::statement(image, &journal);
        if found != statement {
            return Err(VerifyError::Statement { expected: statement, found });
        }
        match self.kind {
            ProofKind::Risc0Groth16 => receipt::verify_groth16_seal(image, &journal, &seal)?,
            kind => verify_receipt(kind, &seal, image, &journal)?,
        }
        Ok(())
    }
}
