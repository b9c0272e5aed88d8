//! The agent against an operator that is made up: it speaks the API's types and misbehaves as a test tells it to.
//!
//! Tests wait for signals of agent, operator and backend, never for time to pass.

#![allow(clippy::unwrap_used, reason = "for tests")]

mod backend;
mod basics;
mod cashier;
mod crash;
mod faults;
mod kit;
mod lease;
mod operator;
mod pay;
mod several;
mod steps;
mod stop;
