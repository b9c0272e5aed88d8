//! Receipts of the zkVM: real ones pass, and whatever is changed about them is named.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bytes;
mod groth16;
mod segments;
