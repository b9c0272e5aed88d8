//! Whose database it is, and how far it has come.

use super::{
    SqliteStore,
    row::{Fields, int},
};
use crate::{Meta, Millis, StoreError, StoreResult};

pub(super) async fn read(store: &SqliteStore) -> StoreResult<Meta> {
    const WHAT: &str = "read whose database this is";
    let row = sqlx::query("SELECT * FROM meta").fetch_one(store.read()?).await;
    let row = Fields::of(row.map_err(|error| StoreError::database(WHAT, error))?);
    Ok(Meta {
        chain_id: row.u64("chain_id")?,
        pool: row.address("pool")?,
        operator: row.address("operator")?,
        cursor: row.optional_bytes("cursor")?,
        head: (row.u64("head_number")?, row.u64("head_timestamp")?),
        breaker_reset_at: row.u64("breaker_reset_at")?,
    })
}

pub(super) async fn reset_breaker(store: &SqliteStore, now: Millis) -> StoreResult<()> {
    let mut write = store.write("reset the circuit breaker").await?;
    let done = sqlx::query("UPDATE meta SET breaker_reset_at = ?").bind(int(now)?).execute(&mut *write.tx);
    done.await.map_err(write.fault())?;
    write.commit().await
}
