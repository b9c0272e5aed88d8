//! Circuits made for a test.

use ark_bn254::Fr;
use ark_ff::PrimeField;
use serde_json::Value;
use std::{fs, path::Path};
use zkpool_backends::{Control, Limits, groth16, setup::Circuit};
use zkpool_rollup_circuit::{SOURCES, compile};

/// A circuit, and the directory that it was compiled in.
pub(crate) struct Built {
    pub(crate) circuit: Circuit,
    generator: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

/// Where the sources are: those beside this test, or the ones that a mutant is in.
fn sources() -> String {
    std::env::var("ROLLUP_CIRCUIT_SOURCES").unwrap_or(SOURCES.into())
}

/// Compiles `component`, which is in `file`; with SHA-256 as it is, or with the toy in its place.
pub(crate) fn build(file: &str, component: &str, toy: bool) -> Built {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for entry in fs::read_dir(sources()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "circom") {
            fs::copy(&path, here.join(path.file_name().unwrap())).unwrap();
        }
    }
    if toy {
        let toy = Path::new(SOURCES).join("tests/circuit/toy/compress.circom");
        fs::copy(toy, here.join("compress.circom")).unwrap();
    }
    let text = format!("pragma circom 2.1.6;\ninclude \"{file}\";\ncomponent main = {component};\n");
    fs::write(here.join("tested.circom"), text).unwrap();
    let compiled = compile(&here.join("tested.circom"), here).unwrap_or_else(|error| panic!("{error}"));
    let circuit = Circuit::open(&compiled.r1cs).unwrap();
    Built { circuit, generator: compiled.generator, _directory: directory }
}

impl Built {
    /// The witness that the generator yields; none if it finds that a constraint does not hold.
    pub(crate) fn witness(&self, input: &Value) -> Option<Vec<Fr>> {
        let signals = input.as_object().unwrap();
        let limits = Limits::default();
        match groth16::witness(&self.generator, signals, self.circuit.wires(), &limits, &Control::new()) {
            Ok(witness) => Some(witness),
            Err(error) if error.to_string().contains("does not satisfy") => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The public values, if the constraints hold.
    pub(crate) fn outputs(&self, input: &Value) -> Option<Vec<Fr>> {
        let witness = self.witness(input)?;
        let satisfied = self.circuit.violated_by(&witness).is_none();
        satisfied.then(|| witness[1..=self.circuit.inputs()].to_vec())
    }

    /// The generator is not asked to be honest: all of a witness's values, but those of the wires from `first` on that
    /// `changed` gives, hold the constraints.
    pub(crate) fn takes(&self, witness: &[Fr], first: usize, changed: &[Fr]) -> bool {
        let mut witness = witness.to_vec();
        witness[first..first + changed.len()].copy_from_slice(changed);
        self.circuit.violated_by(&witness).is_none()
    }
}

/// Two numbers of 128 bits, the high one first, as bytes.
pub(crate) fn digest(outputs: &[Fr]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (half, output) in bytes.chunks_exact_mut(16).zip(outputs) {
        let limbs = output.into_bigint().0;
        assert_eq!(limbs[2..], [0, 0]);
        half[..8].copy_from_slice(&limbs[1].to_be_bytes());
        half[8..].copy_from_slice(&limbs[0].to_be_bytes());
    }
    bytes
}
