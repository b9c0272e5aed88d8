//! What an operation answers when it cannot be done.

use std::error::Error as StdError;
use zkpool_chain::ChainError;
use zkpool_protocol::ErrorCode;
use zkpool_store::StoreError;

/// A fault with the stable code that the API sends, and a message that says what was wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OpError {
    /// The stable code.
    pub code: ErrorCode,
    /// For people; never a key, never an input.
    pub message: String,
    /// What lies beneath, for the log.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What operations return.
pub type OpResult<T> = Result<T, OpError>;

impl OpError {
    /// A fault of the caller's making, or one that needs no further cause.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), source: None }
    }

    /// With what lies beneath.
    pub fn caused_by(
        code: ErrorCode,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { code, message: message.into(), source: Some(source.into()) }
    }

    /// Whether it is the store's: without that nothing can go on.
    pub(crate) fn is_store_fault(&self) -> bool {
        self.store_error().is_some()
    }

    /// Whether it is the chain's endpoint that did not answer: others would fare no better.
    pub(crate) fn is_endpoint_fault(&self) -> bool {
        let error = self.source.as_ref().and_then(|source| source.downcast_ref::<ChainError>());
        error.is_some_and(ChainError::is_transient)
    }

    /// Whether what was to be worked on has gone on, or ended, in the meantime.
    pub(crate) fn is_over(&self) -> bool {
        self.code == ErrorCode::NotFound || matches!(self.store_error(), Some(StoreError::Moved { .. }))
    }

    fn store_error(&self) -> Option<&StoreError> {
        self.source.as_ref().and_then(|source| source.downcast_ref())
    }

    /// The fault and all that lies beneath it, in one line for the log.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut source = self.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.ends_with(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        text
    }
}

impl From<StoreError> for OpError {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        let message = match code {
            // What lies beneath is for the log, not for the caller.
            ErrorCode::Internal => "the service has a fault of its own; its log says more".to_owned(),
            _ => error.to_string(),
        };
        Self::caused_by(code, message, error)
    }
}

impl From<ChainError> for OpError {
    fn from(error: ChainError) -> Self {
        Self::caused_by(error.code(), error.to_string(), error)
    }
}
