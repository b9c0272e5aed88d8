//! What can go wrong for a requester.

use std::path::PathBuf;
use zkpool_api::ClientError;
use zkpool_chain::ChainError;
use zkpool_protocol::{Address, B256, ErrorCode, TaskId, TermsError, U256};

/// A fault, with a stable code ([`RequesterError::code`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequesterError {
    /// The chain, or a transaction.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// One operator's service.
    #[error("operator {url}: {source}")]
    Operator {
        /// Which.
        url: String,
        /// What.
        #[source]
        source: ClientError,
    },
    /// The request contradicts itself.
    #[error("the request cannot be made: {0}")]
    BadRequest(String),
    /// Nobody made an acceptable offer.
    #[error("no operator made an acceptable offer: {}", reasons.join("; "))]
    NoOffer {
        /// One per operator.
        reasons: Vec<String>,
        /// Of the first reason.
        code: ErrorCode,
    },
    /// The offer is not what was asked for.
    #[error("the quote of {operator} is not what was asked for: {what} is {got}, asked was {asked}")]
    Altered {
        /// Who offered it.
        operator: Address,
        /// Which term.
        what: &'static str,
        /// Asked.
        asked: String,
        /// Offered.
        got: String,
    },
    /// The contract would refuse the terms.
    #[error("the quote of {operator} would be refused by the contract: {source}")]
    Malformed {
        /// Who offered it.
        operator: Address,
        /// Why.
        #[source]
        source: TermsError,
    },
    /// Not signed by the operator's signer.
    #[error("the quote of {operator} is not signed by its signer")]
    BadSignature {
        /// Who offered it.
        operator: Address,
    },
    /// Nothing says what the proof must prove.
    #[error(
        "nothing says which statement is to be proven, and an operator could be paid for another one: give the statement \
         or the public inputs, or accept the operator's ({0})"
    )]
    UnknownStatement(B256),
    /// Too late to publish.
    #[error("the quote is valid until {valid_until}, the chain's time is {now}: ask again")]
    Expired {
        /// Seconds.
        valid_until: u64,
        /// Seconds.
        now: u64,
    },
    /// The contract says that the operator could not honour the quote.
    #[error(
        "the quote of {operator} is not backed on chain: its slot is taken, closed or too small; choose another offer"
    )]
    NotBacked {
        /// Who offered it.
        operator: Address,
    },
    /// A contract that the quote names has no code.
    #[error("{what} {address} has no code on this chain")]
    NoCode {
        /// Its part.
        what: &'static str,
        /// Where.
        address: Address,
    },
    /// Not enough money for it.
    #[error("{what} has {have} of token {token} and needs {need}: deposit, or approve, more")]
    Unfunded {
        /// Which purse.
        what: String,
        /// Token.
        token: Address,
        /// Smallest units.
        have: U256,
        /// Smallest units.
        need: U256,
    },
    /// Not possible yet.
    #[error("task {task} cannot be {what} yet: in {seconds} s at the earliest")]
    TooEarly {
        /// Which.
        task: TaskId,
        /// collected, novated.
        what: &'static str,
        /// From now, by the chain's time.
        seconds: u64,
    },
    /// Not in a state in which this can be done.
    #[error("task {task} cannot be {what}: {why}")]
    NotPossible {
        /// Which.
        task: TaskId,
        /// collected, novated.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// Not on record.
    #[error("task {0} is not on record in this state directory")]
    UnknownTask(TaskId),
    /// Another process works on the directory.
    #[error("another process works on {}: stop it, or use another directory", .0.display())]
    InUse(PathBuf),
    /// The directory cannot be used.
    #[error("cannot {what} {}: {source}", path.display())]
    State {
        /// read, write.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A wait reached its bound.
    #[error("waited {seconds} s in vain for {what}")]
    TimedOut {
        /// For what.
        what: String,
        /// How long.
        seconds: u64,
    },
}

impl RequesterError {
    /// The stable code of this fault.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Chain(error) => error.code(),
            Self::Operator { source, .. } => source.code(),
            Self::NoOffer { code, .. } => *code,
            Self::BadRequest(_) | Self::UnknownStatement(_) | Self::TooEarly { .. } | Self::NotPossible { .. } => {
                ErrorCode::BadRequest
            }
            Self::Altered { .. } | Self::Malformed { .. } | Self::BadSignature { .. } => ErrorCode::QuoteAltered,
            Self::Expired { .. } => ErrorCode::QuoteExpired,
            Self::NotBacked { .. } => ErrorCode::NotBacked,
            Self::NoCode { .. } => ErrorCode::WrongChain,
            Self::Unfunded { .. } => ErrorCode::Unfunded,
            Self::UnknownTask(_) => ErrorCode::NotFound,
            Self::InUse(_) => ErrorCode::DatabaseInUse,
            Self::State { .. } => ErrorCode::Storage,
            Self::TimedOut { .. } => ErrorCode::TimedOut,
        }
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Chain(error) => error.is_transient(),
            Self::Operator { source, .. } => source.is_transient(),
            Self::TimedOut { .. } => true,
            _ => false,
        }
    }
}
