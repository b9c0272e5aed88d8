//! What can go wrong with the store.

use std::{io, path::PathBuf};
use zkpool_protocol::{Address, BlobId, ErrorCode};

/// A fault of the store; `what` names what was attempted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process works on this database.
    #[error("another service works on {}: stop it first, or give this one a data directory of its own", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The database belongs to another chain, contract or operator.
    #[error(
        "the database belongs to operator {found_operator} of contract {found_pool} on chain {found_chain}: \
         use another data directory, or change the configuration back"
    )]
    OtherDomain {
        /// Chain in the database.
        found_chain: u64,
        /// Contract in the database.
        found_pool: Address,
        /// Operator in the database.
        found_operator: Address,
    },
    /// The database was written by a newer version, or is none of ours.
    #[error("the database cannot be brought to this version's tables: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The disk is full, broken or read-only.
    #[error("cannot {what}: {reason}; nothing was changed")]
    Disk {
        /// Attempted.
        what: &'static str,
        /// Why not, and what to do.
        reason: String,
        /// What lies beneath.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Another fault of the database.
    #[error("cannot {what}")]
    Database {
        /// Attempted.
        what: &'static str,
        /// What lies beneath.
        #[source]
        source: sqlx::Error,
    },
    /// What is stored cannot be what was stored.
    #[error("the database is damaged: column {column} holds {found}")]
    Damaged {
        /// Where.
        column: &'static str,
        /// What.
        found: String,
    },
    /// The thing is not there.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The states do not allow it.
    #[error("a {thing} cannot go from {from} to {to}")]
    IllegalTransition {
        /// Task or job.
        thing: &'static str,
        /// State that it has.
        from: &'static str,
        /// State that was asked for.
        to: &'static str,
    },
    /// Somebody else has moved it on in the meantime: look again.
    #[error("the {thing} is {found} by now, not {expected}")]
    Moved {
        /// Task or job.
        thing: &'static str,
        /// State that was expected.
        expected: &'static str,
        /// State that it has.
        found: &'static str,
    },
    /// A graph that grows anew grows otherwise.
    #[error("job {index} of the task is not the one that is stored there, or does not follow the last one")]
    OtherJob {
        /// Its place.
        index: u32,
    },
    /// The lease is not the caller's any more.
    #[error("the lease has ended: claim another job")]
    LeaseLost,
    /// The result's prover is to be paid, and is in no tranche out of which it could be.
    #[error("nothing is set apart for what this result earns: it is taken as soon as something is, send it again")]
    NothingSetApart,
    /// Another live quote or task of this operator takes the slot up.
    #[error("slot {0} is taken by another live quote")]
    SlotTaken(u32),
    /// The payer has as many live quotes as one may have.
    #[error("the payer has {0} live quotes, as many as one may have")]
    TooManyQuotes(u32),
    /// The bytes do not have the hash.
    #[error("the bytes have the hash {actual}, not {expected}: send them again, or under that name")]
    HashMismatch {
        /// Named.
        expected: BlobId,
        /// Computed.
        actual: BlobId,
    },
    /// More bytes than are taken.
    #[error("larger than the {limit} bytes that are taken")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The sender of the bytes broke off.
    #[error("the bytes broke off: {0}")]
    Upload(#[source] io::Error),
    /// A test made the process fail here.
    #[error("failure injected: {0}")]
    Injected(String),
}

/// What the store's operations return.
pub type StoreResult<T> = Result<T, StoreError>;

impl StoreError {
    /// The stable code of this fault.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::InUse { .. } => ErrorCode::DatabaseInUse,
            Self::OtherDomain { .. } => ErrorCode::WrongChain,
            Self::Disk { .. } => ErrorCode::Storage,
            Self::Missing(_) => ErrorCode::NotFound,
            Self::NothingSetApart => ErrorCode::NotSetApart,
            Self::LeaseLost => ErrorCode::LeaseLost,
            Self::SlotTaken(_) => ErrorCode::NoCapacity,
            Self::TooManyQuotes(_) => ErrorCode::TooManyQuotes,
            Self::HashMismatch { .. } => ErrorCode::HashMismatch,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::Upload(_) => ErrorCode::BadRequest,
            Self::Migration(_)
            | Self::Database { .. }
            | Self::Damaged { .. }
            | Self::IllegalTransition { .. }
            | Self::Moved { .. }
            | Self::OtherJob { .. }
            | Self::Injected(_) => ErrorCode::Internal,
        }
    }

    /// From a failed query: the disk's faults are told apart from all others.
    pub(crate) fn database(what: &'static str, source: sqlx::Error) -> Self {
        match disk_reason(&source) {
            Some(reason) => Self::Disk { what, reason, source: Some(Box::new(source)) },
            None => Self::Database { what, source },
        }
    }

    /// From a failed access to a file.
    pub(crate) fn io(what: &'static str, source: io::Error) -> Self {
        let reason = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full: make room".to_owned(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "the data directory cannot be written: check its permissions".to_owned()
            }
            _ => format!("the disk answers {source}"),
        };
        Self::Disk { what, reason, source: Some(Box::new(source)) }
    }
}

/// Why the disk is to blame, if it is. The numbers are SQLite's primary result codes.
fn disk_reason(error: &sqlx::Error) -> Option<String> {
    const IOERR: i32 = 10;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    const READONLY: i32 = 8;
    if let sqlx::Error::Io(error) = error {
        return Some(format!("the disk answers {error}"));
    }
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    match code & 0xff {
        FULL => Some("the disk is full: make room".into()),
        IOERR => Some("the disk cannot be read or written: is it full or broken?".into()),
        CANTOPEN => Some("the database file cannot be opened: check the data directory and its permissions".into()),
        READONLY => Some("the database is read-only: check the permissions of the data directory".into()),
        _ => None,
    }
}
