//! Files that were tampered with, and generators that misbehave: errors, never panics, never memory by what they claim.

use crate::{backend, product_input, signals};
use proptest::prelude::*;
use std::{
    process::Command,
    time::{Duration, Instant},
};
use zkpool_backends::{
    Backend, BackendError, Control, Fault, Input, Outcome, Work,
    testing::{Quirk, TestProgram, generator_wasm, product, product_witness, wtns, zkey},
};
use zkpool_protocol::ErrorCode;

fn prove(zkey: &[u8], generator: &[u8]) -> Result<Outcome, BackendError> {
    let program = TestProgram::new(zkey, Some(generator));
    let inspected = backend().inspect(&program.files, &Control::new());
    let proven = backend().prove(&Work::single(&program.files, &signals(product_input(1))), &Control::new());
    // What cannot be inspected cannot be proven.
    assert!(inspected.is_ok() || proven.is_err());
    proven
}

fn prove_witness(zkey: &[u8], witness: &[u8]) -> Result<Outcome, BackendError> {
    let program = TestProgram::new(zkey, None);
    backend().prove(&Work::single(&program.files, &Input::Witness(program.put(witness))), &Control::new())
}

/// The bytes of a container's header, table of sections, and the first bytes of each section.
fn structure(file: &[u8]) -> Vec<usize> {
    let mut at = 12;
    let mut places: Vec<usize> = (0..12).collect();
    while at + 12 <= file.len() {
        let len = u64::from_le_bytes(file[at + 4..at + 12].try_into().unwrap()) as usize;
        places.extend(at..at + 12 + len.min(100));
        at += 12 + len;
    }
    places
}

#[test]
fn every_byte_of_a_keys_structure_counts() {
    let key = zkey(product(), 1);
    let generator = generator_wasm(Quirk::None);
    prove(&key, &generator).unwrap();
    // Section 10, the ceremony's record, is not read: neither its bytes nor its id.
    let record = key.len() - 68;
    for at in structure(&key).into_iter().filter(|at| *at < record && !(record - 12..record - 8).contains(at)) {
        let mut bad = key.clone();
        bad[at] ^= 1 << (at % 8);
        let error = prove(&bad, &generator).expect_err(&format!("byte {at}"));
        assert_eq!(error.fault(), Fault::Task, "byte {at}: {error}");
    }
}

#[test]
fn a_key_or_a_witness_that_is_cut_is_refused() {
    let (key, witness) = (zkey(product(), 1), wtns(&product_witness(1, 2, [3, 4])));
    prove_witness(&key, &witness).unwrap();
    for len in (0..key.len()).step_by(97).chain([key.len() - 1]) {
        let error = prove_witness(&key[..len], &witness).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadProvingKey, "cut to {len}: {error}");
    }
    for len in 0..witness.len() {
        let error = prove_witness(&key, &witness[..len]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadInput, "cut to {len}: {error}");
    }
}

#[test]
fn every_bit_of_a_witness_counts() {
    let (key, witness) = (zkey(product(), 1), wtns(&product_witness(1, 2, [3, 4])));
    for at in 0..witness.len() {
        let mut bad = witness.clone();
        bad[at] ^= 0x40;
        // The tag is free: another is another statement.
        let tag = witness.len() - 5 * 32..witness.len() - 4 * 32;
        match prove_witness(&key, &bad) {
            Ok(_) => assert!(tag.contains(&at), "byte {at}"),
            Err(error) => assert_eq!(error.fault(), Fault::Task, "byte {at}: {error}"),
        }
    }
}

#[test]
fn a_generator_that_misbehaves_is_an_error_that_says_so() {
    let key = zkey(product(), 1);
    for quirk in Quirk::ALL {
        let result = prove(&key, &generator_wasm(quirk));
        let (code, fault) = match quirk {
            Quirk::None => {
                result.unwrap();
                continue;
            }
            Quirk::Lies | Quirk::Chatters => (ErrorCode::WitnessUnsatisfied, Fault::Task),
            Quirk::Loops | Quirk::Grows | Quirk::Large => (ErrorCode::PreflightExceeded, Fault::Machine),
            _ => (ErrorCode::BadWitnessGenerator, Fault::Task),
        };
        let error = result.unwrap_err();
        assert_eq!((error.code(), error.fault()), (code, fault), "{quirk:?}: {error}");
        assert!(error.to_string().len() < 1000, "{quirk:?}");
    }
}

