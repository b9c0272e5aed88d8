//! Provers: who they are, what they can, how they stand.

use super::{
    SqliteStore, Write,
    row::{Fields, int},
};
use crate::{LeaseEnd, Millis, ProverDescription, ProverId, ProverRecord, Standing, StoreError, StoreResult};
use sqlx::{Sqlite, Transaction};
use zkpool_protocol::{B256, JobState, ProofKind};

pub(super) async fn join(
    store: &SqliteStore,
    id: &ProverId,
    description: &ProverDescription,
    now: Millis,
) -> StoreResult<ProverRecord> {
    let mut write = store.write("let a prover join").await?;
    sqlx::query(
        "INSERT INTO provers (address, device, cpus, memory, concurrency, unpaid, joined, joined_at, seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7)
         ON CONFLICT (address, device) DO UPDATE SET cpus = excluded.cpus, memory = excluded.memory,
            concurrency = excluded.concurrency, unpaid = excluded.unpaid, joined = 1, seen_at = excluded.seen_at",
    )
    .bind(id.address.as_slice())
    .bind(id.device.as_str())
    .bind(i64::from(description.cpus))
    .bind(int(description.memory)?)
    .bind(i64::from(description.concurrency))
    .bind(description.unpaid)
    .bind(int(now)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    sqlx::query("DELETE FROM prover_speeds WHERE address = ? AND device = ?")
        .bind(id.address.as_slice())
        .bind(id.device.as_str())
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    for (kind, speed) in &description.speeds {
        write.set_speed(id, *kind, *speed).await?;
    }
    for (kind, ask) in &description.asks {
        write.set_ask(id, *kind, *ask).await?;
    }
    write.set_enclaves(id, &description.enclaves).await?;
    let prover = read_all(&mut write.tx, Some(id)).await?.pop().ok_or(StoreError::Missing("prover"))?;
    write.commit().await?;
    Ok(prover)
}

pub(super) async fn leave(store: &SqliteStore, id: &ProverId, now: Millis) -> StoreResult<()> {
    let mut write = store.write("let a prover leave").await?;
    sqlx::query("UPDATE provers SET joined = 0 WHERE address = ? AND device = ?")
        .bind(id.address.as_slice())
        .bind(id.device.as_str())
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    let held = sqlx::query("SELECT task, idx, token FROM leases WHERE prover = ? AND device = ? AND ended IS NULL")
        .bind(id.address.as_slice())
        .bind(id.device.as_str())
        .fetch_all(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    for row in held {
        let row = Fields::of(row);
        let (task, index) = (row.i64("task")?, row.u32("idx")?);
        write.end_lease(task, index, row.u64("token")?, LeaseEnd::Released, None, now).await?;
        if !write.is_held(task, index).await? {
            write.job_step(task, index, JobState::Leased, JobState::Ready, now).await?;
        }
        write.touch(task).await?;
    }
    write.commit().await
}

pub(super) async fn one(store: &SqliteStore, id: &ProverId) -> StoreResult<Option<ProverRecord>> {
    let begun = store.read()?.begin().await;
    let mut tx = begun.map_err(|error| StoreError::database("read a prover", error))?;
    Ok(read_all(&mut tx, Some(id)).await?.pop())
}

pub(super) async fn joined(store: &SqliteStore) -> StoreResult<Vec<ProverRecord>> {
    let begun = store.read()?.begin().await;
    let mut tx = begun.map_err(|error| StoreError::database("read the provers", error))?;
    joined_in(&mut tx).await
}

pub(super) async fn joined_in(tx: &mut Transaction<'_, Sqlite>) -> StoreResult<Vec<ProverRecord>> {
    let mut provers = read_all(tx, None).await?;
    provers.retain(|prover| prover.joined);
    Ok(provers)
}

/// One prover, or all of them, by address and device.
async fn read_all(tx: &mut Transaction<'_, Sqlite>, only: Option<&ProverId>) -> StoreResult<Vec<ProverRecord>> {
    const WHAT: &str = "read the provers";
    let (address, device) = (only.map(|id| id.address.as_slice()), only.map(|id| id.device.as_str()));
    let rows = sqlx::query(
        "SELECT * FROM prover_rows WHERE ?1 IS NULL OR (address = ?1 AND device = ?2) ORDER BY address, device",
    )
    .bind(address)
    .bind(device)
    .fetch_all(&mut **tx)
    .await
    .map_err(|error| StoreError::database(WHAT, error))?;
    let mut provers = rows.into_iter().map(|row| read(&Fields::of(row))).collect::<StoreResult<Vec<_>>>()?;
    let rows = sqlx::query("SELECT * FROM prover_speeds WHERE ?1 IS NULL OR (address = ?1 AND device = ?2)")
        .bind(address)
        .bind(device)
        .fetch_all(&mut **tx)
        .await
        .map_err(|error| StoreError::database(WHAT, error))?;
    for row in rows {
        let row = Fields::of(row);
        let id = read_id(&row)?;
        if let Ok(place) = provers.binary_search_by(|prover| prover.id.cmp(&id)) {
            let kind = row.name("kind", ProofKind::from_name)?;
            let known = &mut provers[place].description;
            known.speeds.insert(kind, row.f64("units_per_second")?);
            if let Some(ask) = row.optional("ask", Fields::amount)? {
                known.asks.insert(kind, ask);
            }
        }
    }
    let rows = sqlx::query("SELECT * FROM prover_enclaves WHERE ?1 IS NULL OR (address = ?1 AND device = ?2)")
        .bind(address)
        .bind(device)
        .fetch_all(&mut **tx)
        .await
        .map_err(|error| StoreError::database(WHAT, error))?;
    for row in rows {
        let row = Fields::of(row);
        let id = read_id(&row)?;
        if let Ok(place) = provers.binary_search_by(|prover| prover.id.cmp(&id)) {
            provers[place].description.enclaves.push(row.word("enclave")?);
        }
    }
    Ok(provers)
}

fn read_id(row: &Fields) -> StoreResult<ProverId> {
    Ok(ProverId { address: row.address("address")?, device: row.text("device")? })
}

pub(super) fn read(row: &Fields) -> StoreResult<ProverRecord> {
    Ok(ProverRecord {
        id: read_id(row)?,
        description: ProverDescription {
            cpus: row.u32("cpus")?,
            memory: row.u64("memory")?,
            concurrency: row.u32("concurrency")?,
            speeds: [].into(),
            asks: [].into(),
            enclaves: vec![],
            unpaid: row.bool("unpaid")?,
        },
        joined: row.bool("joined")?,
        joined_at: row.u64("joined_at")?,
        seen_at: row.u64("seen_at")?,
        standing: Standing {
            misses: row.u32("misses")?,
            excluded_until: row.u64("excluded_until")?,
            window: row.u64("window_ms")?,
            out: row.bool("is_out")?,
        },
        out: row.bool("address_is_out")?,
    })
}

impl Write {
    pub(super) async fn set_standing(&mut self, id: &ProverId, standing: &Standing) -> StoreResult<()> {
        sqlx::query(
            "UPDATE provers SET misses = ?, excluded_until = ?, window_ms = ?, is_out = ?
             WHERE address = ? AND device = ?",
        )
        .bind(i64::from(standing.misses))
        .bind(int(standing.excluded_until)?)
        .bind(int(standing.window)?)
        .bind(standing.out)
        .bind(id.address.as_slice())
        .bind(id.device.as_str())
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        if standing.out { Ok(()) } else { self.forget_outing(id.address).await }
    }

    async fn set_enclaves(&mut self, id: &ProverId, enclaves: &[B256]) -> StoreResult<()> {
        sqlx::query("DELETE FROM prover_enclaves WHERE address = ? AND device = ?")
            .bind(id.address.as_slice())
            .bind(id.device.as_str())
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        for enclave in enclaves {
            sqlx::query("INSERT OR IGNORE INTO prover_enclaves (address, device, enclave) VALUES (?, ?, ?)")
                .bind(id.address.as_slice())
                .bind(id.device.as_str())
                .bind(enclave.as_slice())
                .execute(&mut *self.tx)
                .await
                .map_err(self.fault())?;
        }
        Ok(())
    }

    /// Of a kind that it does.
    async fn set_ask(&mut self, id: &ProverId, kind: ProofKind, ask: u128) -> StoreResult<()> {
        sqlx::query("UPDATE prover_speeds SET ask = ? WHERE address = ? AND device = ? AND kind = ?")
            .bind(ask.to_string())
            .bind(id.address.as_slice())
            .bind(id.device.as_str())
            .bind(kind.as_str())
            .execute(&mut *self.tx)
            .await
            .map_err(self.fault())?;
        Ok(())
    }

    pub(super) async fn set_speed(&mut self, id: &ProverId, kind: ProofKind, speed: f64) -> StoreResult<()> {
        sqlx::query(
            "INSERT INTO prover_speeds (address, device, kind, units_per_second) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET units_per_second = excluded.units_per_second",
        )
        .bind(id.address.as_slice())
        .bind(id.device.as_str())
        .bind(kind.as_str())
        .bind(speed)
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        Ok(())
    }
}
