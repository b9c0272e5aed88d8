//! What the service must not forget: the [`Store`] trait, its SQLite implementation, and [`Blobs`].
//!
//! [`conformance`] (feature `conformance`) is the suite that every implementation runs.

mod blobs;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod facts;
#[cfg(feature = "faults")]
pub mod faults;
mod lock;
mod sqlite;
mod store;
mod types;

pub use blobs::{BlobReader, Blobs};
pub use error::{StoreError, StoreResult};
pub use facts::{Advance, Advanced, Fact, Said};
pub use sqlite::{Owner, SqliteStore};
pub use store::Store;
pub use types::{
    AnnouncedRescue, Ask, AttestationRecord, Completion, Earmark, Earning, End, Grant, InputRecord, JobCensus,
    JobRecord, LeaseEnd, LeaseOutcome, LeaseRecord, LegOf, LegRef, LogEntry, Measured, Meta, Millis, NewLeg, NewResult,
    NewTask, NewTranche, NewWatch, Noted, OnChain, Outing, Plan, Price, ProgramRecord, ProverDescription, ProverId,
    ProverRecord, Refusal, Renewal, RequestId, ResultPay, Role, Standing, TaskKey, TaskRecord, TrancheRecord,
    TrancheStatus, WorkItem, Workload,
};
