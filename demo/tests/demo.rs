//! The demo, as a newcomer runs it, and what it must say.

use serde_json::Value;
use std::{path::Path, process::Command};

/// The four tasks end as they should, every token is accounted for, the summary says all that it promises, and nothing
/// is left running.
#[test]
fn the_whole_road_is_travelled() {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary.json");
    let demo = Path::new(env!("CARGO_BIN_EXE_zkpool-demo"));
    assert!(demo.with_file_name("zkpool").exists(), "build the binary first: cargo build -p zkpool-cli");
    let output = Command::new(demo).arg("--dir").arg(dir.path()).arg("--json").arg(&summary).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let report: Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!(report["ok"], true, "{said}");
    assert_eq!(report["conserved"], true, "{said}");
    let tasks = report["tasks"].as_array().unwrap();
    let outcomes: Vec<_> = tasks.iter().map(|task| task["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["done", "defaulted", "rescued", "dishonoured", "defaulted"]);
    for task in tasks {
        assert_eq!(task["id"].as_str().unwrap().len(), 66);
        assert_eq!(task["proof_kind"], "groth16-bn254");
        assert!(task["target"].as_str().unwrap().starts_with("0x"));
        assert!(task["gas"]["publish"].as_u64().unwrap() > 21_000);
    }
    for delivered in [&tasks[0], &tasks[2]] {
        assert!(delivered["gas"]["prove"].as_u64().unwrap() > 21_000);
        let (all, proving) = (&delivered["publish_to_done_ms"], &delivered["proving_ms"]);
        assert!(all.as_u64().unwrap() >= proving.as_u64().unwrap(), "{delivered}");
        assert!(proving.as_u64().unwrap() > 0);
    }

    // The balances say who paid what to whom, on the tokens themselves.
    let balance = |when: &str, party: &str, token: &str| -> u128 {
        report["balances"][when][party][token].as_str().unwrap().parse().unwrap()
    };
    let total = |when: &str, token: &str| -> u128 {
        let parties = report["balances"][when].as_object().unwrap();
        parties.keys().map(|party| balance(when, party, token)).sum()
    };
    for token in ["WETH", "TEST"] {
        assert_eq!(total("before", token), total("after", token));
    }
    assert!(balance("after", "requester", "TEST") > balance("before", "requester", "TEST"), "it collected a liability");
    let pool = report["pool"].as_str().unwrap();
    assert!(!running_with(pool), "something that knows {pool} is still running");
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
