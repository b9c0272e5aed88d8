//! A whole pool in one process: the real service over its real store, a chain in memory, simulated provers, and time that
//! stands until it is moved.

#![allow(clippy::unwrap_used, reason = "for tests")]

mod crash;
mod groth16;
mod ledger;
mod operator;
mod policy;
mod pool;
mod prover;
mod stage;
mod story;
mod strategies;
mod walk;
mod world;
