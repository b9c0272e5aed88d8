//! Writes batches of each kind in the deployed shape, valid ones first, for programs outside of this workspace to be tried
//! on: `cargo run -p zkpool-rollup --features testing --example cases -- DIRECTORY`.
//!
//! For each case `N.input`, `N.circuit.json` if the circuit can be told it, and `N.expected`: the journal in hex, or `refused:`
//! and why.

use rollup_core::{DEPTH, Portable, TRANSFERS};
use std::{error::Error, fs, path::PathBuf};
use zkpool_rollup::testing::{invalid, valid};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("give a directory")?);
    fs::create_dir_all(&directory)?;
    let mut cases: Vec<_> = (1..=TRANSFERS).rev().map(|count| valid::<Portable, DEPTH, TRANSFERS>(1, count)).collect();
    cases.extend(invalid::<Portable, DEPTH, TRANSFERS>(1));
    for (number, case) in cases.iter().enumerate() {
        let file = |ending: &str| directory.join(format!("{number}.{ending}"));
        fs::write(file("input"), &case.input)?;
        if let Some(input) = &case.circuit_input {
            fs::write(file("circuit.json"), input.to_string())?;
        }
        let expected = match &case.expected {
            Ok(journal) => journal.encode().iter().map(|byte| format!("{byte:02x}")).collect(),
            Err(refusal) => format!("refused: {refusal}"),
        };
        fs::write(file("expected"), expected)?;
        println!("{number}: {}", case.name);
    }
    Ok(())
}
