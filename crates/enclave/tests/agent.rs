//! The agent answers whatever it is sent, and goes on.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};
use std::io;
use zkpool_enclave::{Agent, InstanceKey, MAX_INPUT, MAX_JOURNAL, MAX_LINE, Program, Quoting, QuotingError};

/// Does what its input says.
struct Whims;

impl Program for Whims {
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        match input {
            b"panic" => panic!("at the whim of {input:?}"),
            b"fail" => Err("no\nsuch \u{1b}thing".into()),
            b"long" => Ok(vec![0; MAX_JOURNAL + 1]),
            _ => Ok(input.to_vec()),
        }
    }
}

struct NoPlatform;

impl Quoting for NoPlatform {
    fn quote(&self, _: &[u8; 64]) -> Result<Vec<u8>, QuotingError> {
        let (path, source) = ("/dev/attestation/quote".into(), io::Error::from(io::ErrorKind::NotFound));
        Err(QuotingError::Device { path, source })
    }

    fn mrenclave(&self) -> Option<[u8; 32]> {
        Some([0xE1; 32])
    }

    fn simulated(&self) -> bool {
        false
    }
}

fn agent() -> (tempfile::TempDir, Agent<Whims, NoPlatform>) {
    let dir = tempfile::tempdir().unwrap();
    let key = InstanceKey::load_or_make(dir.path()).unwrap();
    (dir, Agent::new(Whims, NoPlatform, key))
}

fn prove(input: &str) -> Value {
    let params = json!({
        "chain_id": 31337, "verifier": format!("0x{:040x}", 1), "program": "11".repeat(32),
        "payee": format!("0x{:040x}", 2), "input": input,
    });
    json!({ "id": 7, "method": "prove", "params": params })
}

fn answers(requests: &[u8]) -> Vec<Value> {
    let (_dir, agent) = agent();
    let mut out = Vec::new();
    agent.answer_all(requests, &mut out).unwrap();
    let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn says_who_it_is() {
    let answers = answers(b"{\"id\":1,\"method\":\"instance\"}\n\n  \n{\"method\":\"instance\",\"params\":{}}");
    assert_eq!(answers.len(), 2, "empty lines ask nothing");
    assert_eq!(answers[0]["id"], 1);
    assert!(answers[1].get("id").is_none());
    let result = &answers[0]["result"];
    assert_eq!(result["mrenclave"], format!("0x{}", "e1".repeat(32)));
    assert_eq!(result["simulated"], false);
    assert_eq!(result["address"].as_str().unwrap().len(), 42);
    assert_eq!(result, &answers[1]["result"]);
}

#[test]
fn garbage_is_answered_and_not_repeated() {
    let secret = "deadbeefcafe";
    let requests = [
        "{".into(),
        "\u{0}\u{1}".into(),
        format!("[\"{secret}\"]"),
        format!("{{\"method\":\"{secret}\"}}"),
        format!("{{\"method\":\"instance\",\"id\":\"{secret}\"}}"),
        "{\"method\":\"prove\"}".into(),
        format!("{{\"method\":\"prove\",\"params\":\"{secret}\"}}"),
        prove(secret).to_string().replace("31337", &format!("\"{secret}\"")),
        prove(secret).to_string().replace("11111111", "1111"),
        prove(&format!("{secret}x")).to_string(),
        prove(&format!("0x{secret}0")).to_string(),
        "{\"method\":\"quote\",\"params\":{\"chain_id\":-1}}".into(),
        format!("{}{secret}", "[".repeat(100_000)),
    ];
    let mut all = requests.join("\n").into_bytes();
    all.extend(b"\n\xff\xfe\xfd\n");
    all.extend(br#"{"method":"instance"}"#);
    let answers = answers(&all);
    assert_eq!(answers.len(), requests.len() + 2);
    let (last, refused) = answers.split_last().unwrap();
    for answer in refused {
        let code = answer["error"]["code"].as_str().unwrap();
        assert!(["bad_request", "unknown_method"].contains(&code), "{answer}");
        assert!(!answer.to_string().contains(secret), "{answer}");
    }
    assert!(last["result"]["address"].is_string(), "it goes on");
}

#[test]
fn a_program_that_fails_or_panics_fails_alone() {
    let inputs = ["panic", "fail", "long", "well"].map(|input| prove(&hex::encode(input)).to_string());
    let answers = answers(inputs.join("\n").as_bytes());
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_str()).collect();
    assert_eq!(codes, [Some("program_failed"), Some("program_failed"), Some("too_large"), None]);
    assert!(!answers[0].to_string().contains("whim"), "what a panic says can hold the input");
    assert_eq!(answers[1]["error"]["message"], "nosuch thing");
    assert_eq!(answers[3]["result"]["journal"], format!("0x{}", hex::encode("well")));
    assert!(answers.iter().all(|answer| answer["id"] == 7));
}

#[test]
fn lengths_are_bounded() {
    let whole = prove(&"ab".repeat(MAX_INPUT)).to_string();
    assert!(whole.len() <= MAX_LINE, "an input of the full size fits");
    let over = prove(&"ab".repeat(MAX_INPUT + 1)).to_string();
    let far_over = vec![b'a'; MAX_LINE + 1];
    let requests = [whole.as_bytes(), over.as_bytes(), &far_over, br#"{"method":"instance"}"#].join(&b'\n');
    let answers = answers(&requests);
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_str()).collect();
    // The first runs, and makes more public than it may.
    assert_eq!(codes, [Some("too_large"), Some("too_large"), Some("too_large"), None]);
    assert!(answers[0]["error"]["message"].as_str().unwrap().contains("public"), "{}", answers[0]);
}

#[test]
fn no_platform_no_quote() {
    let params = json!({
        "chain_id": 1, "verifier": "00".repeat(20), "program": "00".repeat(32), "block_hash": "00".repeat(32),
    });
    let answers = answers(json!({ "method": "quote", "params": params }).to_string().as_bytes());
    assert_eq!(answers[0]["error"]["code"], "quoting_failed");
    let message = answers[0]["error"]["message"].as_str().unwrap();
    assert!(message.contains("/dev/attestation/quote") && message.contains("not found"), "{message}");
}
