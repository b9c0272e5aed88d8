//! The one binary of ZKPool.

use std::process::ExitCode;

fn main() -> ExitCode {
    zkpool_cli::main()
}
