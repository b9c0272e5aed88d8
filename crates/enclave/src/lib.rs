//! The agent that runs inside an SGX enclave, under Gramine.
//!
//! It makes a key for itself, keeps it in a file that only the same enclave can read, has the processor vouch for it, and
//! signs what its program puts out. [`serve`] is all that a program needs:
//!
//! ```no_run
//! struct Sum;
//!
//! impl zkpool_enclave::Program for Sum {
//!     fn run(&self, input: &[u8]) -> Result<Vec<u8>, String> {
//!         let sum: u64 = input.iter().copied().map(u64::from).sum();
//!         Ok(sum.to_be_bytes().to_vec())
//!     }
//! }
//!
//! fn main() -> Result<(), zkpool_enclave::AgentError> {
//!     zkpool_enclave::serve(Sum, zkpool_enclave::Gramine::new(), "/sealed".as_ref())
//! }
//! ```
//!
//! Whoever starts it, the prover, is not trusted, and speaks to it in lines of JSON over standard input and output: one
//! request a line, one answer a line, in order. A request can have an `id`, which its answer repeats.
//!
//! | request | answer |
//! | --- | --- |
//! | `{"method":"instance"}` | `{"result":{"address","mrenclave","simulated"}}` |
//! | `{"method":"quote","params":{"chain_id","verifier","program","block_hash"}}` | `{"result":{"quote"}}` |
//! | `{"method":"prove","params":{"chain_id","verifier","program","payee","input"}}` | `{"result":{"journal","proof"}}` |
//! | anything else | `{"error":{"code","message"}}` |
//!
//! Bytes are hex, with or without `0x` in requests and with it in answers. What is signed is
//! `zkpool_verifiers::sgx::Proof`, what a quote is bound to `zkpool_verifiers::sgx::Binding`: this crate has them again,
//! because it is the part that the processor measures. It depends on nothing of this project, has no runtime and starts no
//! thread.

mod agent;
mod error;
mod key;
mod lines;
mod quoting;
mod signing;

pub use agent::{Agent, MAX_INPUT, MAX_JOURNAL};
pub use error::AgentError;
pub use key::InstanceKey;
pub use lines::MAX_LINE;
pub use quoting::{Gramine, Quoting, QuotingError};
pub use signing::{PROOF_LEN, report_data};

use std::{io, path::Path};

/// What an enclave proves runs of. It must be a function of its input: no clock, no randomness, no files.
pub trait Program {
    /// Runs on an input; what it makes public (the *journal*), or why the input is not one. The error is told to whoever
    /// asked. A panic is an error, too.
    ///
    /// # Errors
    ///
    /// What is wrong with the input.
    fn run(&self, input: &[u8]) -> Result<Vec<u8>, String>;
}

/// Answers requests on standard input until that ends. `sealed` is a directory that only this enclave reads and writes: in
/// Gramine an encrypted mount with the key `_sgx_mrenclave`.
///
/// # Errors
///
/// [`AgentError`], if the key cannot be made or read, or nobody listens any more. A request that cannot be carried out is
/// answered, not returned.
pub fn serve(program: impl Program, quoting: impl Quoting, sealed: &Path) -> Result<(), AgentError> {
    // What a program says when it panics may hold its input.
    std::panic::set_hook(Box::new(|_| {}));
    let key = InstanceKey::load_or_make(sealed)?;
    Agent::new(program, quoting, key).answer_all(io::stdin().lock(), io::stdout().lock())
}
