//! A simulated enclave whose program makes public what it is given: for the tests of `zkpool sgx`.
//!
//! ```text
//! sgx_echo PLATFORM SEALED
//! ```

use std::{env, error::Error, path::PathBuf};
use zkpool_enclave::Program;
use zkpool_sgx_sim::Simulated;

struct Echo;

impl Program for Echo {
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        Ok(input.to_vec())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [platform, sealed] = &args[..] else { return Err("usage: sgx_echo PLATFORM SEALED".into()) };
    std::fs::create_dir_all(sealed)?;
    Ok(zkpool_enclave::serve(Echo, Simulated::open(platform)?, sealed)?)
}
