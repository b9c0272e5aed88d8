//! Why a backend did not do what it was asked.

use crate::groth16::{GeneratorError, InputError, WitnessFileError, ZkeyError};
use std::{io, path::PathBuf};
use zkpool_protocol::{BlobId, ErrorCode, Operation};
use zkpool_verifiers::risc0::ReceiptError;

/// Who must act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The program or the input: it fails the same on every machine, so nobody else need try.
    Task,
    /// This machine: its files, its memory, its bounds. Another may succeed.
    Machine,
    /// Nobody: the call was stopped.
    Stopped,
}

/// Why a backend did not do what it was asked. No message holds a value of the input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// The proving key is malformed or unsafe.
    #[error(transparent)]
    ProvingKey(#[from] ZkeyError),
    /// The ready witness is malformed, or of another circuit.
    #[error(transparent)]
    WitnessFile(#[from] WitnessFileError),
    /// The witness generator is malformed or misbehaves.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// The input's signals are not the circuit's.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The proof that was made does not verify.
    #[error(
        "the witness does not satisfy the circuit's constraints: the input is wrong, or the witness generator is not of \
         the proving key's circuit"
    )]
    WitnessUnsatisfied,
    /// A program without witness generator was given signals.
    #[error("the program has no witness generator: register it with one, or give a ready witness (.wtns)")]
    NoGenerator,
    /// The zkVM program is malformed, or did not run to its end.
    #[cfg(feature = "risc0")]
    #[error(transparent)]
    Guest(#[from] crate::risc0::GuestError),
    /// The enclave, or what it answered.
    #[cfg(feature = "sgx")]
    #[error(transparent)]
    Enclave(#[from] crate::sgx::EnclaveError),
    /// A step's input, or what came out, is not the receipt that it should be.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A backend was given a program of another proof system, or an input that the program does not take.
    #[error("the program is of another proof system than its input or this backend")]
    OtherSystem,
    /// A backend was given a step that it does not do.
    #[error("this backend does not do `{}` steps", .0.as_str())]
    Operation(Operation),
    /// This build has no backend for the program.
    #[error("this build cannot run {0} programs: build it with the feature `risc0`")]
    NotBuilt(&'static str),
    /// What a Groth16 wrap needs is not there.
    #[error("this machine cannot wrap receipts in Groth16: that takes a running Docker daemon, or a build for CUDA")]
    NoWrap,
    /// The environment asks for receipts that prove nothing.
    #[error("RISC0_DEV_MODE is set, which makes receipts that prove nothing: unset it")]
    DevelopmentMode,
    /// The process that did a step failed.
    #[error("the process for the `{}` step failed: {reason}", .operation.as_str())]
    Worker {
        /// The step.
        operation: Operation,
        /// How it ended, or what it said.
        reason: String,
    },
    /// The envelope is not one, or names another program.
    #[error("{0}")]
    Envelope(String),
    /// The caller did not say where a file lies.
    #[error("no file was given for blob {0}")]
    MissingFile(BlobId),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than this backend takes.
    #[error("the {what} is {found} bytes long, more than this machine takes ({max})")]
    TooLarge {
        /// What the file is.
        what: &'static str,
        /// Its length in bytes.
        found: u64,
        /// The bound in bytes.
        max: u64,
    },
    /// The machine has not enough memory.
    #[error("not enough memory for {bytes} bytes of the program")]
    OutOfMemory {
        /// What was asked for.
        bytes: u64,
    },
    /// [`crate::Control::cancel`] was called.
    #[error("the call was cancelled")]
    Cancelled,
    /// The control's deadline has passed.
    #[error("the call did not end before its deadline")]
    DeadlineExceeded,
}

impl BackendError {
    /// The message and what lies beneath it, each said once.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            let cause = error.to_string();
            if !text.ends_with(&cause) {
                text += &format!(": {cause}");
            }
            source = error.source();
        }
        text
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::ProvingKey(error) => error.code(),
            Self::WitnessFile(error) => error.code(),
            Self::Generator(error) => error.code(),
            Self::Input(_) | Self::NoGenerator | Self::Envelope(_) => ErrorCode::BadInput,
            Self::WitnessUnsatisfied => ErrorCode::WitnessUnsatisfied,
            #[cfg(feature = "risc0")]
            Self::Guest(error) => error.code(),
            #[cfg(feature = "sgx")]
            Self::Enclave(error) => error.code(),
            Self::Receipt(error) => error.code(),
            Self::OtherSystem | Self::Operation(_) | Self::NotBuilt(_) | Self::DevelopmentMode => ErrorCode::BadRequest,
            Self::NoWrap => ErrorCode::NoProver,
            Self::Worker { .. } => ErrorCode::Internal,
            Self::MissingFile(_) | Self::Read { .. } => ErrorCode::Storage,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::OutOfMemory { .. } | Self::DeadlineExceeded => ErrorCode::PreflightExceeded,
            Self::Cancelled => ErrorCode::TimedOut,
        }
    }

    /// Who must act on it.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Cancelled | Self::DeadlineExceeded => Fault::Stopped,
            Self::MissingFile(_)
            | Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::OutOfMemory { .. }
            | Self::OtherSystem
            | Self::Operation(_)
            | Self::NotBuilt(_)
            | Self::NoWrap
            | Self::DevelopmentMode
            | Self::Worker { .. } => Fault::Machine,
            #[cfg(feature = "risc0")]
            Self::Guest(error) if error.is_bound() => Fault::Machine,
            #[cfg(feature = "sgx")]
            Self::Enclave(error) => error.fault(),
            Self::Generator(error) if error.is_bound() => Fault::Machine,
            _ if self.code() == ErrorCode::Storage => Fault::Machine,
            _ => Fault::Task,
        }
    }
}
