//! Programs that run in SGX enclaves: what their keys sign, and the quotes that vouch for those keys.
//!
//! An *instance* is a key that a program's enclave made for itself. A registrar puts it on a verifier contract with a quote
//! ([`verify`], feature `sgx`), whose report data bind it to chain, contract, program and a recent block ([`Binding`]).
//! From then on a proof is a signature ([`Proof`]) of what the program put out, made with the instance's key.
//!
//! What this comes to: whoever trusts such a proof trusts Intel, the machine's owner not to have broken into the enclave,
//! and the registrar to have checked the quote. The contract checks neither certificates nor TCB levels; anyone can check
//! them here again from what the registration published.
//!
//! A simulated platform goes through the same checks with another root of trust, and only for chains without anything of
//! value ([`may_simulate`]).

mod binding;
mod chains;
mod proof;

#[cfg(feature = "sgx")]
mod collateral;
#[cfg(feature = "sgx")]
mod error;
#[cfg(feature = "sgx")]
mod policy;
#[cfg(feature = "sgx")]
mod quote;
#[cfg(feature = "sgx")]
mod report;

pub use binding::{Binding, Domain};
pub use chains::{SIMULATION_CHAINS, may_simulate};
pub use proof::{PROOF_LEN, Proof, ProofError, output, statement};

#[cfg(feature = "sgx")]
pub use collateral::{Collateral, MAX_COLLATERAL};
#[cfg(feature = "sgx")]
pub use error::QuoteError;
#[cfg(feature = "sgx")]
pub use policy::{Policy, Root, TcbStatus};
#[cfg(feature = "sgx")]
pub use quote::{Attested, inspect, verify};
#[cfg(feature = "sgx")]
pub use report::{MAX_QUOTE, Report};
