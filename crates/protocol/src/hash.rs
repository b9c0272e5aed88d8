//! Content addresses.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The SHA-256 of a blob's bytes: its name everywhere, 64 lower-case hex digits without a prefix.
///
/// Only ever made from bytes or from exactly 64 hex digits, so it is safe as a file name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// The address of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From a digest that was computed elsewhere (streaming).
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<BlobId> for B256 {
    fn from(id: BlobId) -> Self {
        Self::new(id.0)
    }
}

impl From<B256> for BlobId {
    fn from(word: B256) -> Self {
        Self(word.0)
    }
}

impl From<BlobId> for String {
    fn from(id: BlobId) -> Self {
        hex::encode(id.0)
    }
}

/// The text is not the name of a blob.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a blob id is 64 lower-case hex digits, got {0:?}")]
pub struct ParseBlobIdError(String);

impl FromStr for BlobId {
    type Err = ParseBlobIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseBlobIdError(text.chars().take(80).collect());
        if text.len() != 64 || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(error());
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| error())?;
        Ok(Self(digest))
    }
}

impl TryFrom<String> for BlobId {
    type Error = ParseBlobIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_exactly_64_lower_case_hex_digits() {
        let id = BlobId::of(b"");
        assert_eq!(id.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "../etc/passwd", &id.to_string().to_uppercase(), &id.to_string()[1..], &format!("{id}0")] {
            assert!(bad.parse::<BlobId>().is_err(), "{bad}");
        }
    }
}
