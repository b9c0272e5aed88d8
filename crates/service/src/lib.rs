//! The operator's service: HTTP routes and reconcilers.

mod backoff;
mod capacity;
mod chain;
mod clock;
mod committee;
pub mod config;
mod context;
mod envelope;
mod error;
mod executor;
mod gauges;
pub mod http;
mod ledger;
pub mod metrics;
mod nudge;
pub mod ops;
mod parts;
mod policy;
mod reconcile;
mod run;
mod status;
mod worker;

pub use chain::{Chain, Committee, KeyRole, LiveChain, OperatorKeys};
pub use clock::{Clock, SystemClock};
pub use config::{Config, ConfigError};
pub use context::Context;
pub use error::{OpError, OpResult};
pub use executor::{ExecutionProcess, ExecutionWorker, Lines};
pub use ledger::{LiveLedger, ProverBond, RevenueLedger};
pub use nudge::{Change, Changes, Nudge, Nudges};
pub use run::{RECONCILERS, open, reconcile_once, reconcilers, run, run_on};
pub use status::{Quarantine, Status, Waiting};
pub use worker::{PreflightWorker, WorkerProcess};
