//! Steps that are really proven.

use crate::guests::{Place, backend, hash_input, hashed, read};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use zkpool_backends::{
    Backend, BackendError, Control, Fault, Limits, Progress, Stage, Step, Work,
    risc0::{Risc0Backend, WorkerCommand, execute_worker, prove_worker},
};
use zkpool_protocol::{ErrorCode, ExecuteReply, ExecuteRequest, PreflightBounds, ProofKind, zkvm};
use zkpool_verifiers::risc0::{ReceiptError, composite, verify_receipt};

/// How long a stopped step may go on: generous, as tests share the machine.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// What a child of these tests does: a step, as `zkpool prove-worker` does it.
#[test]
#[ignore = "a process of a step, started by other tests"]
fn the_process_of_a_step() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    if line.is_empty() {
        return;
    }
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(1);
    });
    if let Err(error) = prove_worker(&serde_json::from_str(&line).unwrap()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

/// The segments of the `hash` guest, each with what its proof must show.
fn segments(place: &Place, iterations: u32, limit: u32) -> Vec<Step> {
    let (files, input) = place.envelope(&hash_input(iterations));
    let directory = place.path("segments");
    fs::create_dir(&directory).unwrap();
    let request = ExecuteRequest {
        program: place.program.manifest.clone(),
        input,
        files,
        segment_limit: limit,
        from: 0,
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

fn prove(place: &Place, step: &Step) -> Result<Vec<u8>, BackendError> {
    let work = Work { program: place.program.clone(), step: step.clone() };
    backend().prove(&work, &Control::new()).map(|outcome| outcome.result)
}

#[test]
fn segments_are_proven_and_make_a_receipt_and_one_is_lifted() {
    let place = Place::of("hash");
    let steps = segments(&place, ITERATIONS, LIMIT);
    assert_eq!(steps.len(), 2);
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let sink = Arc::clone(&seen);
    let control = Control::with(None, Some(Box::new(move |progress| sink.lock().unwrap().push(progress))));
    let work = Work { program: place.program.clone(), step: steps[0].clone() };
    let first = backend().prove(&work, &control).unwrap();
    assert_eq!(first.statement, None);
    {
        let seen = seen.lock().unwrap();
        assert!(seen.windows(2).all(|two| two[0].stage <= two[1].stage && two[0].fraction <= two[1].fraction));
        assert_eq!(seen.last().map(|last| (last.stage, last.fraction)), Some((Stage::Verify, 1.0)));
    }
    let last = prove(&place, &steps[1]).unwrap();

    let receipt = composite(&[&first.result, &last], &[] as &[&[u8]], &hashed(ITERATIONS)).unwrap();
    verify_receipt(ProofKind::Risc0Composite, &receipt, place.image, &hashed(ITERATIONS)).unwrap();

    // The smaller one, padded to the least size that can be lifted.
    let lifted = prove(&place, &Step::Lift { receipt: place.put("last", &last) }).unwrap();
    // Both are not neighbours of the other.
    let path = place.put("lifted", &lifted);
    let error = prove(&place, &Step::Join { left: path.clone(), right: path }).unwrap_err();
    assert!(matches!(error, BackendError::Worker { .. }), "{error}");
}

/// Two segments, the last one small.
const ITERATIONS: u32 = 1;
const LIMIT: u32 = 14;

#[test]
fn a_proof_of_another_claim_does_not_leave_the_backend() {
    let place = Place::of("hash");
    let steps = segments(&place, ITERATIONS, LIMIT);
    let [Step::Prove { segment, .. }, Step::Prove { claim, .. }] = &steps[..] else { panic!("{steps:?}") };
    let error = prove(&place, &Step::Prove { segment: segment.clone(), claim: *claim }).unwrap_err();
    assert!(matches!(error, BackendError::Receipt(ReceiptError::Claim { .. })), "{error}");
}

#[test]
fn a_step_is_stopped_at_once_and_its_process_is_gone() {
    let place = Place::of("hash");
    let step = segments(&place, ITERATIONS, LIMIT).remove(0);
    let work = Work { program: place.program.clone(), step };
    let cancelled = Control::new();
    cancelled.cancel();
    assert!(matches!(backend().prove(&work, &cancelled), Err(BackendError::Cancelled)));
    let before = Instant::now();
    let late = Control::with(Some(before + Duration::from_millis(700)), None);
    let error = backend().prove(&work, &late).unwrap_err();
    assert_eq!((error.code(), error.fault()), (ErrorCode::PreflightExceeded, Fault::Stopped), "{error}");
    assert!(before.elapsed() < Duration::from_millis(700) + STOPS_WITHIN, "{:?}", before.elapsed());
    #[cfg(target_os = "linux")]
    assert_eq!(children(), 0);
}

/// Processes that this one has started.
#[cfg(target_os = "linux")]
fn children() -> usize {
    let id = std::process::id();
    let read = |task: PathBuf| fs::read_to_string(task.join("children")).unwrap_or_default();
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    tasks.map(|task| read(task.unwrap().path()).split_whitespace().count()).sum()
}

#[test]
fn a_process_that_fails_is_told_by_its_last_words_and_is_the_machines_fault() {
    let place = Place::of("hash");
    let step = Step::Lift { receipt: place.put("receipt", b"no receipt") };
    let error = prove(&place, &step).unwrap_err();
    assert!(matches!(&error, BackendError::Worker { reason, .. } if !reason.is_empty()), "{error}");
    assert_eq!((error.code(), error.fault()), (ErrorCode::Internal, Fault::Machine));
    let nowhere = WorkerCommand { command: vec!["/nowhere/zkpool".into()] };
    let backend = Risc0Backend::new(Limits::default(), Some(nowhere)).unwrap();
    let error = backend.prove(&Work { program: place.program.clone(), step }, &Control::new()).unwrap_err();
    assert!(error.to_string().contains("cannot be started"), "{error}");
}

#[test]
fn a_machine_without_the_memory_does_not_try_and_says_what_it_can_do() {
    let place = Place::of("hash");
    let step = segments(&place, ITERATIONS, LIMIT).remove(0);
    let work = Work { program: place.program.clone(), step };
    let small = |memory| Risc0Backend::new(Limits { memory, ..Limits::default() }, None).unwrap();
    let tiny = small(1 << 20);
    assert_eq!(tiny.memory(&work, &Control::new()).unwrap(), zkvm::segment_memory(14));
    let error = tiny.prove(&work, &Control::new()).unwrap_err();
    assert!(matches!(error, BackendError::OutOfMemory { .. }), "{error}");
    assert_eq!(tiny.kinds(), []);
    assert_eq!(small(1 << 30).kinds(), [ProofKind::Risc0Composite]);
    assert!(small(2 << 30).kinds().starts_with(&[ProofKind::Risc0Composite, ProofKind::Risc0Succinct]));
}

#[test]
fn the_benchmark_proves_a_segment() {
    let speeds = backend().benchmark(&Control::new()).unwrap();
    assert!(speeds.len() >= 2);
    for (kind, speed) in speeds {
        assert!(kind.is_risc0() && speed.work == zkvm::segment_units(14), "{kind} {speed:?}");
        assert!((10.0..1e7).contains(&speed.per_second()), "{speed:?}");
    }
}

/// Makes what `crates/verifiers/tests/risc0/data` holds: six minutes of CPU time.
#[test]
#[ignore = "makes the fixtures of the verifiers' tests"]
fn fixtures() {
    let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../verifiers/tests/risc0/data");
    fs::create_dir_all(&data).unwrap();
    let place = Place::of("hash");
    let steps = segments(&place, ITERATIONS, LIMIT);
    let make = |name: &str, step: &Step| {
        let path = data.join(name);
        if !path.exists() {
            fs::write(&path, prove(&place, step).unwrap()).unwrap();
        }
        path
    };
    let (first, last) = (make("first.prove", &steps[0]), make("last.prove", &steps[1]));
    let mut claims = String::new();
    for step in &steps {
        let Step::Prove { claim, .. } = step else { unreachable!() };
        claims += &format!("{claim}\n");
    }
    fs::write(data.join("claims"), claims).unwrap();
    let (left, right) =
        (make("first.lift", &Step::Lift { receipt: first }), make("last.lift", &Step::Lift { receipt: last }));
    let joined = make("join", &Step::Join { left, right });
    assert!(!read(&joined).is_empty());
}
