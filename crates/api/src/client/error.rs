//! Why a call came to nothing, and what to do about it.

use crate::ApiError;
use std::time::Duration;
use zkpool_protocol::ErrorCode;

/// A call failed. Messages name the route and say what to do; they never hold a token, a body or a query.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address of the service cannot be used.
    #[error("{url:?} is no address of a ZKPool service: {reason}; give one like https://pool.example")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This machine cannot check certificates.
    #[error("TLS cannot be set up: {reason}; install the system's CA certificates, or name them in SSL_CERT_FILE")]
    Tls {
        /// What is wrong.
        reason: String,
    },
    /// Nothing answered, the connection broke, or the bound on waiting was reached.
    #[error("{route} at {host} failed: {reason}; check that the service runs and can be reached, then try again")]
    Unreachable {
        /// Which service.
        host: String,
        /// Which route.
        route: String,
        /// What happened.
        reason: String,
        /// Whether the bound on waiting was reached.
        timed_out: bool,
    },
    /// The service answered with an error.
    #[error("{route} was refused by {host}: {error}")]
    Api {
        /// Which service.
        host: String,
        /// Which route.
        route: String,
        /// What the service said.
        error: ApiError,
        /// When the service wants to hear of this again.
        retry_after: Option<Duration>,
    },
    /// What answered does not speak this API.
    #[error("{route} at {host} gave an answer that is not of the ZKPool API ({reason}); is this a ZKPool service?")]
    BadAnswer {
        /// Which service.
        host: String,
        /// Which route.
        route: String,
        /// What was wrong.
        reason: String,
    },
    /// The call needs a signature and the client has no key, or the key refused.
    #[error("cannot sign in at {host}: {reason}")]
    SignIn {
        /// Which service.
        host: String,
        /// What was wrong.
        reason: String,
    },
    /// The service works on another chain than the caller.
    #[error("{host} works on chain {theirs}, this client on chain {ours}: use an operator of your chain")]
    WrongChain {
        /// Which service.
        host: String,
        /// Their chain id.
        theirs: u64,
        /// The caller's chain id.
        ours: u64,
    },
    /// A blob is not what its name says.
    #[error("{host} sent bytes that are not blob {id}: discard them and try another source")]
    WrongBlob {
        /// Which service.
        host: String,
        /// The blob.
        id: zkpool_protocol::BlobId,
    },
    /// A blob is larger than the caller's cap.
    #[error("blob {id} at {host} is larger than the cap of {cap} bytes: raise the cap if that is expected")]
    BlobTooLarge {
        /// Which service.
        host: String,
        /// The blob.
        id: zkpool_protocol::BlobId,
        /// The caller's cap.
        cap: u64,
    },
    /// A local file could not be read or written.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl ClientError {
    /// The stable code for this fault.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::BadUrl { .. } => ErrorCode::BadRequest,
            Self::Tls { .. } => ErrorCode::Internal,
            Self::Unreachable { .. } => ErrorCode::TimedOut,
            Self::Api { error, .. } => error.code,
            Self::BadAnswer { .. } => ErrorCode::Internal,
            Self::SignIn { .. } => ErrorCode::Unauthorized,
            Self::WrongChain { .. } => ErrorCode::WrongChain,
            Self::WrongBlob { .. } => ErrorCode::HashMismatch,
            Self::BlobTooLarge { .. } => ErrorCode::TooLarge,
            Self::Io { .. } => ErrorCode::Storage,
        }
    }

    /// Whether the same call may succeed a little later, without anybody changing it.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Api { error, .. } => error.is_transient(),
            _ => false,
        }
    }

    /// When the service wants to be asked again, if it said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
