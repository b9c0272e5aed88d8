//! The rollup on one machine: a local chain, an operator's service, provers of three kinds, a committee's nodes and the
//! rollup's node as separate processes, each with a key of its own, that talk only over HTTP and the chain.
//!
//! `zkpool-demo-rollup` makes accounts, sends signed transfers, and ends with batches that are final on chain because a
//! circuit's proof, a zkVM's receipt and an enclave's signature agree about them. The enclave is **simulated**, and everything
//! that it has a part in says so.

pub mod cast;
pub mod enclave;
pub mod ground;
pub mod node;
pub mod summary;
pub mod told;
pub mod users;
