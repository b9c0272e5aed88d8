//! What is bought: a proof that the committed model gives these classes for these digits.

use crate::error::DigitsError;
use alloy::primitives::{Address, B256, Bytes};
use digit_core::{Image, Journal, MODEL, answer, encode_input};
use sha2::{Digest, Sha256};
use std::path::Path;
use zkpool_api::QuoteRequest;
use zkpool_protocol::{BlobId, Call, GuestInput, ProgramManifest, ProofKind, TaskInput, WitnessSource, zkvm};
use zkpool_requester::{Expected, ProgramFiles, ProofRequest};

/// The guest, packed with the zkVM's kernel.
static GUEST: &[u8] = include_bytes!("../../guest/digits.bin");
/// Its image id, in hex.
const IMAGE_ID: &str = include_str!("../../guest/digits.id");

/// The terms that proofs are bought on. Amounts in the token's smallest unit.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Composite or succinct: the verifier's committee checks both.
    pub kind: ProofKind,
    /// `RiscZeroEncoder`.
    pub encoder: Address,
    /// Token of price and liability.
    pub token: Address,
    /// Paid if the proof never comes.
    pub liability: u128,
    /// Lost by the operator if it comes late.
    pub bond: u128,
    /// The highest price.
    pub max_reward: Option<u128>,
    /// Seconds within which the proof is due.
    pub proof_window: u32,
    /// Seconds after which nobody can deliver it any more.
    pub liability_window: u32,
    /// Gas that the oracle is given to take the answer.
    pub call_gas: u32,
}

/// The program, as operators get it.
#[derive(Clone, Debug)]
pub struct Guest {
    files: ProgramFiles,
    image_id: B256,
}

/// A batch of digits, and what it must come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits {
    /// What the guest reads.
    pub input: Vec<u8>,
    /// What it must commit.
    pub journal: Vec<u8>,
}

impl Guest {
    /// Writes the binary to a file in `dir`, from where it is uploaded.
    ///
    /// # Errors
    /// [`DigitsError::Io`].
    pub fn unpack(dir: &Path) -> Result<Self, DigitsError> {
        let io = |what: String| move |source| DigitsError::Io { what, source };
        std::fs::create_dir_all(dir).map_err(io(format!("making {}", dir.display())))?;
        let path = dir.join("digits.bin");
        std::fs::write(&path, GUEST).map_err(io(format!("writing {}", path.display())))?;
        Ok(Self { files: ProgramFiles { manifest: manifest(), files: vec![path] }, image_id: image_id() })
    }

    /// The program's image id.
    pub const fn image_id(&self) -> B256 {
        self.image_id
    }

    /// The wish for a proof about these digits, delivered by this call of `oracle`.
    pub fn wish(&self, digits: &Digits, terms: &Terms, oracle: Address, verifier: Address, call: Call) -> ProofRequest {
        let program = self.files.manifest.id();
        let source = WitnessSource::Guest(GuestInput { stdin: BlobId::of(&digits.input), assumptions: vec![] });
        let envelope: Bytes = TaskInput { program, source }.to_bytes().into();
        let quote = QuoteRequest {
            kind: terms.kind,
            program,
            input: BlobId::of(&envelope),
            payer: Address::ZERO,
            requester: None,
            target: oracle,
            encoder: Some(terms.encoder),
            verifier: Some(verifier),
            call,
            call_gas: terms.call_gas,
            reward_token: terms.token,
            liability_token: terms.token,
            proof_window: terms.proof_window,
            liability_window: terms.liability_window,
            liability: terms.liability,
            bond: terms.bond,
            burn: 0,
            max_reward: terms.max_reward,
            statement: None,
            strategy: None,
            reference: String::new(),
        };
        // The application can run the model itself, so it knows what must be proven. The contract does not, and need not.
        let expected = Expected::Statement(zkvm::statement(self.image_id, &digits.journal));
        ProofRequest {
            program: Some(self.files.clone()),
            blobs: vec![digits.input.clone().into()],
            expected,
            ..ProofRequest::new(quote, envelope)
        }
    }
}

impl Digits {
    /// Encodes and classifies a batch.
    ///
    /// # Errors
    /// [`DigitsError::BadImages`].
    pub fn of(images: &[Image]) -> Result<Self, DigitsError> {
        let input = encode_input(images)?;
        let journal = answer(&input, |bytes| Sha256::digest(bytes).into())?;
        Ok(Self { input, journal })
    }

    /// What the question is, for the contract: the hash of the input.
    pub fn commitment(&self) -> B256 {
        B256::from(<[u8; 32]>::from(Sha256::digest(&self.input)))
    }

    /// What this application finds itself.
    ///
    /// # Errors
    /// [`DigitsError::BadImages`] does not happen to a journal that [`Digits::of`] made.
    pub fn classes(&self) -> Result<Vec<u8>, DigitsError> {
        Ok(Journal::decode(&self.journal)?.classes)
    }
}

/// The guest's image id.
pub fn image_id() -> B256 {
    IMAGE_ID.trim().parse().expect("digits.id is 32 bytes in hex: a test reads it")
}

/// What operators know the program by.
pub fn manifest() -> ProgramManifest {
    ProgramManifest::Risc0 { binary: BlobId::of(GUEST), image_id: image_id() }
}

/// The model's commitment.
pub fn model() -> B256 {
    B256::from(<[u8; 32]>::from(Sha256::digest(MODEL)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use digit_core::PIXELS;

    #[test]
    fn the_committed_image_id_is_one() {
        assert_ne!(image_id(), B256::ZERO);
        assert!(GUEST.starts_with(b"R0BF"), "packed, with the kernel");
    }

    #[test]
    fn the_statement_is_about_model_and_input() {
        let digits = Digits::of(&[[3; PIXELS], [0; PIXELS]]).unwrap();
        let journal = Journal::decode(&digits.journal).unwrap();
        assert_eq!((B256::from(journal.model), B256::from(journal.input)), (model(), digits.commitment()));
        assert_eq!(digits.classes().unwrap().len(), 2);
    }
}
