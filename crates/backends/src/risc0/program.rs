//! A program and its image id.

use super::GuestError;
use crate::{BackendError, ProgramFiles, program};
use alloy_primitives::B256;
use zkpool_protocol::ProgramManifest;
use zkpool_verifiers::risc0;

/// The longest program, in bytes.
const MAX_PROGRAM: u64 = 64 << 20;

/// A program that is what its manifest says.
pub(super) struct Guest {
    /// The program binary.
    pub binary: Vec<u8>,
    /// Its image id.
    pub image: B256,
}

impl Guest {
    /// Reads it. Its memory is laid out, which costs what the program claims: for a process with bounds on memory.
    pub(super) fn read(program: &ProgramFiles) -> Result<Self, BackendError> {
        let ProgramManifest::Risc0 { binary, image_id } = program.manifest else {
            return Err(BackendError::OtherSystem);
        };
        let bytes = program::read(program.path(&binary)?, "program", MAX_PROGRAM)?;
        let found = risc0::image_id(&bytes).map_err(GuestError::Malformed)?;
        if found != image_id {
            return Err(GuestError::Image { expected: image_id, found }.into());
        }
        Ok(Self { binary: bytes, image: image_id })
    }
}
