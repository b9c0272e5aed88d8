//! The instance's key, and the file that it is kept in.

use crate::{
    AgentError,
    signing::{PROOF_LEN, keccak, proof_digest},
};
use k256::ecdsa::SigningKey;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// The file's name in the sealed directory.
const FILE: &str = "instance.key";
/// What the file begins with. Then come the key and the SHA-256 of both.
const MAGIC: &[u8; 8] = b"zkpsgx1\n";
/// The file's length.
const LEN: usize = MAGIC.len() + 32 + 32;

/// The key of this instance: wiped when dropped, and shown to nobody.
pub struct InstanceKey {
    key: SigningKey,
    address: [u8; 20],
}

impl InstanceKey {
    /// The key in this directory; if there is none, a new one is put there first.
    ///
    /// # Errors
    ///
    /// [`AgentError`], if the file cannot be read or written, or is not a key.
    pub fn load_or_make(dir: &Path) -> Result<Self, AgentError> {
        let path = dir.join(FILE);
        let failed = |source: io::Error| AgentError::KeyFile { path: path.clone(), source };
        match File::open(&path) {
            Ok(file) => Self::load(file, &path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = random_secret()?;
                // Another agent that is started at the same moment finds the name taken, and its key is never used.
                write_new(&path, &*encode(&secret)).map_err(failed)?;
                Self::from_secret(&secret).ok_or(AgentError::CorruptKey { path })
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn load(file: File, path: &Path) -> Result<Self, AgentError> {
        let failed = |source| AgentError::KeyFile { path: path.into(), source };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(AgentError::ExposedKey { path: path.into(), mode });
            }
        }
        // Room for one byte too many, so that no buffer is left behind by growing.
        let mut bytes = Zeroizing::new(Vec::with_capacity(LEN + 1));
        file.take(LEN as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        decode(&bytes).and_then(|secret| Self::from_secret(&secret)).ok_or(AgentError::CorruptKey { path: path.into() })
    }

    /// `None` for zero and what is not below the curve's order.
    pub(crate) fn from_secret(secret: &[u8; 32]) -> Option<Self> {
        let key = SigningKey::from_slice(secret).ok()?;
        let point = key.verifying_key().to_encoded_point(false);
        let mut address = [0; 20];
        address.copy_from_slice(&keccak(&point.as_bytes()[1..])[12..]);
        Some(Self { key, address })
    }

    /// Whose signatures it makes.
    pub const fn address(&self) -> [u8; 20] {
        self.address
    }

    /// Signs what a program put out, deterministically (RFC 6979), with the lower `s`. `None` once in 2^127 times, when a
    /// signature is none that the contract takes.
    pub(crate) fn prove(
        &self,
        chain_id: u64,
        verifier: &[u8; 20],
        program: &[u8; 32],
        output: &[u8; 32],
        payee: &[u8; 20],
    ) -> Option<[u8; PROOF_LEN]> {
        let digest = proof_digest(chain_id, verifier, program, output, payee);
        let (signature, recovery) = self.key.sign_prehash_recoverable(&digest).ok()?;
        let mut proof = [0; PROOF_LEN];
        proof[..32].copy_from_slice(program);
        proof[32..64].copy_from_slice(output);
        proof[64..84].copy_from_slice(payee);
        proof[84..148].copy_from_slice(&signature.to_bytes());
        proof[148] = match recovery.to_byte() {
            parity @ 0..=1 => 27 + parity,
            _ => return None,
        };
        Some(proof)
    }
}

impl std::fmt::Debug for InstanceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceKey").field("address", &hex::encode(self.address)).finish_non_exhaustive()
    }
}

/// In Gramine the numbers are the processor's own.
fn random_secret() -> Result<Zeroizing<[u8; 32]>, AgentError> {
    loop {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(AgentError::Randomness)?;
        if SigningKey::from_slice(&*secret).is_ok() {
            return Ok(secret);
        }
    }
}

fn encode(secret: &[u8; 32]) -> Zeroizing<[u8; LEN]> {
    let mut bytes = Zeroizing::new([0; LEN]);
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..40].copy_from_slice(secret);
    let sum = Sha256::digest(&bytes[..40]);
    bytes[40..].copy_from_slice(&sum);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let whole = bytes.len() == LEN && bytes.starts_with(MAGIC) && Sha256::digest(&bytes[..40])[..] == bytes[40..];
    if !whole {
        return None;
    }
    let mut secret = Zeroizing::new([0; 32]);
    secret.copy_from_slice(&bytes[8..40]);
    Some(secret)
}

/// Makes a file that was not there, for its owner alone. One that is cut short by a crash is refused later on.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Not every file system in an enclave knows how to.
    if let Some(dir) = path.parent() {
        let _ = fs::File::open(dir).and_then(|dir| dir.sync_all());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = InstanceKey::load_or_make(dir.path()).unwrap();
        let again = InstanceKey::load_or_make(dir.path()).unwrap();
        assert_eq!(first.address(), again.address());
        let other = tempfile::tempdir().unwrap();
        assert_ne!(InstanceKey::load_or_make(other.path()).unwrap().address(), first.address());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_key_is_refused_and_stays_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        InstanceKey::load_or_make(dir.path()).unwrap();
        let path = dir.path().join(FILE);
        let good = fs::read(&path).unwrap();
        let mut bad: Vec<Vec<u8>> = (0..LEN).map(|at| flipped(&good, at)).collect();
        bad.extend((0..LEN).map(|len| good[..len].to_vec()));
        bad.push([&good[..], b"\n"].concat());
        // Well-formed, but not keys: zero, and the curve's order.
        let order = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").unwrap();
        bad.extend([[0; 32], order.try_into().unwrap()].map(|secret| encode(&secret).to_vec()));
        for bytes in bad {
            fs::write(&path, &bytes).unwrap();
            assert!(matches!(InstanceKey::load_or_make(dir.path()), Err(AgentError::CorruptKey { .. })));
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        InstanceKey::load_or_make(dir.path()).unwrap();
        fs::set_permissions(dir.path().join(FILE), fs::Permissions::from_mode(0o640)).unwrap();
        let error = InstanceKey::load_or_make(dir.path()).unwrap_err();
        assert!(matches!(error, AgentError::ExposedKey { mode: 0o640, .. }), "{error}");
    }

    #[test]
    fn no_directory_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let error = InstanceKey::load_or_make(&dir.path().join("nowhere")).unwrap_err();
        assert!(matches!(error, AgentError::KeyFile { .. }), "{error}");
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = InstanceKey::from_secret(&[7; 32]).unwrap();
        assert!(!format!("{key:?}").contains("0707"));
    }

    fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    }
}
