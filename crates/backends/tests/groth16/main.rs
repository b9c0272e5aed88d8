//! The Groth16 backend: conformance, real circuits, hostile files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod conformance;
mod hostile;
mod semaphore;
mod worker;

use serde_json::{Value, json};
use std::path::PathBuf;
use zkpool_backends::{Input, Limits, groth16::Groth16Backend};

fn backend() -> Groth16Backend {
    Groth16Backend::new(Limits { generator_memory: 64 << 20, generator_fuel: 1 << 30, ..Limits::default() })
}

fn signals(value: Value) -> Input {
    let Value::Object(signals) = value else { panic!("{value} is not an object") };
    Input::Signals(signals)
}

/// An input of the product circuit.
fn product_input(tag: u64) -> Value {
    json!({"tag": tag.to_string(), "a": 3, "b": [5, "0x7"]})
}

/// A file of the Semaphore ceremony, as `npm ci` in `contracts/` installs it.
fn semaphore_path(name: &str) -> PathBuf {
    let contracts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let path = contracts.join("node_modules/@zk-kit/semaphore-artifacts").join(name);
    assert!(path.exists(), "{} is missing: run `make setup` first", path.display());
    path
}
