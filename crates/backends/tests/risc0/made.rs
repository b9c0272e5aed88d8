//! A task of two segments, really proven: once, for all tests of a build, as it takes minutes.

use crate::guests::{Place, backend, hash_input, hashed};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::UNIX_EPOCH,
};
use zkpool_backends::{Backend, BackendError, Control, Step, Work, risc0::execute_worker};
use zkpool_protocol::{B256, ExecuteReply, ExecuteRequest, PreflightBounds};

/// Two segments of the `hash` guest, the last one small.
const ITERATIONS: u32 = 1;
const LIMIT: u32 = 14;

/// What the task makes public.
pub(crate) fn journal() -> Vec<u8> {
    hashed(ITERATIONS)
}

/// Results by their names: `first.prove`, `last.prove`, `first.lift`, `last.lift`, `join`.
pub(crate) struct Made(PathBuf);

impl Made {
    /// Made now, or before by another test of the same build.
    pub(crate) fn get() -> Self {
        let build = fs::metadata(std::env::current_exe().unwrap()).unwrap().modified().unwrap();
        let build = build.duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let made = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join("risc0").join(build.to_string()));
        fs::create_dir_all(&made.0).unwrap();
        let lock = fs::File::create(made.0.with_file_name("lock")).unwrap();
        lock.lock().unwrap();
        if !made.path("complete").exists() {
            for old in fs::read_dir(made.0.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path()) {
                let _ = fs::remove_dir_all(old);
            }
            fs::create_dir_all(&made.0).unwrap();
            made.make();
        }
        made
    }

    fn make(&self) {
        let place = Place::of("hash");
        let steps = segments(&place);
        let step = |name: &str, step: &Step| {
            fs::write(self.path(name), prove(&place, step).unwrap()).unwrap();
            self.path(name)
        };
        let [first, last] = [step("first.prove", &steps[0]), step("last.prove", &steps[1])];
        let lifts = [("first.lift", first), ("last.lift", last)];
        let [left, right] = lifts.map(|(name, receipt)| step(name, &Step::Lift { receipt }));
        step("join", &Step::Join { left, right });
        fs::write(self.path("complete"), serde_json::to_vec(&steps.iter().map(claim).collect::<Vec<_>>()).unwrap())
            .unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// What the two segments' proofs must show.
    pub(crate) fn claims(&self) -> [B256; 2] {
        serde_json::from_slice(&self.read("complete")).unwrap()
    }
}

fn claim(step: &Step) -> B256 {
    let Step::Prove { claim, .. } = step else { panic!("{step:?}") };
    *claim
}

/// The task's segments, each with what its proof must show: others in every run, as every run draws random numbers.
pub(crate) fn segments(place: &Place) -> Vec<Step> {
    let (files, input) = place.envelope(&hash_input(ITERATIONS));
    let directory = place.path("segments");
    fs::create_dir(&directory).unwrap();
    let request = ExecuteRequest {
        program: place.program.manifest.clone(),
        input,
        files,
        segment_limit: LIMIT,
        directory,
        ahead: 1000,
        bounds: PreflightBounds { memory: 1 << 30, cpu_seconds: 60, cycles: 1 << 30 },
    };
    let steps = Mutex::new(Vec::new());
    execute_worker(&request, |line| {
        match line {
            ExecuteReply::Segment { path, claim, .. } => {
                steps.lock().unwrap().push(Step::Prove { segment: path.clone(), claim: *claim });
            }
            ExecuteReply::Finished { journal, .. } => assert_eq!(journal.as_ref(), hashed(ITERATIONS)),
            ExecuteReply::Refused { message, .. } => panic!("{message}"),
        }
        Ok(())
    })
    .unwrap();
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.len(), 2);
    steps
}

pub(crate) fn prove(place: &Place, step: &Step) -> Result<Vec<u8>, BackendError> {
    let work = Work { program: place.program.clone(), step: step.clone() };
    backend().prove(&work, &Control::new()).map(|outcome| outcome.result)
}
