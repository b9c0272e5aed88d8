//! One job's work: what is to be done, on what, and what comes out.

use crate::{Input, ProgramFiles};
use alloy_primitives::{Address, B256};
use std::path::{Path, PathBuf};
use zkpool_protocol::Operation;

/// What is to be done for a program.
#[derive(Clone, Debug)]
pub struct Work {
    /// The program.
    pub program: ProgramFiles,
    /// What is to be done.
    pub step: Step,
}

impl Work {
    /// The whole proof of an input.
    pub fn single(program: &ProgramFiles, input: &Input) -> Self {
        Self { program: program.clone(), step: Step::Single(input.clone()) }
    }
}

/// One operation and what it is done on. Files lie where whoever put them there has checked their hashes.
#[derive(Clone, Debug)]
pub enum Step {
    /// The whole proof of an input.
    Single(Input),
    /// The proof of a zkVM segment.
    Prove {
        /// The segment.
        segment: PathBuf,
        /// The digest of the claim that the proof must show.
        claim: B256,
    },
    /// A segment's proof, verified in the recursion circuit.
    Lift {
        /// The result of `prove`.
        receipt: PathBuf,
    },
    /// Two neighbours, verified in one.
    Join {
        /// The result of `lift` or `join` for the earlier part.
        left: PathBuf,
        /// The result for the part that follows it.
        right: PathBuf,
    },
    /// A receipt freed of the assumption that it lists first.
    Resolve {
        /// The result of `lift`, `join` or `resolve`.
        conditional: PathBuf,
        /// The receipt of what was assumed.
        assumption: PathBuf,
    },
    /// A succinct receipt, verified in a Groth16 circuit.
    Wrap {
        /// The result of `lift`, `join` or `resolve`.
        receipt: PathBuf,
    },
    /// An enclave's word that it ran the program on the input.
    Attest {
        /// The bytes that the program reads.
        input: PathBuf,
        /// What the word is bound to besides.
        terms: Attest,
    },
}

/// What an enclave's signature is bound to, besides program and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attest {
    /// EIP-155 id.
    pub chain_id: u64,
    /// The `SgxVerifier` that knows the enclave.
    pub verifier: Address,
    /// Who is to be paid.
    pub payee: Address,
}

impl Step {
    /// Which operation it is.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Single(_) => Operation::Single,
            Self::Prove { .. } => Operation::Prove,
            Self::Lift { .. } => Operation::Lift,
            Self::Join { .. } => Operation::Join,
            Self::Resolve { .. } => Operation::Resolve,
            Self::Wrap { .. } => Operation::Wrap,
            Self::Attest { .. } => Operation::Attest,
        }
    }

    /// From what a job names: the digest that its result must show, and its files in order. `None` if they do not fit
    /// the operation.
    pub fn of_files(operation: Operation, claim: Option<B256>, files: &[PathBuf]) -> Option<Self> {
        Some(match (operation, files) {
            (Operation::Prove, [segment]) => Self::Prove { segment: segment.clone(), claim: claim? },
            (Operation::Lift, [receipt]) => Self::Lift { receipt: receipt.clone() },
            (Operation::Join, [left, right]) => Self::Join { left: left.clone(), right: right.clone() },
            (Operation::Resolve, [conditional, assumption]) => {
                Self::Resolve { conditional: conditional.clone(), assumption: assumption.clone() }
            }
            (Operation::Wrap, [receipt]) => Self::Wrap { receipt: receipt.clone() },
            _ => return None,
        })
    }

    /// The files that it is done on, in order; none for `single`, whose input can be in memory.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Single(_) => vec![],
            Self::Attest { input, .. } => vec![input],
            Self::Prove { segment, .. } => vec![segment],
            Self::Lift { receipt } | Self::Wrap { receipt } => vec![receipt],
            Self::Join { left, right } => vec![left, right],
            Self::Resolve { conditional, assumption } => vec![conditional, assumption],
        }
    }
}

/// What comes out. The backend has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The result: for `single` and `attest` the proof as the contract takes it, for a zkVM step its receipt.
    pub result: Vec<u8>,
    /// What a `single` proof proves. What an enclave came to, its word says.
    pub statement: Option<B256>,
}
