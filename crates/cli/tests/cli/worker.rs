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
    let done = ask(&request(&zkey, json!({ "memory": 1u64 << 30, "cpu_seconds": 10 }))).success();
    let reply: Value = serde_json::from_slice(&done.get_output().stdout).unwrap();
    assert_eq!(reply["refused"]["code"], "bad_proving_key", "{reply}");
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
    let bounds = json!({ "memory": 123u64 << 20, "cpu_seconds": 77 });
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
