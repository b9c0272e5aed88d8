//! Where quotes come from.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The most that a quote may be, in bytes.
const MAX_QUOTE: u64 = 32 << 10;
/// Where a quote's report data are.
const REPORT_DATA: std::ops::Range<usize> = 368..432;

/// Has a platform vouch for this enclave.
pub trait Quoting {
    /// A quote of this enclave that holds `report_data`.
    ///
    /// # Errors
    ///
    /// [`QuotingError`].
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, QuotingError>;

    /// This enclave's measurement, if it can be told without a quote.
    fn mrenclave(&self) -> Option<[u8; 32]>;

    /// Whether the platform is a simulated one, whose quotes prove nothing.
    fn simulated(&self) -> bool;
}

/// Why there is no quote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuotingError {
    /// A file of Gramine's device cannot be used.
    #[error("cannot use {path}: does this run in Gramine, with sgx.remote_attestation = \"dcap\"?")]
    Device {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Gramine was told to attest in another way, or not at all.
    #[error("the attestation type is `{found}`: set sgx.remote_attestation = \"dcap\" in the manifest")]
    Type {
        /// What it is.
        found: String,
    },
    /// What was read is not the quote that was asked for.
    #[error("what was read is not a quote of what was written")]
    Other,
    /// A simulated platform's reason.
    #[error("{0}")]
    Simulated(String),
}

/// Gramine's device: files that the library in the enclave serves. One quote at a time: what is written in one file
/// decides what is read from another.
#[derive(Clone, Debug)]
pub struct Gramine {
    dir: PathBuf,
}

impl Gramine {
    /// Where Gramine has it.
    pub fn new() -> Self {
        Self::at("/dev/attestation")
    }

    /// Elsewhere.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    fn read(&self, name: &str, max: u64) -> Result<Vec<u8>, QuotingError> {
        let path = self.dir.join(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(max).read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|source| QuotingError::Device { path, source })
    }
}

impl Default for Gramine {
    fn default() -> Self {
        Self::new()
    }
}

impl Quoting for Gramine {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, QuotingError> {
        let found = self.read("attestation_type", 32)?;
        let found = String::from_utf8_lossy(&found).trim().to_owned();
        if found != "dcap" {
            return Err(QuotingError::Type { found });
        }
        let path = self.dir.join("user_report_data");
        write(&path, report_data).map_err(|source| QuotingError::Device { path, source })?;
        let quote = self.read("quote", MAX_QUOTE + 1)?;
        if quote.len() as u64 > MAX_QUOTE || quote.get(REPORT_DATA) != Some(report_data) {
            return Err(QuotingError::Other);
        }
        Ok(quote)
    }

    /// What other enclaves need to make reports for this one begins with its measurement.
    fn mrenclave(&self) -> Option<[u8; 32]> {
        self.read("my_target_info", 512).ok()?.first_chunk().copied()
    }

    fn simulated(&self) -> bool {
        false
    }
}

/// Into a file that is there: Gramine's are not made, nor cut.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: fs::File = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        dir
    }

    #[test]
    fn quotes_by_the_files_of_gramine() {
        let mut quote = vec![9; 1000];
        quote[REPORT_DATA].copy_from_slice(&[7; 64]);
        let target = [[5; 32].as_slice(), &[0; 480]].concat();
        let files: [(&str, &[u8]); 4] = [
            ("attestation_type", b"dcap\n"),
            ("user_report_data", &[0; 64]),
            ("quote", &quote),
            ("my_target_info", &target),
        ];
        let dir = device(&files);
        let gramine = Gramine::at(dir.path());
        assert_eq!(gramine.quote(&[7; 64]).unwrap(), quote);
        assert_eq!(fs::read(dir.path().join("user_report_data")).unwrap(), [7; 64]);
        assert_eq!(gramine.mrenclave(), Some([5; 32]));
        assert!(!gramine.simulated());
        assert!(matches!(gramine.quote(&[8; 64]), Err(QuotingError::Other)), "a quote of something else");
        fs::write(dir.path().join("quote"), [1; 100]).unwrap();
        assert!(matches!(gramine.quote(&[7; 64]), Err(QuotingError::Other)), "too short");
        fs::write(dir.path().join("quote"), [quote, vec![0; 32 << 10]].concat()).unwrap();
        assert!(matches!(gramine.quote(&[7; 64]), Err(QuotingError::Other)), "too long");
    }

    #[test]
    fn says_what_is_missing() {
        let dir = device(&[("attestation_type", b"none")]);
        let gramine = Gramine::at(dir.path());
        assert!(matches!(gramine.quote(&[7; 64]), Err(QuotingError::Type { found }) if found == "none"));
        assert_eq!(gramine.mrenclave(), None);
        let dir = device(&[("attestation_type", b"dcap")]);
        let error = Gramine::at(dir.path()).quote(&[7; 64]).unwrap_err();
        assert!(matches!(&error, QuotingError::Device { path, .. } if path.ends_with("user_report_data")), "{error}");
    }
}
