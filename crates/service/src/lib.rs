//! The operator's service: HTTP routes and reconcilers.

mod capacity;
mod chain;
mod clock;
pub mod config;
mod context;
mod envelope;
mod error;
mod gauges;
pub mod http;
pub mod metrics;
mod nudge;
pub mod ops;
mod policy;
mod reconcile;
mod run;
mod status;
mod worker;

pub use chain::{Chain, KeyRole, LiveChain, OperatorKeys};
pub use clock::{Clock, SystemClock};
pub use config::{Config, ConfigError};
pub use context::Context;
pub use error::{OpError, OpResult};
pub use nudge::{Change, Changes, Nudge, Nudges};
pub use run::{RECONCILERS, open, reconcile_once, reconcilers, run, run_on};
pub use status::{Quarantine, Status, Waiting};
pub use worker::{PreflightWorker, WorkerProcess};
