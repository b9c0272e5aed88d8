//! What can go wrong, as the page says it.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use zkpool_chain::{ChainError, KeyError};
use zkpool_requester::RequesterError;

/// A question could not be asked or followed.
#[derive(Debug, thiserror::Error)]
pub enum DigitsError {
    /// The images are none.
    #[error("these are not digits: {0}")]
    BadImages(#[from] digit_core::Error),
    /// No question has this number here.
    #[error("there is no question {0} here: ask anew")]
    UnknownQuestion(u64),
    /// It was bought already.
    #[error("this proof is bought already")]
    AlreadyBought,
    /// Too many questions are under way.
    #[error("{0} questions are under way: wait until one is answered")]
    Busy(usize),
    /// The request does not come from this page.
    #[error("only this application's own page may ask")]
    Foreign,
    /// Asking, buying or following failed.
    #[error(transparent)]
    Requester(Box<RequesterError>),
    /// The chain cannot be read.
    #[error("reading the chain: {0}")]
    Chain(#[from] ChainError),
    /// The key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What is owed could not be collected yet.
    #[error("what is owed is not collected yet: {0}")]
    Owed(#[source] Box<RequesterError>),
    /// The contract cannot be read at the moment.
    #[error("the oracle at {address} cannot be read: {reason}")]
    OracleAway {
        /// Where it is.
        address: alloy::primitives::Address,
        /// Why.
        reason: String,
    },
    /// A contract did not answer as it should.
    #[error("the oracle at {address}: {reason}")]
    Oracle {
        /// Where it is.
        address: alloy::primitives::Address,
        /// What it did.
        reason: String,
    },
    /// A file or a socket.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl From<RequesterError> for DigitsError {
    fn from(error: RequesterError) -> Self {
        Self::Requester(Box::new(error))
    }
}

impl DigitsError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadImages(_) => "bad_images",
            Self::UnknownQuestion(_) => "unknown_question",
            Self::AlreadyBought => "already_bought",
            Self::Busy(_) => "busy",
            Self::Foreign => "foreign",
            Self::Requester(error) | Self::Owed(error) => error.code().as_str(),
            Self::OracleAway { .. } => "rpc_unreachable",
            Self::Chain(error) => error.code().as_str(),
            Self::Oracle { .. } => "oracle",
            Self::Key(_) => "key",
            Self::Io { .. } => "io",
        }
    }

    /// Whether the same may succeed later. What is owed is, until it is collected.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Requester(error) => error.is_transient(),
            Self::Chain(error) => error.is_transient(),
            Self::Owed(_) | Self::OracleAway { .. } => true,
            _ => false,
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::BadImages(_) => StatusCode::BAD_REQUEST,
            Self::UnknownQuestion(_) => StatusCode::NOT_FOUND,
            Self::AlreadyBought => StatusCode::CONFLICT,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Requester(_) | Self::Owed(_) | Self::Chain(_) | Self::OracleAway { .. } | Self::Oracle { .. } => {
                StatusCode::BAD_GATEWAY
            }
            Self::Key(_) | Self::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for DigitsError {
    fn into_response(self) -> Response {
        let body = json!({ "code": self.code(), "message": self.to_string() });
        (self.status(), Json(body)).into_response()
    }
}
