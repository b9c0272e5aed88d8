//! Quotes and signatures of enclaves: good ones pass, and whatever is changed about them is named.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod intel;
mod proofs;
mod quotes;
mod support;
