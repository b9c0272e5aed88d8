//! The prover agent: an owner runs it on any machine, behind any router, for weeks without attention.
//!
//! It signs in with its key, offers the machine with a speed that it has measured, claims jobs over outbound connections,
//! proves, checks every proof and returns it. What it promises its owner:
//!
//! - A finished proof is on disk before anything else happens, and is returned after a crash or an outage for as long as
//!   the operator wants it. Jobs in hand go on after a restart.
//! - It never ends because of an outage, an operator's fault or a bad task; only settings that cannot work end it.
//! - With an operator that pays out of the revenue ledger it works only for what is set apart for it on chain, signs one result
//!   for each lease and never another, keeps every voucher on disk, and stops at the first that is withheld or wrong.
//! - Programs and inputs are foreign: they are bounded in size and memory, programs are checked against their hash, and
//!   an input never reaches the disk, except a ready witness for the time that it is worked on, in a file that only the
//!   owner may read.
//! - Told to stop, it takes no more jobs, finishes what it can within a bound and hands the rest back.
//!
//! [`Agent`] is the whole of it; [`Event`]s tell what it does. `operator` works for one operator, `work` is the life of
//! one job, `pay` what comes of it, `lease` its heartbeat, `journal` its memory, `cache` the programs, `engine` the threads that compute,
//! `metrics` what can be graphed of it.

mod agent;
mod backoff;
mod bench;
mod cache;
mod config;
mod disk;
mod engine;
mod error;
mod journal;
mod lease;
mod machine;
mod metrics;
mod operator;
mod pay;
mod report;
mod stop;
mod work;

pub use agent::{Agent, benchmark};
pub use backoff::{Attempts, Backoff};
pub use config::ProverConfig;
pub use error::ProverError;
pub use machine::{Capacity, Machine};
pub use pay::{Book, DeskError, Holding, PayConfig, PayDesk, TrancheOnChain};
pub use report::{Event, LogObserver, Observer};
pub use stop::Stop;

/// Seconds since 1970, by this machine's clock; never used to decide about a lease.
fn unix_now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
