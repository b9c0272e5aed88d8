//! Makes the circuit's development key, and says how long it took: `cargo run --release --example key -- DIRECTORY`.

use std::{error::Error, path::PathBuf, time::Instant};
use zkpool_backends::setup::Circuit;

fn main() -> Result<(), Box<dyn Error>> {
    let cache = PathBuf::from(std::env::args_os().nth(1).ok_or("give a directory")?);
    let start = Instant::now();
    let artifacts = zkpool_rollup_circuit::artifacts(&cache)?;
    println!("{} after {:.1} s", artifacts.development_key.display(), start.elapsed().as_secs_f64());
    let circuit = Circuit::open(&artifacts.circuit.r1cs)?;
    println!("{} constraints, {} wires, {} public", circuit.constraints(), circuit.wires(), circuit.inputs());
    Ok(())
}
