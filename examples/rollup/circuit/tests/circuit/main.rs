//! The circuit: its parts one by one, all of it on batches of each kind, and a proof of the deployed shape.

mod gadgets;
mod proof;
mod rollup;
mod support;
mod toy;
