//! Why an enclave did not do what it was asked.

use crate::Fault;
use alloy_primitives::Address;
use std::{io, time::Duration};
use zkpool_protocol::ErrorCode;
use zkpool_verifiers::sgx::ProofError;

/// Why an enclave did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnclaveError {
    /// No command was given.
    #[error("no command was given to start the enclave with")]
    NoCommand,
    /// The command cannot be started.
    #[error("cannot start the enclave with `{program}`")]
    Start {
        /// The command's first word.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The process has ended.
    #[error("the enclave's process ended: {reason}")]
    Ended {
        /// How, and what it said last.
        reason: String,
    },
    /// The process does not answer.
    #[error("the enclave did not answer `{method}` within {} s, and was stopped", .bound.as_secs_f32())]
    Silent {
        /// What it was asked.
        method: &'static str,
        /// How long it had.
        bound: Duration,
    },
    /// The answer is not one.
    #[error(
        "the enclave's answer to `{method}` is not one: {reason}; does the command start an agent of this version?"
    )]
    Answer {
        /// What it was asked.
        method: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The agent says why it does not.
    #[error("the enclave refuses `{method}` ({code}): {message}")]
    Refused {
        /// What it was asked.
        method: &'static str,
        /// The agent's code.
        code: String,
        /// Its words.
        message: String,
    },
    /// The program takes no such input.
    #[error("the enclave's program fails on this input: {0}")]
    Program(String),
    /// The input is longer than an agent takes.
    #[error("the input is {found} bytes long, more than an enclave takes ({max})")]
    TooLarge {
        /// Its length in bytes.
        found: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// The enclave has another key than before.
    #[error(
        "the enclave came back as instance {after}, and was {before} before: its sealed directory is lost, or the build \
         changed; the new instance must be registered"
    )]
    Changed {
        /// Who it was.
        before: Address,
        /// Who it is.
        after: Address,
    },
    /// The proof is not what was asked for.
    #[error("the enclave's proof is not what was asked for")]
    WrongProof(#[from] ProofError),
    /// The proof names somebody else to be paid.
    #[error("the enclave's proof is for another payee, or of another journal")]
    WrongWords,
    /// The quote is not what was asked for.
    #[error("the enclave's quote is not bound to what was asked for")]
    WrongQuote,
}

impl EnclaveError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Program(_) => ErrorCode::GuestFailed,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Silent { .. } => ErrorCode::TimedOut,
            _ => ErrorCode::Internal,
        }
    }

    /// Who must act on it.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Program(_) | Self::TooLarge { .. } => Fault::Task,
            _ => Fault::Machine,
        }
    }
}
