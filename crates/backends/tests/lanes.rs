//! The prover's field extension (`cxx/zkpool_fpext.h`) is RISC Zero's own, bit for bit, with and without optimisation and
//! with wider instructions.
#![cfg(all(feature = "risc0", target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where RISC Zero's headers lie.
fn headers() -> PathBuf {
    // Of this platform only: what is for others need not have been downloaded.
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", "x86_64-unknown-linux-gnu"])
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "risc0-sys").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("cxx")
}

#[test]
fn every_operation_gives_what_the_scalar_one_gives() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let headers = headers();
    let dir = tempfile::tempdir().unwrap();
    let mut ways = vec![vec!["-O0"], vec!["-O3"]];
    if std::is_x86_feature_detected!("avx2") {
        ways.push(vec!["-O3", "-mavx2"]);
    }
    for way in ways {
        let program = dir.path().join(way.concat());
        // It may come with a wrapper before it.
        let compiler = std::env::var("CXX").unwrap_or("c++".into());
        let mut words = compiler.split_whitespace();
        let compiled = Command::new(words.next().unwrap_or("c++"))
            .args(words)
            .args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-include", "zkpool_fpext.h"])
            .args(&way)
            .arg("-isystem")
            .arg(&headers)
            .arg("-I")
            .arg(here.join("cxx"))
            .arg(here.join("tests/lanes/check.cpp"))
            .arg("-o")
            .arg(&program)
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{way:?}: {}", String::from_utf8_lossy(&compiled.stderr));
        let run = Command::new(&program).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&run.stdout), "equal\n", "{way:?}");
    }
}