#[test]
fn a_generator_that_loops_stops_when_told_to() {
    let program = TestProgram::new(&zkey(product(), 1), Some(&generator_wasm(Quirk::Loops)));
    let backend = zkpool_backends::groth16::Groth16Backend::new(zkpool_backends::Limits::default());
    let deadline = Instant::now() + Duration::from_millis(300);
    let control = Control::with(Some(deadline), None);
    let error = backend.prove(&Work::single(&program.files, &signals(product_input(1))), &control).unwrap_err();
    assert!(matches!(error, BackendError::DeadlineExceeded), "{error}");
    assert!(deadline.elapsed() < Duration::from_secs(2), "{:?}", deadline.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn random_changes_to_a_key_never_prove_anything_false(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        seed in 1u64..3,
    ) {
        let mut key = zkey(product(), seed);
        for (at, byte) in &changes {
            let at = at.index(key.len());
            key[at] = *byte;
        }
        if let Err(error) = prove(&key, &generator_wasm(Quirk::None)) {
            prop_assert_eq!(error.fault(), Fault::Task, "{}", error);
        }
    }

    #[test]
    fn random_changes_to_a_generator_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut generator = generator_wasm(Quirk::None);
        for (at, byte) in &changes {
            let at = at.index(generator.len());
            generator[at] = *byte;
        }
        let _ = prove(&zkey(product(), 1), &generator);
    }

    #[test]
    fn random_bytes_are_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (key, generator) = (zkey(product(), 1), generator_wasm(Quirk::None));
        prop_assert!(prove(&bytes, &generator).is_err());
        prop_assert!(prove(&key, &bytes).is_err());
        prop_assert!(prove(&key, &[&b"\0asm\x01\0\0\0"[..], &bytes].concat()).is_err());
        prop_assert!(prove_witness(&key, &bytes).is_err());
    }
}

/// Set in the process that has little memory.
const BOUNDED: &str = "ZKPOOL_TEST_BOUNDED";

#[test]
fn claims_of_a_file_cost_no_memory() {
    if std::env::var_os(BOUNDED).is_none() {
        // This very test, in a process of its own: 2 GiB of addresses, of which a generator's stack takes 256 MiB.
        let status = Command::new("sh")
            .args(["-c", r#"ulimit -v 2097152 && exec "$0" --exact hostile::claims_of_a_file_cost_no_memory"#])
            .arg(std::env::current_exe().unwrap())
            .env(BOUNDED, "1")
            .env("RAYON_NUM_THREADS", "2")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let (key, generator) = (zkey(product(), 1), generator_wasm(Quirk::None));
    // Wires, public inputs and domain, in the header; the entries, in section 4; a section's length.
    let header = 12 + 12 + 4 + 12 + 72;
    let entries = header + 12 + 576 + 12 + 3 * 64 + 12;
    for (what, at) in [("wires", header), ("inputs", header + 4), ("domain", header + 8), ("entries", entries)] {
        for claim in [u32::MAX, 1 << 31, 1 << 27, 1 << 26] {
            let mut bad = key.clone();
            bad[at..at + 4].copy_from_slice(&claim.to_le_bytes());
            let error = prove(&bad, &generator).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadProvingKey, "{what}: {error}");
        }
    }
    let mut bad = wtns(&product_witness(1, 2, [3, 4]));
    bad[12 + 12 + 36..][..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(prove_witness(&key, &bad).unwrap_err().code(), ErrorCode::BadInput);
    // 4 GiB from the start: an error of the interpreter's, not of the process'.
    let large = prove(&key, &generator_wasm(Quirk::Large)).unwrap_err();
    assert_eq!(large.code(), ErrorCode::PreflightExceeded);
}
