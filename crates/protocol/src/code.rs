//! Stable error codes: what the API, the logs and the CLI call a fault.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A fault's name. Never renamed; new ones may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The code with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }
        }
    };
}

codes! {
    /// The request is not what the API takes.
    BadRequest = "bad_request",
    /// Sign in first, or the token has expired.
    Unauthorized = "unauthorized",
    /// Signed in, but not entitled.
    Forbidden = "forbidden",
    /// No such thing.
    NotFound = "not_found",
    /// Larger than the limit that the message names.
    TooLarge = "too_large",
    /// Too many requests; the message says when to come back.
    RateLimited = "rate_limited",
    /// The bytes do not have the hash under which they were sent.
    HashMismatch = "hash_mismatch",
    /// A program that the operator does not have: register it first.
    UnknownProgram = "unknown_program",
    /// A proving key that is malformed, of another curve or proof system, or without a phase-2 contribution.
    BadProvingKey = "bad_proving_key",
    /// A witness generator that is malformed or misbehaves.
    BadWitnessGenerator = "bad_witness_generator",
    /// An input that is malformed, or names signals that the circuit does not have.
    BadInput = "bad_input",
    /// An input that the operator does not hold: upload it first.
    UnknownInput = "unknown_input",
    /// A zkVM program that is malformed, or is not the one that its image id names.
    BadGuest = "bad_guest",
    /// The zkVM program, run on this input, panicked, failed, or did not come to its end.
    GuestFailed = "guest_failed",
    /// The input does not satisfy the circuit.
    WitnessUnsatisfied = "witness_unsatisfied",
    /// The public inputs that the witness yields are not the ones that were asked for.
    WrongPublicInputs = "wrong_public_inputs",
    /// The legs of a bundle do not come to the same output.
    LegsDisagree = "legs_disagree",
    /// Preflight ran out of its bounds of time or memory.
    PreflightExceeded = "preflight_exceeded",
    /// The requester's balance does not cover its open quotes and this one.
    Unfunded = "unfunded",
    /// Too many live quotes for one requester.
    TooManyQuotes = "too_many_quotes",
    /// It would cost more than the requester would pay.
    TooExpensive = "too_expensive",
    /// All slots are taken.
    NoCapacity = "no_capacity",
    /// No prover of this kind is present.
    NoProver = "no_prover",
    /// Too few members of the committee that would have to sign are there.
    NoCommittee = "no_committee",
    /// The deadline cannot be met.
    DeadlineTooShort = "deadline_too_short",
    /// The operator does not sign for this verifier.
    VerifierNotAllowed = "verifier_not_allowed",
    /// The operator does not take this token.
    TokenNotAllowed = "token_not_allowed",
    /// The target, called with a proof, would fail for a reason other than the proof.
    TargetFails = "target_fails",
    /// The operator has stopped quoting after misses.
    CircuitOpen = "circuit_open",
    /// The operator is starting up, or its slots are quarantined after a start.
    Starting = "starting",
    /// The quote's validity is over.
    QuoteExpired = "quote_expired",
    /// The quote is not what the operator signed.
    QuoteAltered = "quote_altered",
    /// The quote is not backed on chain.
    NotBacked = "not_backed",
    /// Another quote, chain or contract than the operator's.
    WrongChain = "wrong_chain",
    /// The RPC endpoint does not answer.
    RpcUnreachable = "rpc_unreachable",
    /// The lease is not the caller's any more.
    LeaseLost = "lease_lost",
    /// The proof does not verify.
    ProofInvalid = "proof_invalid",
    /// The prover is excluded for a while after misses or a wrong result.
    Excluded = "excluded",
    /// The prover has not the bond in the revenue ledger that the operator asks for.
    Unbonded = "unbonded",
    /// What a prover earns is not set apart for it, or not vouched for.
    Unpaid = "unpaid",
    /// Nothing is set apart yet for what a result earns: it is taken as soon as something is.
    NotSetApart = "not_set_apart",
    /// Another service works on this database.
    DatabaseInUse = "database_in_use",
    /// The disk is full or cannot be written.
    Storage = "storage",
    /// The transaction was refused or reverted.
    TransactionFailed = "transaction_failed",
    /// A wait reached its bound.
    TimedOut = "timed_out",
    /// A fault of the program itself.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_survive_the_wire() {
        for (i, code) in ErrorCode::ALL.iter().enumerate() {
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(ErrorCode::ALL[..i].iter().all(|other| other.as_str() != code.as_str()));
        }
    }
}
