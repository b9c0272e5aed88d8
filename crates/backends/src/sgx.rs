//! Programs in SGX enclaves: the prover's side of an enclave's agent (`crates/enclave`).
//!
//! The agent is a process of its own, started by a command line (`gramine-sgx program`, or a simulated enclave's) and kept
//! running: an enclave takes seconds to start. It is asked in lines of JSON, and ends when its standard input does, so that
//! it does not outlive whoever started it.

mod answer;
mod enclave;
mod error;
mod process;

pub use enclave::{Enclave, Instance, Patience, Proven};
pub use error::EnclaveError;
