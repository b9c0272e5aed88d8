//! An enclave's agent as the prover keeps it: started, asked, started again, and never believed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use alloy_primitives::{Address, B256};
use std::{
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use zkpool_backends::{
    BackendError, Control, Fault,
    sgx::{Enclave, EnclaveError, Patience},
};
use zkpool_protocol::ErrorCode;
use zkpool_verifiers::sgx::{Binding, Domain, Proof, output, statement};

const DOMAIN: Domain = Domain { chain_id: 31_337, verifier: Address::repeat_byte(0xAB) };
const PROGRAM: B256 = B256::repeat_byte(0x77);
const PAYEE: Address = Address::repeat_byte(0x22);
/// Longer than anything here takes, shorter than a test may.
const PATIENCE: Patience =
    Patience { start: Duration::from_secs(20), quote: Duration::from_secs(20), prove: Duration::from_secs(20) };

/// A place with a platform and a sealed directory.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn sealed(&self) -> PathBuf {
        self.0.path().join("sealed")
    }

    fn command(&self, manner: &str) -> Vec<OsString> {
        let tests = std::env::current_exe().unwrap();
        let agent = tests.parent().unwrap().with_file_name("examples").join("sgx_agent");
        assert!(agent.exists(), "`cargo build -p zkpool-backends --examples` makes what this test starts");
        let mut command = vec![agent.into(), self.0.path().join("platform").into(), self.sealed().into()];
        if !manner.is_empty() {
            command.push(manner.into());
        }
        command
    }

    fn start(&self, manner: &str) -> Result<Enclave, BackendError> {
        self.start_with(manner, PATIENCE)
    }

    fn start_with(&self, manner: &str, patience: Patience) -> Result<Enclave, BackendError> {
        Enclave::start(self.command(manner), patience, &Control::new())
    }
}

fn prove(enclave: &Enclave, input: &[u8]) -> Result<Vec<u8>, BackendError> {
    let proven = enclave.prove(DOMAIN, PROGRAM, PAYEE, input, &Control::new())?;
    let proof = Proof::decode(&proven.proof).unwrap();
    let states = statement(PROGRAM, output(&proven.journal));
    proof.check(&DOMAIN, PROGRAM, states, enclave.instance().address).unwrap();
    assert_eq!(proof.payee, PAYEE);
    Ok(proven.journal)
}

