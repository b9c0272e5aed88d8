//! Real segments and real results.

use crate::guests::{Place, backend, hash_input, hashed};
use std::{fs, path::PathBuf, sync::Mutex};
use zkpool_backends::{Backend, BackendError, Control, Step, Work, risc0::execute_worker};
use zkpool_protocol::{ExecuteReply, ExecuteRequest, PreflightBounds};

/// The segments of a run of the `hash` guest, each with what its proof must show. Others in every run: each draws random
/// numbers to hide its memory.
pub(crate) fn segments(place: &Place, iterations: u32, limit: u32) -> Vec<Step> {
    let (files, input) = place.envelope(&hash_input(iterations));
    let directory = place.path("segments");
    fs::create_dir(&directory).unwrap();
    let request = ExecuteRequest {
        program: place.program.manifest.clone(),
        input,
        files,
        segment_limit: limit,
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
            ExecuteReply::Finished { journal, .. } => assert_eq!(journal.as_ref(), hashed(iterations)),
            ExecuteReply::Refused { message, .. } => panic!("{message}"),
        }
        Ok(())
    })
    .unwrap();
    steps.into_inner().unwrap()
}

pub(crate) fn prove(place: &Place, step: &Step) -> Result<Vec<u8>, BackendError> {
    let work = Work { program: place.program.clone(), step: step.clone() };
    backend().prove(&work, &Control::new()).map(|outcome| outcome.result)
}

/// The committed results of a task of two segments, with which the verifiers are tested.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../verifiers/tests/risc0/data").join(name)
}

/// Makes those that are not there: six minutes of CPU time for all of them.
#[test]
#[ignore = "makes the fixtures of the verifiers' tests"]
fn fixtures() {
    let place = Place::of("hash");
    let make = |name: &str, step: &dyn Fn() -> Step| {
        let path = fixture(name);
        if !path.exists() {
            fs::write(&path, prove(&place, &step()).unwrap()).unwrap();
        }
        path
    };
    fs::create_dir_all(fixture("")).unwrap();
    if !fixture("first.prove").exists() {
        let steps = segments(&place, 5, 16);
        assert_eq!(steps.len(), 2);
        make("first.prove", &|| steps[0].clone());
        make("last.prove", &|| steps[1].clone());
    }
    let lift = |from: &str| Step::Lift { receipt: fixture(from) };
    let left = make("first.lift", &|| lift("first.prove"));
    let right = make("last.lift", &|| lift("last.prove"));
    make("join", &|| Step::Join { left: left.clone(), right: right.clone() });
}
