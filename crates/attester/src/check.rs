//! Whether a receipt proves what it should.

use zkpool_protocol::{B256, ErrorCode, ProofKind};
use zkpool_verifiers::risc0::{ReceiptError, verify_receipt};

/// Checks receipts. Takes as long as the receipt is large, and is called where that blocks nobody.
pub trait Check: Send + Sync + 'static {
    /// Whether the receipt is of this kind and proves that the program with this image id ended well with this journal.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    fn check(&self, kind: ProofKind, receipt: &[u8], image_id: B256, journal: &[u8]) -> Result<(), Wrong>;
}

/// What is wrong with a receipt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Wrong {
    /// Its stable name.
    pub code: ErrorCode,
    /// In words.
    pub reason: String,
}

/// RISC Zero's own verifier, with development mode off.
#[derive(Clone, Copy, Debug, Default)]
pub struct Risc0Check;

impl Check for Risc0Check {
    fn check(&self, kind: ProofKind, receipt: &[u8], image_id: B256, journal: &[u8]) -> Result<(), Wrong> {
        Ok(verify_receipt(kind, receipt, image_id, journal)?)
    }
}

impl From<ReceiptError> for Wrong {
    fn from(error: ReceiptError) -> Self {
        Self { code: error.code(), reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_receipt_is_wrong_by_name() {
        for kind in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct, ProofKind::Risc0Groth16] {
            for bytes in [&b""[..], b"no receipt", &[0; 4096]] {
                let wrong = Risc0Check.check(kind, bytes, B256::ZERO, b"journal").unwrap_err();
                assert_eq!(wrong.code, ErrorCode::ProofInvalid, "{wrong}");
            }
        }
        let journal = vec![0; 1 << 20];
        let wrong = Risc0Check.check(ProofKind::Risc0Composite, b"", B256::ZERO, &journal).unwrap_err();
        assert_eq!(wrong.code, ErrorCode::TooLarge, "{wrong}");
    }
}
