//! The RISC Zero backend: programs that are run and cut, steps that are really proven, programs that misbehave.

#![cfg(feature = "risc0")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod execute;
mod guests;
mod made;
mod prove;
