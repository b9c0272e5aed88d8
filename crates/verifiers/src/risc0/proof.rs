//! The proof, in the form that the contract takes.

use super::{MAX_JOURNAL, MAX_RECEIPT, ReceiptError};
use alloy_primitives::{B256, Bytes};
use alloy_sol_types::{SolValue, sol_data};

/// `abi.encode(bytes32 imageId, bytes journal, bytes seal)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofBytes {
    /// The program's image id.
    pub image: B256,
    /// What it made public.
    pub journal: Vec<u8>,
    /// For a Groth16 receipt the four bytes that name the verifier's parameters and eight words of points; otherwise
    /// the receipt itself.
    pub seal: Vec<u8>,
}

type Fields = (sol_data::FixedBytes<32>, sol_data::Bytes, sol_data::Bytes);

impl ProofBytes {
    /// Reads it. Only the one encoding that Solidity makes is taken: no gaps, no overlaps, nothing behind it.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::TooLarge`], [`ReceiptError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        use alloy_sol_types::SolType;
        let max = MAX_RECEIPT + MAX_JOURNAL + 1024;
        if bytes.len() > max {
            return Err(ReceiptError::TooLarge { what: "proof", found: bytes.len(), max });
        }
        let malformed = |reason: String| ReceiptError::Malformed { what: "proof", reason };
        let (image, journal, seal) =
            Fields::abi_decode_params_validate(bytes).map_err(|error| malformed(error.to_string()))?;
        let proof = Self { image, journal: journal.to_vec(), seal: seal.to_vec() };
        if proof.encode() != bytes {
            return Err(malformed("it is not the encoding that Solidity makes".into()));
        }
        Ok(proof)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        (self.image, Bytes::copy_from_slice(&self.journal), Bytes::copy_from_slice(&self.seal)).abi_encode_params()
    }
}
