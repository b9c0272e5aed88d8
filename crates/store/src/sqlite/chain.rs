//! What the chain says, taken in and taken back.

use super::{
    SqliteStore, Write,
    row::{Fields, int},
    tasks::read,
};
use crate::{
    Advance, Advanced, Fact, Millis, Said, StoreError, StoreResult, TaskKey, TaskRecord, facts::state_on_chain,
};
use std::collections::BTreeSet;
use zkpool_protocol::{Address, TaskId, TaskState};

/// States whose tasks the chain's clock may move.
const TIMED: &str = "SELECT * FROM tasks WHERE state IN ('quoted', 'published', 'proving', 'proven', 'submitting',
    'watched', 'announcing') AND role != 'leg'";

pub(super) async fn advance(store: &SqliteStore, step: &Advance, now: Millis) -> StoreResult<Advanced> {
    let mut write = store.write("take in what the chain says").await?;
    let mut changed = BTreeSet::new();
    let mut strangers = Vec::new();
    let time = step.head.1;
    if let Some(to) = step.rewind_to {
        for task in write.rewind(to).await? {
            changed.insert(task);
            write.settle(task, store.owner.operator, time, now).await?;
        }
    }
    for said in &step.facts {
        let task = match &said.fact {
            Fact::SlotOpened { token, slot } => {
                write.open_slot(*token, *slot, said).await?;
                continue;
            }
            Fact::Published { task, .. }
            | Fact::RescueAnnounced { task, .. }
            | Fact::Novated { task }
            | Fact::Deadlines { task, .. }
            | Fact::Ended { task, .. } => *task,
        };
        let Some(record) = write.task_by_id(task).await? else {
            if matches!(said.fact, Fact::Published { operator, .. } if operator == store.owner.operator) {
                strangers.push(task);
            }
            continue;
        };
        write.note(&record, said).await?;
        changed.insert(record.key);
        write.settle(record.key, store.owner.operator, said.time, now).await?;
    }
    let rows = sqlx::query(TIMED).fetch_all(&mut *write.tx).await.map_err(write.fault())?;
    for row in rows {
        let task = read(&Fields::of(row))?;
        let lapsed = task.state == TaskState::Quoted
            && task.quote.as_ref().is_some_and(|(_, quote)| quote.terms.valid_until < step.settled_time);
        if lapsed {
            write.step(task.key, TaskState::Quoted, TaskState::Lapsed, None, now).await?;
        }
        if lapsed || write.settle(task.key, store.owner.operator, time, now).await? {
            changed.insert(task.key);
        }
    }
    sqlx::query("UPDATE meta SET cursor = ?, head_number = ?, head_timestamp = ?")
        .bind(step.cursor.as_slice())
        .bind(int(step.head.0)?)
        .bind(int(step.head.1)?)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.commit().await?;
    Ok(Advanced { changed: changed.into_iter().collect(), strangers })
}

pub(super) async fn slot_opened_in(store: &SqliteStore, token: Address, slot: u32) -> StoreResult<Option<u64>> {
    let row = sqlx::query("SELECT opened_block FROM slots WHERE token = ? AND idx = ?")
        .bind(token.as_slice())
        .bind(i64::from(slot))
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read where a slot was opened", error))?;
    row.map(|row| Fields::of(row).u64("opened_block")).transpose()
}

impl Write {
    async fn task_by_id(&mut self, id: TaskId) -> StoreResult<Option<TaskRecord>> {
        let row = sqlx::query("SELECT * FROM tasks WHERE id = ?").bind(id.as_slice());
        let row = row.fetch_optional(&mut *self.tx).await.map_err(self.fault())?;
        row.map(|row| read(&Fields::of(row))).transpose()
    }

