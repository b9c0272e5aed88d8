//! Why an agent does not run.

use std::{io, path::PathBuf};

/// Why an agent did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The file with the key can be neither read nor made.
    #[error(
        "cannot read or make the instance's key {path}: is the sealed directory mounted, and was the key made by this build?"
    )]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a key.
    #[error(
        "{path} is not an instance's key, or was damaged: remove it to have a new one made, which must be registered anew"
    )]
    CorruptKey {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the file.
    #[error("others can read the instance's key {path} (mode {mode:o}): its mode must be 600")]
    ExposedKey {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No random numbers.
    #[error("there is no randomness to make a key of: {0}")]
    Randomness(getrandom::Error),
    /// Nobody asks or listens.
    #[error("cannot read requests or write answers")]
    Pipe(#[from] io::Error),
}
