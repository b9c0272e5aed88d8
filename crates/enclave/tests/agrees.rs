//! The enclave signs what the verifiers read, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use zkpool_enclave::{Agent, InstanceKey, Program, Quoting, QuotingError};
use zkpool_verifiers::sgx::{Binding, Domain, Proof, output};

struct Reverse;

impl Program for Reverse {
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        Ok(input.iter().rev().copied().collect())
    }
}

/// A quote that is nothing but its report data.
struct Echo;

impl Quoting for Echo {
    fn quote(&self, report_data: &[u8; 64]) -> Result<Vec<u8>, QuotingError> {
        Ok(report_data.to_vec())
    }

    fn mrenclave(&self) -> Option<[u8; 32]> {
        None
    }

    fn simulated(&self) -> bool {
        true
    }
}

fn ask(agent: &Agent<Reverse, Echo>, request: Value) -> Value {
    let answer: Value = serde_json::from_str(&agent.answer(request.to_string().as_bytes())).unwrap();
    answer["result"].clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().strip_prefix("0x").unwrap()).unwrap()
}

#[test]
fn proofs_and_report_data_are_what_the_verifiers_take() {
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::new(Reverse, Echo, InstanceKey::load_or_make(dir.path()).unwrap());
    let instance = ask(&agent, json!({ "method": "instance" }))["address"].as_str().unwrap().parse().unwrap();
    let mut seed = 1u64;
    let mut word = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        zkpool_verifiers::sgx::output(&seed.to_be_bytes())
    };
    for chain_id in [0, 1, 31_337, 167_000, u64::from(u32::MAX) + 7, u64::MAX] {
        let (verifier, payee) = (word()[..20].try_into().unwrap(), word()[12..].try_into().unwrap());
        let domain = Domain { chain_id, verifier };
        let (program, block_hash) = (word(), word());

        let params =
            json!({ "chain_id": chain_id, "verifier": verifier, "program": program, "block_hash": block_hash });
        let quoted = bytes(&ask(&agent, json!({ "method": "quote", "params": params }))["quote"]);
        assert_eq!(quoted, Binding { domain, program, instance, block_hash }.report_data());

        let params = json!({
            "chain_id": chain_id, "verifier": verifier, "program": program, "payee": payee, "input": "0x010203",
        });
        let request = json!({ "method": "prove", "params": params });
        let proven = ask(&agent, request.clone());
        assert_eq!(bytes(&proven["journal"]), [3, 2, 1]);
        let proof = Proof::decode(&bytes(&proven["proof"])).unwrap();
        assert_eq!((proof.program, proof.payee, proof.output), (program, payee, output(&[3, 2, 1])));
        proof.check(&domain, program, zkpool_verifiers::sgx::statement(program, proof.output), instance).unwrap();
        assert_eq!(ask(&agent, request), proven, "signatures are deterministic");
    }
}
