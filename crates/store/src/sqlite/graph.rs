//! A task's graph of jobs: planned at once, or grown while the program still runs.

use super::{
    SqliteStore, Write,
    row::{Fields, int},
    work,
};
use crate::{JobRecord, Millis, Noted, Plan, StoreError, StoreResult, TaskKey};
use zkpool_protocol::{BlobId, Job, JobState, TaskState};

pub(super) async fn plan(store: &SqliteStore, key: TaskKey, plan: &Plan, now: Millis) -> StoreResult<()> {
    let mut write = store.write("plan a task").await?;
    write.step(key, TaskState::Published, TaskState::Proving, None, now).await?;
    match plan {
        Plan::Complete(graph) => {
            for (index, job) in (0..).zip(graph.jobs()) {
                write.add_job(key, index, job, now).await?;
            }
            write.set_planned(key).await?;
        }
        Plan::Growing { segment_limit } => {
            sqlx::query("UPDATE tasks SET segment_limit = ? WHERE key = ?")
                .bind(i64::from(*segment_limit))
                .bind(key)
                .execute(&mut *write.tx)
                .await
                .map_err(write.fault())?;
        }
        Plan::Legs(legs) => {
            for leg in legs {
                write.add_leg(key, leg, now).await?;
            }
            write.set_planned(key).await?;
        }
    }
    write.commit().await
}

pub(super) async fn abandon(store: &SqliteStore, key: TaskKey, now: Millis) -> StoreResult<u32> {
    let mut write = store.write("leave an unfinished graph").await?;
    let task = write.task(key).await?;
    if task.state != TaskState::Proving || task.planned {
        return Err(StoreError::Moved { thing: "task", expected: "proving", found: task.state.as_str() });
    }
    let next = write.next_index(key).await?;
    if next == task.first_job {
        return Ok(next);
    }
    write.cancel_jobs(key, now).await?;
    let left = sqlx::query("UPDATE tasks SET first_job = ? WHERE key = ?").bind(i64::from(next)).bind(key);
    left.execute(&mut *write.tx).await.map_err(write.fault())?;
    write.notes(Noted::Abandoned);
    write.touch(key).await?;
    write.commit().await?;
    Ok(next)
}

