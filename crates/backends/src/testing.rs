//! Small programs made in-process, and what every backend must do ([`conformance`]). For tests, here and elsewhere.
//!
//! Everything here panics rather than err.

#![allow(clippy::unwrap_used, reason = "for tests")]

pub mod conformance;
mod generator;
mod zkey;

pub use generator::{Quirk, generator_wasm};
pub use zkey::{chain, chain_witness, product, product_witness, wtns, zkey};

use crate::ProgramFiles;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use zkpool_protocol::{BlobId, ProgramManifest};

/// A program whose parts lie in a directory that goes with it.
pub struct TestProgram {
    /// The program.
    pub files: ProgramFiles,
    directory: tempfile::TempDir,
}

impl TestProgram {
    /// Of these parts.
    pub fn new(zkey: &[u8], generator: Option<&[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut files = BTreeMap::new();
        let mut put = |bytes: &[u8]| {
            let id = BlobId::of(bytes);
            files.insert(id, write(directory.path(), bytes));
            id
        };
        let manifest = ProgramManifest::Groth16Bn254 { zkey: put(zkey), witness_generator: generator.map(put) };
        Self { files: ProgramFiles { manifest, files }, directory }
    }

    /// Puts another file beside the program's.
    pub fn put(&self, bytes: &[u8]) -> PathBuf {
        write(self.directory.path(), bytes)
    }
}

fn write(directory: &Path, bytes: &[u8]) -> PathBuf {
    let path = directory.join(BlobId::of(bytes).to_string());
    fs::write(&path, bytes).unwrap();
    path
}
