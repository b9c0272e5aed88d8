//! The client against services that behave, misbehave and do not answer.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod attestations;
mod bad_answers;
mod events;
mod patience;
mod server;
mod sessions;
mod transfers;
