//! What a requester must not forget: one file per task, written whole and durably.

use crate::{Payment, RequesterError};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use zkpool_api::QuoteRequest;
use zkpool_chain::{RecordBook, write_durably};
use zkpool_protocol::{B256, BlobId, Bytes, Call, SignedQuote, TaskId, U256};

/// A task on record. Written before anything about it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The quote's digest.
    pub task: TaskId,
    /// What the operator signed.
    pub quote: SignedQuote,
    /// The call that it commits to.
    pub call: Call,
    /// The operator's service, if the quote came from one.
    pub operator: Option<String>,
    /// How it is paid for.
    pub payment: Payment,
    /// Where it stands, as far as was last seen. The chain decides.
    pub stage: Stage,
    /// Block from which on its events are looked for.
    pub from_block: u64,
    /// Seconds since 1970, by this machine.
    pub recorded_at: u64,
    /// What tells wishes apart that are equal otherwise ([`zkpool_api::QuoteRequest::reference`]).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// Operators that were told of it, for a rescue.
    #[serde(default)]
    pub told: Vec<String>,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Stage {
    /// On record; perhaps on its way.
    Recorded,
    /// Never published, and never will be.
    Abandoned {
        /// Why.
        reason: String,
    },
    /// Live.
    Published {
        /// Block number.
        block: u64,
        /// Transaction.
        transaction: B256,
    },
    /// The operator could not back it: the reward came back, and `paid` with it.
    Dishonoured {
        /// To the requester's balance, in the liability token.
        paid: U256,
        /// Burned.
        burned: U256,
        /// Transaction.
        transaction: B256,
    },
    /// The proof was accepted.
    Delivered {
        /// Within the proof window.
        on_time: bool,
        /// Whether the target's call succeeded; it can be replayed if not.
        target_ok: bool,
        /// Transaction.
        transaction: B256,
    },
    /// Never delivered: refund and liability are in the requester's balance.
    Defaulted {
        /// Transaction.
        transaction: B256,
    },
    /// Ended without fault: the refund is in the requester's balance.
    Unwound {
        /// Transaction.
        transaction: B256,
    },
}

impl Stage {
    /// Whether nothing more will happen.
    pub const fn is_final(&self) -> bool {
        !matches!(self, Self::Recorded | Self::Published { .. })
    }
}

impl TaskRecord {
    pub(crate) fn new(task: TaskId, quote: SignedQuote, call: Call, payment: Payment, from_block: u64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self {
            task,
            quote,
            call,
            operator: None,
            payment,
            stage: Stage::Recorded,
            from_block,
            recorded_at: now,
            reference: String::new(),
            told: Vec::new(),
        }
    }

    /// Whether it is what was wished for, whoever offered it and on whatever terms.
    pub(crate) fn is_for(&self, wish: &QuoteRequest) -> bool {
        let (terms, task) = (&self.quote.quote.terms, &self.quote.quote.task);
        terms.target == wish.target
            && task.call_hash == wish.call.hash()
            && task.input_hash == B256::from(wish.input)
            // Whoever takes the operator's statement has said none; the input is about one.
            && wish.statement.is_none_or(|statement| task.statement == statement)
            && self.reference == wish.reference
    }
}

/// The directory. Locked while it is open.
#[derive(Debug)]
pub(crate) struct StateDir {
    tasks: PathBuf,
    inputs: PathBuf,
    book: PathBuf,
    _lock: File,
}

impl StateDir {
    pub(crate) fn open(dir: &Path) -> Result<Self, RequesterError> {
        let (tasks, inputs) = (dir.join("tasks"), dir.join("inputs"));
        for dir in [dir, &tasks, &inputs] {
            make_private_dir(dir).map_err(|source| error("make", dir, source))?;
        }
        let path = dir.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| error("write", &path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { tasks, inputs, book: dir.join("records.json"), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RequesterError::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(error("lock", &path, source)),
        }
    }

    /// Stores the input for operators that are told later. Durable before the record that names it.
    pub(crate) fn put_input(&self, input: &Bytes) -> Result<BlobId, RequesterError> {
        let id = BlobId::of(input);
        let path = self.inputs.join(id.to_string());
        if !path.exists() {
            write_durably(&path, input).map_err(|source| error("write", &path, source))?;
        }
        Ok(id)
    }

    /// The input with this hash, if it is here.
    pub(crate) fn input(&self, hash: B256) -> Result<Option<Bytes>, RequesterError> {
        let path = self.inputs.join(BlobId::from(hash).to_string());
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(error("read", &path, source)),
        }
    }

