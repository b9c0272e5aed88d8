//! What can go wrong, as the page says it.

use alloy::primitives::Address;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::{io, path::PathBuf};
use zkpool_chain::{ChainError, KeyError};
use zkpool_requester::RequesterError;
use zkpool_rollup::{GenesisError, SubmitError};

/// A transfer is not taken, or a batch cannot be proposed, bought or followed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The record is none.
    #[error("a transfer is {expected} bytes in hex")]
    BadRecord {
        /// How long it is.
        expected: usize,
    },
    /// The amount is none.
    #[error("an amount is a whole number below 2^64, as text")]
    BadAmount,
    /// The sequencer does not take it.
    #[error("the transfer is not taken: {0}")]
    Refused(#[from] SubmitError),
    /// There are no demonstration accounts, or not this one.
    #[error("this node signs for no account {0}")]
    NotOurs(u32),
    /// The request does not come from this page.
    #[error("only this node's own page may do that")]
    Foreign,
    /// The accounts at the beginning are none.
    #[error("the genesis accounts: {0}")]
    Genesis(#[from] GenesisError),
    /// The contract is not for this state, this verifier or this build.
    #[error("the rollup at {address}: {reason}")]
    Contract {
        /// Where it is.
        address: Address,
        /// What does not fit.
        reason: String,
    },
    /// The contract cannot be read at the moment.
    #[error("the rollup at {address} cannot be read: {reason}")]
    Away {
        /// Where it is.
        address: Address,
        /// Why.
        reason: String,
    },
    /// A leg of the verifier that this node has no program for.
    #[error("leg {leg} of the verifier: {reason}")]
    Leg {
        /// Which.
        leg: usize,
        /// What is wrong.
        reason: String,
    },
    /// Asking, buying or following failed.
    #[error(transparent)]
    Requester(Box<RequesterError>),
    /// What is owed could not be collected yet.
    #[error("what is owed is not collected yet: {0}")]
    Owed(#[source] Box<RequesterError>),
    /// The chain cannot be read.
    #[error("reading the chain: {0}")]
    Chain(#[from] ChainError),
    /// The key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file or a socket.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl From<RequesterError> for NodeError {
    fn from(error: RequesterError) -> Self {
        Self::Requester(Box::new(error))
    }
}

impl NodeError {
    /// A file that cannot be read or written.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let what = path.into().display().to_string();
        move |source| Self::Io { what, source }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRecord { .. } => "bad_record",
            Self::BadAmount => "bad_amount",
            Self::Refused(_) => "refused",
            Self::NotOurs(_) => "not_ours",
            Self::Foreign => "foreign",
            Self::Genesis(_) => "genesis",
            Self::Contract { .. } => "contract",
            Self::Leg { .. } => "leg",
            Self::Away { .. } => "rpc_unreachable",
            Self::Requester(error) | Self::Owed(error) => error.code().as_str(),
            Self::Chain(error) => error.code().as_str(),
            Self::Key(_) => "key",
            Self::Io { .. } => "io",
        }
    }

    /// Whether the same may succeed later. A batch must be proven, whatever it takes: that nobody offers a proof now, or
    /// that an offer ran out, passes. What is owed is, until it is collected.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Requester(error) => {
                error.is_transient()
                    || matches!(
                        **error,
                        RequesterError::NoOffer { .. }
                            | RequesterError::Expired { .. }
                            | RequesterError::NotBacked { .. }
                            | RequesterError::Unfunded { .. }
                    )
            }
            Self::Chain(error) => error.is_transient(),
            Self::Owed(_) | Self::Away { .. } => true,
            _ => false,
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::BadRecord { .. } | Self::BadAmount | Self::NotOurs(_) => StatusCode::BAD_REQUEST,
            Self::Refused(SubmitError::Full) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Requester(_) | Self::Owed(_) | Self::Chain(_) | Self::Away { .. } => StatusCode::BAD_GATEWAY,
            Self::Genesis(_) | Self::Contract { .. } | Self::Leg { .. } | Self::Key(_) | Self::Io { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl IntoResponse for NodeError {
    fn into_response(self) -> Response {
        let body = json!({ "code": self.code(), "message": self.to_string() });
        (self.status(), Json(body)).into_response()
    }
}
