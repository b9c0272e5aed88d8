//! Receipts of zkVM tasks, and what committees sign for them.

use super::{
    SqliteStore,
    row::{Fields, int},
    tasks,
};
use crate::{AttestationRecord, Noted, StoreError, StoreResult, TaskKey, TaskRecord};
use zkpool_protocol::{BlobId, TaskState};

pub(super) async fn put(store: &SqliteStore, key: TaskKey, receipt: BlobId) -> StoreResult<()> {
    let mut write = store.write("keep a task's receipt").await?;
    let task = write.task(key).await?;
    if task.receipt == Some(receipt) {
        return Ok(());
    }
    if task.state != TaskState::Proving {
        return Err(StoreError::Moved { thing: "task", expected: "proving", found: task.state.as_str() });
    }
    sqlx::query("UPDATE tasks SET receipt = ?, version = version + 1 WHERE key = ?")
        .bind(receipt.as_bytes().as_slice())
        .bind(key)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.notes(Noted::Receipt);
    write.commit().await
}

pub(super) async fn replace_proof(store: &SqliteStore, key: TaskKey, proof: BlobId) -> StoreResult<()> {
    let mut write = store.write("replace a task's proof").await?;
    let task = write.task(key).await?;
    if task.state != TaskState::Proven {
        return Err(StoreError::Moved { thing: "task", expected: "proven", found: task.state.as_str() });
    }
    sqlx::query("UPDATE tasks SET proof = ?, version = version + 1 WHERE key = ?")
        .bind(proof.as_bytes().as_slice())
        .bind(key)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn tasks_of(store: &SqliteStore, receipt: BlobId) -> StoreResult<Vec<TaskRecord>> {
    let rows = sqlx::query("SELECT * FROM tasks WHERE receipt = ? ORDER BY key")
        .bind(receipt.as_bytes().as_slice())
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("look for a receipt", error))?;
    rows.into_iter().map(|row| tasks::read(&Fields::of(row))).collect()
}

pub(super) async fn attest(store: &SqliteStore, key: TaskKey, said: &AttestationRecord) -> StoreResult<bool> {
    let mut write = store.write("keep a member's word").await?;
    write.task(key).await?;
    let kept = sqlx::query(
        "INSERT OR IGNORE INTO attestations (task, signer, honest, image_id, journal_digest, receipt_hash, signature,
            at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key)
    .bind(said.signer.as_slice())
    .bind(said.honest)
    .bind(said.image_id.as_slice())
    .bind(said.journal_digest.as_slice())
    .bind(said.receipt_hash.as_slice())
    .bind(said.signature.as_slice())
    .bind(int(said.at)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    let new = kept.rows_affected() > 0;
    if new {
        write.notes(Noted::Attested);
        write.touch(key).await?;
    }
    write.commit().await?;
    Ok(new)
}

pub(super) async fn attestations_of(store: &SqliteStore, key: TaskKey) -> StoreResult<Vec<AttestationRecord>> {
    let rows = sqlx::query("SELECT * FROM attestations WHERE task = ? ORDER BY signer, honest")
        .bind(key)
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read what members have signed", error))?;
    let read = |row| {
        let row = Fields::of(row);
        Ok(AttestationRecord {
            signer: row.address("signer")?,
            honest: row.bool("honest")?,
            image_id: row.word("image_id")?,
            journal_digest: row.word("journal_digest")?,
            receipt_hash: row.word("receipt_hash")?,
            signature: row.bytes("signature")?,
            at: row.u64("at")?,
        })
    };
    rows.into_iter().map(read).collect()
}
