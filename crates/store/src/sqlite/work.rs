//! Jobs: read, cancelled and revived with their task.

use super::{
    SqliteStore, Write, leases, provers,
    row::{Fields, damaged, int},
};
use crate::{JobRecord, LegRef, Millis, ProverId, StoreError, StoreResult, TaskKey, WorkItem, Workload};
use std::{collections::BTreeMap, ops::Range};
use zkpool_protocol::{Address, Job, JobId, JobState, Operation, ProofKind, TaskId, WorkUnits};

pub(super) async fn jobs_in(store: &SqliteStore, key: TaskKey, indices: Range<u32>) -> StoreResult<Vec<JobRecord>> {
    let rows = sqlx::query("SELECT * FROM job_rows WHERE task = ? AND idx >= ? AND idx < ? ORDER BY idx")
        .bind(key)
        .bind(i64::from(indices.start))
        .bind(i64::from(indices.end))
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a task's jobs", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(super) async fn last_job(store: &SqliteStore, key: TaskKey) -> StoreResult<Option<JobRecord>> {
    let row = sqlx::query("SELECT * FROM job_rows WHERE task = ? ORDER BY idx DESC LIMIT 1")
        .bind(key)
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a task's last job", error))?;
    row.map(|row| read(&Fields::of(row))).transpose()
}

pub(super) async fn job(store: &SqliteStore, id: JobId) -> StoreResult<Option<JobRecord>> {
    let row = sqlx::query("SELECT * FROM job_rows WHERE task_id = ? AND idx = ?")
        .bind(id.task.as_slice())
        .bind(i64::from(id.index))
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a job", error))?;
    row.map(|row| read(&Fields::of(row))).transpose()
}

