//! Groth16: keys and proofs, sound and tampered with.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod keys;
mod proofs;
mod support;
