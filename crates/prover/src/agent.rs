//! The agent: what its jobs share, and its life from start to stop.

use crate::{
    Capacity, Machine, ProverConfig, ProverError, bench,
    cache::BlobCache,
    disk,
    engine::Engine,
    journal::{Journal, Record},
    metrics::{self, Metrics},
    operator::Operator,
    pay::{self, Book, Signed, Till},
    report::Observer,
    stop::Stop,
};
use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;
use zkpool_api::Identity;
use zkpool_backends::Backend;
use zkpool_protocol::{BlobId, ProofKind};

/// What all jobs share.
pub(crate) struct Shared {
    pub(crate) config: ProverConfig,
    pub(crate) journal: Journal,
    pub(crate) cache: Arc<BlobCache>,
    pub(crate) engine: Engine,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) stop: Stop,
    /// What was earned, on disk.
    pub(crate) book: Arc<Book>,
    /// What was signed, for ever.
    pub(crate) signed: Arc<Signed>,
    /// Something was earned.
    pub(crate) earned: tokio::sync::Notify,
    tills: Mutex<HashMap<String, Arc<Till>>>,
    /// One permit for each job that the machine can work on.
    pub(crate) slots: Arc<Semaphore>,
    fetching: Mutex<HashMap<BlobId, Weak<tokio::sync::Mutex<()>>>>,
    inputs: PathBuf,
    input_count: AtomicU64,
}

impl Shared {
    /// Whoever holds this lock fetches the blob.
    pub(crate) fn fetching(&self, id: BlobId) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        fetching.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = fetching.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        fetching.insert(id, Arc::downgrade(&lock));
        lock
    }

    /// The pay of each operator that is worked for.
    pub(crate) fn tills(&self) -> Vec<Arc<Till>> {
        self.tills.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Notes how an operator pays; `None`: outside.
    pub(crate) fn set_till(&self, operator: &str, till: Option<Arc<Till>>) {
        let mut tills = self.tills.lock().unwrap_or_else(PoisonError::into_inner);
        match till {
            Some(till) => tills.insert(operator.to_owned(), till),
            None => tills.remove(operator),
        };
    }

    /// How an operator pays; `None`: outside.
    pub(crate) fn till(&self, operator: &str) -> Option<Arc<Till>> {
        self.tills.lock().unwrap_or_else(PoisonError::into_inner).get(operator).cloned()
    }

    /// Where an input that does not fit in memory is written. The directory is emptied on every start.
    pub(crate) fn input_path(&self) -> PathBuf {
        self.inputs.join(format!("{}.tmp", self.input_count.fetch_add(1, Ordering::Relaxed)))
    }
}

/// An agent that is ready to run.
pub struct Agent {
    shared: Arc<Shared>,
    operators: Vec<Arc<Operator>>,
    left: Vec<Record>,
    fingerprint: String,
    metrics: Arc<Metrics>,
    /// Held until the agent is gone: two agents in one directory would return each other's jobs.
    _lock: File,
}

