//! A task's step from state to state: guarded, logged, and with what follows from it for its jobs.

use super::read;
use crate::{
    Millis, Price, StoreError, StoreResult, TaskKey, TaskRecord,
    sqlite::{
        Write,
        row::{Fields, int},
    },
};
use zkpool_protocol::{Address, TaskState};

impl Write {
    /// The task as this write sees it.
    pub(in crate::sqlite) async fn task(&mut self, key: TaskKey) -> StoreResult<TaskRecord> {
        let row = sqlx::query("SELECT * FROM tasks WHERE key = ?").bind(key).fetch_optional(&mut *self.tx).await;
        let row = row.map_err(self.fault())?.ok_or(StoreError::Missing("task"))?;
        read(&Fields::of(row))
    }

    /// Moves a task on, if it is where the caller believes it to be and the states allow it.
    pub(in crate::sqlite) async fn step(
        &mut self,
        key: TaskKey,
        from: TaskState,
        to: TaskState,
        note: Option<&str>,
        now: Millis,
    ) -> StoreResult<()> {
        if !from.may_become(to) {
            return Err(StoreError::IllegalTransition { thing: "task", from: from.as_str(), to: to.as_str() });
        }
        let moved = sqlx::query(
            "UPDATE tasks SET state = ?, changed_at = ?, version = version + 1 WHERE key = ? AND state = ?",
        )
        .bind(to.as_str())
        .bind(int(now)?)
        .bind(key)
        .bind(from.as_str())
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        if moved.rows_affected() != 1 {
            let found = self.task(key).await?.state.as_str();
            return Err(StoreError::Moved { thing: "task", expected: from.as_str(), found });
        }
        sqlx::query("UPDATE tasks SET version = version + 1 WHERE key = (SELECT bundle FROM tasks WHERE key = ?)")
            .bind(key)
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        self.task_moves(Some(from), to);
        self.log(key, Some(from), to, note, now).await?;
        if needs_no_work(to) && !needs_no_work(from) {
            self.cancel_jobs(key, now).await?;
        } else if needs_no_work(from) && !needs_no_work(to) {
            self.revive_jobs(key, now).await?;
        }
        // What is published can be taken back, and then nobody works on its legs.
        if is_worked_on(from) && !is_worked_on(to) {
            self.end_legs(key, to, now).await?;
        } else if is_worked_on(to) && !is_worked_on(from) {
            self.resume_legs(key, now).await?;
        }
        Ok(())
    }

    /// Adds a line to a task's log.
    pub(in crate::sqlite) async fn log(
        &mut self,
        key: TaskKey,
        from: Option<TaskState>,
        to: TaskState,
        note: Option<&str>,
        now: Millis,
    ) -> StoreResult<()> {
        sqlx::query("INSERT INTO task_log (task, at, from_state, to_state, note) VALUES (?, ?, ?, ?, ?)")
            .bind(key)
            .bind(int(now)?)
            .bind(from.map(TaskState::as_str))
            .bind(to.as_str())
            .bind(note)
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        Ok(())
    }

    /// Notes that something about a task changed besides its state.
    pub(in crate::sqlite) async fn touch(&mut self, key: TaskKey) -> StoreResult<()> {
        // Whoever watches a bundle sees its legs.
        let touched = sqlx::query(
            "UPDATE tasks SET version = version + 1 WHERE key = ?1 OR key = (SELECT bundle FROM tasks WHERE key = ?1)",
        )
        .bind(key);
        touched.execute(&mut *self.tx).await.map_err(self.fault())?;
        Ok(())
    }

    pub(super) async fn set_price(&mut self, key: TaskKey, price: &Price) -> StoreResult<()> {
        sqlx::query(
            "UPDATE tasks SET price_work = ?, price_gas = ?, price_premium = ?, price_units = ?, strategy = ?,
                expected_ms = ? WHERE key = ?",
        )
        .bind(price.work.to_string())
        .bind(price.gas.to_string())
        .bind(price.premium.to_string())
        .bind(int(price.units.0)?)
        .bind(price.strategy.to_string())
        .bind(int(price.expected_ms)?)
        .bind(key)
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        Ok(())
    }

    /// Gives a slot of this operator to a task, unless another one takes it up.
    pub(super) async fn take_slot(&mut self, key: TaskKey, token: Address, slot: u32) -> StoreResult<()> {
        let taken: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM slot_holders WHERE token = ? AND own_slot = ? AND holds AND key != ?)",
        )
        .bind(token.as_slice())
        .bind(i64::from(slot))
        .bind(key)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        if taken {
            return Err(StoreError::SlotTaken(slot));
        }
        let set = sqlx::query("UPDATE tasks SET own_slot = ? WHERE key = ?").bind(i64::from(slot)).bind(key);
        set.execute(&mut *self.tx).await.map_err(self.fault())?;
        Ok(())
    }
}

/// States in which a bundle's legs are worked on, or their results about to be delivered.
const fn is_worked_on(state: TaskState) -> bool {
    matches!(state, TaskState::Published | TaskState::Proving | TaskState::Proven | TaskState::Submitting)
}

/// States in which nobody needs to prove anything (any more).
const fn needs_no_work(state: TaskState) -> bool {
    matches!(
        state,
        TaskState::Delivered
            | TaskState::Missed
            | TaskState::Rescued
            | TaskState::Defaulted
            | TaskState::Unwound
            | TaskState::Released
            | TaskState::Dishonoured
            | TaskState::Lapsed
            | TaskState::Refused
    )
}
