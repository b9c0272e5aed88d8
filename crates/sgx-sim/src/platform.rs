//! A platform: keys and certificates, in memory or in a directory.

use crate::{
    Body, Conditions, LABEL, SimError,
    certificates::{Authority, Certificates, PCE_SVN, key, sign},
    collateral,
};
use p256::ecdsa::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// Who signed the simulated quoting enclave: not Intel.
pub(crate) const QE_SIGNER: [u8; 32] = [0x5A; 32];
/// The simulated quoting enclave's version.
pub(crate) const QE_SVN: u16 = 8;
/// Intel's quoting enclave, as quotes name it.
const QE_VENDOR: [u8; 16] = *b"\x93\x9a\x72\x33\xf7\x9c\x4c\xa9\x94\x0a\x0d\xb3\x95\x7f\x06\x07";

/// The file that is the platform.
const PLATFORM_FILE: &str = "platform.json";
/// The file with its root certificate, in DER: who trusts it is told that by hand.
pub const ROOT_FILE: &str = "root.der";
/// The file with its collateral.
pub const COLLATERAL_FILE: &str = "collateral.json";

/// What is certified of a platform, for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// Two threads share a core.
    pub smt: bool,
    /// The maker keeps its root keys, too.
    pub cached_keys: bool,
    /// Processors can be added.
    pub dynamic_platform: bool,
}

/// A simulated platform.
pub struct Platform {
    kept: Kept,
    seed: Zeroizing<[u8; 32]>,
    /// Signs reports of the quoting enclave.
    pck: SigningKey,
    /// Signs enclaves' reports.
    attestation: SigningKey,
}

/// What is in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    simulated: String,
    seed: String,
    created: u64,
    traits: Traits,
    root_der: String,
    root: String,
    platform_ca: String,
    pck: String,
    tcb_signer: String,
}

impl Platform {
    /// Made of a seed. The same seed gives the same keys, but other certificates.
    ///
    /// # Errors
    ///
    /// [`SimError`].
    pub fn new(seed: [u8; 32], created: u64, traits: Traits) -> Result<Self, SimError> {
        let authority = Authority { seed: &seed, created, traits };
        let Certificates { root_der, root, platform_ca, pck, tcb_signer } = authority.certificates()?;
        let (simulated, root_der, text) = (LABEL.into(), hex::encode(root_der), hex::encode(seed));
        let kept = Kept { simulated, seed: text, created, traits, root_der, root, platform_ca, pck, tcb_signer };
        Self::of(kept, seed)
    }

    fn of(kept: Kept, seed: [u8; 32]) -> Result<Self, SimError> {
        let (pck, attestation) = (key(&seed, "pck")?, key(&seed, "attestation")?);
        Ok(Self { kept, seed: Zeroizing::new(seed), pck, attestation })
    }