pub(super) async fn extend(
    store: &SqliteStore,
    key: TaskKey,
    first: u32,
    jobs: &[Job],
    complete: bool,
    now: Millis,
) -> StoreResult<TaskState> {
    let mut write = store.write("add jobs to a task").await?;
    let task = write.task(key).await?;
    let known = write.next_index(key).await?;
    if first > known {
        return Err(StoreError::OtherJob { index: first });
    }
    let mut grown = false;
    for (index, job) in (first..).zip(jobs) {
        if index < known {
            if write.job_at(key, index).await?.job != *job {
                return Err(StoreError::OtherJob { index });
            }
            continue;
        }
        if task.planned {
            return Err(StoreError::OtherJob { index });
        }
        write.add_job(key, index, job, now).await?;
        grown = true;
    }
    let end = first.saturating_add(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
    if complete && end < known {
        return Err(StoreError::OtherJob { index: end });
    }
    let planned = complete && !task.planned;
    if !grown && !planned {
        return Ok(task.state);
    }
    if task.state != TaskState::Proving {
        return Err(StoreError::Moved { thing: "task", expected: "proving", found: task.state.as_str() });
    }
    if grown {
        write.notes(Noted::Grown);
    }
    let mut state = task.state;
    if planned {
        write.set_planned(key).await?;
        if let Some(result) = write.last_result(key).await? {
            state = write.finish(key, result, now).await?;
        }
    }
    write.touch(key).await?;
    write.commit().await?;
    Ok(state)
}

impl Write {
    /// Stores a job; it is ready if every result that it needs is there.
    async fn add_job(&mut self, task: TaskKey, index: u32, job: &Job, now: Millis) -> StoreResult<()> {
        if let Some(needs) = job.needs.iter().find(|needs| **needs >= index) {
            return Err(StoreError::OtherJob { index: *needs });
        }
        sqlx::query(
            "INSERT INTO jobs (task, idx, state, operation, kind, program, input, statement, units, memory)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(task)
        .bind(i64::from(index))
        .bind(JobState::Waiting.as_str())
        .bind(job.operation.as_str())
        .bind(job.kind.as_str())
        .bind(job.program.as_bytes().as_slice())
        .bind(job.input.as_ref().map(|id| id.as_bytes().as_slice()))
        .bind(job.statement.as_ref().map(|word| word.as_slice()))
        .bind(int(job.units.0)?)
        .bind(int(job.memory)?)
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        for (place, needs) in (0i64..).zip(&job.needs) {
            sqlx::query("INSERT INTO job_needs (task, idx, place, needs) VALUES (?, ?, ?, ?)")
                .bind(task)
                .bind(i64::from(index))
                .bind(place)
                .bind(i64::from(*needs))
                .execute(&mut *self.tx)
                .await
                .map_err(self.fault())?;
        }
        if self.is_supplied(task, index).await? {
            sqlx::query("UPDATE jobs SET state = 'ready', ready_at = ? WHERE task = ? AND idx = ?")
                .bind(int(now)?)
                .bind(task)
                .bind(i64::from(index))
                .execute(&mut *self.tx)
                .await
                .map_err(self.fault())?;
            self.job_moves(None, JobState::Ready);
        } else {
            self.job_moves(None, JobState::Waiting);
        }
        Ok(())
    }

    async fn set_planned(&mut self, task: TaskKey) -> StoreResult<()> {
        let set = sqlx::query("UPDATE tasks SET planned = 1 WHERE key = ?").bind(task).execute(&mut *self.tx).await;
        set.map_err(self.fault())?;
        self.notes(Noted::Planned);
        Ok(())
    }

    /// The index after the last job's: an index look-up, however many there are. Places are never left out.
    async fn next_index(&mut self, task: TaskKey) -> StoreResult<u32> {
        let row = sqlx::query("SELECT COALESCE(MAX(idx) + 1, 0) AS next FROM jobs WHERE task = ?").bind(task);
        let row = row.fetch_one(&mut *self.tx).await.map_err(self.fault())?;
        Fields::of(row).u32("next")
    }

    async fn job_at(&mut self, task: TaskKey, index: u32) -> StoreResult<JobRecord> {
        let row = sqlx::query("SELECT * FROM job_rows WHERE task = ? AND idx = ?").bind(task).bind(i64::from(index));
        let row = row.fetch_optional(&mut *self.tx).await.map_err(self.fault())?;
        work::read(&Fields::of(row.ok_or(StoreError::Missing("job"))?))
    }

    /// The last job's result, if it is there.
    async fn last_result(&mut self, task: TaskKey) -> StoreResult<Option<BlobId>> {
        let row = sqlx::query("SELECT result FROM jobs WHERE task = ? ORDER BY idx DESC LIMIT 1").bind(task);
        let row = row.fetch_optional(&mut *self.tx).await.map_err(self.fault())?;
        row.map_or(Ok(None), |row| Fields::of(row).optional("result", Fields::blob))
    }

    /// What follows from a job's end: with the last one of a complete graph the task is proven. Returns its state.
    pub(super) async fn finish_if_last(&mut self, task: TaskKey, now: Millis) -> StoreResult<TaskState> {
        let record = self.task(task).await?;
        match self.last_result(task).await? {
            Some(result) if record.planned => self.finish(task, result, now).await,
            _ => Ok(record.state),
        }
    }

    /// The task is proven, if it is still being proven; otherwise the proof is kept for when it is again.
    pub(super) async fn finish(&mut self, task: TaskKey, proof: BlobId, now: Millis) -> StoreResult<TaskState> {
        let state = self.task(task).await?.state;
        sqlx::query("UPDATE tasks SET proof = ? WHERE key = ?")
            .bind(proof.as_bytes().as_slice())
            .bind(task)
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        if state != TaskState::Proving {
            return Ok(state);
        }
        self.step(task, TaskState::Proving, TaskState::Proven, None, now).await?;
        Ok(TaskState::Proven)
    }
}
