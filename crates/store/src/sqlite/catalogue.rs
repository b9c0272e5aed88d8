//! Uploads, programs and inputs.

use super::{
    SqliteStore,
    row::{Fields, damaged, int},
};
use crate::{InputRecord, Measured, Millis, ProgramRecord, StoreError, StoreResult};
use zkpool_protocol::{Address, BlobId, ProgramId, ProgramManifest, ProofKind, U256, WorkUnits};

pub(super) async fn note_upload(
    store: &SqliteStore,
    who: Address,
    blob: BlobId,
    size: u64,
    limit: u64,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("note an upload").await?;
    let stored: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(size), 0) FROM uploads WHERE who = ? AND blob != ?")
        .bind(who.as_slice())
        .bind(blob.as_bytes().as_slice())
        .fetch_one(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    if u64::try_from(stored).unwrap_or_default().saturating_add(size) > limit {
        return Err(StoreError::TooLarge { limit });
    }
    sqlx::query("INSERT OR IGNORE INTO uploads (who, blob, size, at) VALUES (?, ?, ?, ?)")
        .bind(who.as_slice())
        .bind(blob.as_bytes().as_slice())
        .bind(int(size)?)
        .bind(int(now)?)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn uploaded_bytes(store: &SqliteStore, who: Address) -> StoreResult<u64> {
    let stored: i64 = sqlx::query_scalar("SELECT COALESCE(SUM(size), 0) FROM uploads WHERE who = ?")
        .bind(who.as_slice())
        .fetch_one(store.read()?)
        .await
        .map_err(|error| StoreError::database("read the uploads of an address", error))?;
    Ok(u64::try_from(stored).unwrap_or_default())
}

pub(super) async fn has_uploaded(store: &SqliteStore, who: Address, blob: BlobId) -> StoreResult<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM uploads WHERE who = ? AND blob = ?)")
        .bind(who.as_slice())
        .bind(blob.as_bytes().as_slice())
        .fetch_one(store.read()?)
        .await
        .map_err(|error| StoreError::database("look for an upload", error))
}

pub(super) async fn put_program(store: &SqliteStore, program: &ProgramRecord, now: Millis) -> StoreResult<()> {
    let mut write = store.write("register a program").await?;
    let ProgramManifest::Groth16Bn254 { zkey, witness_generator } = &program.manifest;
    sqlx::query(
        "INSERT OR IGNORE INTO programs (id, kind, zkey, witness_generator, verifying_key, units, memory,
            public_inputs, registered_by, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(program.manifest.id().as_bytes().as_slice())
    .bind(program.manifest.kind().as_str())
    .bind(zkey.as_bytes().as_slice())
    .bind(witness_generator.as_ref().map(|id| id.as_bytes().as_slice()))
    .bind(program.verifying_key.as_slice())
    .bind(int(program.measured.units.0)?)
    .bind(int(program.measured.memory)?)
    .bind(i64::from(program.public_inputs))
    .bind(program.registered_by.as_slice())
    .bind(int(now)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn program(store: &SqliteStore, id: ProgramId) -> StoreResult<Option<ProgramRecord>> {
    let row = sqlx::query("SELECT * FROM programs WHERE id = ?")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a program", error))?;
    row.map(|row| {
        let row = Fields::of(row);
        let manifest = match row.name("kind", ProofKind::from_name)? {
            ProofKind::Groth16Bn254 => ProgramManifest::Groth16Bn254 {
                zkey: row.blob("zkey")?,
                witness_generator: row.optional("witness_generator", Fields::blob)?,
            },
        };
        Ok(ProgramRecord {
            manifest,
            verifying_key: row.bytes("verifying_key")?,
            measured: measured(&row)?,
            public_inputs: row.u32("public_inputs")?,
            registered_by: row.address("registered_by")?,
        })
    })
    .transpose()
}

pub(super) async fn is_program_part(store: &SqliteStore, blob: BlobId) -> StoreResult<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM programs WHERE zkey = ?1 OR witness_generator = ?1)")
        .bind(blob.as_bytes().as_slice())
        .fetch_one(store.read()?)
        .await
        .map_err(|error| StoreError::database("look for a program's part", error))
}

pub(super) async fn note_verified_program(
    store: &SqliteStore,
    verifier: Address,
    program: ProgramId,
    now: Millis,
) -> StoreResult<()> {
    let mut write = store.write("note a verified program").await?;
    sqlx::query("INSERT OR IGNORE INTO verified_programs (verifier, program, at) VALUES (?, ?, ?)")
        .bind(verifier.as_slice())
        .bind(program.as_bytes().as_slice())
        .bind(int(now)?)
        .execute(&mut *write.tx)
        .await
        .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn is_verified_program(
    store: &SqliteStore,
    verifier: Address,
    program: ProgramId,
) -> StoreResult<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM verified_programs WHERE verifier = ? AND program = ?)")
        .bind(verifier.as_slice())
        .bind(program.as_bytes().as_slice())
        .fetch_one(store.read()?)
        .await
        .map_err(|error| StoreError::database("look for a verified program", error))
}

pub(super) async fn put_input(store: &SqliteStore, input: &InputRecord, now: Millis) -> StoreResult<()> {
    let mut write = store.write("note an input").await?;
    let words: Vec<u8> = input.public_inputs.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
    sqlx::query(
        "INSERT INTO inputs (blob, program, witness, units, memory, statement, public_inputs, tried, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (blob) DO UPDATE SET tried = MAX(tried, excluded.tried)",
    )
    .bind(input.blob.as_bytes().as_slice())
    .bind(input.program.as_bytes().as_slice())
    .bind(input.witness.as_ref().map(|id| id.as_bytes().as_slice()))
    .bind(int(input.measured.units.0)?)
    .bind(int(input.measured.memory)?)
    .bind(input.statement.as_slice())
    .bind(words)
    .bind(input.tried)
    .bind(int(now)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    write.commit().await
}

pub(super) async fn input(store: &SqliteStore, blob: BlobId) -> StoreResult<Option<InputRecord>> {
    let row = sqlx::query("SELECT * FROM inputs WHERE blob = ?")
        .bind(blob.as_bytes().as_slice())
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read an input", error))?;
    row.map(|row| {
        let row = Fields::of(row);
        let words = row.bytes("public_inputs")?;
        if words.len() % 32 != 0 {
            return Err(damaged("public_inputs", format_args!("{} bytes", words.len())));
        }
        Ok(InputRecord {
            blob: row.blob("blob")?,
            program: row.blob("program")?,
            witness: row.optional("witness", Fields::blob)?,
            measured: measured(&row)?,
            statement: row.word("statement")?,
            public_inputs: words.chunks_exact(32).map(U256::from_be_slice).collect(),
            tried: row.bool("tried")?,
        })
    })
    .transpose()
}

fn measured(row: &Fields) -> StoreResult<Measured> {
    Ok(Measured { units: WorkUnits(row.u64("units")?), memory: row.u64("memory")? })
}
