//! What a requester wants, and what it would not accept.

use crate::RequesterError;
use std::path::PathBuf;
use zkpool_api::QuoteRequest;
use zkpool_protocol::{B256, BlobId, Bytes, ProgramManifest, U256};

/// A wish, complete: the request that operators get, the input, and what the answer must satisfy.
///
/// The input can be a secret of its author, whoever proves it sees it; `Debug` leaves it out.
#[derive(Clone)]
pub struct ProofRequest {
    /// What operators are asked. `payer` and `input` are set by the SDK.
    pub quote: QuoteRequest,
    /// The input envelope, as it stands ([`zkpool_protocol::TaskInput::to_bytes`]).
    pub input: Bytes,
    /// The ready witness that the envelope names, if it names one.
    pub witness: Option<PathBuf>,
    /// Blobs that the envelope names, if it names any: what a zkVM program reads, and receipts that it builds on.
    pub blobs: Vec<Bytes>,
    /// The program's parts, for operators that do not have it yet.
    pub program: Option<ProgramFiles>,
    /// The programs of a bundle's legs, likewise. Their envelopes and what those name are among `blobs`.
    pub legs: Vec<ProgramFiles>,
    /// What is to be proven.
    pub expected: Expected,
    /// What is not accepted.
    pub limits: Limits,
}

/// The files of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramFiles {
    /// What makes it up.
    pub manifest: ProgramManifest,
    /// The files whose hashes the manifest names.
    pub files: Vec<PathBuf>,
}

/// What the proof must prove. In verifier mode the operator is paid for exactly the statement in the quote, so the
/// requester must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This statement.
    Statement(B256),
    /// Groth16: these public inputs, in the circuit's order.
    PublicInputs(Vec<U256>),
    /// Whatever the operator's preflight found: for requesters that look at `public_inputs` or `journal` of the offer
    /// themselves.
    OfOperator,
    /// Not said: only for target mode, where the target judges.
    Unknown,
}

/// What is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most that is paid, in the reward token's smallest unit.
    pub max_reward: Option<u128>,
    /// The most that may be paid in advance.
    pub max_advance: Option<u128>,
    /// The least that a broken word must cost the operator.
    pub min_honour: u128,
    /// The quote must stay valid for this many seconds when it is checked.
    pub min_validity: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_reward: None, max_advance: None, min_honour: 0, min_validity: 10 }
    }
}

impl ProofRequest {
    /// A wish without limits other than the quote's own `max_reward` and `statement`. In verifier mode without a statement
    /// [`ProofRequest::expected`] must be set.
    pub fn new(quote: QuoteRequest, input: impl Into<Bytes>) -> Self {
        let expected = match quote.statement {
            Some(statement) => Expected::Statement(statement),
            None => Expected::Unknown,
        };
        let limits = Limits { max_reward: quote.max_reward, ..Limits::default() };
        Self { quote, input: input.into(), witness: None, blobs: vec![], program: None, legs: vec![], expected, limits }
    }

    /// The statement that must stand in the quote, if it is known.
    pub fn statement(&self) -> Option<B256> {
        match &self.expected {
            Expected::Statement(statement) => Some(*statement),
            Expected::PublicInputs(inputs) => Some(groth16_statement(inputs)),
            Expected::OfOperator | Expected::Unknown => self.quote.statement,
        }
    }

    /// The request as it goes out: payer, input and statement filled in.
    ///
    /// # Errors
    /// [`RequesterError::BadRequest`] if the parts contradict each other.
    pub(crate) fn wire(&self, payer: zkpool_protocol::Address) -> Result<QuoteRequest, RequesterError> {
        if let Some(program) = &self.program
            && program.manifest.id() != self.quote.program
        {
            return Err(RequesterError::BadRequest("the program's parts are not those of the program named".into()));
        }
        let statement = self.statement();
        if self.quote.statement.is_some() && self.quote.statement != statement {
            return Err(RequesterError::BadRequest("statement and public inputs contradict each other".into()));
        }
        Ok(QuoteRequest {
            payer,
            input: BlobId::of(&self.input),
            statement,
            max_reward: match (self.quote.max_reward, self.limits.max_reward) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            ..self.quote.clone()
        })
    }
}

/// A Groth16 statement: the keccak-256 of the public inputs, each as a 32-byte big-endian word.
pub fn groth16_statement(public_inputs: &[U256]) -> B256 {
    let words: Vec<u8> = public_inputs.iter().flat_map(U256::to_be_bytes::<32>).collect();
    alloy::primitives::keccak256(words)
}

impl std::fmt::Debug for ProofRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofRequest")
            .field("quote", &self.quote)
            .field("program", &self.program)
            .field("expected", &self.expected)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
