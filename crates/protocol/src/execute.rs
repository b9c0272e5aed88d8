//! What the service and its execution worker say to each other: one JSON request on the worker's standard input, then a
//! line of JSON on its standard output for every segment, and a last one for the end.
//!
//! The worker (`zkpool execute-worker`) is a process of its own with bounds of its own, as the program is foreign. It
//! writes each segment to a file before it says its line, and waits while too many files are left: whoever reads the
//! lines removes the files.

use crate::{BlobId, ErrorCode, PreflightBounds, ProgramManifest};
use alloy_primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// What the worker is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecuteRequest {
    /// The program.
    pub program: ProgramManifest,
    /// The task's envelope ([`crate::TaskInput`]).
    pub input: BlobId,
    /// Where the blobs lie that program and envelope name. The service has checked their hashes.
    pub files: BTreeMap<BlobId, PathBuf>,
    /// The largest segment, as a power of two of cycles.
    pub segment_limit: u32,
    /// An empty directory for the segments' files.
    pub directory: PathBuf,
    /// The worker waits while so many files are left in the directory.
    pub ahead: u32,
    /// What the worker may use.
    pub bounds: PreflightBounds,
}

/// A line of the worker's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ExecuteReply {
    /// A segment is in its file.
    Segment {
        /// Its place in the execution.
        index: u32,
        /// Its file, in the request's directory.
        path: PathBuf,
        /// Its size, as a power of two of cycles.
        po2: u32,
        /// SHA-256 of the claim that its proof must show.
        claim: B256,
    },
    /// The program came to its end.
    Finished {
        /// How many segments there are.
        segments: u32,
        /// What it made public.
        journal: Bytes,
    },
    /// It did not.
    Refused {
        /// Why, as the API says it.
        code: ErrorCode,
        /// What was wrong and what to do, without a word of the input.
        message: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object() {
        let line = ExecuteReply::Finished { segments: 3, journal: Bytes::from_static(&[1]) };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, r#"{"finished":{"segments":3,"journal":"0x01"}}"#);
        assert_eq!(serde_json::from_str::<ExecuteReply>(&text).unwrap(), line);
    }
}
