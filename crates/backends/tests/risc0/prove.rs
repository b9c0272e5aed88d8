//! Steps that are really proven.

use crate::{
    guests::{Place, backend, hashed},
    made::{assumption, composed, fixture, prove, segments},
};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use zkpool_backends::{
    Backend, BackendError, Control, Fault, Limits, Progress, Stage, Step, Work,
    risc0::{Risc0Backend, WorkerCommand, prove_worker},
};
use zkpool_protocol::{ErrorCode, ProofKind, zkvm};
use zkpool_verifiers::risc0::{ReceiptError, succinct, verify_receipt};

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

#[test]
fn a_segment_is_proven_and_tells_how_far_it_is() {
    let place = Place::of("hash");
    let seen = Arc::new(Mutex::new(Vec::<Progress>::new()));
    let sink = Arc::clone(&seen);
    let control = Control::with(None, Some(Box::new(move |progress| sink.lock().unwrap().push(progress))));
    let work = Work { program: place.program.clone(), step: segments(&place, 1, 14).remove(1) };
    assert_eq!(backend().prove(&work, &control).unwrap().statement, None);
    let seen = seen.lock().unwrap();
    assert!(seen.windows(2).all(|two| two[0].stage <= two[1].stage && two[0].fraction <= two[1].fraction));
    assert_eq!(seen.last().map(|last| (last.stage, last.fraction)), Some((Stage::Verify, 1.0)));
}

#[test]
fn neighbours_are_joined_and_what_are_none_is_not() {
    let place = Place::of("hash");
    let (left, right) = (fixture("first.lift"), fixture("last.lift"));
    let joined = prove(&place, &Step::Join { left: left.clone(), right: right.clone() }).unwrap();
    let receipt = succinct(&joined, &hashed(5)).unwrap();
    verify_receipt(ProofKind::Risc0Succinct, &receipt, place.image, &hashed(5)).unwrap();
    let error = prove(&place, &Step::Join { left: right, right: left }).unwrap_err();
    assert!(matches!(error, BackendError::Worker { .. }), "{error}");
}

/// A program that verified another one's receipt has proven nothing before that receipt is joined to its own.
#[test]
fn a_receipt_is_freed_of_what_it_builds_on() {
    let place = Place::of("compose");
    let (_, public) = composed();
    let conditional = fixture("conditional.lift");
    let unresolved = succinct(&fs::read(&conditional).unwrap(), &public).unwrap();
    let error = verify_receipt(ProofKind::Risc0Succinct, &unresolved, place.image, &public);
    assert!(error.is_err(), "it builds on something that nobody has shown");
    let other = Step::Resolve { conditional: conditional.clone(), assumption: place.put("other", &unresolved) };
    let error = prove(&place, &other).unwrap_err();
    assert!(matches!(error, BackendError::Worker { .. }), "{error}");
    let step = Step::Resolve { conditional, assumption: place.put("assumption", &assumption()) };
    let receipt = succinct(&prove(&place, &step).unwrap(), &public).unwrap();
    verify_receipt(ProofKind::Risc0Succinct, &receipt, place.image, &public).unwrap();
}

#[test]
fn a_proof_of_another_claim_does_not_leave_the_backend() {
    let place = Place::of("hash");
    let steps = segments(&place, 1, 14);
    let [Step::Prove { segment, .. }, Step::Prove { claim, .. }, ..] = &steps[..] else { panic!("{steps:?}") };
    let error = prove(&place, &Step::Prove { segment: segment.clone(), claim: *claim }).unwrap_err();
    assert!(matches!(error, BackendError::Receipt(ReceiptError::Claim { .. })), "{error}");
}

#[test]
fn a_step_is_stopped_at_once_and_its_process_is_gone() {
    let place = Place::of("hash");
    let step = segments(&place, 1, 14).remove(0);
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

#[cfg(target_os = "linux")]
#[test]
fn what_a_step_has_started_is_stopped_with_it() {
    let place = Place::of("hash");
    let id = place.path("id");
    // As a wrap: the process of the step waits for a child of its own.
    let script = format!("sleep 600 & echo $! > {}; wait", id.display());
    let command = ["sh", "-c", &script].map(Into::into).to_vec();
    let backend = Risc0Backend::new(Limits::default(), Some(WorkerCommand { command })).unwrap();
    let step = Step::Lift { receipt: place.put("receipt", b"no receipt") };
    let late = Control::with(Some(Instant::now() + Duration::from_secs(1)), None);
    let error = backend.prove(&Work { program: place.program.clone(), step }, &late).unwrap_err();
    assert_eq!(error.fault(), Fault::Stopped, "{error}");
    let stat = format!("/proc/{}/stat", fs::read_to_string(id).unwrap().trim());
    // Gone, or waiting to be collected by whoever collects orphans.
    let lives = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
    let since = Instant::now();
    while lives() && since.elapsed() < STOPS_WITHIN {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!lives());
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
    let step = segments(&place, 1, 14).remove(0);
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