pub(super) async fn workload(store: &SqliteStore) -> StoreResult<Workload> {
    const WHAT: &str = "read what there is to do";
    // One snapshot for all of it.
    let mut tx = store.read()?.begin().await.map_err(|error| StoreError::database(WHAT, error))?;
    let rows = sqlx::query(
        "SELECT * FROM job_rows WHERE task_state = 'proving' AND state IN ('waiting', 'ready', 'leased')
         ORDER BY task, idx",
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(|error| StoreError::database(WHAT, error))?;
    let mut jobs: Vec<WorkItem> = Vec::with_capacity(rows.len());
    let mut places = BTreeMap::new();
    for row in rows {
        let row = Fields::of(row);
        places.insert((row.i64("task")?, row.u32("idx")?), jobs.len());
        jobs.push(WorkItem {
            job: read(&row)?,
            proof_deadline: row.u64("proof_deadline")?,
            liability_deadline: row.u64("liability_deadline")?,
            strategy: row.optional("strategy", Fields::parsed)?.unwrap_or_default(),
            reward_token: row.address("reward_token")?,
            excluded: Vec::new(),
            leg: row.optional("bundle_id", Fields::word)?.map(|bundle| leg_ref(&row, bundle)).transpose()?,
            suppliers: Vec::new(),
        });
    }
    let rows = sqlx::query(
        "SELECT n.task, n.idx, made.done_by, made.done_by_device FROM job_needs AS n
         JOIN jobs ON jobs.task = n.task AND jobs.idx = n.idx JOIN tasks ON tasks.key = n.task
         JOIN jobs AS made ON made.task = n.task AND made.idx = n.needs
         WHERE tasks.state = 'proving' AND jobs.state IN ('ready', 'leased') AND made.done_by IS NOT NULL
         ORDER BY n.task, n.idx, n.place",
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(|error| StoreError::database(WHAT, error))?;
    for row in rows {
        let row = Fields::of(row);
        if let Some(place) = places.get(&(row.i64("task")?, row.u32("idx")?)) {
            let supplier = ProverId { address: row.address("done_by")?, device: row.text("done_by_device")? };
            let suppliers = &mut jobs[*place].suppliers;
            if !suppliers.contains(&supplier) {
                suppliers.push(supplier);
            }
        }
    }
    let rows = sqlx::query(
        "SELECT e.task, e.idx, e.prover FROM job_exclusions AS e JOIN tasks ON tasks.key = e.task
         WHERE tasks.state = 'proving'",
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(|error| StoreError::database(WHAT, error))?;
    for row in rows {
        let row = Fields::of(row);
        if let Some(place) = places.get(&(row.i64("task")?, row.u32("idx")?)) {
            let excluded: Address = row.address("prover")?;
            jobs[*place].excluded.push(excluded);
        }
    }
    let rows = sqlx::query(
        "SELECT DISTINCT e.task, e.prover FROM tasks JOIN leg_exclusions AS e ON e.task = tasks.key
         WHERE tasks.state = 'proving'",
    )
    .fetch_all(&mut *tx)
    .await
    .map_err(|error| StoreError::database(WHAT, error))?;
    for row in rows {
        let row = Fields::of(row);
        let (task, prover): (TaskKey, Address) = (row.i64("task")?, row.address("prover")?);
        for (_, place) in places.range((task, 0)..=(task, u32::MAX)) {
            jobs[*place].excluded.push(prover);
        }
    }
    let rows = sqlx::query("SELECT * FROM lease_rows WHERE ended IS NULL ORDER BY task, idx, token")
        .fetch_all(&mut *tx)
        .await
        .map_err(|error| StoreError::database(WHAT, error))?;
    let leases = rows.into_iter().map(|row| leases::read(&Fields::of(row))).collect::<StoreResult<_>>()?;
    let provers = provers::joined_in(&mut tx).await?;
    Ok(Workload { jobs, leases, provers })
}

fn leg_ref(row: &Fields, bundle: TaskId) -> StoreResult<LegRef> {
    Ok(LegRef { bundle, leg: row.u32("leg")?, independent: row.bool("independent")? })
}

/// A row of `job_rows`.
pub(super) fn read(row: &Fields) -> StoreResult<JobRecord> {
    let needs = match row.optional("needs", Fields::text)? {
        None => Vec::new(),
        Some(list) => list
            .split(',')
            .map(|index| index.parse().map_err(|_| damaged("needs", &list)))
            .collect::<StoreResult<_>>()?,
    };
    let done_by = row.optional("done_by", Fields::address)?;
    Ok(JobRecord {
        id: JobId { task: row.word("task_id")?, index: row.u32("idx")? },
        state: row.name("state", JobState::from_name)?,
        job: Job {
            operation: row.name("operation", Operation::from_name)?,
            kind: row.name("kind", ProofKind::from_name)?,
            program: row.blob("program")?,
            input: row.optional("input", Fields::blob)?,
            statement: row.optional("statement", Fields::word)?,
            units: WorkUnits(row.u64("units")?),
            memory: row.u64("memory")?,
            needs,
        },
        last_token: row.u64("last_token")?,
        ready_at: row.optional("ready_at", Fields::u64)?,
        result: row.optional("result", Fields::blob)?,
        done_by: done_by
            .map(|address| Ok::<_, StoreError>(ProverId { address, device: row.text("done_by_device")? }))
            .transpose()?,
        proving_ms: row.optional("proving_ms", Fields::u64)?,
    })
}

impl Write {
    /// Moves a job on, if it is where the caller believes it to be and the states allow it.
    pub(super) async fn job_step(
        &mut self,
        task: TaskKey,
        index: u32,
        from: JobState,
        to: JobState,
        now: Millis,
    ) -> StoreResult<()> {
        if !from.may_become(to) {
            return Err(StoreError::IllegalTransition { thing: "job", from: from.as_str(), to: to.as_str() });
        }
        let moved = sqlx::query(
            "UPDATE jobs SET state = ?1, ready_at = IIF(?1 = 'ready', ?2, ready_at)
             WHERE task = ?3 AND idx = ?4 AND state = ?5",
        )
        .bind(to.as_str())
        .bind(int(now)?)
        .bind(task)
        .bind(i64::from(index))
        .bind(from.as_str())
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        if moved.rows_affected() != 1 {
            let found: Option<String> = sqlx::query_scalar("SELECT state FROM jobs WHERE task = ? AND idx = ?")
                .bind(task)
                .bind(i64::from(index))
                .fetch_optional(&mut *self.tx)
                .await
                .map_err(self.fault())?;
            let found = found.ok_or(StoreError::Missing("job"))?;
            let found = JobState::from_name(&found).ok_or_else(|| damaged("state", found))?;
            return Err(StoreError::Moved { thing: "job", expected: from.as_str(), found: found.as_str() });
        }
        self.job_moves(Some(from), to);
        Ok(())
    }

    /// Nobody needs a task's jobs any more: what is not done is cancelled, leases included.
    pub(super) async fn cancel_jobs(&mut self, task: TaskKey, now: Millis) -> StoreResult<()> {
        for (index, state) in self.job_states(task).await? {
            if matches!(state, JobState::Waiting | JobState::Ready | JobState::Leased) {
                self.job_step(task, index, state, JobState::Cancelled, now).await?;
            }
        }
        sqlx::query("UPDATE leases SET ended = 'cancelled', ended_at = ? WHERE task = ? AND ended IS NULL")
            .bind(int(now)?)
            .bind(task)
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        Ok(())
    }

    /// The chain took back what had made the jobs needless.
    pub(super) async fn revive_jobs(&mut self, task: TaskKey, now: Millis) -> StoreResult<()> {
        let first = self.task(task).await?.first_job;
        for (index, state) in self.job_states(task).await? {
            if state == JobState::Cancelled && index >= first {
                let to = if self.is_supplied(task, index).await? { JobState::Ready } else { JobState::Waiting };
                self.job_step(task, index, state, to, now).await?;
            }
        }
        Ok(())
    }

    /// Jobs that waited for this job's result may have all that they need now.
    pub(super) async fn ready_jobs(&mut self, task: TaskKey, done: u32, now: Millis) -> StoreResult<()> {
        let waiting: Vec<u32> = sqlx::query_scalar(
            "SELECT DISTINCT j.idx FROM job_needs AS n JOIN jobs AS j ON j.task = n.task AND j.idx = n.idx
             WHERE n.task = ? AND n.needs = ? AND j.state = 'waiting' ORDER BY j.idx",
        )
        .bind(task)
        .bind(i64::from(done))
        .fetch_all(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        for index in waiting {
            if self.is_supplied(task, index).await? {
                self.job_step(task, index, JobState::Waiting, JobState::Ready, now).await?;
            }
        }
        Ok(())
    }

    /// Whether every result that a job needs is there.
    pub(super) async fn is_supplied(&mut self, task: TaskKey, index: u32) -> StoreResult<bool> {
        sqlx::query_scalar(
            "SELECT NOT EXISTS (SELECT 1 FROM job_needs AS n JOIN jobs AS j ON j.task = n.task AND j.idx = n.needs
             WHERE n.task = ? AND n.idx = ? AND j.state != 'done')",
        )
        .bind(task)
        .bind(i64::from(index))
        .fetch_one(&mut *self.tx)
        .await
        .map_err(self.fault())
    }

    pub(super) async fn job_states(&mut self, task: TaskKey) -> StoreResult<Vec<(u32, JobState)>> {
        let rows = sqlx::query("SELECT idx, state FROM jobs WHERE task = ? ORDER BY idx").bind(task);
        let rows = rows.fetch_all(&mut *self.tx).await.map_err(self.fault())?;
        let state = |row| {
            let row = Fields::of(row);
            Ok((row.u32("idx")?, row.name("state", JobState::from_name)?))
        };
        rows.into_iter().map(state).collect()
    }
}
