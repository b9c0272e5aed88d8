//! `zkpool-sgx-sim`: a platform in a directory, and an enclave on it whose program makes public what it is given.

use std::{
    path::Path,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};
use zkpool_enclave::Program;
use zkpool_sgx_sim::{COLLATERAL_FILE, LABEL, Platform, ROOT_FILE, Simulated};

const USAGE: &str = "\
usage: zkpool-sgx-sim platform DIR        makes a simulated platform in DIR, or renews its collateral
       zkpool-sgx-sim agent DIR SEALED    an enclave on it that keeps its key in SEALED and makes public what it is given;
                                          requests and answers are lines of JSON on standard input and output";

/// Makes public what it is given.
struct Echo;

impl Program for Echo {
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        Ok(input.to_vec())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<&Path> = arguments.iter().map(Path::new).collect();
    let done = match words[..] {
        [command, dir] if command == Path::new("platform") => platform(dir),
        [command, dir, sealed] if command == Path::new("agent") => agent(dir, sealed),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("error: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

fn platform(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Platform::open(dir, now)?;
    println!(
        "{LABEL}\nroot        {}\ncollateral  {}",
        dir.join(ROOT_FILE).display(),
        dir.join(COLLATERAL_FILE).display()
    );
    Ok(())
}

fn agent(dir: &Path, sealed: &Path) -> Result<(), Box<dyn std::error::Error>> {
    eprintln!("{LABEL}");
    std::fs::create_dir_all(sealed)?;
    Ok(zkpool_enclave::serve(Echo, Simulated::open(dir)?, sealed)?)
}
