//! The file: opened for its owner, written to by one at a time.

use super::{meta, row::int};
use crate::{Noted, StoreError, StoreResult, lock::DatabaseLock};
use sqlx::{
    Connection, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fmt, path::Path, time::Duration};
use zkpool_chain::TxState;
use zkpool_protocol::{Address, Domain, JobState, TaskState};

/// Whose database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Chain and contract.
    pub domain: Domain,
    /// Owner of the slots.
    pub operator: Address,
}

/// The store on SQLite.
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    pub(super) owner: Owner,
    #[cfg(feature = "faults")]
    faults: crate::faults::Faults,
    _lock: DatabaseLock,
}

/// A write on its way: nothing counts before `commit`.
pub(super) struct Write {
    pub(super) tx: Transaction<'static, Sqlite>,
    what: &'static str,
    #[cfg(feature = "faults")]
    steps: Vec<crate::faults::Move>,
    #[cfg(feature = "faults")]
    faults: crate::faults::Faults,
}

impl SqliteStore {
    /// Opens, or makes, the database at `path` for `owner`; fails if it is another's or another process works on it.
    pub async fn open(path: &Path, owner: Owner) -> StoreResult<Self> {
        Self::open_inner(
            path,
            owner,
            #[cfg(feature = "faults")]
            crate::faults::Faults::default(),
        )
        .await
    }

    /// As [`Self::open`], with a file of at most so many pages: a disk that is full, for tests.
    #[cfg(feature = "faults")]
    pub async fn open_with_page_limit(path: &Path, owner: Owner, pages: u32) -> StoreResult<Self> {
        let store = Self::open(path, owner).await?;
        let limited = sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}")));
        limited.execute(&store.writer).await.map_err(|error| StoreError::database("limit the database", error))?;
        Ok(store)
    }

    /// A write whose transaction SQLite has ended by itself, as it does when a disk is full; fails.
    #[cfg(feature = "faults")]
    pub async fn lose_a_write(&self) -> StoreResult<()> {
        let mut write = self.write("lose a write").await?;
        sqlx::query("ROLLBACK").execute(&mut *write.tx).await.map_err(write.fault())?;
        write.commit().await
    }

    /// As [`Self::open`]; fails on demand.
    #[cfg(feature = "faults")]
    pub async fn open_with_faults(path: &Path, owner: Owner, faults: crate::faults::Faults) -> StoreResult<Self> {
        Self::open_inner(path, owner, faults).await
    }

    async fn open_inner(
        path: &Path,
        owner: Owner,
        #[cfg(feature = "faults")] faults: crate::faults::Faults,
    ) -> StoreResult<Self> {
        const WHAT: &str = "open the database";
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| StoreError::io(WHAT, error))?;
        }
        let lock = DatabaseLock::take(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).min_connections(1);
        // A full disk ends a transaction behind the connection's back, which is out of step from then on: a new one is
        // taken in its place.
        let writing = pool(1).before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }));
        let opened = writing.connect_with(options.clone()).await;
        let writer = opened.map_err(|error| StoreError::database(WHAT, error))?;
        sqlx::migrate!("./migrations").run(&writer).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => StoreError::database("make the database's tables", error),
            other => StoreError::Migration(other),
        })?;
        let opened = pool(4).connect_with(options.read_only(true)).await;
        let readers = opened.map_err(|error| StoreError::database(WHAT, error))?;
        let store = Self {
            writer,
            readers,
            owner,
            #[cfg(feature = "faults")]
            faults,
            _lock: lock,
        };
        store.claim().await?;
        Ok(store)
    }

    /// Writes the owner into a new database, compares it in an old one.
    async fn claim(&self) -> StoreResult<()> {
        let mut write = self.write("claim the database").await?;
        let owner = self.owner;
        let claimed = sqlx::query("INSERT OR IGNORE INTO meta (only, chain_id, pool, operator) VALUES (1, ?, ?, ?)")
            .bind(int(owner.domain.chain_id)?)
            .bind(owner.domain.pool.as_slice())
            .bind(owner.operator.as_slice())
            .execute(&mut *write.tx);
        claimed.await.map_err(write.fault())?;
        write.commit().await?;
        let meta = meta::read(self).await?;
        if (meta.chain_id, meta.pool, meta.operator) != (owner.domain.chain_id, owner.domain.pool, owner.operator) {
            return Err(StoreError::OtherDomain {
                found_chain: meta.chain_id,
                found_pool: meta.pool,
                found_operator: meta.operator,
            });
        }
        Ok(())
    }

    /// Writes everything back into the one file and closes it.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a write. Waits for the one before it.
    pub(super) async fn write(&self, what: &'static str) -> StoreResult<Write> {
        self.alive()?;
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        let tx = begun.map_err(|error| StoreError::database(what, error))?;
        Ok(Write {
            tx,
            what,
            #[cfg(feature = "faults")]
            steps: Vec::new(),
            #[cfg(feature = "faults")]
            faults: self.faults.clone(),
        })
    }

    /// Where reads go.
    pub(super) fn read(&self) -> StoreResult<&SqlitePool> {
        self.alive()?;
        Ok(&self.readers)
    }

    #[cfg(feature = "faults")]
    fn alive(&self) -> StoreResult<()> {
        self.faults.alive().map_err(StoreError::Injected)
    }

    #[cfg(not(feature = "faults"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    fn alive(&self) -> StoreResult<()> {
        Ok(())
    }
}

impl Write {
    /// Makes it durable.
    pub(super) async fn commit(self) -> StoreResult<()> {
        #[cfg(feature = "faults")]
        {
            use crate::faults::Side;
            self.faults.pass(&self.steps, Side::Before).map_err(StoreError::Injected)?;
            self.tx.commit().await.map_err(|error| StoreError::database(self.what, error))?;
            self.faults.pass(&self.steps, Side::After).map_err(StoreError::Injected)
        }
        #[cfg(not(feature = "faults"))]
        self.tx.commit().await.map_err(|error| StoreError::database(self.what, error))
    }

    /// Names what was attempted.
    pub(super) fn fault(&self) -> impl Fn(sqlx::Error) -> StoreError + use<> {
        let what = self.what;
        move |error| StoreError::database(what, error)
    }

    #[allow(unused_variables)]
    pub(super) fn task_moves(&mut self, from: Option<TaskState>, to: TaskState) {
        #[cfg(feature = "faults")]
        self.steps.push(crate::faults::Move::Task(from, to));
    }

    #[allow(unused_variables)]
    pub(super) fn notes(&mut self, what: Noted) {
        #[cfg(feature = "faults")]
        self.steps.push(crate::faults::Move::Note(what));
    }

    #[allow(unused_variables)]
    pub(super) fn transaction_moves(&mut self, to: TxState) {
        #[cfg(feature = "faults")]
        self.steps.push(crate::faults::Move::Transaction(to));
    }

    #[allow(unused_variables)]
    pub(super) fn job_moves(&mut self, from: Option<JobState>, to: JobState) {
        #[cfg(feature = "faults")]
        self.steps.push(crate::faults::Move::Job(from, to));
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("owner", &self.owner).finish_non_exhaustive()
    }
}
