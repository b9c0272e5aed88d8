//! The rollup's state transition as an SGX program: the same core as the zkVM guest runs, in ordinary instructions.
//!
//! Two binaries in two crates: `zkpool-rollup-enclave`, here, for an enclave under Gramine, and
//! `zkpool-rollup-simulated-enclave`, in `simulated/`, for a simulated platform. Neither takes a flag that would make it the
//! other, and this one does not link what simulates.

use rollup_core::{DEPTH, Portable, TRANSFERS, apply};
use zkpool_enclave::Program;

/// Applies a batch of the deployed shape; what it makes public is the journal.
#[derive(Clone, Copy, Debug)]
pub struct Rollup;

impl Program for Rollup {
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        match apply::<Portable, DEPTH, TRANSFERS>(input) {
            Ok(journal) => Ok(journal.encode().to_vec()),
            Err(refusal) => Err(refusal.to_string()),
        }
    }
}
