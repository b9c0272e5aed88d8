//! `--bundle`: a file that says which legs a statement is to be proven by.

use super::{
    args::Receipt,
    wish::{hash, read},
};
use crate::{
    commands::program::{image_id, read_signals},
    error::{CliError, CliResult},
};
use figment::providers::{Format, Toml};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use zkpool_protocol::{
    B256, BlobId, BundleLeg, Bytes, EnclaveInput, ErrorCode, GuestInput, LegInputs, ProgramManifest, ProofKind,
    TaskInput, WitnessSource,
};
use zkpool_requester::ProgramFiles;

/// The file, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// One prover may make several legs.
    #[serde(default)]
    shared_provers: bool,
    /// The target takes legs one by one, and wants them as they come.
    #[serde(default)]
    early: bool,
    /// In the order of the verifier's legs.
    leg: Vec<Leg>,
}

/// A leg: a circuit (`zkey`, `wasm`, `inputs`), a zkVM program (`guest`, `stdin`, `receipt`) or an enclave (`enclave`,
/// `stdin`). Paths are relative to the file's directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leg {
    zkey: Option<PathBuf>,
    wasm: Option<PathBuf>,
    inputs: Option<PathBuf>,
    guest: Option<PathBuf>,
    receipt: Option<Receipt>,
    enclave: Option<B256>,
    stdin: Option<PathBuf>,
}

/// A bundle, as it is asked for.
pub(super) struct Bundle {
    pub(super) program: ProgramFiles,
    pub(super) legs: Vec<ProgramFiles>,
    pub(super) source: WitnessSource,
    pub(super) blobs: Vec<Bytes>,
}

impl Bundle {
    /// What the file says, with all that it names.
    pub(super) fn read(path: &Path) -> CliResult<Self> {
        let attempt = || format!("read the legs in {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| CliError::file(attempt(), error))?;
        let bad = |why: String| CliError::coded(attempt(), why, ErrorCode::BadRequest);
        let written: Written = Toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
        let dir = path.parent().unwrap_or(Path::new("."));
        let (mut blobs, mut envelopes) = (Vec::new(), Vec::new());
        let (mut of_bundle, mut legs) = (Vec::new(), Vec::new());
        let keep = |blobs: &mut Vec<Bytes>, blob: Bytes| {
            let id = BlobId::of(&blob);
            if !blobs.contains(&blob) {
                blobs.push(blob);
            }
            id
        };
        for (place, leg) in written.leg.iter().enumerate() {
            let mut read_in = || {
                let stdin = leg.stdin.as_ref().ok_or_else(|| bad(format!("leg {place} lacks what it reads: stdin")))?;
                CliResult::Ok(keep(&mut blobs, read(&dir.join(stdin))?))
            };
            let (kind, files, source) = match leg {
                Leg { zkey: Some(zkey), wasm: Some(wasm), inputs: Some(inputs), .. } if leg.is_circuit() => {
                    let files = vec![dir.join(zkey), dir.join(wasm)];
                    let manifest = ProgramManifest::Groth16Bn254 {
                        zkey: hash(&files[0])?,
                        witness_generator: Some(hash(&files[1])?),
                    };
                    let signals = WitnessSource::Inputs(read_signals(&dir.join(inputs))?);
                    (ProofKind::Groth16Bn254, ProgramFiles { manifest, files }, signals)
                }
                Leg { guest: Some(guest), .. } if leg.is_guest() => {
                    let guest = dir.join(guest);
                    let manifest = ProgramManifest::Risc0 { binary: hash(&guest)?, image_id: image_id(&guest)? };
                    let reads = GuestInput { stdin: read_in()?, assumptions: vec![] };
                    let kind = leg.receipt.unwrap_or(Receipt::Composite).into();
                    (kind, ProgramFiles { manifest, files: vec![guest] }, WitnessSource::Guest(reads))
                }
                Leg { enclave: Some(enclave), .. } if leg.is_enclave() => {
                    let reads = EnclaveInput { input: read_in()? };
                    let manifest = ProgramManifest::Sgx { enclave: *enclave };
                    (ProofKind::Sgx, ProgramFiles { manifest, files: vec![] }, WitnessSource::Enclave(reads))
                }
                _ => {
                    let what = "a circuit (zkey, wasm, inputs), a zkVM program (guest, stdin, receipt) or an enclave \
                                (enclave, stdin)";
                    return Err(bad(format!("leg {place} is not one of: {what}")));
                }
            };
            let program = files.manifest.id();
            of_bundle.push(BundleLeg { program, kind });
            envelopes.push(keep(&mut blobs, TaskInput { program, source }.to_bytes().into()));
            legs.push(files);
        }
        let manifest = ProgramManifest::Bundle { legs: of_bundle };
        let Written { shared_provers, early, .. } = written;
        Ok(Self {
            program: ProgramFiles { manifest, files: vec![] },
            legs,
            source: WitnessSource::Legs(LegInputs { envelopes, shared_provers, early }),
            blobs,
        })
    }
}

impl Leg {
    fn is_circuit(&self) -> bool {
        self.guest.is_none() && self.receipt.is_none() && self.enclave.is_none() && self.stdin.is_none()
    }