    /// The platform of a directory, which is made if there is none. Puts fresh collateral and the root certificate there.
    ///
    /// # Errors
    ///
    /// [`SimError`].
    pub fn open(dir: &Path, now: u64) -> Result<Self, SimError> {
        let path = dir.join(PLATFORM_FILE);
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| SimError::File { path, source }
        };
        fs::create_dir_all(dir).map_err(failed(dir))?;
        if !path.try_exists().map_err(failed(&path))? {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(SimError::Randomness)?;
            let made = Self::new(seed, now, Traits::default())?;
            let json = serde_json::to_vec_pretty(&made.kept).map_err(|error| failed(&path)(error.into()))?;
            // Whoever comes second takes the first one's.
            match put(dir, PLATFORM_FILE, &json, Put::New) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(&path)(error)),
                _ => {}
            }
        }
        let damaged = || SimError::Damaged { path: path.clone() };
        let kept: Kept = serde_json::from_slice(&fs::read(&path).map_err(failed(&path))?).map_err(|_| damaged())?;
        let mut seed = [0; 32];
        hex::decode_to_slice(&kept.seed, &mut seed).map_err(|_| damaged())?;
        let root = hex::decode(&kept.root_der).map_err(|_| damaged())?;
        let platform = Self::of(kept, seed)?;
        let collateral = platform.collateral(now, &Conditions::default())?.to_string();
        for (name, bytes) in [(ROOT_FILE, &root[..]), (COLLATERAL_FILE, collateral.as_bytes())] {
            put(dir, name, bytes, Put::Over).map_err(failed(&dir.join(name)))?;
        }
        Ok(platform)
    }

    /// Its root certificate, in DER.
    pub fn root(&self) -> Vec<u8> {
        hex::decode(&self.kept.root_der).unwrap_or_default()
    }

    /// What the maker says of it at this time, as the JSON of `dcap-qvl`.
    ///
    /// # Errors
    ///
    /// [`SimError`].
    pub fn collateral(&self, now: u64, conditions: &Conditions) -> Result<Value, SimError> {
        let Kept { created, traits, .. } = self.kept;
        let Kept { root, platform_ca, pck, tcb_signer, .. } = &self.kept;
        let certificates = Certificates {
            root_der: self.root(),
            root: root.clone(),
            platform_ca: platform_ca.clone(),
            pck: pck.clone(),
            tcb_signer: tcb_signer.clone(),
        };
        let authority = Authority { seed: &self.seed, created, traits };
        collateral::issue(&authority, &certificates, now, conditions)
    }

    /// A DCAP quote of version 3 of an enclave, as the quoting enclave would make it.
    pub fn quote(&self, body: &Body, report_data: &[u8; 64]) -> Vec<u8> {
        let mut quote = header().to_vec();
        quote.extend(body.report(report_data));
        let signature = sign(&self.attestation, &quote);

        let point = self.attestation.verifying_key().to_encoded_point(false);
        let attestation = &point.as_bytes()[1..];
        let extra: Vec<u8> = (0..32).collect();
        // The quoting enclave's report vouches for its key, and the platform's certificate for the report.
        let mut vouched = [0; 64];
        vouched[..32].copy_from_slice(&Sha256::new_with_prefix(attestation).chain_update(&extra).finalize());
        let qe = Body { mrenclave: [0x33; 32], mrsigner: QE_SIGNER, product: 1, svn: QE_SVN, flags: 0x11 };
        let qe_report = qe.report(&vouched);

        let chain = [&*self.kept.pck, &*self.kept.platform_ca, &*self.kept.root].concat();
        let mut auth = [&signature[..], attestation, &qe_report, &sign(&self.pck, &qe_report)].concat();
        auth.extend((extra.len() as u16).to_le_bytes());
        auth.extend(extra);
        auth.extend(5u16.to_le_bytes());
        auth.extend((chain.len() as u32).to_le_bytes());
        auth.extend(chain.as_bytes());

        quote.extend((auth.len() as u32).to_le_bytes());
        quote.extend(auth);
        quote
    }
}

/// What a quote begins with: version 3, ECDSA on P-256, SGX, the quoting and provisioning enclaves' versions.
fn header() -> [u8; 48] {
    let mut header = [0; 48];
    header[..2].copy_from_slice(&3u16.to_le_bytes());
    header[2..4].copy_from_slice(&2u16.to_le_bytes());
    header[8..10].copy_from_slice(&QE_SVN.to_le_bytes());
    header[10..12].copy_from_slice(&PCE_SVN.to_le_bytes());
    header[12..28].copy_from_slice(&QE_VENDOR);
    header
}

enum Put {
    /// Fails if there is one.
    New,
    /// In place of what is there.
    Over,
}

/// Puts a file there in one piece.
fn put(dir: &Path, name: &str, bytes: &[u8], how: Put) -> io::Result<()> {
    let mut tag = [0; 8];
    getrandom::fill(&mut tag).map_err(|error| io::Error::other(error.to_string()))?;
    let part = dir.join(format!(".{name}.{}", hex::encode(tag)));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&part).and_then(|mut file| file.write_all(bytes));
    let placed = written.and_then(|()| match how {
        Put::New => fs::hard_link(&part, dir.join(name)),
        Put::Over => fs::rename(&part, dir.join(name)),
    });
    let _ = fs::remove_file(&part);
    placed
}
