//! Why a node does not work, and why it does not sign.

use crate::{Conflict, PledgeError, Wrong};
use std::path::PathBuf;
use zkpool_api::ClientError;
use zkpool_chain::ChainError;
use zkpool_protocol::{Address, B256, BlobId, ErrorCode};

/// The node cannot work at all. Everything that time can heal is retried instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttesterError {
    /// Nobody to ask.
    #[error("no operator is configured: name at least one operator's URL")]
    NoOperator,
    /// An operator's address is none.
    #[error(transparent)]
    Url(ClientError),
    /// A directory or file of the node cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another node works with the same key for the same committee.
    #[error("another node works in {}: two nodes with one key could contradict each other", .0.display())]
    StateInUse(PathBuf),
    /// The member is at work already, and nothing here says what it has signed.
    #[error(
        "{member} has its stake in {committee} already, and nothing in {} says what it has signed: to sign without it \
         could cost the stake",
        dir.display()
    )]
    NoMemory {
        /// The member.
        member: Address,
        /// The committee.
        committee: Address,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// What was signed cannot be read.
    #[error(transparent)]
    Pledges(#[from] PledgeError),
    /// The committee's contract is not there, or is on another chain.
    #[error("the committee cannot be found: {0}")]
    Committee(ChainError),
    /// The key is not a member's.
    #[error("{account} is no member of the committee {committee}, whose members never change")]
    NotAMember {
        /// The key's address.
        account: Address,
        /// The committee.
        committee: Address,
    },
    /// The member was slashed.
    #[error(
        "{account} was slashed: it signed what contradicts itself or a proof, and never counts again in {committee}"
    )]
    Slashed {
        /// The member.
        account: Address,
        /// The committee.
        committee: Address,
    },
}

impl AttesterError {
    /// The stable code of this fault.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NoOperator | Self::Url(_) => ErrorCode::BadRequest,
            Self::State { .. } | Self::StateInUse(_) | Self::NoMemory { .. } | Self::Pledges(_) => ErrorCode::Storage,
            Self::Committee(error) => error.code(),
            Self::NotAMember { .. } | Self::Slashed { .. } => ErrorCode::Forbidden,
        }
    }
}

/// Why the node does not sign for a receipt. It stays so, whatever the operator does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The committee does not vouch for the program.
    #[error("the committee does not vouch for program {0}")]
    UnknownProgram(B256),
    /// The journal ends within the question.
    #[error("the journal has {found} bytes, but the question alone has {question}")]
    ShortJournal {
        /// Bytes of the journal.
        found: usize,
        /// Bytes of the question.
        question: u32,
    },
    /// Larger than this node fetches.
    #[error("the receipt has {size} bytes, and this node takes at most {cap} (its largest receipt is a setting)")]
    TooLarge {
        /// Bytes, as the operator says.
        size: u64,
        /// Bytes.
        cap: u64,
    },
    /// What the operator sent is not what it named.
    #[error("the operator sent other bytes than the receipt {0}")]
    OtherBytes(BlobId),
    /// The receipt does not prove it.
    #[error("the receipt does not hold: {0}")]
    Wrong(Wrong),
    /// Signing would contradict an earlier signature.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

impl Refusal {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownProgram(_) => ErrorCode::UnknownProgram,
            Self::ShortJournal { .. } => ErrorCode::BadRequest,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::OtherBytes(_) => ErrorCode::HashMismatch,
            Self::Wrong(wrong) => wrong.code,
            Self::Conflict(_) => ErrorCode::Forbidden,
        }
    }
}
