//! The circuit: its parts one by one, all of it on batches of each kind, and a proof of the deployed shape.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gadgets;
mod proof;
mod rollup;
mod support;
mod toy;
