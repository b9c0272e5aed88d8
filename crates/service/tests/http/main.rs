//! The HTTP side of the service: its own rules in process, over the real store; and with the real client over a socket.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod blobs;
mod bonds;
mod bundle_disputes;
mod bundle_quotes;
mod bundles;
mod committee;
mod execution;
mod jobs;
mod ledger;
mod limits;
mod openapi;
mod pay;
mod quotes;
mod quoting;
mod routes;
mod secrets;
mod sign_in;
mod status;
mod support;
mod tasks;
mod wire;
mod work;
mod zkvm;
