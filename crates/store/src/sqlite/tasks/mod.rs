//! Tasks: asked for, quoted, watched, moved on. What the chain says of them is in `chain`.

mod legs;
mod record;
mod step;

pub(super) use legs::{of as legs_of, prove as prove_bundle, repeat as repeat_legs};
pub(super) use record::read;

use super::{
    SqliteStore,
    row::{Fields, int},
};
use crate::{
    LogEntry, Millis, NewTask, NewWatch, Price, Refusal, RequestId, Role, StoreError, StoreResult, TaskKey, TaskRecord,
};
use zkpool_protocol::{Address, BlobId, Quote, TaskId, TaskState};

/// So many requests on one input are looked through at most.
const MOST_ASKED: i64 = 64;

pub(super) async fn create(store: &SqliteStore, task: &NewTask, pending: u32, now: Millis) -> StoreResult<TaskRecord> {
    let mut write = store.write("store a request").await?;
    let existing = sqlx::query("SELECT * FROM tasks WHERE request = ? AND attempt = ?")
        .bind(task.request.as_bytes().as_slice())
        .bind(i64::from(task.attempt))
        .fetch_optional(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    if let Some(row) = existing {
        return read(&Fields::of(row));
    }
    let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM tasks WHERE state = 'preflight'")
        .fetch_one(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    if waiting >= i64::from(pending) {
        return Err(StoreError::TooManyQuotes(pending));
    }
    let key = record::insert_ask(&mut write, task, Role::Own, None, TaskState::Preflight, now).await?;
    let row = write.task(key).await?;
    write.commit().await?;
    Ok(row)
}

pub(super) async fn latest(store: &SqliteStore, request: RequestId) -> StoreResult<Option<TaskRecord>> {
    let row = sqlx::query("SELECT * FROM tasks WHERE request = ? ORDER BY attempt DESC LIMIT 1")
        .bind(request.as_bytes().as_slice())
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a request", error))?;
    row.map(|row| read(&Fields::of(row))).transpose()
}

pub(super) async fn by_id(store: &SqliteStore, id: TaskId) -> StoreResult<Option<TaskRecord>> {
    let row = sqlx::query("SELECT * FROM tasks WHERE id = ?")
        .bind(id.as_slice())
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a task", error))?;
    row.map(|row| read(&Fields::of(row))).transpose()
}

pub(super) async fn by_key(store: &SqliteStore, key: TaskKey) -> StoreResult<Option<TaskRecord>> {
    let row = sqlx::query("SELECT * FROM tasks WHERE key = ?")
        .bind(key)
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a task", error))?;
    row.map(|row| read(&Fields::of(row))).transpose()
}

pub(super) async fn in_states(store: &SqliteStore, states: &[TaskState], legs: bool) -> StoreResult<Vec<TaskRecord>> {
    let names = states.iter().map(|state| format!("{:?}", state.as_str())).collect::<Vec<_>>().join(",");
    let rows = sqlx::query(
        "SELECT * FROM tasks WHERE state IN (SELECT value FROM json_each(?)) AND (? OR role != 'leg') ORDER BY key",
    )
    .bind(format!("[{names}]"))
    .bind(legs)
    .fetch_all(store.read()?)
    .await
    .map_err(|error| StoreError::database("read the tasks in a state", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(super) async fn asked_on(store: &SqliteStore, input: BlobId) -> StoreResult<Vec<TaskRecord>> {
    let rows = sqlx::query("SELECT * FROM tasks WHERE input = ? AND role = 'own' ORDER BY key DESC LIMIT ?")
        .bind(input.as_bytes().as_slice())
        .bind(MOST_ASKED)
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read what was asked for on an input", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(super) async fn live_quotes_of(store: &SqliteStore, payer: Address) -> StoreResult<Vec<TaskRecord>> {
    let rows = sqlx::query("SELECT * FROM tasks WHERE payer = ? AND state = 'quoted' AND role = 'own' ORDER BY key")
        .bind(payer.as_slice())
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a payer's quotes", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(super) async fn log(store: &SqliteStore, key: TaskKey) -> StoreResult<Vec<LogEntry>> {
    let rows = sqlx::query("SELECT * FROM task_log WHERE task = ? ORDER BY seq")
        .bind(key)
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a task's log", error))?;
    let entry = |row| {
        let row = Fields::of(row);
        Ok(LogEntry {
            at: row.u64("at")?,
            from: row.optional("from_state", |row, column| row.name(column, TaskState::from_name))?,
            to: row.name("to_state", TaskState::from_name)?,
            note: row.optional("note", Fields::text)?,
        })
    };
    rows.into_iter().map(entry).collect()
}

pub(super) async fn refuse(
    store: &SqliteStore,
    key: TaskKey,
    refusal: &Refusal,
    price: Option<Price>,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("refuse a request").await?;
    sqlx::query("UPDATE tasks SET refusal_code = ?, refusal_message = ? WHERE key = ?")
        .bind(refusal.code.as_str())
        .bind(refusal.message.as_str())
        .bind(key)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    if let Some(price) = price {
        write.set_price(key, &price).await?;
    }
    write.step(key, TaskState::Preflight, TaskState::Refused, Some(refusal.code.as_str()), now).await?;
    write.commit().await
}

#[allow(clippy::too_many_arguments)]
pub(super) async fn quote(
    store: &SqliteStore,
    key: TaskKey,
    id: TaskId,
    quote: &Quote,
    price: Price,
    live_limit: u32,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("reserve a slot for a quote").await?;
    let task = write.task(key).await?;
    let live: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM tasks WHERE payer = ? AND state = 'quoted' AND role = 'own'")
            .bind(task.payer.as_slice())
            .fetch_one(&mut *write.tx)
            .await
            .map_err(write.fault())?;
    if live >= i64::from(live_limit) {
        return Err(StoreError::TooManyQuotes(live_limit));
    }
    write.take_slot(key, quote.terms.liability_token, quote.task.slot).await?;
    record::set_quote(&mut write, key, id, quote).await?;
    write.set_price(key, &price).await?;
    write.step(key, TaskState::Preflight, TaskState::Quoted, None, now).await?;
    write.commit().await
}

pub(super) async fn sign(store: &SqliteStore, key: TaskKey, signature: &[u8]) -> StoreResult<()> {
    let mut write = store.write("keep a quote's signature").await?;
    sqlx::query(
        "UPDATE tasks SET signature = ?, version = version + 1
         WHERE key = ? AND signature IS NULL AND id IS NOT NULL",
    )
    .bind(signature)
    .bind(key)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn watch(
    store: &SqliteStore,
    watch: &NewWatch,
    published: (u64, u64),
    deadlines: (u64, u64),
    now: Millis,
) -> StoreResult<TaskRecord> {
    let mut write = store.write("watch a task of another operator").await?;
    let existing = sqlx::query("SELECT * FROM tasks WHERE id = ?")
        .bind(watch.id.as_slice())
        .fetch_optional(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    if let Some(row) = existing {
        return read(&Fields::of(row));
    }
    let task = NewTask {
        request: watch.id.into(),
        attempt: 0,
        payer: watch.told_by,
        ask: record::ask_of(&watch.quote, &watch.call, watch.program, watch.kind),
    };
    let key = record::insert_ask(&mut write, &task, Role::Rescue, None, TaskState::Watched, now).await?;
    record::set_quote(&mut write, key, watch.id, &watch.quote).await?;
    sqlx::query(
        "UPDATE tasks SET published_block = ?, published_at = ?, proof_deadline = ?, liability_deadline = ?
         WHERE key = ?",
    )
    .bind(int(published.0)?)
    .bind(int(published.1)?)
    .bind(int(deadlines.0)?)
    .bind(int(deadlines.1)?)
    .bind(key)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    let row = write.task(key).await?;
    write.commit().await?;
    Ok(row)
}

pub(super) async fn announce(
    store: &SqliteStore,
    key: TaskKey,
    slot: u32,
    price: &Price,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("reserve a slot for a rescue").await?;
    let task = write.task(key).await?;
    write.take_slot(key, task.ask.liability_token, slot).await?;
    write.set_price(key, price).await?;
    write.step(key, TaskState::Watched, TaskState::Announcing, None, now).await?;
    write.commit().await
}

pub(super) async fn move_on(
    store: &SqliteStore,
    key: TaskKey,
    from: TaskState,
    to: TaskState,
    note: Option<&str>,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("move a task on").await?;
    write.step(key, from, to, note, now).await?;
    write.commit().await
}

#[allow(clippy::too_many_arguments)]
pub(super) async fn fail_submission(
    store: &SqliteStore,
    key: TaskKey,
    from: TaskState,
    to: TaskState,
    note: &str,
    retry_at: Millis,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("note a failed transaction").await?;
    sqlx::query("UPDATE tasks SET failed_submissions = failed_submissions + 1, retry_at = ? WHERE key = ?")
        .bind(int(retry_at)?)
        .bind(key)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.step(key, from, to, Some(note), now).await?;
    write.commit().await
}

pub(super) async fn slots_taken(store: &SqliteStore, token: Address, settled: u64) -> StoreResult<Vec<u32>> {
    let rows = sqlx::query("SELECT DISTINCT own_slot FROM slot_holders WHERE token = ? AND (holds OR ended_block > ?)")
        .bind(token.as_slice())
        .bind(int(settled)?)
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read which slots are taken", error))?;
    rows.into_iter().map(|row| Fields::of(row).u32("own_slot")).collect()
}

pub(super) async fn misses_since(store: &SqliteStore, since: Millis) -> StoreResult<u32> {
    // A late delivery counts by its end, all others by the time at which they were missed.
    let count: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM tasks, meta WHERE role = 'own' AND changed_at > MAX(?, breaker_reset_at)
         AND (state IN ('missed', 'rescued', 'defaulted') OR (state = 'delivered' AND ended = 'late'))",
    )
    .bind(int(since)?)
    .fetch_one(store.read()?)
    .await
    .map_err(|error| StoreError::database("count the misses", error))?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
