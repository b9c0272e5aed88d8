//! What the outside asks of the service: one function per wish, behind the HTTP routes.
//!
//! An operation checks who asks, changes the stored state and nudges the reconciler that carries on. None of them waits
//! for a reconciler, except where it says so.

pub mod attestations;
pub mod blobs;
pub(crate) mod bonds;
pub(crate) mod funds;
pub mod info;
pub mod jobs;
pub mod pay;
pub mod programs;
pub mod provers;
pub mod published;
pub mod quotes;
pub mod receipts;
pub(crate) mod results;
pub mod tasks;
