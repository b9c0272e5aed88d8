//! The senders' journal: [`TxJournal`] on the same database, so that a task and its transactions share one fate.

use super::{
    SqliteStore,
    row::{Fields, damaged, int},
};
use crate::{StoreError, StoreResult};
use async_trait::async_trait;
use sqlx::{Sqlite, Transaction};
use zkpool_chain::{Attempt, Failure, FailureKind, JournalError, Receipt, TxJournal, TxRecord, TxState, Urgency};
use zkpool_protocol::{Address, TaskId};

#[async_trait]
impl TxJournal for SqliteStore {
    async fn insert(&self, record: TxRecord) -> Result<TxRecord, JournalError> {
        insert(self, record).await.map_err(|error| JournalError::new("record a transaction", error))
    }

    async fn save(&self, record: &TxRecord) -> Result<(), JournalError> {
        save(self, record).await.map_err(|error| JournalError::new("record a transaction", error))
    }

    async fn get(&self, purpose: &str) -> Result<Option<TxRecord>, JournalError> {
        let found = some(self, Which::Purpose(purpose)).await;
        Ok(found.map_err(|error| JournalError::new("look for a transaction", error))?.pop())
    }

    async fn open(&self, from: Address) -> Result<Vec<TxRecord>, JournalError> {
        some(self, Which::Open(from)).await.map_err(|error| JournalError::new("read the open transactions", error))
    }

    async fn highest_nonce(&self, from: Address) -> Result<Option<u64>, JournalError> {
        highest_nonce(self, from).await.map_err(|error| JournalError::new("read the highest nonce", error))
    }

    async fn at_nonce(&self, from: Address, nonce: u64) -> Result<Option<TxRecord>, JournalError> {
        let found = some(self, Which::Nonce(from, nonce)).await;
        Ok(found.map_err(|error| JournalError::new("look for a nonce", error))?.pop())
    }
}

pub(super) async fn of_task(store: &SqliteStore, task: TaskId) -> StoreResult<Vec<TxRecord>> {
    some(store, Which::Task(task)).await
}

/// Which records are read.
enum Which<'a> {
    Purpose(&'a str),
    Open(Address),
    Nonce(Address, u64),
    Task(TaskId),
}

async fn insert(store: &SqliteStore, record: TxRecord) -> StoreResult<TxRecord> {
    let mut write = store.write("record a transaction").await?;
    if let Some(found) = select(&mut write.tx, &Which::Purpose(&record.purpose)).await?.pop() {
        return Ok(found);
    }
    put(&mut write.tx, &record).await?;
    write.transaction_moves(record.state);
    write.commit().await?;
    Ok(record)
}

async fn save(store: &SqliteStore, record: &TxRecord) -> StoreResult<()> {
    let mut write = store.write("record a transaction").await?;
    put(&mut write.tx, record).await?;
    write.transaction_moves(record.state);
    write.commit().await
}

async fn highest_nonce(store: &SqliteStore, from: Address) -> StoreResult<Option<u64>> {
    let highest: Option<i64> = sqlx::query_scalar("SELECT MAX(nonce) FROM transactions WHERE sender = ?")
        .bind(from.as_slice())
        .fetch_one(store.read()?)
        .await
        .map_err(fault)?;
    highest.map(|nonce| u64::try_from(nonce).map_err(|_| damaged("nonce", nonce))).transpose()
}

async fn some(store: &SqliteStore, which: Which<'_>) -> StoreResult<Vec<TxRecord>> {
    let mut tx = store.read()?.begin().await.map_err(fault)?;
    select(&mut tx, &which).await
}

async fn select(tx: &mut Transaction<'_, Sqlite>, which: &Which<'_>) -> StoreResult<Vec<TxRecord>> {
    let query = match which {
        Which::Purpose(purpose) => sqlx::query("SELECT * FROM transactions WHERE purpose = ?").bind(*purpose),
        Which::Open(from) => sqlx::query(
            "SELECT * FROM transactions WHERE sender = ? AND state IN ('queued', 'sent', 'mined') ORDER BY position",
        )
        .bind(from.as_slice()),
        Which::Nonce(from, nonce) => sqlx::query("SELECT * FROM transactions WHERE sender = ? AND nonce = ?")
            .bind(from.as_slice())
            .bind(int(*nonce)?),
        Which::Task(task) => {
            sqlx::query("SELECT * FROM transactions WHERE task = ? ORDER BY position").bind(task.as_slice())
        }
    };
    let rows = query.fetch_all(&mut **tx).await.map_err(fault)?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let mut record = read(&Fields::of(row))?;
        record.attempts = attempts(tx, &record.purpose).await?;
        records.push(record);
    }
    Ok(records)
}

async fn attempts(tx: &mut Transaction<'_, Sqlite>, purpose: &str) -> StoreResult<Vec<Attempt>> {
    let rows = sqlx::query("SELECT * FROM transaction_attempts WHERE purpose = ? ORDER BY idx")
        .bind(purpose)
        .fetch_all(&mut **tx)
        .await
        .map_err(fault)?;
    let attempt = |row| {
        let row = Fields::of(row);
        Ok(Attempt {
            hash: row.word("hash")?,
            nonce: row.u64("nonce")?,
            raw: row.bytes("raw")?.into(),
            max_fee: row.amount("max_fee")?,
            priority_fee: row.amount("priority_fee")?,
            signed_at: row.u64("signed_at")?,
            cancels: row.bool("cancels")?,
        })
    };
    rows.into_iter().map(attempt).collect()
}

