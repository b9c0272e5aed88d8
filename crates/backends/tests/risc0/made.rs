//! Real segments and real results.

use crate::guests::{Place, backend, hash_input, hashed};
use std::{fs, path::PathBuf, sync::Mutex};
use zkpool_backends::{Backend, BackendError, Control, Step, Work, risc0::execute_worker};
use zkpool_protocol::{ExecuteReply, ExecuteRequest, PreflightBounds};
use zkpool_verifiers::risc0::succinct;

/// The segments of a run of the `hash` guest, each with what its proof must show. Others in every run: each draws random
/// numbers to hide its memory.
pub(crate) fn segments(place: &Place, iterations: u32, limit: u32) -> Vec<Step> {
    cut(place, &hash_input(iterations), &[], &hashed(iterations), limit)
}

/// The segments of a run of a guest that makes this public.
fn cut(place: &Place, stdin: &[u8], assumptions: &[&[u8]], public: &[u8], limit: u32) -> Vec<Step> {
    let (files, input) = place.envelope(stdin, assumptions);
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
            ExecuteReply::Finished { journal, .. } => assert_eq!(journal.as_ref(), public),
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

/// A receipt that another program builds on: what the `hash` guest made public in five rounds.
pub(crate) fn assumption() -> Vec<u8> {
    succinct(&fs::read(fixture("join")).unwrap(), &hashed(5)).unwrap()
}

/// What the `compose` guest reads to build on it, and what it then makes public.
pub(crate) fn composed() -> (Vec<u8>, Vec<u8>) {
    use sha2::Digest;
    let (image, journal) = (Place::of("hash").image, hashed(5));
    ([&image.0[..], &journal].concat(), sha2::Sha256::digest(&journal).to_vec())
}

/// Makes those that are not there: nine minutes of CPU time for all of them.
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
    if !fixture("conditional.lift").exists() {
        let place = Place::of("compose");
        let (stdin, public) = composed();
        let steps = cut(&place, &stdin, &[&assumption()], &public, 18);
        assert_eq!(steps.len(), 1);
        let segment = place.put("segment", &prove(&place, &steps[0]).unwrap());
        let lifted = prove(&place, &Step::Lift { receipt: segment }).unwrap();
        fs::write(fixture("conditional.lift"), lifted).unwrap();
    }
}
