//! Receipts of the zkVM: the real wrapped one passes, and whatever is changed about it is named. (Those that must be proven
//! first are tested where they are proven: crates/backends/tests/risc0/receipts.rs.)

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bytes;
mod groth16;
