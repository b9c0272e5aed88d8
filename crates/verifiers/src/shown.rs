//! Which output a proof shows: what the legs of a bundle are compared by.

use crate::{
    VerifyError,
    groth16::{self, PublicInputs},
    risc0, sgx,
};
use alloy_primitives::{B256, U256};
use zkpool_protocol::{ProofKind, bundle};

/// The output (SHA-256 of the journal) that a proof, in the form in which its verifier takes it, says that it proves. That
/// it does, [`crate::Verifier::verify`] finds out.
///
/// # Errors
///
/// [`VerifyError`], if the bytes are no such proof, or the circuit's public inputs are not the two halves of an output.
pub fn shown(kind: ProofKind, proof: &[u8]) -> Result<B256, VerifyError> {
    match kind {
        ProofKind::Groth16Bn254 => {
            let inputs = groth16::ProofBytes::decode(proof)?.inputs;
            halves(&inputs).and_then(bundle::whole).ok_or(VerifyError::NoOutput)
        }
        ProofKind::Risc0Composite | ProofKind::Risc0Succinct | ProofKind::Risc0Groth16 => {
            Ok(bundle::output(&risc0::ProofBytes::decode(proof)?.journal))
        }
        ProofKind::Sgx => Ok(sgx::Proof::decode(proof)?.output),
        ProofKind::Bundle => Err(VerifyError::NoOutput),
    }
}

fn halves(inputs: &PublicInputs) -> Option<[U256; 2]> {
    let words = inputs.to_words();
    let (high, low) = words.split_at_checked(32).filter(|(_, low)| low.len() == 32)?;
    Some([U256::from_be_slice(high), U256::from_be_slice(low)])
}
