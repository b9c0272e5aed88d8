//! Leases: granted, renewed, ended. The fencing token is the job's, and only ever grows.

use super::{
    SqliteStore, Write,
    row::{Fields, int},
    work,
};
use crate::{
    Completion, Grant, JobRecord, LeaseEnd, LeaseOutcome, LeaseRecord, Millis, NewResult, ProverId, Renewal,
    StoreError, StoreResult, TaskKey,
};
use std::ops::Range;
use zkpool_protocol::{Address, BlobId, JobId, JobState, TaskState};

pub(super) async fn grant(
    store: &SqliteStore,
    id: JobId,
    prover: &ProverId,
    grant: Grant,
    now: Millis,
) -> StoreResult<LeaseRecord> {
    let mut write = store.write("give a job to a prover").await?;
    let (task, job) = write.job(id).await?;
    if !job.job.operation.is_for_provers() {
        return Err(StoreError::IllegalTransition {
            thing: "job of the service's own",
            from: job.state.as_str(),
            to: JobState::Leased.as_str(),
        });
    }
    let state = write.task(task).await?.state;
    if state != TaskState::Proving {
        return Err(StoreError::Moved { thing: "task", expected: "proving", found: state.as_str() });
    }
    if write.is_barred_from_leg(task, prover.address).await? {
        return Err(StoreError::Moved { thing: "leg", expected: "another prover's", found: "not independent" });
    }
    let owners = write.owners(task, id.index).await?;
    if owners.contains(&prover.address) {
        return Err(StoreError::Moved { thing: "job", expected: "another owner's", found: "held by this one" });
    }
    if owners.len() >= grant.most as usize {
        return Err(StoreError::Moved { thing: "job", expected: "short of holders", found: job.state.as_str() });
    }
    if job.state != JobState::Leased {
        write.job_step(task, id.index, JobState::Ready, JobState::Leased, now).await?;
    }
    let token = job.last_token + 1;
    sqlx::query("UPDATE jobs SET last_token = ? WHERE task = ? AND idx = ?")
        .bind(int(token)?)
        .bind(task)
        .bind(i64::from(id.index))
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    sqlx::query(
        "INSERT INTO leases (task, idx, token, prover, device, granted_at, expires_at, pay, seen_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(task)
    .bind(i64::from(id.index))
    .bind(int(token)?)
    .bind(prover.address.as_slice())
    .bind(prover.device.as_str())
    .bind(int(now)?)
    .bind(int(grant.expires_at)?)
    .bind(grant.pay.map(|amount| amount.to_string()))
    .bind(int(now)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    write.touch(task).await?;
    let lease = write.lease(task, id, token).await?;
    write.commit().await?;
    Ok(lease)
}

pub(super) async fn one(store: &SqliteStore, id: JobId, token: u64) -> StoreResult<Option<LeaseRecord>> {
    Ok(of_job(store, id).await?.into_iter().find(|lease| lease.token == token))
}

pub(super) async fn of_job(store: &SqliteStore, id: JobId) -> StoreResult<Vec<LeaseRecord>> {
    let rows = sqlx::query("SELECT * FROM lease_rows WHERE task_id = ? AND idx = ? ORDER BY token")
        .bind(id.task.as_slice())
        .bind(i64::from(id.index))
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a job's leases", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(super) async fn of_task(store: &SqliteStore, key: TaskKey, indices: Range<u32>) -> StoreResult<Vec<LeaseRecord>> {
    let rows = sqlx::query("SELECT * FROM lease_rows WHERE task = ? AND idx >= ? AND idx < ? ORDER BY idx, token")
        .bind(key)
        .bind(i64::from(indices.start))
        .bind(i64::from(indices.end))
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a task's leases", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(super) async fn held_by(store: &SqliteStore, prover: &ProverId) -> StoreResult<Vec<LeaseRecord>> {
    let rows = sqlx::query(
        "SELECT * FROM lease_rows WHERE prover = ? AND device = ? AND ended IS NULL ORDER BY granted_at, task, idx",
    )
    .bind(prover.address.as_slice())
    .bind(prover.device.as_str())
    .fetch_all(store.read()?)
    .await
    .map_err(|error| StoreError::database("read a prover's leases", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(super) async fn holds_input(store: &SqliteStore, who: Address, blob: BlobId) -> StoreResult<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (
            SELECT 1 FROM leases JOIN jobs USING (task, idx)
            WHERE leases.prover = ?1 AND leases.ended IS NULL AND (
                jobs.input = ?2
                OR EXISTS (SELECT 1 FROM input_blobs AS b WHERE b.input = jobs.input AND b.blob = ?2)
                OR EXISTS (
                    SELECT 1 FROM job_needs AS n JOIN jobs AS needed ON needed.task = n.task AND needed.idx = n.needs
                    WHERE n.task = jobs.task AND n.idx = jobs.idx AND needed.result = ?2
                )
            ))",
    )
    .bind(who.as_slice())
    .bind(blob.as_bytes().as_slice())
    .fetch_one(store.read()?)
    .await
    .map_err(|error| StoreError::database("look for a lease on an input", error))
}

pub(super) async fn renew(
    store: &SqliteStore,
    id: JobId,
    token: u64,
    expires_at: Millis,
    progress: f64,
    stage: &str,
    now: Millis,
) -> StoreResult<Renewal> {
    let mut write = store.write("renew a lease").await?;
    let (task, job) = write.job(id).await?;
    let lease = write.lease(task, id, token).await?;
    if matches!(job.state, JobState::Done | JobState::Cancelled) {
        return Ok(Renewal::Cancelled);
    }
    if lease.ended.is_some() {
        return Err(StoreError::LeaseLost);
    }
    sqlx::query(
        "UPDATE leases SET expires_at = MAX(expires_at, ?), seen_at = ?, progress = ?, stage = ?
         WHERE task = ? AND idx = ? AND token = ?",
    )
    .bind(int(expires_at)?)
    .bind(int(now)?)
    .bind(progress)
    .bind(stage)
    .bind(task)
    .bind(i64::from(id.index))
    .bind(int(token)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    write.touch(task).await?;
    write.commit().await?;
    Ok(Renewal::Renewed)
}

pub(super) async fn end(
    store: &SqliteStore,
    id: JobId,
    token: u64,
    outcome: &LeaseOutcome,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("end a lease").await?;
    let (task, job) = write.job(id).await?;
    let lease = write.lease(task, id, token).await?;
    // A wrong result can come after the lease has expired: it still bars the prover from the job.
    let late = lease.ended == Some(LeaseEnd::Expired) && outcome.end.bars_return();
    if lease.ended.is_some() && !late {
        return Err(StoreError::LeaseLost);
    }
    write.end_lease(task, id.index, token, outcome.end, outcome.note.as_deref(), now).await?;
    if outcome.end.bars_return() {
        sqlx::query("INSERT OR IGNORE INTO job_exclusions (task, idx, prover, reason, at) VALUES (?, ?, ?, ?, ?)")
            .bind(task)
            .bind(i64::from(id.index))
            .bind(lease.prover.address.as_slice())
            .bind(outcome.end.as_str())
            .bind(int(now)?)
            .execute(&mut *write.tx)
            .await
            .map_err(write.fault())?;
    }
    if let Some(standing) = &outcome.standing {
        write.set_standing(&lease.prover, standing).await?;
    }
    if job.state == JobState::Leased && !write.is_held(task, id.index).await? {
        write.job_step(task, id.index, JobState::Leased, JobState::Ready, now).await?;
    }
    write.touch(task).await?;
    write.commit().await
}

pub(super) async fn complete(store: &SqliteStore, result: &NewResult, now: Millis) -> StoreResult<Completion> {
    let mut write = store.write("accept a result").await?;
    let id = result.job;
    let (task, job) = write.job(id).await?;
    let lease = write.lease(task, id, result.token).await?;
    if lease.prover != result.prover {
        return Err(StoreError::LeaseLost);
    }
    if job.state == JobState::Done && lease.ended == Some(LeaseEnd::Done) {
        let earning = write.earned(id, result.token, store.owner.operator).await?;
        return Ok(Completion { job: JobState::Done, task: write.task(task).await?.state, earning });
    }
    // An expired lease will do while nobody else was given the job since: who had it at the same time loses nothing by it.
    let late = lease.ended == Some(LeaseEnd::Expired) && !write.is_given_since(task, id.index, result.token).await?;
    let holds = lease.ended.is_none() || late;
    if !holds || !job.state.may_become(JobState::Done) {
        return Err(StoreError::LeaseLost);
    }
    // While its lease had lapsed its owner may have been given another leg of the bundle.
    if lease.ended.is_some() && write.is_barred_from_leg(task, result.prover.address).await? {
        return Err(StoreError::LeaseLost);
    }
    write.job_step(task, id.index, job.state, JobState::Done, now).await?;
    sqlx::query(
        "UPDATE jobs SET result = ?, done_by = ?, done_by_device = ?, proving_ms = ? WHERE task = ? AND idx = ?",
    )
    .bind(result.result.as_bytes().as_slice())
    .bind(result.prover.address.as_slice())
    .bind(result.prover.device.as_str())
    .bind(result.proving_ms.map(int).transpose()?)
    .bind(task)
    .bind(i64::from(id.index))
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    write.end_lease(task, id.index, result.token, LeaseEnd::Done, None, now).await?;
    sqlx::query("UPDATE leases SET ended = 'cancelled', ended_at = ? WHERE task = ? AND idx = ? AND ended IS NULL")
        .bind(int(now)?)
        .bind(task)
        .bind(i64::from(id.index))
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.set_standing(&result.prover, &result.standing).await?;
    if let Some(speed) = result.speed {
        write.set_speed(&result.prover, job.job.kind, speed).await?;
    }
    let earning = match &result.pay {
        Some(paid) => write.earn((task, &job, &lease), result, paid, store.owner.operator, now).await?,
        None => None,
    };
    let state = write.follow_up(task, id.index, now).await?;
    write.commit().await?;
    Ok(Completion { job: JobState::Done, task: state, earning })
}

pub(super) async fn complete_own(
    store: &SqliteStore,
    id: JobId,
    result: BlobId,
    now: Millis,
) -> StoreResult<Completion> {
    let mut write = store.write("finish a job of the service's own").await?;
    let (task, job) = write.job(id).await?;
    if job.job.operation.is_for_provers() {
        return Err(StoreError::IllegalTransition { thing: "job for provers", from: job.state.as_str(), to: "done" });
    }
    if job.state == JobState::Done && job.result == Some(result) {
        return Ok(Completion { job: JobState::Done, task: write.task(task).await?.state, earning: None });
    }
    write.job_step(task, id.index, JobState::Ready, JobState::Done, now).await?;
    sqlx::query("UPDATE jobs SET result = ? WHERE task = ? AND idx = ?")
        .bind(result.as_bytes().as_slice())
        .bind(task)
        .bind(i64::from(id.index))
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    let state = write.follow_up(task, id.index, now).await?;
    write.commit().await?;
    Ok(Completion { job: JobState::Done, task: state, earning: None })
}

/// A row of `lease_rows`.
pub(super) fn read(row: &Fields) -> StoreResult<LeaseRecord> {
    Ok(LeaseRecord {
        job: JobId { task: row.word("task_id")?, index: row.u32("idx")? },
        token: row.u64("token")?,
        prover: ProverId { address: row.address("prover")?, device: row.text("device")? },
        granted_at: row.u64("granted_at")?,
        expires_at: row.u64("expires_at")?,
        pay: row.optional("pay", Fields::amount)?,
        seen_at: row.u64("seen_at")?,
        progress: row.f64("progress")?,
        stage: row.text("stage")?,
        ended: row.optional("ended", |row, column| row.name(column, LeaseEnd::from_name))?,
        note: row.optional("note", Fields::text)?,
    })
}

impl Write {
    /// What follows from a job's being done, for other jobs and for the task; returns the task's state.
    async fn follow_up(&mut self, task: TaskKey, done: u32, now: Millis) -> StoreResult<TaskState> {
        self.ready_jobs(task, done, now).await?;
        let state = self.finish_if_last(task, now).await?;
        self.touch(task).await?;
        Ok(state)
    }

    async fn job(&mut self, id: JobId) -> StoreResult<(TaskKey, JobRecord)> {
        let row = sqlx::query("SELECT * FROM job_rows WHERE task_id = ? AND idx = ?")
            .bind(id.task.as_slice())
            .bind(i64::from(id.index))
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(self.fault())?
            .ok_or(StoreError::Missing("job"))?;
        let row = Fields::of(row);
        Ok((row.i64("task")?, work::read(&row)?))
    }

    async fn lease(&mut self, task: TaskKey, id: JobId, token: u64) -> StoreResult<LeaseRecord> {
        let row = sqlx::query("SELECT * FROM lease_rows WHERE task = ? AND idx = ? AND token = ?")
            .bind(task)
            .bind(i64::from(id.index))
            // A token beyond what was ever given is no damage but a stranger's.
            .bind(i64::try_from(token).unwrap_or(-1))
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(self.fault())?
            .ok_or(StoreError::LeaseLost)?;
        read(&Fields::of(row))
    }

    pub(super) async fn end_lease(
        &mut self,
        task: TaskKey,
        index: u32,
        token: u64,
        end: LeaseEnd,
        note: Option<&str>,
        now: Millis,
    ) -> StoreResult<()> {
        sqlx::query("UPDATE leases SET ended = ?, ended_at = ?, note = ? WHERE task = ? AND idx = ? AND token = ?")
            .bind(end.as_str())
            .bind(int(now)?)
            .bind(note)
            .bind(task)
            .bind(i64::from(index))
            .bind(int(token)?)
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        Ok(())
    }

    /// Who holds a job.
    async fn owners(&mut self, task: TaskKey, index: u32) -> StoreResult<Vec<Address>> {
        let rows = sqlx::query("SELECT prover FROM leases WHERE task = ? AND idx = ? AND ended IS NULL")
            .bind(task)
            .bind(i64::from(index))
            .fetch_all(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        rows.into_iter().map(|row| Fields::of(row).address("prover")).collect()
    }

    /// Whether a job was given out again after this lease of it had ended.
    async fn is_given_since(&mut self, task: TaskKey, index: u32, token: u64) -> StoreResult<bool> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM leases AS mine JOIN leases AS later USING (task, idx)
             WHERE mine.task = ? AND mine.idx = ? AND mine.token = ? AND later.token > mine.token
                AND later.granted_at >= mine.ended_at)",
        )
        .bind(task)
        .bind(i64::from(index))
        .bind(int(token)?)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(self.fault())
    }

    pub(super) async fn is_held(&mut self, task: TaskKey, index: u32) -> StoreResult<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM leases WHERE task = ? AND idx = ? AND ended IS NULL)")
            .bind(task)
            .bind(i64::from(index))
            .fetch_one(&mut *self.tx)
            .await
            .map_err(self.fault())
    }
}
