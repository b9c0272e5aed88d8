//! What can be wrong with a key or a proof.

use crate::binfile::BinFileError;
use zkpool_protocol::ErrorCode;

/// What is wrong with a point.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PointFault {
    /// A coordinate is not below the modulus.
    #[error("a coordinate is not below the field's modulus")]
    NotCanonical,
    /// The coordinates do not satisfy the curve's equation.
    #[error("it is not on the curve")]
    NotOnCurve,
    /// A G2 point of another order.
    #[error("it is not in the subgroup")]
    NotInSubgroup,
    /// The point at infinity.
    #[error("it is the point at infinity")]
    Infinity,
}

/// Why a verifying key is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The zkey's container is unsound.
    #[error("cannot read the proving key: {0}")]
    File(#[from] BinFileError),
    /// A key of another proof system.
    #[error("the proving key is of proof system {found} ({}), not Groth16: set up the circuit with `snarkjs groth16 setup`", protocol_name(*found))]
    ProofSystem {
        /// snarkjs' number for it.
        found: u32,
    },
    /// A key over another curve.
    #[error("the key is over another curve than BN254: compile the circuit with circom's default prime")]
    Curve,
    /// The header's numbers contradict each other.
    #[error("the proving key's header is unsound: {0}")]
    Header(&'static str),
    /// More public inputs than are taken.
    #[error("the key has {found} public inputs, more than {max}: hash them into one inside the circuit")]
    TooManyPublicInputs {
        /// The key's.
        found: u64,
        /// The bound.
        max: u32,
    },
    /// A point is not a point.
    #[error("{point} of the verifying key is unsound: {fault}")]
    Point {
        /// Its name in the key.
        point: String,
        /// What is wrong.
        fault: PointFault,
    },
    /// Delta is the generator: the second phase was skipped, and anyone can prove anything.
    #[error(
        "the proving key has no phase-2 contribution, so anyone could forge proofs: run `snarkjs zkey contribute` \
         and publish the ceremony"
    )]
    NoContribution,
    /// Alpha or beta is the generator: the first phase was skipped.
    #[error(
        "{point} of the verifying key is the curve's generator, so anyone could forge proofs: use a powers-of-tau \
         file with contributions"
    )]
    DefaultPoint {
        /// Its name in the key.
        point: &'static str,
    },
    /// Gamma and delta are equal: anyone can prove anything.
    #[error("gamma and delta of the verifying key are equal, so anyone could forge proofs: set up the circuit again")]
    GammaIsDelta,
    /// The bytes are not a stored verifying key.
    #[error("the bytes are not a stored verifying key: inspect the program again")]
    Stored,
    /// The JSON is not snarkjs' verifying key.
    #[error("the JSON is not a verifying key of snarkjs: {0}")]
    Json(String),
}

impl KeyError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::File(BinFileError::Io(_)) => ErrorCode::Storage,
            _ => ErrorCode::BadProvingKey,
        }
    }
}

fn protocol_name(number: u32) -> &'static str {
    match number {
        2 => "PLONK",
        10 => "FFLONK",
        _ => "unknown",
    }
}

/// Why bytes are not a proof.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProofError {
    /// Not eight words and whole words of public inputs after them.
    #[error("it is {found} bytes long, not 256 and 32 for each public input")]
    Length {
        /// In bytes.
        found: usize,
    },
    /// A point is not a point.
    #[error("point {point} is unsound: {fault}")]
    Point {
        /// `A`, `B` or `C`.
        point: char,
        /// What is wrong.
        fault: PointFault,
    },
    /// A public input is not below r.
    #[error("public input {index} is not below the scalar field's modulus")]
    Input {
        /// Which, from 0.
        index: usize,
    },
}
