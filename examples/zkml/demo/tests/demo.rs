//! The demo, as a newcomer runs it, with a person's browser in front: real proofs of one digit, and nothing left running.

use serde_json::Value;
use std::{path::Path, process::Command};

#[test]
fn a_digit_drawn_in_a_browser_is_answered_on_chain() {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary.json");
    let demo = Path::new(env!("CARGO_BIN_EXE_zkpool-demo-zkml"));
    for (binary, package) in [("zkpool", "zkpool-cli"), ("zkpool-digits", "zkpool-digits")] {
        assert!(demo.with_file_name(binary).exists(), "build the binary first: cargo build -p {package}");
    }
    let output = Command::new(demo)
        .args(["--browser", "--digits", "1", "--dir"])
        .arg(dir.path())
        .arg("--json")
        .arg(&summary)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let report: Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!(report["ok"], true, "{said}");
    assert_eq!(report["receipt"], "risc0-composite");
    assert_eq!(report["classes"].as_array().unwrap().len(), 1);
    assert!(report["classes"][0].as_u64().unwrap() < 10);
    assert!(report["gas"].as_u64().unwrap() > 21_000);
    assert_eq!(report["steps"]["seal"], 1, "{said}");
    assert!(report["steps"]["prove"].as_u64().unwrap() >= 1);
    let done: u64 = report["provers"].as_object().unwrap().values().map(|done| done.as_u64().unwrap()).sum();
    assert_eq!(done, report["steps"]["prove"].as_u64().unwrap(), "every segment has a prover that did it");
    let oracle = report["oracle"].as_str().unwrap();
    assert!(!running_with(oracle), "something that knows {oracle} is still running");
    assert!(!running_with(dir.path().to_str().unwrap()), "a browser is still running");
}

/// Whether any process has `word` in its environment or command line.
fn running_with(word: &str) -> bool {
    let me = std::process::id().to_string();
    std::fs::read_dir("/proc").into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        let has = |file: &str| {
            std::fs::read(path.join(file)).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(word))
        };
        entry.file_name().to_string_lossy() != *me && (has("cmdline") || has("environ"))
    })
}
