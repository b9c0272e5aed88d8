//! Why there is no simulated platform.

use std::{io, path::PathBuf};

/// Why a platform cannot be made, kept or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A file of the platform.
    #[error("cannot read or write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path} is not a simulated platform, or was damaged: remove it to have a new one made")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No random numbers.
    #[error("there is no randomness to make keys of: {0}")]
    Randomness(getrandom::Error),
    /// A certificate or list cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A time that certificates cannot hold.
    #[error("{0} is not a time of a certificate")]
    Time(u64),
    /// A key that cannot be encoded.
    #[error("cannot encode a key")]
    Key,
}