impl Agent {
    /// Checks the settings and opens the state directory. Talks to nobody yet.
    pub fn open(
        config: ProverConfig,
        identity: Identity,
        backends: Vec<Arc<dyn Backend>>,
        observer: Arc<dyn Observer>,
        stop: Stop,
    ) -> Result<Self, ProverError> {
        let name = &config.device;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > zkpool_api::MAX_DEVICE_NAME || !name.chars().all(allowed) {
            return Err(ProverError::DeviceName(name.chars().take(80).collect()));
        }
        if config.operators.is_empty() {
            return Err(ProverError::NoOperator);
        }
        let engine = Engine::new(backends, config.capacity.threads, &config.kinds);
        let kinds = engine.kinds();
        if let Some(kind) = config.kinds.iter().find(|kind| !kinds.contains(kind)) {
            return Err(ProverError::NotHere(*kind));
        }
        let dir = config.state_dir.clone();
        let state = |source| ProverError::State { path: dir.clone(), source };
        disk::private_dir(&dir).map_err(state)?;
        let lock = lock(&dir)?;
        let (journal, left) = Journal::open(&dir.join("jobs")).map_err(state)?;
        let (book, signed) = pay::open(&dir).map_err(state)?;
        let cache = BlobCache::open(&dir.join("programs"), config.cache_bytes).map_err(state)?;
        let inputs = dir.join("inputs");
        disk::private_dir(&inputs).map_err(state)?;
        disk::sweep(&inputs).map_err(state)?;

        let metrics = Arc::new(Metrics::new(observer));
        let fingerprint = Machine::detect().fingerprint(&config.capacity);
        let shared = Arc::new(Shared {
            engine,
            slots: Arc::new(Semaphore::new(config.capacity.jobs.max(1))),
            journal,
            cache,
            observer: Arc::clone(&metrics) as Arc<dyn Observer>,
            stop,
            book,
            signed,
            earned: tokio::sync::Notify::new(),
            tills: Mutex::default(),
            fetching: Mutex::default(),
            inputs,
            input_count: AtomicU64::new(0),
            config,
        });
        let mut operators: Vec<Arc<Operator>> = Vec::new();
        for url in &shared.config.operators {
            let operator = Operator::new(url, identity.clone(), Arc::clone(&shared))?;
            if operators.iter().all(|other| other.url != operator.url) {
                operators.push(operator);
            }
        }
        Ok(Self { shared, operators, left, fingerprint, metrics, _lock: lock })
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// Only if no operator can be worked for at all, or the machine cannot prove.
    pub async fn run(self) -> Result<(), ProverError> {
        let Self { shared, operators, left, fingerprint, metrics, _lock } = self;
        let _serving = match shared.config.metrics {
            Some(address) => Some(metrics::serve(address, metrics, Arc::clone(&shared)).await?),
            None => None,
        };
        let file = shared.config.state_dir.join("benchmark.json");
        let benchmark = bench::speeds(&shared.engine, &fingerprint, &file, &*shared.observer);
        let speeds = tokio::select! {
            speeds = benchmark => speeds.map_err(|error| ProverError::Benchmark(error.to_string()))?,
            () = shared.stop.winding_down() => return Ok(()),
        };

        let (mut by_operator, mut strange) = (HashMap::<String, Vec<Record>>::new(), 0);
        for record in left {
            if operators.iter().any(|operator| operator.url == record.operator) {
                by_operator.entry(record.operator.clone()).or_default().push(record);
            } else {
                strange += 1;
            }
        }
        if strange > 0 {
            tracing::warn!(jobs = strange, "jobs of operators that are not configured any more are left alone");
        }

        let _collecting = AbortOnDropHandle::new(tokio::spawn(pay::collect(Arc::clone(&shared))));
        let (mut working, count) = (JoinSet::new(), operators.len());
        for operator in operators {
            let left = by_operator.remove(&operator.url).unwrap_or_default();
            working.spawn(operator.run(speeds.clone(), left));
        }
        let mut failures = Vec::new();
        while let Some(ended) = working.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(code = %error.code(), "{error}");
                    failures.push(error);
                }
                Err(error) => tracing::error!(%error, "a part of the agent has failed"),
            }
        }
        match failures.pop() {
            Some(error) if failures.len() + 1 == count => Err(error),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// Measures the machine, without remembering it: work units per second, by kind.
pub async fn benchmark(
    capacity: Capacity,
    backends: Vec<Arc<dyn Backend>>,
) -> Result<Vec<(ProofKind, f64)>, ProverError> {
    let engine = Engine::new(backends, capacity.threads, &[]);
    let mut speeds: Vec<(ProofKind, f64)> = Vec::new();
    for kind in engine.kinds() {
        if speeds.iter().all(|(measured, _)| *measured != kind) {
            let measured = bench::measure(&engine, kind).await;
            speeds.extend(measured.map_err(|error| ProverError::Benchmark(error.to_string()))?);
        }
    }
    Ok(speeds)
}

fn lock(dir: &Path) -> Result<File, ProverError> {
    let open = || File::options().create(true).truncate(false).write(true).open(dir.join("lock"));
    let file = open().map_err(|source| ProverError::State { path: dir.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ProverError::StateInUse(dir.to_owned())),
        // A file system without locks: the owner has to know what they do.
        Err(std::fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(std::fs::TryLockError::Error(source)) => Err(ProverError::State { path: dir.to_owned(), source }),
    }
}
