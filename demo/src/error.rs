//! One error for the demo: what was attempted, and why it failed.

use std::fmt::Display;

/// A step of the demo failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct DemoError {
    what: String,
    why: String,
}

/// With [`DemoError`].
pub type Result<T, E = DemoError> = std::result::Result<T, E>;

impl DemoError {
    /// `what` failed, because of `why`.
    pub fn new(what: impl Into<String>, why: impl Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}

/// Says what was attempted.
pub trait Attempt<T> {
    /// Turns any error into a [`DemoError`] about `what`.
    fn attempt(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Display> Attempt<T> for std::result::Result<T, E> {
    fn attempt(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| DemoError::new(what, error))
    }
}

impl<T> Attempt<T> for Option<T> {
    fn attempt(self, what: impl Into<String>) -> Result<T> {
        self.ok_or_else(|| DemoError::new(what, "there is none"))
    }
}
