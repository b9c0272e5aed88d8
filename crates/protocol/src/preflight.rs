//! What the service and its preflight worker say to each other: one JSON request on the worker's standard input, one
//! JSON reply on its standard output.
//!
//! The worker is a process of its own (`zkpool preflight-worker`), because programs and inputs are foreign: it bounds
//! its own memory and CPU time by what the request says, and the service kills it when it takes too long.

use crate::{BlobId, ErrorCode, ProgramManifest, WorkUnits};
use alloy_primitives::{B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// What the worker is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreflightRequest {
    /// The program.
    pub program: ProgramManifest,
    /// The task's envelope ([`crate::TaskInput`]); without it only the program is looked at.
    pub input: Option<BlobId>,
    /// Where the blobs lie that program and envelope name. The service has checked their hashes.
    pub files: BTreeMap<BlobId, PathBuf>,
    /// Whether to make a proof, as a witness alone does not tell that the proving key and the witness generator belong
    /// together.
    pub trial_proof: bool,
    /// For a zkVM program: the sizes at which cutting it into segments is tried, as powers of two of cycles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segment_limits: Vec<u32>,
    /// What the worker may use.
    pub bounds: PreflightBounds,
}

/// What the worker may use. It sets them on itself before it reads anything foreign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreflightBounds {
    /// Bytes of memory.
    pub memory: u64,
    /// Seconds of CPU time.
    pub cpu_seconds: u64,
    /// Cycles of a zkVM execution.
    pub cycles: u64,
}

/// What the worker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum PreflightReply {
    /// The program, and the input if there was one, can be proven.
    Passed(PreflightReport),
    /// They cannot.
    Refused {
        /// Why, as the API says it.
        code: ErrorCode,
        /// What was wrong and what to do, without a word of the input.
        message: String,
    },
}

/// What the worker found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreflightReport {
    /// How large the proof is to make.
    pub units: WorkUnits,
    /// Peak memory of proving, in bytes.
    pub memory: u64,
    /// The verifying key, as `zkpool-verifiers` takes it.
    pub verifying_key: Bytes,
    /// How many public inputs a proof has.
    pub public_input_count: u32,
    /// The public inputs that this input yields; empty without an input.
    pub public_inputs: Vec<U256>,
    /// The statement that this input proves; absent without an input.
    pub statement: Option<B256>,
    /// A proof of it, in the form that the contract takes; absent unless asked for.
    pub trial_proof: Option<Bytes>,
    /// How a zkVM program ran; absent for others and without an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<GuestRun>,
}

/// How a zkVM program ran on an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestRun {
    /// What it made public.
    pub journal: Bytes,
    /// Cycles of the program itself, paging and padding not counted.
    pub cycles: u64,
    /// How it is cut at each of the request's limits, in their order.
    pub segmentations: Vec<Segmentation>,
}

/// An execution cut into segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segmentation {
    /// The largest segment, as a power of two of cycles.
    pub limit: u32,
    /// How many segments there are of each size (power of two of cycles); none of any, if one instruction of the program
    /// takes more room than such a segment has.
    pub segments: BTreeMap<u32, u32>,
}

impl Segmentation {
    /// At a limit that is too small for the program: noted, so that it is not tried again.
    pub fn too_small(limit: u32) -> Self {
        Self { limit, segments: [(limit, 0)].into() }
    }

    /// How many segments there are.
    pub fn count(&self) -> u32 {
        self.segments.values().fold(0, |all, count| all.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_survive_json() {
        let id = BlobId::of(b"z");
        let request = PreflightRequest {
            program: ProgramManifest::Groth16Bn254 { zkey: id, witness_generator: None },
            input: Some(id),
            files: [(id, PathBuf::from("/blobs/z"))].into(),
            trial_proof: true,
            segment_limits: vec![],
            bounds: PreflightBounds { memory: 1 << 30, cpu_seconds: 60, cycles: 1 << 30 },
        };
        assert_eq!(
            serde_json::from_str::<PreflightRequest>(&serde_json::to_string(&request).unwrap()).unwrap(),
            request
        );
        let reply = PreflightReply::Refused { code: ErrorCode::BadInput, message: "no".into() };
        assert_eq!(serde_json::to_string(&reply).unwrap(), r#"{"refused":{"code":"bad_input","message":"no"}}"#);
    }
}
