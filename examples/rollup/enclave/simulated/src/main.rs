//! The program on a simulated platform: **what it signs proves nothing**. For development chains.
//!
//! `zkpool-rollup-simulated-enclave PLATFORM SEALED`: the platform's directory, and one for the instance's key.

use std::{env, error::Error, path::PathBuf};
use zkpool_enclave::serve;
use zkpool_rollup_enclave::Rollup;
use zkpool_sgx_sim::Simulated;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(platform), Some(sealed), None) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("usage: zkpool-rollup-simulated-enclave PLATFORM SEALED".into());
    };
    serve(Rollup, Simulated::open(&platform)?, &sealed)?;
    Ok(())
}