    fn is_guest(&self) -> bool {
        self.zkey.is_none() && self.wasm.is_none() && self.inputs.is_none() && self.enclave.is_none()
    }

    fn is_enclave(&self) -> bool {
        self.zkey.is_none()
            && self.wasm.is_none()
            && self.inputs.is_none()
            && self.guest.is_none()
            && self.receipt.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn guest() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/tests/guests/hash.bin")
    }

    fn written(dir: &Path, text: &str) -> PathBuf {
        for (name, bytes) in [("a.zkey", &b"key"[..]), ("a.wasm", b"generator"), ("a.json", br#"{"x":"1"}"#)] {
            fs::write(dir.join(name), bytes).unwrap();
        }
        fs::write(dir.join("batch.bin"), b"a batch").unwrap();
        fs::copy(guest(), dir.join("guest.bin")).unwrap();
        let path = dir.join("legs.toml");
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn three_legs_are_read_and_share_what_they_read() {
        let dir = tempfile::tempdir().unwrap();
        let enclave = B256::repeat_byte(7);
        let text = format!(
            "early = true\nshared_provers = true\n[[leg]]\nzkey = \"a.zkey\"\nwasm = \"a.wasm\"\ninputs = \"a.json\"\n[[leg]]\nguest = \
             \"guest.bin\"\nstdin = \"batch.bin\"\nreceipt = \"succinct\"\n[[leg]]\nenclave = \"{enclave}\"\nstdin = \
             \"batch.bin\"\n"
        );
        let bundle = Bundle::read(&written(dir.path(), &text)).unwrap();
        let ProgramManifest::Bundle { legs } = &bundle.program.manifest else { panic!("no bundle") };
        let kinds: Vec<_> = legs.iter().map(|leg| leg.kind).collect();
        assert_eq!(kinds, [ProofKind::Groth16Bn254, ProofKind::Risc0Succinct, ProofKind::Sgx]);
        assert_eq!(bundle.legs[2].manifest, ProgramManifest::Sgx { enclave });
        // Three envelopes, and what two of them read, once.
        assert_eq!(bundle.blobs.len(), 4);
        let WitnessSource::Legs(inputs) = &bundle.source else { panic!("no legs") };
        assert_eq!((inputs.envelopes.len(), inputs.shared_provers, inputs.early), (3, true, true));
        let second = bundle.blobs.iter().find(|blob| BlobId::of(blob) == inputs.envelopes[1]).unwrap();
        assert_eq!(TaskInput::from_bytes(second).unwrap().blobs(), [BlobId::of(b"a batch")]);
    }

    #[test]
    fn the_documented_file_is_read() {
        let document = include_str!("../../../../../docs/rollup.md");
        let block = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), &block.lines().map(|line| format!("{}\n", line.trim())).collect::<String>());
        for (theirs, ours) in [
            ("rollup.zkey", "a.zkey"),
            ("rollup.wasm", "a.wasm"),
            ("batch.json", "a.json"),
            ("rollup.bin", "guest.bin"),
        ] {
            fs::rename(dir.path().join(ours), dir.path().join(theirs)).unwrap();
        }
        assert_eq!(Bundle::read(&path).unwrap().legs.len(), 3);
    }

    #[test]
    fn what_is_no_leg_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for (text, why) in [
            ("[[leg]]\nzkey = \"a.zkey\"\nwasm = \"a.wasm\"\n", "leg 0 is not one of"),
            ("[[leg]]\nguest = \"guest.bin\"\n", "leg 0 lacks what it reads"),
            ("[[leg]]\nguest = \"guest.bin\"\nzkey = \"a.zkey\"\nstdin = \"batch.bin\"\n", "leg 0 is not one of"),
            ("[[leg]]\nenclave = \"0x07\"\n", "enclave"),
            ("[[leg]]\nimage = \"x\"\n", "unknown field"),
            ("", "missing field `leg`"),
        ] {
            let refused = Bundle::read(&written(dir.path(), text)).err().expect(text).to_string();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
