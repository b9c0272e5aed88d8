//! Nodes against the real contract on a real chain, and operators that are made up: they speak the API's types, check
//! signatures, and ask for what a test tells them to.
//!
//! Tests wait for events of nodes, never for time to pass.

#![allow(clippy::unwrap_used, reason = "for tests")]

mod committee;
mod crash;
mod kit;
mod operator;
mod refusals;
mod trouble;
mod world;
