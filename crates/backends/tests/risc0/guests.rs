//! The guests in `tests/guests`, and their inputs.

use std::{collections::BTreeMap, fs, path::PathBuf};
use zkpool_backends::{
    Input, Limits, ProgramFiles,
    risc0::{Risc0Backend, WorkerCommand},
};
use zkpool_protocol::{B256, BlobId, GuestInput, ProgramManifest, TaskInput, WitnessSource};

/// A guest, and a directory for what it is given.
pub(crate) struct Place {
    pub(crate) program: ProgramFiles,
    pub(crate) image: B256,
    directory: tempfile::TempDir,
}

impl Place {
    pub(crate) fn of(name: &str) -> Self {
        let guests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/guests");
        let binary = guests.join(format!("{name}.bin"));
        let image: B256 = fs::read_to_string(guests.join(format!("{name}.id"))).unwrap().trim().parse().unwrap();
        let id = BlobId::of(&fs::read(&binary).unwrap());
        let manifest = ProgramManifest::Risc0 { binary: id, image_id: image };
        let program = ProgramFiles { manifest, files: BTreeMap::from([(id, binary)]) };
        Self { program, image, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn input(&self, stdin: &[u8], assumptions: &[PathBuf]) -> Input {
        Input::Guest { stdin: self.put("stdin", stdin), assumptions: assumptions.to_vec() }
    }

    /// The program with a task's envelope, and the envelope's name.
    pub(crate) fn envelope(&self, stdin: &[u8], assumptions: &[&[u8]]) -> (BTreeMap<BlobId, PathBuf>, BlobId) {
        let stdin_id = BlobId::of(stdin);
        let guest = GuestInput { stdin: stdin_id, assumptions: assumptions.iter().map(|a| BlobId::of(a)).collect() };
        let envelope =
            TaskInput { program: self.program.manifest.id(), source: WitnessSource::Guest(guest) }.to_bytes();
        let mut files = self.program.files.clone();
        files.insert(stdin_id, self.put("stdin", stdin));
        for (n, assumption) in assumptions.iter().enumerate() {
            files.insert(BlobId::of(assumption), self.put(&format!("assumption {n}"), assumption));
        }
        files.insert(BlobId::of(&envelope), self.put("envelope", &envelope));
        (files, BlobId::of(&envelope))
    }
}

/// What the `hash` guest reads.
pub(crate) fn hash_input(iterations: u32) -> Vec<u8> {
    [&iterations.to_le_bytes()[..], &[9; 32]].concat()
}

/// What it makes public.
pub(crate) fn hashed(iterations: u32) -> Vec<u8> {
    use sha2::Digest;
    (0..iterations).fold(vec![9; 32], |hash, _| sha2::Sha256::digest(hash).to_vec())
}

/// A backend whose steps are done by this test program, run again for one test.
pub(crate) fn backend() -> Risc0Backend {
    let exe = std::env::current_exe().unwrap();
    let arguments = ["--exact", "prove::the_process_of_a_step", "--ignored", "--nocapture"];
    let command = [exe.into_os_string()].into_iter().chain(arguments.map(Into::into)).collect();
    Risc0Backend::new(Limits::default(), Some(WorkerCommand { command })).unwrap()
}
