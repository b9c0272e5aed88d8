//! The state transition of a small rollup: accounts with balances, and signed transfers between them.
//!
//! [`apply`] is the whole program: from a batch of transfers and the part of the state that they touch to a [`Journal`],
//! which says that exactly these transfers lead from one root of the state to another. The zkVM guest proves it, the SGX
//! program signs for it, and the circuit in `../circuit` states the same, written anew.
//!
//! Every number is big-endian, every layout fixed: see [`Context`], [`Transfer`], [`Account`], [`Journal`] and [`apply`].
//!
//! Deliberately absent: deposits and withdrawals, fees, and the batch's number in what a user signs, because a user does
//! not know which batch will take the transfer; the account's nonce keeps it from being taken twice.
#![no_std]

mod apply;
mod curve;
mod hash;
mod refusal;
mod signature;
mod tree;
mod types;

pub use apply::{apply, input_length, witness_length};
#[cfg(feature = "portable")]
pub use curve::Portable;
pub use curve::{Accelerator, Crypto, MODULUS, ORDER, PointFault, WEIERSTRASS_A, WEIERSTRASS_B, Windowed, Words};
pub use hash::sha256;
pub use refusal::{Fault, Refusal};
pub use signature::{challenge, verify};
pub use tree::{climb, leaf, node};
pub use types::{Account, Context, Journal, Transfer};

/// Levels of the tree in the shape that is deployed: 2^3 accounts.
pub const DEPTH: usize = 3;

/// Transfers of a batch in the shape that is deployed.
pub const TRANSFERS: usize = 2;

/// A SHA-256, or what a single run of its compression function yields.
pub type Hash = [u8; 32];

/// A point in 32 bytes: y, and in the topmost bit whether x is odd.
pub type Encoded = [u8; 32];
