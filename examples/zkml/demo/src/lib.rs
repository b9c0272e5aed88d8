//! The zkML application on one machine: a local chain, an operator's service, provers, a committee's nodes and the
//! application's page as separate processes, each with a key of its own, that talk only over HTTP and the chain.
//!
//! `zkpool-demo-zkml` draws digits, asks on the page which they are, and ends with the answer in the contract.

pub mod cast;
pub mod customer;
pub mod drawing;
pub mod ground;
pub mod parties;
pub mod summary;