async fn put(tx: &mut Transaction<'_, Sqlite>, record: &TxRecord) -> StoreResult<()> {
    let urgent_by = match record.urgency {
        Urgency::Normal => None,
        Urgency::By(deadline) => Some(int(deadline)?),
    };
    let receipt = record.receipt.as_ref();
    let failure = record.failure.as_ref();
    sqlx::query(
        "INSERT INTO transactions (purpose, task, position, sender, recipient, value, data, gas, urgent_by, not_after,
            nonce, state, receipt_hash, receipt_block, receipt_block_hash, receipt_success, receipt_gas_used,
            receipt_gas_price, failure_kind, failure_reason, failure_error, complaint)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (purpose) DO UPDATE SET position = excluded.position, sender = excluded.sender,
            recipient = excluded.recipient, value = excluded.value, data = excluded.data, gas = excluded.gas,
            urgent_by = excluded.urgent_by, not_after = excluded.not_after, nonce = excluded.nonce,
            state = excluded.state, receipt_hash = excluded.receipt_hash, receipt_block = excluded.receipt_block,
            receipt_block_hash = excluded.receipt_block_hash, receipt_success = excluded.receipt_success,
            receipt_gas_used = excluded.receipt_gas_used, receipt_gas_price = excluded.receipt_gas_price,
            failure_kind = excluded.failure_kind, failure_reason = excluded.failure_reason,
            failure_error = excluded.failure_error, complaint = excluded.complaint",
    )
    .bind(record.purpose.as_str())
    .bind(task_in(&record.purpose).as_ref().map(|task| task.as_slice()))
    .bind(int(record.order)?)
    .bind(record.from.as_slice())
    .bind(record.to.as_slice())
    .bind(record.value.to_string())
    .bind(record.data.as_ref())
    .bind(record.gas.map(int).transpose()?)
    .bind(urgent_by)
    .bind(record.not_after.map(int).transpose()?)
    .bind(record.nonce.map(int).transpose()?)
    .bind(record.state.as_str())
    .bind(receipt.map(|receipt| receipt.hash.as_slice()))
    .bind(receipt.map(|receipt| int(receipt.block)).transpose()?)
    .bind(receipt.map(|receipt| receipt.block_hash.as_slice()))
    .bind(receipt.map(|receipt| receipt.success))
    .bind(receipt.map(|receipt| int(receipt.gas_used)).transpose()?)
    .bind(receipt.map(|receipt| receipt.gas_price.to_string()))
    .bind(failure.map(|failure| kind_name(failure.kind)))
    .bind(failure.map(|failure| failure.reason.as_str()))
    .bind(failure.and_then(|failure| failure.error.as_deref()))
    .bind(record.complaint.as_deref())
    .execute(&mut **tx)
    .await
    .map_err(fault)?;
    // Attempts are only ever added.
    for (index, attempt) in (0i64..).zip(&record.attempts) {
        sqlx::query(
            "INSERT OR IGNORE INTO transaction_attempts (purpose, idx, hash, nonce, raw, max_fee, priority_fee,
                signed_at, cancels) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(record.purpose.as_str())
        .bind(index)
        .bind(attempt.hash.as_slice())
        .bind(int(attempt.nonce)?)
        .bind(attempt.raw.as_ref())
        .bind(attempt.max_fee.to_string())
        .bind(attempt.priority_fee.to_string())
        .bind(int(attempt.signed_at)?)
        .bind(attempt.cancels)
        .execute(&mut **tx)
        .await
        .map_err(fault)?;
    }
    Ok(())
}

fn read(row: &Fields) -> StoreResult<TxRecord> {
    let receipt = |hash| {
        Ok::<_, StoreError>(Receipt {
            hash,
            block: row.u64("receipt_block")?,
            block_hash: row.word("receipt_block_hash")?,
            success: row.bool("receipt_success")?,
            gas_used: row.u64("receipt_gas_used")?,
            gas_price: row.amount("receipt_gas_price")?,
        })
    };
    let failure = |kind| {
        Ok::<_, StoreError>(Failure {
            kind,
            reason: row.text("failure_reason")?,
            error: row.optional("failure_error", Fields::text)?,
        })
    };
    Ok(TxRecord {
        purpose: row.text("purpose")?,
        order: row.u64("position")?,
        from: row.address("sender")?,
        to: row.address("recipient")?,
        value: row.big("value")?,
        data: row.bytes("data")?.into(),
        gas: row.optional("gas", Fields::u64)?,
        urgency: row.optional("urgent_by", Fields::u64)?.map_or(Urgency::Normal, Urgency::By),
        not_after: row.optional("not_after", Fields::u64)?,
        nonce: row.optional("nonce", Fields::u64)?,
        attempts: Vec::new(),
        state: row.name("state", TxState::from_name)?,
        receipt: row.optional("receipt_hash", Fields::word)?.map(receipt).transpose()?,
        failure: row
            .optional("failure_kind", |row, column| row.name(column, kind_from_name))?
            .map(failure)
            .transpose()?,
        complaint: row.optional("complaint", Fields::text)?,
    })
}

/// The task that a purpose names: `prove:0x…:1`.
fn task_in(purpose: &str) -> Option<TaskId> {
    purpose.split(':').find(|part| part.len() == 66).and_then(|part| part.parse().ok())
}

const KINDS: [FailureKind; 4] =
    [FailureKind::Refused, FailureKind::Unfunded, FailureKind::Expired, FailureKind::Reverted];

const fn kind_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Refused => "refused",
        FailureKind::Unfunded => "unfunded",
        FailureKind::Expired => "expired",
        FailureKind::Reverted => "reverted",
    }
}

fn kind_from_name(name: &str) -> Option<FailureKind> {
    KINDS.into_iter().find(|kind| kind_name(*kind) == name)
}

fn fault(error: sqlx::Error) -> StoreError {
    StoreError::database("use the transactions' journal", error)
}
