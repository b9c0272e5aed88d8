//! The command line as its users meet it.

#![allow(clippy::unwrap_used, reason = "for tests")]

mod docs;
mod documents;
mod errors;
mod guide;
mod kill;
mod kit;
mod offline;
mod pay;
mod rescue;
mod road;
mod sgx;
mod stage;
mod verifier;
mod worker;
