//! The body of every answer that is not a success.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use zkpool_protocol::ErrorCode;

/// What was wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{message} [{code}]")]
pub struct ApiError {
    /// Stable name of the fault.
    #[serde(deserialize_with = "known_code")]
    #[schema(value_type = crate::schema::ErrorCode)]
    pub code: ErrorCode,
    /// What was wrong and what to do, for people.
    pub message: String,
}

impl ApiError {
    /// An error with a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The HTTP status that carries this error.
    pub const fn status(&self) -> u16 {
        status(self.code)
    }

    /// Whether the same request may succeed a little later, without anybody changing it.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::RateLimited
                | ErrorCode::Starting
                | ErrorCode::NoCapacity
                | ErrorCode::NoProver
                | ErrorCode::NoCommittee
                | ErrorCode::CircuitOpen
                | ErrorCode::TooManyQuotes
                | ErrorCode::NotSetApart
                | ErrorCode::RpcUnreachable
                | ErrorCode::TimedOut
                | ErrorCode::Storage
                | ErrorCode::Internal
        )
    }
}

/// The HTTP status of a code.
const fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::BadRequest => 400,
        ErrorCode::Unauthorized => 401,
        ErrorCode::Unfunded | ErrorCode::Unpaid => 402,
        ErrorCode::Forbidden | ErrorCode::Excluded | ErrorCode::Unbonded => 403,
        ErrorCode::NotFound | ErrorCode::UnknownProgram | ErrorCode::UnknownInput => 404,
        ErrorCode::LeaseLost => 409,
        ErrorCode::QuoteExpired => 410,
        ErrorCode::TooLarge => 413,
        ErrorCode::HashMismatch
        | ErrorCode::BadProvingKey
        | ErrorCode::BadWitnessGenerator
        | ErrorCode::BadInput
        | ErrorCode::WitnessUnsatisfied
        | ErrorCode::WrongPublicInputs
        | ErrorCode::LegsDisagree
        | ErrorCode::PreflightExceeded
        | ErrorCode::DeadlineTooShort
        | ErrorCode::TooExpensive
        | ErrorCode::VerifierNotAllowed
        | ErrorCode::TokenNotAllowed
        | ErrorCode::TargetFails
        | ErrorCode::QuoteAltered
        | ErrorCode::NotBacked
        | ErrorCode::WrongChain
        | ErrorCode::ProofInvalid
        | ErrorCode::BadGuest
        | ErrorCode::GuestFailed => 422,
        ErrorCode::RateLimited | ErrorCode::TooManyQuotes => 429,
        ErrorCode::RpcUnreachable | ErrorCode::TransactionFailed => 502,
        ErrorCode::NoCapacity
        | ErrorCode::NoProver
        | ErrorCode::NoCommittee
        | ErrorCode::CircuitOpen
        | ErrorCode::Starting
        | ErrorCode::NotSetApart
        | ErrorCode::DatabaseInUse => 503,
        ErrorCode::TimedOut => 504,
        ErrorCode::Storage => 507,
        // `Internal`, and a code that this version does not know.
        _ => 500,
    }
}

/// A newer service may have codes that this version does not know: those read as `internal`, message kept.
fn known_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ErrorCode, D::Error> {
    Ok(ErrorCode::from_name(&String::deserialize(deserializer)?).unwrap_or(ErrorCode::Internal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_error_status() {
        for code in ErrorCode::ALL {
            let status = status(*code);
            assert!((400..600).contains(&status), "{code}");
            assert_eq!(status == 500, *code == ErrorCode::Internal, "{code} has no status of its own");
        }
    }

    #[test]
    fn a_newer_code_is_read_with_its_message() {
        let error: ApiError = serde_json::from_str(r#"{"code":"from_the_future","message":"m","more":1}"#).unwrap();
        assert_eq!(error, ApiError::new(ErrorCode::Internal, "m"));
    }
}
