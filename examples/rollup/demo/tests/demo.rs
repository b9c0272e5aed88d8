//! The demo, as a newcomer runs it: one batch, proven in three ways for real (the enclave is simulated, and says so), final
//! on chain, and nothing left running.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Value;
use std::{collections::BTreeSet, path::Path, process::Command};

#[test]
fn a_batch_is_final_when_three_independent_proofs_agree() {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("summary.json");
    let demo = Path::new(env!("CARGO_BIN_EXE_zkpool-demo-rollup"));
    for (binary, package) in [
        ("zkpool", "zkpool-cli"),
        ("zkpool-rollup-node", "zkpool-rollup-node"),
        ("zkpool-rollup-simulated-enclave", "zkpool-rollup-simulated-enclave"),
    ] {
        assert!(demo.with_file_name(binary).exists(), "build the binary first: cargo build -p {package}");
    }
    let output = Command::new(demo)
        .args(["--batches", "1", "--json"])
        .arg(&summary)
        .arg("--dir")
        .arg(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");

    let report: Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!((&report["ok"], &report["conserved"]), (&true.into(), &true.into()), "{said}");
    assert_eq!(report["finalised"], 1);
    let batch = &report["batches"][0];
    assert_eq!(batch["stage"], "final");
    assert_eq!(batch["root"], report["root"], "the root that the batch leads to is the contract's");

    // Three kinds of proof, by three owners, none of whom made two.
    let legs = batch["legs"].as_array().unwrap();
    let kinds: Vec<_> = legs.iter().map(|leg| leg["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["groth16-bn254", "risc0-composite", "sgx"]);
    let provers: Vec<&str> = legs.iter().map(|leg| leg["provers"][0].as_str().unwrap()).collect();
    assert_eq!(provers.iter().collect::<BTreeSet<_>>().len(), 3, "{provers:?}");
    assert!(legs.iter().all(|leg| leg["tries"] == 1 && leg["took_ms"].is_u64()), "{legs:?}");

    // What is simulated is called so, everywhere.
    assert_eq!(report["simulated"][0], "enclave leg (SIMULATED)");
    assert_eq!(legs.iter().map(|leg| &leg["simulated"] == true).collect::<Vec<_>>(), [false, false, true]);
    assert!(said.contains("SIMULATED") && said.contains("proves nothing"), "{said}");
    assert_eq!(batch["early"][0], "enclave leg (SIMULATED)", "the rollup had the enclave's word before the rest");
    assert!(batch["overhead_ms"].as_u64().is_some(), "{batch}");
}
