//! The node of a committee's member: it asks operators for receipts, checks them itself and signs for those that hold.
//!
//! A member's stake answers for every signature, so the node believes nobody:
//!
//! - The receipt is fetched within a bound, must have the hash that is signed, and must prove, by this machine's own
//!   check, that the program with this image id ended with this journal.
//! - The committee's contract must vouch for the program, and count the member, at this moment.
//! - What it is about to sign is on disk first ([`Pledges`]). It never signs two claims for one receipt, nor two journals
//!   of one program for one question, whatever it is asked, by however many operators, across restarts and crashes. A
//!   member that is at work already does not start without what it has signed.
//! - No operator makes it remember more than so many claims an hour.
//! - Receipts that it has signed for are kept, the latest deadlines longest, so that anybody can check what it signed.
//!
//! [`Node`] is the whole of it; [`Event`]s tell what it does. `operator` asks one operator, `desk` decides about one
//! receipt, `pledges` is what was signed, `memory` where that is, `quota` how much of it is whose, `shelf` the receipts,
//! `check` the check itself.

mod check;
mod config;
mod desk;
mod error;
mod memory;
mod node;
mod operator;
mod pledges;
mod quota;
mod report;
mod shelf;

pub use check::{Check, Risc0Check, Wrong};
pub use config::{Backoff, Config};
pub use error::{AttesterError, Refusal};
pub use memory::begin;
pub use node::Node;
pub use pledges::{Conflict, Pledge, PledgeError, Pledges};
pub use report::{Event, LogObserver, Observer};

/// Seconds since 1970, by this machine's clock; never used to decide whether a claim is signed, at most when.
fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
