//! What a failed command says: what was attempted, why it failed, what to do about it, and a stable code.

use std::{fmt, process::ExitCode};
use zkpool_protocol::ErrorCode;

/// How the process ends; part of the interface (`zkpool --help` lists them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something failed for another reason than those below.
    Failed = 1,
    /// The command line makes no sense, or has a secret on it.
    Usage = 2,
    /// Configuration, key, or a file that was named.
    Config = 3,
    /// Somebody cannot be reached, or a wait reached its bound: trying again later can help.
    Unavailable = 4,
    /// Somebody refused: the operator, the chain, or a check of what they said.
    Refused = 5,
    /// The task ended otherwise than delivered; what is owed can be collected.
    NotDelivered = 6,
    /// Interrupted by a signal.
    Interrupted = 130,
}

/// A command failed.
#[derive(Debug)]
pub struct CliError {
    attempted: String,
    why: String,
    advice: Option<String>,
    code: &'static str,
    exit: Exit,
}

/// What commands return.
pub type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// `attempted` completes "cannot …".
    pub fn new(attempted: impl Into<String>, why: impl fmt::Display, code: &'static str, exit: Exit) -> Self {
        Self { attempted: attempted.into(), why: why.to_string(), advice: None, code, exit }
    }

    /// The command line makes no sense.
    pub fn usage(attempted: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(attempted, why, "usage", Exit::Usage)
    }

    /// The configuration, or a value in it.
    pub fn config(attempted: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(attempted, why, "config", Exit::Config)
    }

    /// A file that was named.
    pub fn file(attempted: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(attempted, why, "file", Exit::Config)
    }

    /// A fault that has a code of the API.
    pub fn coded(attempted: impl Into<String>, why: impl fmt::Display, code: ErrorCode) -> Self {
        Self::new(attempted, why, code.as_str(), exit_of(code))
    }

    /// What to do about it.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// How the process ends.
    pub fn exit(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }

    /// The same as data.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": { "attempted": self.attempted, "why": self.why, "do": self.advice, "code": self.code }
        })
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: cannot {}", self.attempted)?;
        writeln!(f, "  why:  {}", indented(&self.why))?;
        if let Some(advice) = &self.advice {
            writeln!(f, "  do:   {}", indented(advice))?;
        }
        write!(f, "  code: {}", self.code)
    }
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n        ")
}

impl std::error::Error for CliError {}

/// Which faults of the API end the process how.
const fn exit_of(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::RpcUnreachable
        | ErrorCode::TimedOut
        | ErrorCode::RateLimited
        | ErrorCode::Starting
        | ErrorCode::NoCapacity
        | ErrorCode::NoProver
        | ErrorCode::CircuitOpen => Exit::Unavailable,
        ErrorCode::WrongChain | ErrorCode::DatabaseInUse | ErrorCode::Storage => Exit::Config,
        ErrorCode::Internal => Exit::Failed,
        _ => Exit::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_why_what_to_do_and_its_code() {
        let error = CliError::coded("ask for a quote", "no answer\nat all", ErrorCode::TimedOut).advise("try again");
        assert_eq!(
            error.to_string(),
            "error: cannot ask for a quote\n  why:  no answer\n        at all\n  do:   try again\n  code: timed_out"
        );
        assert_eq!(error.exit, Exit::Unavailable);
    }
}
