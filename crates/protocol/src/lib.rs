//! The words that every part of ZKPool shares: ids, quotes with their EIP-712 digests, task and job states, the job
//! graph, work units and error codes.
//!
//! Pure: no I/O, no clock, no async. Everything here can be recomputed by anyone from public data.

pub mod bundle;
mod code;
mod execute;
mod hash;
mod input;
mod job;
pub mod pay;
mod preflight;
mod program;
mod quote;
mod state;
mod strategy;
mod units;
pub mod zkvm;

pub use bundle::BundleLeg;
pub use code::ErrorCode;
pub use execute::{ExecuteReply, ExecuteRequest};
pub use hash::{BlobId, ParseBlobIdError};
pub use input::{EnclaveInput, GuestInput, LegInputs, TaskInput, TaskInputError, WitnessSource};
pub use job::{Job, JobGraph, JobGraphError, JobId, Operation, ParseJobIdError};
pub use preflight::{GuestRun, PreflightBounds, PreflightReply, PreflightReport, PreflightRequest, Segmentation};
pub use program::{ProgramId, ProgramManifest, ProofKind};
pub use quote::{
    BatchQuote, CHANGE_DELAY, Call, Domain, MAX_CALL_GAS, MAX_VALIDITY, Quote, SignedQuote, Task, TaskId, Terms,
    TermsError,
};
pub use state::{JobState, TaskState};
pub use strategy::{MOST_RACERS, ParseStrategyError, Strategy};
pub use units::{ATTEST_UNITS, WorkUnits};

pub use alloy_primitives::{Address, B256, Bytes, U256};

/// Serialises a `u128` as a decimal string, so that no JSON reader rounds it.
pub mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// As a decimal string.
    pub fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// From a decimal string.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
