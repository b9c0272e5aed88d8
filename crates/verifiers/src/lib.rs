//! Light proof checking by kind. It links no prover, so that a service can check what untrusted provers return without
//! being able to prove anything itself.
//!
//! A [`Verifier`] is one verifying key, ready to check proofs: make it once per program with [`verifier`] and keep it.
//! Everything that it reads (keys, proofs) is foreign: nothing here panics on it, or allocates by sizes that it claims.
//! A Groth16 key whose second phase was skipped, and other keys that are known to be broken, are refused
//! ([`groth16::KeyError`]); whether a ceremony was honest no program can tell.

pub mod binfile;
pub mod groth16;
pub mod risc0;
pub mod sgx;

use alloy_primitives::B256;
use zkpool_protocol::{ErrorCode, ProofKind};

/// Checks the proofs of one program.
pub trait Verifier: Send + Sync {
    /// The kind of proof that it takes.
    fn kind(&self) -> ProofKind;

    /// Whether `proof`, in the form that the contract takes it, proves `statement`.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says why it does not.
    fn verify(&self, statement: B256, proof: &[u8]) -> Result<(), VerifyError>;
}

/// The verifier for a key of this kind, in the form in which preflight reports it and the database keeps it
/// ([`groth16::VerifyingKey::to_bytes`]; for the zkVM the program's image id).
///
/// # Errors
///
/// [`groth16::KeyError`], if the key is malformed or unsafe.
pub fn verifier(kind: ProofKind, verifying_key: &[u8]) -> Result<Box<dyn Verifier>, groth16::KeyError> {
    match kind {
        ProofKind::Groth16Bn254 => Ok(Box::new(groth16::Groth16Verifier::from_vk_bytes(verifying_key)?)),
        ProofKind::Risc0Composite | ProofKind::Risc0Succinct | ProofKind::Risc0Groth16 => {
            let image = B256::try_from(verifying_key).map_err(|_| groth16::KeyError::Stored)?;
            let verifier = risc0::Risc0Verifier::new(kind, image).ok_or(groth16::KeyError::Stored)?;
            Ok(Box::new(verifier))
        }
    }
}

/// Why a proof does not prove the statement.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bytes are not a proof of this kind.
    #[error("cannot read the proof: {0}")]
    Malformed(#[from] groth16::ProofError),
    /// The receipt is not one, or proves something else.
    #[error(transparent)]
    Receipt(#[from] risc0::ReceiptError),
    /// The enclave's signature is not one, or of something else.
    #[error(transparent)]
    Attestation(#[from] sgx::ProofError),
    /// The proof carries another number of public inputs than the key takes.
    #[error("the proof carries {found} public inputs, but the verifying key takes {expected}")]
    InputCount {
        /// What the key takes.
        expected: usize,
        /// What the proof carries.
        found: usize,
    },
    /// The proof is of another statement.
    #[error("the proof is of statement {found}, but {expected} was asked for")]
    Statement {
        /// What was asked for.
        expected: B256,
        /// What the proof carries.
        found: B256,
    },
    /// The key does not accept the proof for the public inputs that it carries.
    #[error(
        "the verifying key does not accept the proof for its public inputs: it was made with another key or witness"
    )]
    Rejected,
}

impl VerifyError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Receipt(error) => error.code(),
            Self::Attestation(error) => error.code(),
            Self::Malformed(_) | Self::Rejected => ErrorCode::ProofInvalid,
            Self::InputCount { .. } | Self::Statement { .. } => ErrorCode::WrongPublicInputs,
        }
    }
}
