//! What is asked of a task's jobs as a whole, answered by the database: a large task has tens of thousands of them.

use super::{
    SqliteStore,
    row::{Fields, damaged},
};
use crate::{JobCensus, StoreError, StoreResult, TaskKey};
use zkpool_protocol::{BlobId, JobState, WorkUnits};

pub(super) async fn units(store: &SqliteStore, key: TaskKey) -> StoreResult<WorkUnits> {
    let row = sqlx::query(
        "SELECT COALESCE(SUM(units), 0) AS units FROM jobs
         WHERE task = ?1 AND idx >= (SELECT first_job FROM tasks WHERE key = ?1)",
    )
    .bind(key)
    .fetch_one(store.read()?)
    .await
    .map_err(|error| StoreError::database("add up a task's work", error))?;
    Ok(WorkUnits(Fields::of(row).u64("units")?))
}

pub(super) async fn take(store: &SqliteStore, key: TaskKey) -> StoreResult<JobCensus> {
    const WHAT: &str = "count a task's jobs";
    let mut tx = store.read()?.begin().await.map_err(|error| StoreError::database(WHAT, error))?;
    let rows = sqlx::query("SELECT state, COUNT(*) AS count FROM jobs WHERE task = ? GROUP BY state")
        .bind(key)
        .fetch_all(&mut *tx)
        .await
        .map_err(|error| StoreError::database(WHAT, error))?;
    let mut census = JobCensus::default();
    for row in rows {
        let row = Fields::of(row);
        let (state, count) = (row.name("state", JobState::from_name)?, row.u32("count")?);
        census.all = census.all.checked_add(count).ok_or_else(|| damaged("count", count.to_string()))?;
        census.states.insert(state, count);
    }
    let row = sqlx::query(
        "SELECT
            COALESCE(SUM(operation = 'prove'), 0) AS segments,
            MIN(IIF(state IN ('done', 'cancelled'), NULL, idx)) AS front,
            (SELECT MIN(granted_at) FROM leases WHERE task = ?1) AS begun_at
         FROM jobs WHERE task = ?1 AND idx >= (SELECT first_job FROM tasks WHERE key = ?1)",
    )
    .bind(key)
    .fetch_one(&mut *tx)
    .await
    .map_err(|error| StoreError::database(WHAT, error))?;
    let row = Fields::of(row);
    census.segments = row.u32("segments")?;
    census.front = row.optional("front", Fields::u32)?;
    census.begun_at = row.optional("begun_at", Fields::u64)?;
    Ok(census)
}

pub(super) async fn segments_before(store: &SqliteStore, key: TaskKey, index: u32) -> StoreResult<u32> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS segments FROM jobs
         WHERE task = ?1 AND idx >= (SELECT first_job FROM tasks WHERE key = ?1) AND idx < ?2 AND operation = 'prove'",
    )
    .bind(key)
    .bind(i64::from(index))
    .fetch_one(store.read()?)
    .await
    .map_err(|error| StoreError::database("count a task's segments", error))?;
    Fields::of(row).u32("segments")
}

pub(super) async fn stray_segments(store: &SqliteStore, key: TaskKey, from: u32) -> StoreResult<Vec<BlobId>> {
    // Whoever proves a segment can read it, and could upload it as an input of its own: what was uploaded stays.
    let rows = sqlx::query(
        "SELECT DISTINCT j.input FROM jobs AS j JOIN tasks AS t ON t.key = j.task
         WHERE j.task = ?1 AND j.idx >= ?2 AND j.idx < t.first_job AND j.operation = 'prove' AND j.state = 'cancelled'
            AND j.input IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM uploads AS u WHERE u.blob = j.input)
            AND NOT EXISTS (
                SELECT 1 FROM jobs AS o JOIN tasks AS ot ON ot.key = o.task
                WHERE o.input = j.input AND (o.state != 'cancelled' OR o.idx >= ot.first_job)
            )",
    )
    .bind(key)
    .bind(i64::from(from))
    .fetch_all(store.read()?)
    .await
    .map_err(|error| StoreError::database("look for segments that nobody needs", error))?;
    rows.into_iter().map(|row| Fields::of(row).blob("input")).collect()
}
