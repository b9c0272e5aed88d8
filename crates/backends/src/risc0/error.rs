//! What a zkVM program does wrong.

use alloy_primitives::B256;
use zkpool_protocol::ErrorCode;
use zkpool_verifiers::risc0::ReceiptError;

/// Why a zkVM program, or its run on an input, is not taken. No message holds a word of the input: what a program says
/// when it fails may.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// The program is no program binary.
    #[error("the program is no RISC Zero program ({0}): give the .bin file that `risc0-build` makes")]
    Malformed(#[source] ReceiptError),
    /// The program is another one than its manifest says.
    #[error("the program's image id is {found}, but the manifest says {expected}")]
    Image {
        /// What the manifest says.
        expected: B256,
        /// What was computed.
        found: B256,
    },
    /// The program panicked.
    #[error("the program panicked on this input: run it on your machine to see why")]
    Panicked,
    /// The program ended with an error.
    #[error("the program ended with exit code {0}, and only 0 can be proven: run it on your machine to see why")]
    Exited(u32),
    /// The program paused.
    #[error("the program paused: a pool's programs run to their end in one go")]
    Paused,
    /// The program did what a machine cannot do: an illegal instruction, memory that is not there, reading past its end.
    #[error("the program broke down on this input: run it on your machine to see why")]
    BrokeDown,
    /// The program halted with the digest of another output than the one that it wrote.
    #[error(
        "the program halts with the digest of another output than its journal and the receipts that it verifies: end it \
         by returning from main, or by env::exit"
    )]
    Output,
    /// The program makes something else public in each run.
    #[error(
        "the program's journal differs from run to run: make it a function of the input alone, without random numbers, \
         hash maps' order, or counts of cycles"
    )]
    Unsteady,
    /// The program uses an accelerator that proves apart.
    #[error("the program uses the Keccak accelerator, whose proofs a pool does not make: use a Keccak in software")]
    Accelerator,
    /// The program did not end within its bound.
    #[error("the program did not end within {0} cycles")]
    Cycles(u64),
    /// The program did not end within the bound of time.
    #[error("the program did not end in time")]
    Time,
    /// The journal is too long.
    #[error("the program made {found} bytes public, more than {max}: let it publish a hash of them")]
    Journal {
        /// In bytes.
        found: usize,
        /// In bytes.
        max: usize,
    },
    /// A receipt to build on that is not sound.
    #[error("a receipt that the input names cannot be built on: {0}")]
    Assumption(#[source] ReceiptError),
    /// The receipts take the room of the task's own.
    #[error("the receipts that the input names come to {found} bytes, more than {max}: compress them to succinct ones")]
    AssumptionsTooLarge {
        /// In bytes.
        found: u64,
        /// In bytes.
        max: u64,
    },
    /// The program builds on a receipt that the input does not name.
    #[error("the program builds on a receipt that the input does not name")]
    NotGiven,
    /// The receipts are not named as they are used.
    #[error(
        "the input names {given} receipts, and the program verifies {used}: name each receipt that it verifies, once for \
         each time, the last one first"
    )]
    Assumptions {
        /// How many the input names.
        given: usize,
        /// How many the program verified.
        used: usize,
    },
    /// Segments of a size that cannot be proven.
    #[error("segments of 2^{found} cycles cannot be proven, only 2^{min} to 2^{max}")]
    SegmentLimit {
        /// As a power of two of cycles.
        found: u32,
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
    },
    /// An instruction of the program does not fit into a segment.
    #[error("segments of 2^{0} cycles are too small for this program")]
    SegmentTooSmall(u32),
    /// The segments take more room than there is.
    #[error("the execution takes more than {0} bytes of segments")]
    TooMuch(u64),
    /// Nobody takes the segments away.
    #[error("nobody has taken a segment away for {0} s")]
    Stalled(u64),
    /// A segment cannot be written, or its line not be said.
    #[error("cannot write a segment")]
    Write(#[source] std::io::Error),
}

impl GuestError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Malformed(_) | Self::Image { .. } => ErrorCode::BadGuest,
            Self::Cycles(_) | Self::Time | Self::TooMuch(_) => ErrorCode::PreflightExceeded,
            Self::Journal { .. } => ErrorCode::TooLarge,
            Self::Assumption(_) | Self::AssumptionsTooLarge { .. } | Self::NotGiven | Self::Assumptions { .. } => {
                ErrorCode::BadInput
            }
            Self::SegmentLimit { .. } => ErrorCode::BadRequest,
            Self::Stalled(_) => ErrorCode::TimedOut,
            Self::Write(_) => ErrorCode::Storage,
            Self::Panicked
            | Self::Exited(_)
            | Self::Paused
            | Self::BrokeDown
            | Self::Output
            | Self::Unsteady
            | Self::Accelerator
            | Self::SegmentTooSmall(_) => ErrorCode::GuestFailed,
        }
    }

    /// Whether it is about a bound of this machine rather than about the program.
    pub(crate) const fn is_bound(&self) -> bool {
        matches!(self, Self::Cycles(_) | Self::Time | Self::TooMuch(_) | Self::Stalled(_) | Self::Write(_))
    }
}
