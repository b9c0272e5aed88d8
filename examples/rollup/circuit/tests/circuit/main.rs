//! The circuit: its parts one by one, and all of it on batches of each kind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gadgets;
mod rollup;
mod support;
mod toy;
