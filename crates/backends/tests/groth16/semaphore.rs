//! A real circuit with a real ceremony: Semaphore v4, depth 20, as snarkjs made it.

use crate::{backend, semaphore_path, signals};
use serde_json::{Value, json};
use std::{fs, process::Command};
use zkpool_backends::{Backend, Control, Input, PreflightOptions, ProgramFiles, Work};
use zkpool_protocol::{BlobId, ErrorCode, ProgramManifest};
use zkpool_verifiers::groth16::{ProofBytes, VerifyingKey};

fn program() -> ProgramFiles {
    let (zkey, generator) = (semaphore_path("semaphore-20.zkey"), semaphore_path("semaphore-20.wasm"));
    let id = |path| BlobId::of(&fs::read(path).unwrap());
    let (zkey_id, generator_id) = (id(&zkey), id(&generator));
    ProgramFiles {
        manifest: ProgramManifest::Groth16Bn254 { zkey: zkey_id, witness_generator: Some(generator_id) },
        files: [(zkey_id, zkey), (generator_id, generator)].into(),
    }
}

/// A member of a group of three.
fn input() -> Value {
    let mut siblings = vec!["1", "2"];
    siblings.resize(20, "0");
    json!({
        "secret": "1234567890123456789012345678901234567890",
        "merkleProofLength": 2,
        "merkleProofIndex": "0x1",
        "merkleProofSiblings": siblings,
        "message": "77",
        "scope": 88,
    })
}

#[test]
fn snarkjs_accepts_our_proof_and_we_say_what_it_says() {
    let (backend, program, control) = (backend(), program(), Control::new());
    let info = backend.inspect(&program, &control).unwrap();
    assert_eq!((info.constraints, info.wires, info.public_inputs, info.work.0), (6431, 6454, 4, 6431));
    assert_eq!(VerifyingKey::from_bytes(&info.verifying_key).unwrap().to_bytes(), info.verifying_key);

    let preflight = backend.preflight(&program, &signals(input()), &PreflightOptions::default(), &control).unwrap();
    let output = backend.prove(&Work::single(&program, &signals(input())), &control).unwrap();
    assert_eq!(output.statement, Some(preflight.statement));
    // Outputs first: root and nullifier; then message and scope as they were given.
    let given: Vec<u64> = preflight.public_inputs[2..].iter().map(|input| input.to()).collect();
    assert_eq!(given, [77, 88]);

    let proof = ProofBytes::decode(&output.result).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, json: Value| {
        let path = directory.path().join(name);
        fs::write(&path, json.to_string()).unwrap();
        path
    };
    let snarkjs = semaphore_path("../../snarkjs/build/cli.cjs");
    let verify = |public| {
        let output = Command::new("node")
            .arg(&snarkjs)
            .args(["groth16", "verify"])
            .arg(semaphore_path("semaphore-20.json"))
            .arg(public)
            .arg(file("proof.json", proof.proof.to_snarkjs()))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(verify(file("public.json", proof.inputs.to_snarkjs())).contains("OK!"));
    let mut other = proof.inputs.to_snarkjs();
    other[2] = "78".into();
    assert!(!verify(file("other.json", other)).contains("OK!"));
}

#[test]
fn snarkjs_witness_proves_the_same() {
    let (backend, program, control) = (backend(), program(), Control::new());
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("input.json"), input().to_string()).unwrap();
    let status = Command::new("node")
        .arg(semaphore_path("../../snarkjs/build/cli.cjs"))
        .args(["wtns", "calculate"])
        .args([semaphore_path("semaphore-20.wasm"), path("input.json"), path("witness.wtns")])
        .status()
        .unwrap();
    assert!(status.success());
    let witness = Input::Witness(path("witness.wtns"));
    let ours = backend.preflight(&program, &signals(input()), &PreflightOptions::default(), &control).unwrap();
    assert_eq!(backend.prove(&Work::single(&program, &witness), &control).unwrap().statement, Some(ours.statement));
}

#[test]
fn says_in_circoms_words_what_does_not_hold() {
    let mut input = input();
    // Not below the order of the curve's subgroup.
    input["secret"] = "2736030358979909402780800718157159386076813972158567259200215660948447373041".into();
    let error = backend().prove(&Work::single(&program(), &signals(input)), &Control::new()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::WitnessUnsatisfied);
    let message = error.to_string();
    assert!(message.contains("Error in template") && message.contains("line"), "{message}");
    assert!(!message.contains("27360303"), "{message}");
}

#[test]
fn names_the_signal_that_is_wrong() {
    let (backend, program) = (backend(), program());
    let refuse = |change: &dyn Fn(&mut Value)| {
        let mut input = input();
        change(&mut input);
        let error =
            backend.preflight(&program, &signals(input), &PreflightOptions::default(), &Control::new()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadInput);
        error.to_string()
    };
    let missing = refuse(&|input| drop(input.as_object_mut().unwrap().remove("scope")));
    assert!(missing.contains("24 of the circuit's 25") && missing.contains("merkleProofSiblings"), "{missing}");
    let unknown = refuse(&|input| input["scpoe"] = 1.into());
    assert!(unknown.contains("no input signal \"scpoe\""), "{unknown}");
    let short = refuse(&|input| drop(input["merkleProofSiblings"].as_array_mut().unwrap().pop()));
    assert!(short.contains("\"merkleProofSiblings\" takes 20 values, but the input has 19"), "{short}");
}
