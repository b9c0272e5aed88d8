//! A small rollup as its team would write it.
//!
//! A [`Wallet`] signs transfers, a [`Sequencer`] takes them, keeps the [`State`] and makes a [`Batch`] of them: the records
//! that the contract publishes, the journal that it expects, and for each kind of proof what it is made from. What makes a
//! transfer valid is in `rollup-core` and nowhere else.

mod batch;
mod sequencer;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod wallet;

pub use batch::{Batch, Domain};
pub use rollup_core as core;
pub use sequencer::{GenesisError, Sequencer, SubmitError};
pub use state::State;
pub use wallet::Wallet;

/// The sequencer of the shape that is deployed.
pub type DeployedSequencer = Sequencer<{ rollup_core::DEPTH }, { rollup_core::TRANSFERS }>;