    /// Services that were found and hold this input, because they were asked about it.
    pub(crate) fn holders(&self, hash: B256) -> Result<Vec<String>, RequesterError> {
        let path = self.holders_of(hash);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| error("read", &path, e.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(error("read", &path, source)),
        }
    }

    /// Notes more of them.
    pub(crate) fn note_holders(&self, hash: B256, urls: &[String]) -> Result<(), RequesterError> {
        let mut holders = self.holders(hash)?;
        let known = holders.len();
        for url in urls {
            if !holders.contains(url) {
                holders.push(url.clone());
            }
        }
        if holders.len() == known {
            return Ok(());
        }
        let path = self.holders_of(hash);
        let bytes = serde_json::to_vec(&holders).map_err(|e| error("write", &path, e.into()))?;
        write_durably(&path, &bytes).map_err(|source| error("write", &path, source))
    }

    fn holders_of(&self, hash: B256) -> PathBuf {
        self.inputs.join(format!("{}.holders", BlobId::from(hash)))
    }

    /// The operators' records as they were read last. What cannot be read is read anew from the chain.
    pub(crate) fn book(&self) -> Option<RecordBook> {
        serde_json::from_slice(&fs::read(&self.book).ok()?).ok()
    }

    /// A fault that has to do with them.
    pub(crate) fn book_error(&self, source: io::Error) -> RequesterError {
        error("use", &self.book, source)
    }

    /// The tasks that count as this requester's own: what it only had on record, anybody else may have published.
    pub(crate) fn own(&self) -> Result<Vec<TaskId>, RequesterError> {
        own_in(&self.tasks)
    }

    pub(crate) fn put_book(&self, book: &RecordBook) -> Result<(), RequesterError> {
        let bytes = serde_json::to_vec(book).map_err(|e| error("write", &self.book, e.into()))?;
        write_durably(&self.book, &bytes).map_err(|source| error("write", &self.book, source))
    }

    /// Stores a record unless there is one; returns what is stored then.
    pub(crate) fn insert(&self, record: TaskRecord) -> Result<TaskRecord, RequesterError> {
        match self.get(record.task) {
            Err(RequesterError::UnknownTask(_)) => {
                self.put(&record)?;
                Ok(record)
            }
            found => found,
        }
    }

    pub(crate) fn put(&self, record: &TaskRecord) -> Result<(), RequesterError> {
        let path = self.path(record.task);
        let bytes = serde_json::to_vec_pretty(record).map_err(|e| error("write", &path, e.into()))?;
        write_durably(&path, &bytes).map_err(|source| error("write", &path, source))
    }

    pub(crate) fn get(&self, task: TaskId) -> Result<TaskRecord, RequesterError> {
        match read(&self.path(task)) {
            Err(RequesterError::State { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(RequesterError::UnknownTask(task))
            }
            found => found,
        }
    }

    pub(crate) fn all(&self) -> Result<Vec<TaskRecord>, RequesterError> {
        all_in(&self.tasks)
    }

    fn path(&self, task: TaskId) -> PathBuf {
        self.tasks.join(format!("{task}.json"))
    }
}

/// The tasks of the requester that works on this directory, which need not be free: what counts as its own experience
/// ([`RecordBook::count_as_own`]). None if there is no such directory.
///
/// # Errors
/// [`RequesterError::State`] if a record cannot be read.
pub fn own_tasks(state: &Path) -> Result<Vec<TaskId>, RequesterError> {
    let tasks = state.join("tasks");
    if tasks.is_dir() { own_in(&tasks) } else { Ok(Vec::new()) }
}

fn own_in(tasks: &Path) -> Result<Vec<TaskId>, RequesterError> {
    let mut records = all_in(tasks)?;
    records.retain(|record| !matches!(record.stage, Stage::Abandoned { .. }));
    Ok(records.into_iter().map(|record| record.task).collect())
}

fn all_in(tasks: &Path) -> Result<Vec<TaskRecord>, RequesterError> {
    let mut records = Vec::new();
    for entry in fs::read_dir(tasks).map_err(|source| error("read", tasks, source))? {
        let path = entry.map_err(|source| error("read", tasks, source))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            records.push(read(&path)?);
        }
    }
    records.sort_by_key(|record| (record.recorded_at, record.from_block, record.task));
    Ok(records)
}

fn read(path: &Path) -> Result<TaskRecord, RequesterError> {
    let bytes = fs::read(path).map_err(|source| error("read", path, source))?;
    serde_json::from_slice(&bytes).map_err(|e| error("read", path, e.into()))
}

/// Inputs can be secrets: for this user only.
fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn error(what: &'static str, path: &Path, source: io::Error) -> RequesterError {
    RequesterError::State { what, path: path.to_owned(), source }
}
