//! Signatures of an enclave's agent.

use crate::support::other;
use alloy_primitives::{Address, B256, U256, address, hex, uint};
use serde_json::{Value, json};
use zkpool_enclave::{Agent, InstanceKey, Program, Quoting, QuotingError};
use zkpool_protocol::ErrorCode;
use zkpool_verifiers::{
    VerifyError,
    sgx::{Binding, Domain, PROOF_LEN, Proof, ProofError, output, statement},
};

/// The order of secp256k1.
const ORDER: U256 = uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);
const DOMAIN: Domain = Domain { chain_id: 31_337, verifier: address!("00000000000000000000000000000000000000ab") };
const PROGRAM: B256 = B256::repeat_byte(0x77);
const PAYEE: Address = Address::repeat_byte(0x22);

struct Echo;

impl Program for Echo {
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        Ok(input.to_vec())
    }
}

struct Nowhere;

impl Quoting for Nowhere {
    fn quote(&self, _: &[u8; 64]) -> Result<Vec<u8>, QuotingError> {
        Err(QuotingError::Other)
    }

    fn mrenclave(&self) -> Option<[u8; 32]> {
        None
    }

    fn simulated(&self) -> bool {
        true
    }
}

/// A proof of `journal`, and who signed it.
fn proven(journal: &[u8]) -> (Proof, Address) {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::new(Echo, Nowhere, InstanceKey::load_or_make(dir.path()).unwrap());
    let ask =
        |request: Value| -> Value { serde_json::from_str(&agent.answer(request.to_string().as_bytes())).unwrap() };
    let address = ask(json!({ "method": "instance" }))["result"]["address"].as_str().unwrap().parse().unwrap();
    let params = json!({
        "chain_id": DOMAIN.chain_id, "verifier": DOMAIN.verifier, "program": PROGRAM, "payee": PAYEE,
        "input": hex::encode(journal),
    });
    let proof = ask(json!({ "method": "prove", "params": params }))["result"]["proof"].as_str().unwrap().to_owned();
    (Proof::decode(&hex::decode(proof).unwrap()).unwrap(), address)
}

#[test]
fn a_proof_is_signed_by_its_instance_for_everything_that_it_says() {
    let (proof, instance) = proven(b"journal");
    assert_eq!(Proof::decode(&proof.encode()).unwrap(), proof);
    assert_eq!(proof.output, output(b"journal"));
    assert_eq!(proof.signer(&DOMAIN).unwrap(), instance);
    let states = statement(PROGRAM, output(b"journal"));
    assert_eq!(proof.statement(), states);
    proof.check(&DOMAIN, PROGRAM, states, instance).unwrap();

    let elsewhere = [Domain { chain_id: 1, ..DOMAIN }, Domain { verifier: other(DOMAIN.verifier), ..DOMAIN }];
    for domain in elsewhere {
        let error = proof.check(&domain, PROGRAM, states, instance).unwrap_err();
        assert!(matches!(error, ProofError::Instance { expected, .. } if expected == instance), "{error}");
    }
    let changed = [
        Proof { program: B256::repeat_byte(0x78), ..proof },
        Proof { output: output(b"other"), ..proof },
        Proof { payee: other(PAYEE), ..proof },
    ];
    for proof in changed {
        assert_ne!(proof.signer(&DOMAIN), Ok(instance));
    }
    let found = changed[0].program;
    let expected = ProofError::Program { expected: PROGRAM, found };
    assert_eq!(changed[0].check(&DOMAIN, PROGRAM, states, instance), Err(expected));
    let error = changed[1].check(&DOMAIN, PROGRAM, states, instance).unwrap_err();
    assert_eq!(error.code(), ErrorCode::WrongPublicInputs);
    let error = changed[2].check(&DOMAIN, PROGRAM, states, instance).unwrap_err();
    assert!(matches!(error, ProofError::Instance { .. }), "{error}");
    let error = proof.check(&DOMAIN, PROGRAM, states, other(instance)).unwrap_err();
    assert_eq!(VerifyError::from(error).code(), ErrorCode::ProofInvalid);
}

#[test]
fn there_is_one_signature_and_no_other() {
    let (proof, _) = proven(b"journal");
    let s = U256::from_be_slice(&proof.signature[32..64]);
    let v = proof.signature[64];
    let with = |s: U256, v: u8| {
        let mut changed = proof;
        changed.signature[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        changed.signature[64] = v;
        changed.signer(&DOMAIN)
    };
    assert_eq!(with(ORDER - s, 55 - v), Err(ProofError::HighS), "the other one of the same message and key");
    assert_eq!(with(ORDER, v), Err(ProofError::HighS));
    assert_eq!(with(U256::MAX, v), Err(ProofError::HighS));
    let half = ORDER >> 1;
    assert_eq!(with(half + U256::ONE, v), Err(ProofError::HighS));
    assert!(with(half, v).is_ok(), "somebody's, but in form");
    for found in [0, 1, 26, 29, 255, v + 4] {
        assert_eq!(with(s, found), Err(ProofError::Recovery { found }));
    }
    assert_eq!(with(U256::ZERO, v), Err(ProofError::Signature));
    for r in [U256::ZERO, ORDER, U256::MAX] {
        let mut changed = proof;
        changed.signature[..32].copy_from_slice(&r.to_be_bytes::<32>());
        assert_eq!(changed.signer(&DOMAIN), Err(ProofError::Signature));
    }
}

#[test]
fn only_whole_proofs_are_read() {
    let bytes = proven(b"").0.encode();
    for found in (0..PROOF_LEN).chain([PROOF_LEN + 1, PROOF_LEN + 32, 1000]) {
        let mut bytes = bytes.to_vec();
        bytes.resize(found, 0);
        assert_eq!(Proof::decode(&bytes), Err(ProofError::Length { found }));
    }
}

/// Words for the contract's tests to hold to.
#[test]
fn the_hashes_are_these() {
    let proof = Proof { program: PROGRAM, output: output(b"journal"), payee: PAYEE, signature: [0; 65] };
    let digest = proof.digest(&DOMAIN);
    assert_eq!(hex::encode(digest), "81a038a80aeab67f878a6e02e7a3632b241d7cfe95990302b71c48c1aba4de54");
    let (instance, block_hash) = (Address::repeat_byte(0x11), B256::repeat_byte(0xB1));
    let data = Binding { domain: DOMAIN, program: PROGRAM, instance, block_hash }.report_data();
    assert_eq!(hex::encode(&data[..32]), "c23bd7a2d93f1335ffc031da7ba7f54e8fa1faeafbabff56649c098dfc5eb2dc");
    assert_eq!(data[32..], [0xB1; 32]);
}
