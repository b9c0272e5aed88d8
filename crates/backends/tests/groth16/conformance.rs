//! The suite of the seam, on keys made here.

use crate::{backend, product_input, signals};
use serde_json::json;
use std::path::PathBuf;
use zkpool_backends::{
    Input, ProgramFiles, Work,
    testing::{
        Quirk, TestProgram, chain, chain_witness, conformance::Fixture, generator_wasm, product, product_witness, wtns,
        zkey,
    },
};
use zkpool_protocol::ErrorCode;

const LINKS: usize = 1500;

/// The fixture, and what it stands on.
fn with_fixture(check: impl FnOnce(&Fixture)) {
    let key = zkey(product(), 1);
    let program = TestProgram::new(&key, Some(&generator_wasm(Quirk::None)));
    let slow = TestProgram::new(&zkey(chain(LINKS), 2), None);
    let slow_witness = slow.put(&wtns(&chain_witness(LINKS, 7)));

    let garbage: Vec<_> = [
        ("another key", &zkey(chain(3), 3)[..], &generator_wasm(Quirk::None)[..], ErrorCode::BadWitnessGenerator),
        ("no key", b"not a key", &generator_wasm(Quirk::None), ErrorCode::BadProvingKey),
        ("half a key", &key[..key.len() / 2], &generator_wasm(Quirk::None), ErrorCode::BadProvingKey),
        ("no generator", &key, b"not a generator", ErrorCode::BadWitnessGenerator),
        ("a generator in text", &key, b"(module)", ErrorCode::BadWitnessGenerator),
        ("another version", &key, &generator_wasm(Quirk::Version), ErrorCode::BadWitnessGenerator),
        ("another field", &key, &generator_wasm(Quirk::Field), ErrorCode::BadWitnessGenerator),
        ("another circuit", &key, &generator_wasm(Quirk::Wires), ErrorCode::BadWitnessGenerator),
        ("imports", &key, &generator_wasm(Quirk::Imports), ErrorCode::BadWitnessGenerator),
    ]
    .map(|(name, key, generator, code)| (name, TestProgram::new(key, Some(generator)), code))
    .into();

    let witness = |values: &[_]| Input::Witness(program.put(&wtns(values)));
    let sound = product_witness(1, 3, [5, 7]);
    let mut unsatisfying = sound.clone();
    unsatisfying[6].0[0] += 1;
    let mut constant = sound.clone();
    constant[0].0[0] = 2;
    let change = |name: &str, value| {
        let mut input = product_input(1);
        input[name] = value;
        signals(input)
    };
    let refused = vec![
        ("an assertion", change("a", json!(666)), ErrorCode::WitnessUnsatisfied),
        ("a missing signal", signals(json!({"tag": 1, "a": 2})), ErrorCode::BadInput),
        ("an unknown signal", change("c", json!(1)), ErrorCode::BadInput),
        ("too many values", change("b", json!([1, 2, 3])), ErrorCode::BadInput),
        ("too few values", change("b", json!([1])), ErrorCode::BadInput),
        ("not a number", change("a", json!("three")), ErrorCode::BadInput),
        ("no signals", signals(json!({})), ErrorCode::BadInput),
        ("a witness that does not satisfy", witness(&unsatisfying), ErrorCode::WitnessUnsatisfied),
        ("a witness without 1", witness(&constant), ErrorCode::BadInput),
        ("a witness of another circuit", witness(&sound[1..]), ErrorCode::BadInput),
        ("no witness", Input::Witness(program.put(b"not a witness")), ErrorCode::BadInput),
    ];

    let files = |program: &TestProgram| program.files.clone();
    let fixture = Fixture {
        backend: Box::new(backend()),
        program: files(&program),
        inputs: [signals(product_input(1)), witness(&product_witness(2, 3, [5, 7]))],
        refused,
        garbage: garbage.iter().map(|(name, program, code)| (*name, files(program), *code)).collect(),
        slow: (files(&slow), Input::Witness(slow_witness)),
    };
    check(&fixture);
}

#[test]
fn proves_what_preflight_said() {
    with_fixture(Fixture::proves_what_preflight_said);
}

#[test]
fn proves_again_after_every_invalid_input() {
    with_fixture(Fixture::proves_again_after_every_invalid_input);
}

#[test]
fn refuses_garbage_programs() {
    with_fixture(Fixture::refuses_garbage_programs);
}

#[test]
fn reports_progress_that_never_falls() {
    with_fixture(Fixture::reports_progress_that_never_falls);
}

#[test]
fn stops_wherever_it_is() {
    with_fixture(Fixture::stops_wherever_it_is);
}

#[test]
fn proves_from_many_threads() {
    with_fixture(Fixture::proves_from_many_threads);
}

#[test]
fn a_generator_and_a_ready_witness_prove_the_same() {
    with_fixture(|fixture| {
        let ready = signals(product_input(2));
        let control = zkpool_backends::Control::new();
        let a = fixture.backend.prove(&Work::single(&fixture.program, &ready), &control).unwrap();
        let b = fixture.backend.prove(&Work::single(&fixture.program, &fixture.inputs[1]), &control).unwrap();
        assert_eq!(a.statement, b.statement);
        assert_ne!(a.result, b.result, "proofs are randomised");
    });
}

#[test]
fn files_that_are_not_there_are_the_machines_fault() {
    use zkpool_backends::{Backend, BackendError, Control, Fault};
    let program = TestProgram::new(&zkey(product(), 1), None);
    let nowhere = ProgramFiles { files: [].into(), ..program.files.clone() };
    let input = Input::Witness(PathBuf::from("/nowhere"));
    let error = backend().prove(&Work::single(&nowhere, &input), &Control::new()).unwrap_err();
    assert!(matches!(error, BackendError::MissingFile(_)));
    assert_eq!((error.code(), error.fault()), (ErrorCode::Storage, Fault::Machine));
    let error = backend().prove(&Work::single(&program.files, &input), &Control::new()).unwrap_err();
    assert_eq!((error.code(), error.fault()), (ErrorCode::Storage, Fault::Machine));
    let error = backend().prove(&Work::single(&program.files, &signals(json!({}))), &Control::new()).unwrap_err();
    assert!(matches!(error, BackendError::NoGenerator));
}