    /// Forgets what was said above a height. Returns the tasks that it was said of, and those that only the clock of the
    /// removed blocks had ended.
    async fn rewind(&mut self, to: u64) -> StoreResult<Vec<TaskKey>> {
        let to = int(to)?;
        let keys: Vec<TaskKey> = sqlx::query_scalar(
            "SELECT key FROM tasks WHERE published_block > ?1 OR rescue_block > ?1 OR novated_block > ?1
                OR ended_block > ?1 OR (state IN ('missed', 'rescued') AND ended_block IS NULL)",
        )
        .bind(to)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        sqlx::query(
            "UPDATE tasks SET
                ended = IIF(ended_block > ?1, NULL, ended),
                ended_block = IIF(ended_block > ?1, NULL, ended_block),
                novated_block = IIF(novated_block > ?1, NULL, novated_block),
                rescuer = IIF(rescue_block > ?1, NULL, rescuer),
                rescuer_slot = IIF(rescue_block > ?1, NULL, rescuer_slot),
                rescue_at = IIF(rescue_block > ?1, NULL, rescue_at),
                rescue_block = IIF(rescue_block > ?1, NULL, rescue_block),
                published_at = IIF(published_block > ?1 AND role = 'own', NULL, published_at),
                published_block = IIF(published_block > ?1 AND role = 'own', NULL, published_block)
             WHERE published_block > ?1 OR rescue_block > ?1 OR novated_block > ?1 OR ended_block > ?1",
        )
        .bind(to)
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        let slots = sqlx::query("DELETE FROM slots WHERE opened_block > ?").bind(to).execute(&mut *self.tx).await;
        slots.map_err(self.fault())?;
        Ok(keys)
    }

    async fn open_slot(&mut self, token: Address, slot: u32, said: &Said) -> StoreResult<()> {
        sqlx::query("INSERT OR REPLACE INTO slots (token, idx, opened_block, opened_at) VALUES (?, ?, ?, ?)")
            .bind(token.as_slice())
            .bind(i64::from(slot))
            .bind(int(said.block)?)
            .bind(int(said.time)?)
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        Ok(())
    }

    /// Keeps what was said of a task.
    async fn note(&mut self, task: &TaskRecord, said: &Said) -> StoreResult<()> {
        let block = int(said.block)?;
        let query = match &said.fact {
            Fact::Published { .. } => {
                let (_, quote) = task.quote.as_ref().ok_or(StoreError::Missing("quote"))?;
                sqlx::query(
                    "UPDATE tasks SET published_block = ?, published_at = ?, proof_deadline = ?,
                        liability_deadline = ?, version = version + 1 WHERE key = ?",
                )
                .bind(block)
                .bind(int(said.time)?)
                .bind(int(quote.terms.proof_deadline(said.time))?)
                .bind(int(quote.terms.liability_deadline(said.time))?)
            }
            Fact::RescueAnnounced { rescuer, slot, effective_at, .. } => sqlx::query(
                "UPDATE tasks SET rescue_block = ?, rescuer = ?, rescuer_slot = ?, rescue_at = ?,
                    version = version + 1 WHERE key = ?",
            )
            .bind(block)
            .bind(rescuer.as_slice())
            .bind(i64::from(*slot))
            .bind(int(*effective_at)?),
            Fact::Novated { .. } => {
                sqlx::query("UPDATE tasks SET novated_block = ?, version = version + 1 WHERE key = ?").bind(block)
            }
            Fact::Deadlines { proof, liability, .. } => sqlx::query(
                "UPDATE tasks SET proof_deadline = ?, liability_deadline = ?, version = version + 1 WHERE key = ?",
            )
            .bind(int(*proof)?)
            .bind(int(*liability)?),
            Fact::Ended { end, .. } => {
                sqlx::query("UPDATE tasks SET ended_block = ?, ended = ?, version = version + 1 WHERE key = ?")
                    .bind(block)
                    .bind(end.as_str())
            }
            Fact::SlotOpened { .. } => return Ok(()),
        };
        query.bind(task.key).execute(&mut *self.tx).await.map_err(self.fault())?;
        self.legs_follow(task.key).await
    }

    /// Moves a task to where the facts say it is. Whether it moved.
    async fn settle(&mut self, key: TaskKey, operator: Address, time: u64, now: Millis) -> StoreResult<bool> {
        let task = self.task(key).await?;
        // A graph that grows may still be empty.
        let is_started = task.planned || task.segment_limit.is_some();
        let to = state_on_chain(&task, operator, is_started, time);
        if to == task.state {
            return Ok(false);
        }
        let mut from = task.state;
        // What was published again, with work from before, takes the ordinary way.
        for via in [TaskState::Published, TaskState::Proving] {
            if !from.may_become(to) && from.may_become(via) {
                self.step(key, from, via, None, now).await?;
                from = via;
            }
        }
        self.step(key, from, to, None, now).await?;
        if task.own_slot.is_none()
            && let Some(rescue) = task.chain.rescue
            && rescue.rescuer == operator
        {
            // Announced by hand: the slot is taken up all the same.
            let set = sqlx::query("UPDATE tasks SET own_slot = ? WHERE key = ?").bind(i64::from(rescue.slot)).bind(key);
            set.execute(&mut *self.tx).await.map_err(self.fault())?;
        }
        Ok(true)
    }
}
