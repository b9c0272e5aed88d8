//! The command line as its users meet it.

mod docs;
mod errors;
mod kit;
mod offline;
mod worker;
