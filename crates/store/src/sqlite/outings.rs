//! Addresses that were put out, and what bond lets them in again.

use super::{SqliteStore, Write, provers, row::Fields};
use crate::{Outing, StoreError, StoreResult};
use zkpool_protocol::Address;

/// One address, or all that are out or were.
pub(super) async fn read(store: &SqliteStore, only: Option<Address>) -> StoreResult<Vec<Outing>> {
    let rows = sqlx::query(
        "SELECT known.prover, amount, to_return,
            EXISTS (SELECT 1 FROM provers WHERE address = known.prover AND is_out) AS is_out
         FROM (SELECT address AS prover FROM provers WHERE is_out UNION SELECT prover FROM bonds_asked) AS known
         LEFT JOIN bonds_asked ON bonds_asked.prover = known.prover
         WHERE ?1 IS NULL OR known.prover = ?1 ORDER BY known.prover",
    )
    .bind(only.as_ref().map(|address| address.as_slice()))
    .fetch_all(store.read()?)
    .await
    .map_err(|error| StoreError::database("read who is out", error))?;
    let read = |row| {
        let row = Fields::of(row);
        Ok(Outing {
            prover: row.address("prover")?,
            out: row.bool("is_out")?,
            amount: row.optional("amount", Fields::amount)?,
            to_return: row.optional("to_return", Fields::amount)?,
        })
    };
    rows.into_iter().map(read).collect()
}

pub(super) async fn one(store: &SqliteStore, prover: Address) -> StoreResult<Outing> {
    let known = read(store, Some(prover)).await?.pop();
    Ok(known.unwrap_or(Outing { prover, out: false, amount: None, to_return: None }))
}

pub(super) async fn ask(store: &SqliteStore, prover: Address, to_return: u128) -> StoreResult<()> {
    let mut write = store.write("note what bond lets a prover in again").await?;
    sqlx::query(
        "INSERT INTO bonds_asked (prover, to_return) SELECT ?1, ?2
         WHERE EXISTS (SELECT 1 FROM provers WHERE address = ?1 AND is_out)
         ON CONFLICT (prover) DO UPDATE SET to_return = excluded.to_return WHERE to_return IS NULL",
    )
    .bind(prover.as_slice())
    .bind(to_return.to_string())
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn let_in(store: &SqliteStore, prover: Address, forget: bool) -> StoreResult<bool> {
    let mut write = store.write("let a prover in again").await?;
    let settle = match forget {
        true => "DELETE FROM bonds_asked WHERE prover = ?",
        false => {
            "UPDATE bonds_asked SET amount = to_return, to_return = NULL WHERE prover = ? AND to_return IS NOT NULL"
        }
    };
    sqlx::query(settle).bind(prover.as_slice()).execute(&mut *write.tx).await.map_err(write.fault())?;
    let rows = sqlx::query("SELECT * FROM prover_rows WHERE address = ? AND is_out")
        .bind(prover.as_slice())
        .fetch_all(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    let was_out = !rows.is_empty();
    for row in rows {
        let record = provers::read(&Fields::of(row))?;
        write.set_standing(&record.id, &record.standing.after_bond()).await?;
    }
    write.commit().await?;
    Ok(was_out)
}

impl Write {
    /// An address of which no device is out any more, as a result came after all, need not bond for that.
    pub(super) async fn forget_outing(&mut self, prover: Address) -> StoreResult<()> {
        sqlx::query(
            "UPDATE bonds_asked SET to_return = NULL WHERE prover = ?1 AND to_return IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM provers WHERE address = ?1 AND is_out)",
        )
        .bind(prover.as_slice())
        .execute(&mut *self.tx)
        .await
        .map_err(self.fault())?;
        Ok(())
    }
}
