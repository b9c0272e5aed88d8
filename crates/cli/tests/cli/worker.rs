//! The preflight worker.

use crate::kit::Place;
use serde_json::{Value, json};

fn ask(request: &Value) -> assert_cmd::assert::Assert {
    Place::new().command().arg("preflight-worker").write_stdin(request.to_string()).assert()
}

fn request(zkey: &str, bounds: Value) -> Value {
    let id = "11".repeat(32);
    json!({
        "program": { "kind": "groth16-bn254", "zkey": id }, "input": null, "files": { id: zkey },
        "trial_proof": false, "bounds": bounds
    })
}

#[test]
fn a_malformed_key_is_an_answer() {
    let place = Place::new();
    let zkey = place.write("bad.zkey", b"zkey but not really");
    let done = ask(&request(&zkey, json!({ "memory": 1u64 << 30, "cpu_seconds": 10, "cycles": 0 }))).success();
    let reply: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(reply["refused"]["code"], "bad_proving_key", "{reply}");
}

#[test]
fn a_good_program_and_input_pass_and_hostile_generators_do_not_get_away() {
    use zkpool_backends::testing::{Quirk, generator_wasm, product, zkey};
    let place = Place::new();
    let hash = |bytes: &[u8]| zkpool_protocol::BlobId::of(bytes).to_string();
    let (key, envelope) = (zkey(product(), 7), |program: &str| {
        json!({ "program": program, "inputs": { "tag": "1", "a": "3", "b": ["4", "5"] } }).to_string()
    });
    let zkey_file = place.write("product.zkey", &key);
    let preflight = |quirk: Quirk| {
        let wasm = generator_wasm(quirk);
        let manifest = json!({ "kind": "groth16-bn254", "zkey": hash(&key), "witness_generator": hash(&wasm) });
        let program: zkpool_protocol::ProgramManifest = serde_json::from_value(manifest.clone()).unwrap();
        let envelope = envelope(&program.id().to_string());
        let request = json!({
            "program": manifest,
            "input": hash(envelope.as_bytes()),
            "files": {
                hash(&key): zkey_file,
                hash(&wasm): place.write("product.wasm", &wasm),
                hash(envelope.as_bytes()): place.write("input.json", &envelope),
            },
            "trial_proof": true,
            "bounds": { "memory": 256u64 << 20, "cpu_seconds": 3, "cycles": 0 }
        });
        ask(&request).get_output().clone()
    };
    let passed: Value = serde_json::from_slice(&preflight(Quirk::None).stdout).unwrap();
    assert_eq!(passed["passed"]["public_inputs"].as_array().unwrap().len(), 2, "{passed}");
    assert!(passed["passed"]["trial_proof"].as_str().unwrap().len() > 512);
    for quirk in [Quirk::Loops, Quirk::Grows, Quirk::Recurses, Quirk::Lies, Quirk::Chatters] {
        let ended = preflight(quirk);
        // Either it says why not, or its bounds have ended it.
        match serde_json::from_slice::<Value>(&ended.stdout) {
            Ok(reply) => assert!(reply.get("refused").is_some(), "{quirk:?}: {reply}"),
            Err(_) => assert!(!ended.status.success(), "{quirk:?}"),
        }
    }
}

#[test]
fn a_request_that_is_none_is_a_usage_error() {
    ask(&json!({})).failure().code(2);
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_bounds_itself() {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    // A program file that never yields a byte: the worker waits in it, bounded.
    let place = Place::new();
    let fifo = place.path().join("key.zkey");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut worker = Command::new(assert_cmd::cargo::cargo_bin("zkpool"))
        .arg("preflight-worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let bounds = json!({ "memory": 123u64 << 20, "cpu_seconds": 77, "cycles": 0 });
    let text = request(fifo.to_str().unwrap(), bounds).to_string();
    worker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    // Opening the other end returns when the worker has opened the file, which is after it has bounded itself.
    let _open = std::fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.id())).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max cpu time"), "77");
    assert_eq!(limit("Max core file size"), "0");
    assert_eq!(limit("Max file size"), "0");
    assert_eq!(limit("Max data size"), ((123u64 << 20) + (256 << 20)).to_string());
    assert_eq!(limit("Max address space"), ((123u64 << 20) + (4 << 30)).to_string());
}
