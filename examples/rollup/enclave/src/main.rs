//! The program in an SGX enclave, under Gramine, with its key in `/sealed`: see `crates/enclave/gramine`.

use zkpool_enclave::{AgentError, Gramine, serve};
use zkpool_rollup_enclave::Rollup;

fn main() -> Result<(), AgentError> {
    serve(Rollup, Gramine::new(), "/sealed".as_ref())
}
