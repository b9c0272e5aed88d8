//! Legs: the parts of a bundle, each a task of its own that goes where its bundle goes.

use super::{read, record};
use crate::{
    LegOf, Millis, NewLeg, NewTask, Price, Role, StoreError, StoreResult, TaskKey, TaskRecord,
    sqlite::{SqliteStore, Write, row::Fields},
};
use zkpool_protocol::{Address, BlobId, TaskState};

pub(in crate::sqlite) async fn of(store: &SqliteStore, key: TaskKey) -> StoreResult<Vec<TaskRecord>> {
    let rows = sqlx::query("SELECT * FROM tasks WHERE bundle = ? ORDER BY leg, round")
        .bind(key)
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a bundle's legs", error))?;
    rows.into_iter().map(|row| read(&Fields::of(row))).collect()
}

pub(in crate::sqlite) async fn repeat(
    store: &SqliteStore,
    key: TaskKey,
    legs: &[(NewLeg, &str)],
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("have legs repeated").await?;
    let bundle = write.task(key).await?.state;
    if !matches!(bundle, TaskState::Proving | TaskState::Proven) {
        return Err(StoreError::Moved { thing: "bundle", expected: "proving", found: bundle.as_str() });
    }
    for (leg, why) in legs {
        let row = sqlx::query("SELECT * FROM tasks WHERE bundle = ? AND leg = ? ORDER BY round DESC LIMIT 1")
            .bind(key)
            .bind(i64::from(leg.leg))
            .fetch_optional(&mut *write.tx)
            .await
            .map_err(write.fault())?;
        let last = read(&Fields::of(row.ok_or(StoreError::Missing("leg"))?))?;
        if last.leg.is_none_or(|last| last.round + 1 != leg.round) {
            return Err(StoreError::Moved { thing: "leg", expected: "the round before", found: "another round" });
        }
        write.step(last.key, last.state, TaskState::Released, Some(why), now).await?;
        write.add_leg(key, leg, now).await?;
    }
    write.touch(key).await?;
    write.commit().await
}

pub(in crate::sqlite) async fn prove(
    store: &SqliteStore,
    key: TaskKey,
    proof: BlobId,
    now: Millis,
) -> StoreResult<TaskState> {
    let mut write = store.write("put a bundle together").await?;
    let state = write.task(key).await?.state;
    if state != TaskState::Proving {
        return Err(StoreError::Moved { thing: "bundle", expected: "proving", found: state.as_str() });
    }
    let state = write.finish(key, proof, now).await?;
    write.commit().await?;
    Ok(state)
}

impl Write {
    /// Stores a leg of a bundle, published as the bundle is.
    pub(in crate::sqlite) async fn add_leg(&mut self, bundle: TaskKey, leg: &NewLeg, now: Millis) -> StoreResult<()> {
        let payer = self.task(bundle).await?.payer;
        let task = NewTask { request: leg.id.into(), attempt: 0, payer, ask: leg.ask.clone() };
        let (independent, dissent) = (leg.independent, leg.dissent);
        let of = LegOf { bundle, leg: leg.leg, round: leg.round, independent, dissent };
        let key = record::insert_ask(self, &task, Role::Leg, Some(of), TaskState::Published, now).await?;
        record::set_quote(self, key, leg.id, &leg.quote).await?;
        let (units, strategy) = (leg.units, leg.strategy);
        self.set_price(key, &Price { work: 0, gas: 0, premium: 0, units, strategy, expected_ms: 0 }).await?;
        self.legs_follow(bundle).await
    }

    /// What the chain says of a bundle's time holds for its legs.
    pub(in crate::sqlite) async fn legs_follow(&mut self, bundle: TaskKey) -> StoreResult<()> {
        sqlx::query(
            "UPDATE tasks SET (published_at, proof_deadline, liability_deadline) =
                (SELECT published_at, proof_deadline, liability_deadline FROM tasks WHERE key = ?1)
             WHERE bundle = ?1",
        )
        .bind(bundle)
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        Ok(())
    }

    /// Nobody works on a bundle any more: neither on its legs. What is delivered with it counts as delivered.
    pub(super) async fn end_legs(&mut self, bundle: TaskKey, to: TaskState, now: Millis) -> StoreResult<()> {
        for leg in self.newest_legs(bundle).await? {
            let to = match (to, leg.state) {
                (TaskState::Delivered, TaskState::Proven) => TaskState::Delivered,
                (_, TaskState::Published | TaskState::Proving | TaskState::Proven) => TaskState::Released,
                _ => continue,
            };
            Box::pin(self.step(leg.key, leg.state, to, None, now)).await?;
        }
        Ok(())
    }

    /// The chain took back what had ended a bundle: its legs go on where they were.
    pub(super) async fn resume_legs(&mut self, bundle: TaskKey, now: Millis) -> StoreResult<()> {
        for leg in self.newest_legs(bundle).await? {
            if !matches!(leg.state, TaskState::Released | TaskState::Delivered) {
                continue;
            }
            let to = match leg.proof {
                Some(_) => TaskState::Proven,
                None if leg.planned || leg.segment_limit.is_some() => TaskState::Proving,
                None => TaskState::Published,
            };
            Box::pin(self.step(leg.key, leg.state, to, None, now)).await?;
        }
        Ok(())
    }

    /// The last try of each leg.
    async fn newest_legs(&mut self, bundle: TaskKey) -> StoreResult<Vec<TaskRecord>> {
        let rows = sqlx::query(
            "SELECT * FROM tasks AS t WHERE bundle = ?1
                AND round = (SELECT MAX(round) FROM tasks WHERE bundle = ?1 AND leg = t.leg) ORDER BY leg",
        )
        .bind(bundle)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        rows.into_iter().map(|row| read(&Fields::of(row))).collect()
    }

    /// Whether a job of this task must not go to this prover, because it is a leg and the prover's word would not be
    /// independent.
    pub(in crate::sqlite) async fn is_barred_from_leg(&mut self, task: TaskKey, prover: Address) -> StoreResult<bool> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM leg_exclusions WHERE task = ? AND prover = ?)")
            .bind(task)
            .bind(prover.as_slice())
            .fetch_one(&mut *self.tx)
            .await
            .map_err(self.fault())
    }
}
