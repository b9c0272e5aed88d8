//! What can be wrong with a receipt.

use alloy_primitives::B256;
use zkpool_protocol::{ErrorCode, Operation, ProofKind};

/// Why a receipt, or a step's result, is not taken.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Longer than anything honest.
    #[error("the {what} is {found} bytes long, more than {max}")]
    TooLarge {
        /// What it is.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The bound in bytes.
        max: usize,
    },
    /// The bytes are not what they should be.
    #[error("cannot read the {what}: {reason}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// A receipt of the development mode.
    #[error("the receipt is of the development mode, which proves nothing: unset RISC0_DEV_MODE and prove again")]
    DevelopmentMode,
    /// A receipt of another kind.
    #[error("the receipt is {found}, but {expected} was asked for")]
    Kind {
        /// What was asked for.
        expected: ProofKind,
        /// What it is.
        found: ProofKind,
    },
    /// The receipt is of another program.
    #[error("the receipt is of image {found}, but {expected} was asked for")]
    Image {
        /// What was asked for.
        expected: B256,
        /// What it is of.
        found: B256,
    },
    /// The receipt is of another output.
    #[error("the receipt is of another journal than the one given")]
    Journal,
    /// The receipt shows something else: another segment, or other inputs.
    #[error("the receipt shows claim {found}, but {expected} was asked for")]
    Claim {
        /// What was asked for.
        expected: B256,
        /// What it shows.
        found: B256,
    },
    /// Two segments, or two ranges of them, that do not follow each other.
    #[error("part {right} begins in state {begins}, but part {left} ends in state {ends}: they are not neighbours")]
    Order {
        /// The left part's place.
        left: usize,
        /// The right part's place.
        right: usize,
        /// The left part's last state.
        ends: B256,
        /// The right part's first state.
        begins: B256,
    },
    /// The execution did not end, or ended where it should go on.
    #[error("the receipt shows that the execution {0}")]
    Exit(&'static str),
    /// A part of the claim that later steps need is only there as its hash.
    #[error("the receipt's claim leaves out its {0}, which later steps need")]
    Pruned(&'static str),
    /// The receipt assumes what no given receipt proves.
    #[error("the receipt assumes claim {0}, and no receipt of it was given")]
    Unresolved(B256),
    /// The receipt that was given is not of what is assumed first.
    #[error("the given receipt is not of what the conditional receipt assumes: {0}")]
    NotAssumed(String),
    /// A segment's proof that no lift program takes.
    #[error("the segment was proven at 2^{found} cycles; only 2^{min} to 2^{max} can be lifted")]
    Size {
        /// As a power of two of cycles.
        found: u32,
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
    },
    /// A succinct receipt whose program has no place among the zkVM's.
    #[error("the receipt names place {index} under {levels} levels for its program: no recursion program takes it")]
    Place {
        /// Where the receipt says that its program is.
        index: u32,
        /// The levels of the tree that it is in.
        levels: usize,
    },
    /// A receipt to build on that builds on others itself.
    #[error(
        "the receipt to build on is composite and holds receipts that it builds on itself: compress it to a succinct one"
    )]
    Nested,
    /// A receipt to build on of a kind that the task's receipt cannot be made with.
    #[error("a {task} receipt cannot build on a {found} receipt: compress that to a succinct one")]
    Assumption {
        /// What the task ends in.
        task: ProofKind,
        /// What the receipt to build on is.
        found: ProofKind,
    },
    /// The cryptographic check fails.
    #[error("the receipt's seal does not verify: {0}")]
    Seal(String),
    /// A step with other inputs than it takes. A fault of the caller.
    #[error("a step `{}` does not take {found} results of earlier steps", .operation.as_str())]
    Inputs {
        /// The step.
        operation: Operation,
        /// How many were given.
        found: usize,
    },
}

impl ReceiptError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Journal => ErrorCode::WrongPublicInputs,
            Self::Inputs { .. } => ErrorCode::Internal,
            _ => ErrorCode::ProofInvalid,
        }
    }
}
