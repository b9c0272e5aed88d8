//! What can go wrong with the chain.

use crate::keys::KeyError;
use alloy::{
    contract,
    primitives::{Address, Bytes},
    transports::{RpcError, TransportErrorKind},
};
use std::time::Duration;
use zkpool_bindings::Revert;
use zkpool_protocol::ErrorCode;

/// A fault while talking to the chain. `what` names what was attempted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The address of the endpoint is none.
    #[error("the RPC address is not usable: {0}")]
    BadUrl(String),
    /// No answer after all retries, or an answer that is no JSON-RPC.
    #[error("{what}: {reason}; check the RPC address and whether the node is up")]
    Unreachable {
        /// Attempted.
        what: String,
        /// The endpoint's host and what happened. Never the whole URL: it can hold a key.
        reason: String,
    },
    /// The endpoint answered with an error other than a revert.
    #[error("{what}: the RPC endpoint refuses: {message} (code {code})")]
    Refused {
        /// Attempted.
        what: String,
        /// JSON-RPC error code.
        code: i64,
        /// In the node's words.
        message: String,
    },
    /// The endpoint's answer cannot be what the chain says.
    #[error("{what}: the RPC endpoint's answer makes no sense: {reason}")]
    BadAnswer {
        /// Attempted.
        what: String,
        /// Why.
        reason: String,
    },
    /// The endpoint serves another chain.
    #[error("the RPC endpoint is on chain {actual}, not on chain {expected}: change the RPC address or the chain id")]
    WrongChain {
        /// Configured.
        expected: u64,
        /// Found.
        actual: u64,
    },
    /// The contract is not on this chain.
    #[error("there is no contract at {address} on chain {chain_id}: check the address and the chain")]
    NoContract {
        /// Expected there.
        address: Address,
        /// EIP-155 id.
        chain_id: u64,
    },
    /// A call reverted.
    #[error("{what}: {revert}")]
    Reverted {
        /// Attempted.
        what: String,
        /// The reason.
        revert: Revert,
    },
    /// A wait reached its bound.
    #[error("waited {} s in vain for {what}", after.as_secs())]
    TimedOut {
        /// For what.
        what: String,
        /// How long.
        after: Duration,
    },
    /// A transaction cannot be had: never sent, reverted, or too late.
    #[error("transaction {purpose:?} failed: {reason}")]
    Transaction {
        /// The record's purpose.
        purpose: String,
        /// Why.
        reason: String,
        /// Which code describes it best.
        code: ErrorCode,
    },
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The key cannot be had or cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The journal of transactions cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {source}")]
pub struct JournalError {
    /// Attempted: "write the transaction journal".
    pub what: String,
    /// Why not.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl JournalError {
    /// From any fault of the storage beneath.
    pub fn new(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: source.into() }
    }
}

impl ChainError {
    /// The stable code of this fault.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::BadUrl(_) => ErrorCode::BadRequest,
            Self::Unreachable { .. } | Self::Refused { .. } | Self::BadAnswer { .. } => ErrorCode::RpcUnreachable,
            Self::WrongChain { .. } | Self::NoContract { .. } => ErrorCode::WrongChain,
            Self::Reverted { .. } => ErrorCode::TransactionFailed,
            Self::TimedOut { .. } => ErrorCode::TimedOut,
            Self::Transaction { code, .. } => *code,
            Self::Journal(_) => ErrorCode::Storage,
            Self::Key(_) => ErrorCode::BadRequest,
        }
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused { .. } | Self::BadAnswer { .. } | Self::TimedOut { .. })
    }

    /// The revert, if it is one.
    pub const fn revert(&self) -> Option<&Revert> {
        match self {
            Self::Reverted { revert, .. } => Some(revert),
            _ => None,
        }
    }

    /// From a failed request.
    pub(crate) fn rpc(what: impl Into<String>, error: RpcError<TransportErrorKind>) -> Self {
        let what = what.into();
        match error {
            RpcError::ErrorResp(payload) => match revert_data(&payload) {
                Some(data) => Self::Reverted { what, revert: Revert::decode(&data) },
                None => Self::Refused { what, code: payload.code, message: bounded(&payload.message) },
            },
            RpcError::Transport(kind) => Self::Unreachable { what, reason: bounded(&kind.to_string()) },
            other => Self::BadAnswer { what, reason: bounded(&other.to_string()) },
        }
    }

    /// From a failed call of a contract.
    pub(crate) fn contract(what: impl Into<String>, error: contract::Error) -> Self {
        match error {
            contract::Error::TransportError(error) => Self::rpc(what, error),
            other => Self::BadAnswer { what: what.into(), reason: bounded(&other.to_string()) },
        }
    }
}

/// The data of a revert, whichever way the node words it.
fn revert_data(payload: &alloy::rpc::json_rpc::ErrorPayload) -> Option<Bytes> {
    if let Some(data) = payload.as_revert_data() {
        return Some(data);
    }
    // Reverts without data, and nodes that put it into the message.
    (payload.code == 3 || payload.message.contains("execution reverted")).then(Bytes::new)
}

/// Foreign text, cut to a readable length.
fn bounded(text: &str) -> String {
    text.chars().take(300).collect()
}
