//! What the preflight worker replies.

use crate::product_input;
use serde_json::json;
use std::collections::BTreeMap;
use zkpool_backends::{
    preflight_worker,
    testing::{Quirk, TestProgram, generator_wasm, product, product_witness, wtns, zkey},
};
use zkpool_protocol::{BlobId, ErrorCode, PreflightBounds, PreflightReply, PreflightRequest};
use zkpool_verifiers::{Verifier, groth16::Groth16Verifier};

fn program(quirk: Quirk) -> TestProgram {
    TestProgram::new(&zkey(product(), 1), Some(&generator_wasm(quirk)))
}

fn ask(program: &TestProgram, envelope: Option<serde_json::Value>, trial_proof: bool) -> PreflightReply {
    let mut files: BTreeMap<_, _> = program.files.files.clone();
    let witness = wtns(&product_witness(9, 3, [5, 7]));
    files.insert(BlobId::of(&witness), program.put(&witness));
    let input = envelope.map(|envelope| {
        let bytes = envelope.to_string().into_bytes();
        files.insert(BlobId::of(&bytes), program.put(&bytes));
        BlobId::of(&bytes)
    });
    preflight_worker(PreflightRequest {
        program: program.files.manifest.clone(),
        input,
        files,
        trial_proof,
        segment_limits: vec![],
        bounds: PreflightBounds { memory: 64 << 20, cpu_seconds: 600, cycles: 0 },
    })
}

fn refused(reply: PreflightReply) -> (ErrorCode, String) {
    match reply {
        PreflightReply::Refused { code, message } => (code, message),
        PreflightReply::Passed(report) => panic!("{report:?}"),
    }
}

#[test]
fn reports_on_a_program_and_on_its_inputs() {
    let program = program(Quirk::None);
    let id = program.files.manifest.id();
    let PreflightReply::Passed(report) = ask(&program, None, false) else { panic!("refused") };
    assert_eq!((report.units.0, report.public_input_count), (3, 2));
    assert_eq!((report.statement, report.trial_proof, report.public_inputs.len()), (None, None, 0));

    let verifier = Groth16Verifier::from_vk_bytes(&report.verifying_key).unwrap();
    for envelope in [
        json!({"program": id, "inputs": product_input(9)}),
        json!({"program": id, "witness": BlobId::of(&wtns(&product_witness(9, 3, [5, 7])))}),
    ] {
        let PreflightReply::Passed(report) = ask(&program, Some(envelope), true) else { panic!("refused") };
        let inputs: Vec<u64> = report.public_inputs.iter().map(|input| input.to()).collect();
        assert_eq!(inputs, [105, 9]);
        verifier.verify(report.statement.unwrap(), &report.trial_proof.unwrap()).unwrap();
    }
}

#[test]
fn refuses_by_code() {
    let sound = program(Quirk::None);
    let id = sound.files.manifest.id();
    let check = |envelope| refused(ask(&sound, Some(envelope), true)).0;
    assert_eq!(check(json!({"program": id})), ErrorCode::BadInput);
    assert_eq!(check(json!({"program": BlobId::of(b"other"), "inputs": product_input(9)})), ErrorCode::BadInput);
    assert_eq!(check(json!({"program": id, "witness": BlobId::of(b"nowhere")})), ErrorCode::Storage);

    let envelope = |program: &TestProgram| json!({"program": program.files.manifest.id(), "inputs": product_input(9)});
    for (quirk, code) in [
        (Quirk::Lies, ErrorCode::WitnessUnsatisfied),
        (Quirk::Grows, ErrorCode::PreflightExceeded),
        (Quirk::Large, ErrorCode::PreflightExceeded),
        (Quirk::Traps, ErrorCode::BadWitnessGenerator),
        (Quirk::Exports, ErrorCode::BadWitnessGenerator),
    ] {
        let program = program(quirk);
        let (found, message) = refused(ask(&program, Some(envelope(&program)), true));
        assert_eq!(found, code, "{quirk:?}: {message}");
    }
}

#[test]
fn says_once_what_is_wrong() {
    let whole = zkey(product(), 1);
    let short = TestProgram::new(&whole[..whole.len() - 100], Some(&generator_wasm(Quirk::None)));
    let (code, message) = refused(ask(&short, None, false));
    assert_eq!(code, ErrorCode::BadProvingKey);
    assert_eq!(message.matches("fetch it again").count(), 1, "{message}");
}

#[test]
fn only_a_trial_finds_a_generator_that_lies() {
    let program = program(Quirk::Lies);
    let envelope = json!({"program": program.files.manifest.id(), "inputs": product_input(9)});
    assert!(matches!(ask(&program, Some(envelope.clone()), false), PreflightReply::Passed(_)));
    assert_eq!(refused(ask(&program, Some(envelope), true)).0, ErrorCode::WitnessUnsatisfied);
}