fn fault(error: BackendError) -> EnclaveError {
    match error {
        BackendError::Enclave(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn says_who_it_is_and_proves() {
    let place = Place::new();
    let enclave = place.start("").unwrap();
    let instance = enclave.instance();
    assert!(instance.simulated && instance.mrenclave.is_some());
    assert_eq!(prove(&enclave, b"journal").unwrap(), b"journal");
    assert_eq!(prove(&enclave, b"").unwrap(), b"");
    let long = vec![0x5A; 1 << 20];
    assert_eq!(prove(&enclave, &long).unwrap(), long);
    let block_hash = B256::repeat_byte(9);
    let quote = enclave.quote(DOMAIN, PROGRAM, block_hash, &Control::new()).unwrap();
    let binding = Binding { domain: DOMAIN, program: PROGRAM, instance: instance.address, block_hash };
    assert_eq!(quote[368..432], binding.report_data());
    drop(enclave);
    assert_eq!(place.start("").unwrap().instance(), instance, "the key is kept");
}

#[test]
fn a_program_that_fails_is_the_tasks_fault_and_the_enclave_goes_on() {
    let enclave = Place::new();
    let enclave = enclave.start("").unwrap();
    for (input, words) in [(&b"fail"[..], "three is not even"), (b"panic", "the program panicked")] {
        let error = prove(&enclave, input).unwrap_err();
        assert_eq!((error.code(), error.fault()), (ErrorCode::GuestFailed, Fault::Task));
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(prove(&enclave, b"on").unwrap(), b"on");
    }
    let error = prove(&enclave, &vec![0; (8 << 20) + 1]).unwrap_err();
    assert_eq!((error.code(), error.fault()), (ErrorCode::TooLarge, Fault::Task));
    let error = prove(&enclave, &vec![0; (1 << 20) + 1]).unwrap_err();
    assert!(
        matches!(fault(error), EnclaveError::Refused { code, .. } if code == "too_large"),
        "its journal is too long"
    );
}

#[test]
fn what_dies_is_started_again_with_the_same_key() {
    let place = Place::new();
    let enclave = place.start("").unwrap();
    for _ in 0..2 {
        let error = fault(prove(&enclave, b"die").unwrap_err());
        let EnclaveError::Ended { reason } = &error else { panic!("{error:?}") };
        assert!(reason.contains('9') && reason.contains("out of enclave memory"), "{reason}");
        assert_eq!(error.fault(), Fault::Machine);
        assert_eq!(prove(&enclave, b"again").unwrap(), b"again");
    }
    // Another key is another instance, whatever it proves.
    fault(prove(&enclave, b"die").unwrap_err());
    std::fs::remove_dir_all(place.sealed()).unwrap();
    for _ in 0..2 {
        let error = fault(prove(&enclave, b"again").unwrap_err());
        let before = enclave.instance().address;
        assert!(matches!(error, EnclaveError::Changed { before: was, after } if was == before && after != was));
    }
}

#[test]
fn a_call_can_be_stopped_and_nothing_is_left_of_it() {
    let place = Place::new();
    let enclave = Arc::new(place.start("").unwrap());
    let control = Control::new();
    let call = {
        let (enclave, control) = (Arc::clone(&enclave), control.clone());
        thread::spawn(move || enclave.prove(DOMAIN, PROGRAM, PAYEE, b"hang", &control))
    };
    thread::sleep(Duration::from_millis(300));
    // Another one waits, and can be stopped, too.
    let waiting = Control::with(Some(Instant::now() + Duration::from_millis(200)), None);
    let error = enclave.prove(DOMAIN, PROGRAM, PAYEE, b"next", &waiting).unwrap_err();
    assert!(matches!(error, BackendError::DeadlineExceeded), "{error}");
    let stopped = Instant::now();
    control.cancel();
    let error = call.join().unwrap().unwrap_err();
    assert!(matches!(error, BackendError::Cancelled), "{error}");
    assert!(stopped.elapsed() < Duration::from_millis(2500), "{:?}", stopped.elapsed());
    assert_eq!(prove(&enclave, b"next").unwrap(), b"next");

    let late = Control::with(Some(Instant::now() + Duration::from_millis(200)), None);
    let error = enclave.prove(DOMAIN, PROGRAM, PAYEE, b"hang", &late).unwrap_err();
    assert!(matches!(error, BackendError::DeadlineExceeded), "{error}");
    assert_eq!(prove(&enclave, b"next").unwrap(), b"next");
}

#[test]
fn every_wait_has_a_bound() {
    let short = Duration::from_millis(400);
    let error = fault(Place::new().start_with("mute", Patience { start: short, ..PATIENCE }).unwrap_err());
    assert!(matches!(error, EnclaveError::Silent { method: "instance", .. }), "{error}");
    let place = Place::new();
    let enclave = place.start_with("", Patience { prove: short, ..PATIENCE }).unwrap();
    let error = fault(prove(&enclave, b"hang").unwrap_err());
    assert!(matches!(error, EnclaveError::Silent { method: "prove", bound } if bound == short), "{error}");
    assert_eq!(prove(&enclave, b"next").unwrap(), b"next");
}

#[test]
fn what_does_not_start_says_why() {
    let none = Enclave::start(vec![], PATIENCE, &Control::new()).unwrap_err();
    assert!(matches!(fault(none), EnclaveError::NoCommand));
    let missing = Enclave::start(vec!["/nowhere/gramine-sgx".into()], PATIENCE, &Control::new()).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/gramine-sgx"), "{missing}");
    let error = fault(Place::new().start("gone").unwrap_err());
    assert!(matches!(&error, EnclaveError::Ended { reason } if reason.contains("no enclave page cache")), "{error}");
    let error = Enclave::start(vec!["true".into()], PATIENCE, &Control::new()).unwrap_err();
    assert!(matches!(fault(error), EnclaveError::Ended { .. }));
    let control = Control::new();
    control.cancel();
    let error = Enclave::start(Place::new().command(""), PATIENCE, &control).unwrap_err();
    assert!(matches!(error, BackendError::Cancelled));
}

#[test]
fn what_speaks_otherwise_is_refused() {
    for manner in ["chatty", "stranger"] {
        let error = fault(Place::new().start(manner).unwrap_err());
        assert!(matches!(error, EnclaveError::Answer { method: "instance", .. }), "{manner}: {error}");
    }
    let enclave = Place::new();
    let enclave = enclave.start("echo").unwrap();
    let error = fault(prove(&enclave, b"journal").unwrap_err());
    assert!(matches!(error, EnclaveError::Answer { method: "prove", .. }), "the answer to another question: {error}");
    let enclave = Place::new();
    let enclave = enclave.start("long").unwrap();
    let error = fault(prove(&enclave, b"journal").unwrap_err());
    assert!(matches!(error, EnclaveError::Ended { .. }), "a line without end: {error}");
}

#[test]
fn what_it_signs_is_checked() {
    for manner in ["liar", "thief"] {
        let place = Place::new();
        let error = fault(prove(&place.start(manner).unwrap(), b"journal").unwrap_err());
        assert!(matches!(error, EnclaveError::WrongWords), "{manner}: {error}");
    }
    let place = Place::new();
    let enclave = place.start("replay").unwrap();
    let error = fault(prove(&enclave, b"journal").unwrap_err());
    assert!(matches!(error, EnclaveError::WrongProof(_)), "for another chain: {error}");
    let error = enclave.quote(DOMAIN, PROGRAM, B256::ZERO, &Control::new()).unwrap_err();
    assert!(matches!(fault(error), EnclaveError::WrongQuote));
}

#[test]
fn the_environment_stays_here() {
    let place = Place::new();
    assert!(std::env::vars_os().any(|(name, _)| name == "CARGO_MANIFEST_DIR"), "there is something to keep back");
    let names = String::from_utf8(prove(&place.start("").unwrap(), b"environment").unwrap()).unwrap();
    assert!(names.contains("PATH") && !names.contains("CARGO"), "{names}");
}

#[test]
fn many_can_ask_at_once() {
    let place = Place::new();
    let enclave = place.start("").unwrap();
    thread::scope(|scope| {
        for number in 0..8u8 {
            let enclave = &enclave;
            scope.spawn(move || assert_eq!(prove(enclave, &[number; 9]).unwrap(), [number; 9]));
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn it_does_not_outlive_whoever_started_it() {
    let running = |place: &Place| {
        let platform = place.0.path().to_str().unwrap().to_owned();
        let processes = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
        processes.filter(|line| String::from_utf8_lossy(line).contains(&platform)).count()
    };
    let place = Place::new();
    let enclave = place.start("").unwrap();
    assert_eq!(running(&place), 1);
    let begun = Instant::now();
    drop(enclave);
    assert!(begun.elapsed() < Duration::from_millis(2500), "it ends by itself");
    assert_eq!(running(&place), 0);
    let deaf = place.start_with("mute", Patience { start: Duration::from_millis(200), ..PATIENCE });
    assert!(deaf.is_err());
    assert_eq!(running(&place), 0);
}
