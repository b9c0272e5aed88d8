//! Uploads, programs and inputs.

use super::{
    SqliteStore,
    row::{Fields, damaged, int},
};
use crate::{InputRecord, Measured, Millis, ProgramRecord, StoreError, StoreResult};
use std::collections::BTreeMap;
use zkpool_protocol::{
    Address, B256, BlobId, BundleLeg, GuestRun, ProgramId, ProgramManifest, ProofKind, Segmentation, U256, WorkUnits,
};

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
    let mut parts = Parts::default();
    match &program.manifest {
        ProgramManifest::Groth16Bn254 { zkey, witness_generator } => {
            (parts.zkey, parts.witness_generator) = (Some(zkey), witness_generator.as_ref());
        }
        ProgramManifest::Risc0 { binary, image_id } => {
            (parts.guest, parts.image_id) = (Some(binary), Some(image_id));
        }
        ProgramManifest::Sgx { enclave } => parts.enclave = Some(enclave),
        ProgramManifest::Bundle { legs } => parts.legs = legs,
    }
    let bytes = |id: Option<&BlobId>| id.map(|id| id.as_bytes().to_vec());
    sqlx::query(
        "INSERT OR IGNORE INTO programs (id, kind, zkey, witness_generator, guest, image_id, enclave, verifying_key,
            units, memory, public_inputs, registered_by, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(program.manifest.id().as_bytes().as_slice())
    .bind(program.manifest.tag())
    .bind(bytes(parts.zkey))
    .bind(bytes(parts.witness_generator))
    .bind(bytes(parts.guest))
    .bind(parts.image_id.map(|word| word.as_slice()))
    .bind(parts.enclave.map(|word| word.as_slice()))
    .bind(program.verifying_key.as_slice())
    .bind(int(program.measured.units.0)?)
    .bind(int(program.measured.memory)?)
    .bind(i64::from(program.public_inputs))
    .bind(program.registered_by.as_slice())
    .bind(int(now)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    for (place, leg) in (0i64..).zip(parts.legs) {
        sqlx::query("INSERT OR IGNORE INTO program_legs (program, place, leg_program, leg_kind) VALUES (?, ?, ?, ?)")
            .bind(program.manifest.id().as_bytes().as_slice())
            .bind(place)
            .bind(leg.program.as_bytes().as_slice())
            .bind(leg.kind.as_str())
            .execute(&mut *write.tx)
            .await
            .map_err(write.fault())?;
    }
    write.commit().await
}

/// What a manifest names, by column; what it does not is absent.
#[derive(Default)]
struct Parts<'a> {
    zkey: Option<&'a BlobId>,
    witness_generator: Option<&'a BlobId>,
    guest: Option<&'a BlobId>,
    image_id: Option<&'a B256>,
    enclave: Option<&'a B256>,
    legs: &'a [BundleLeg],
}

pub(super) async fn program(store: &SqliteStore, id: ProgramId) -> StoreResult<Option<ProgramRecord>> {
    let row = sqlx::query("SELECT * FROM programs WHERE id = ?")
        .bind(id.as_bytes().as_slice())
        .fetch_optional(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a program", error))?;
    let Some(row) = row else { return Ok(None) };
    let row = Fields::of(row);
    let manifest = match row.text("kind")?.as_str() {
        "groth16-bn254" => ProgramManifest::Groth16Bn254 {
            zkey: row.blob("zkey")?,
            witness_generator: row.optional("witness_generator", Fields::blob)?,
        },
        "risc0" => ProgramManifest::Risc0 { binary: row.blob("guest")?, image_id: row.word("image_id")? },
        "sgx" => ProgramManifest::Sgx { enclave: row.word("enclave")? },
        "bundle" => ProgramManifest::Bundle { legs: legs(store, id).await? },
        other => return Err(damaged("kind", other)),
    };
    Ok(Some(ProgramRecord {
        manifest,
        verifying_key: row.bytes("verifying_key")?,
        measured: measured(&row)?,
        public_inputs: row.u32("public_inputs")?,
        registered_by: row.address("registered_by")?,
    }))
}

async fn legs(store: &SqliteStore, id: ProgramId) -> StoreResult<Vec<BundleLeg>> {
    let rows = sqlx::query("SELECT * FROM program_legs WHERE program = ? ORDER BY place")
        .bind(id.as_bytes().as_slice())
        .fetch_all(store.read()?)
        .await
        .map_err(|error| StoreError::database("read a bundle's legs", error))?;
    let leg = |row| {
        let row = Fields::of(row);
        Ok(BundleLeg { program: row.blob("leg_program")?, kind: row.name("leg_kind", ProofKind::from_name)? })
    };
    rows.into_iter().map(leg).collect()
}

pub(super) async fn is_program_part(store: &SqliteStore, blob: BlobId) -> StoreResult<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM programs WHERE ?1 IN (zkey, witness_generator, guest))")
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
        "INSERT INTO inputs (blob, program, units, memory, statement, public_inputs, tried, journal, cycles, at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (blob) DO UPDATE SET tried = MAX(tried, excluded.tried)",
    )
    .bind(input.blob.as_bytes().as_slice())
    .bind(input.program.as_bytes().as_slice())
    .bind(int(input.measured.units.0)?)
    .bind(int(input.measured.memory)?)
    .bind(input.statement.as_slice())
    .bind(words)
    .bind(input.tried)
    .bind(input.run.as_ref().map(|run| run.journal.as_ref()))
    .bind(input.run.as_ref().map(|run| int(run.cycles)).transpose()?)
    .bind(int(now)?)
    .execute(&mut *write.tx)
    .await
    .map_err(write.fault())?;
    for (place, blob) in (0i64..).zip(&input.attached) {
        sqlx::query("INSERT OR IGNORE INTO input_blobs (input, place, blob) VALUES (?, ?, ?)")
            .bind(input.blob.as_bytes().as_slice())
            .bind(place)
            .bind(blob.as_bytes().as_slice())
            .execute(&mut *write.tx)
            .await
            .map_err(write.fault())?;
    }
    for cut in input.run.iter().flat_map(|run| &run.segmentations) {
        for (po2, count) in &cut.segments {
            sqlx::query("INSERT OR IGNORE INTO input_segments (input, segment_limit, po2, count) VALUES (?, ?, ?, ?)")
                .bind(input.blob.as_bytes().as_slice())
                .bind(i64::from(cut.limit))
                .bind(i64::from(*po2))
                .bind(i64::from(*count))
                .execute(&mut *write.tx)
                .await
                .map_err(write.fault())?;
        }
    }
    write.commit().await
}

pub(super) async fn input(store: &SqliteStore, blob: BlobId) -> StoreResult<Option<InputRecord>> {
    const WHAT: &str = "read an input";
    let fault = |error| StoreError::database(WHAT, error);
    // One snapshot for all of it.
    let mut tx = store.read()?.begin().await.map_err(fault)?;
    let row = sqlx::query("SELECT * FROM inputs WHERE blob = ?").bind(blob.as_bytes().as_slice());
    let Some(row) = row.fetch_optional(&mut *tx).await.map_err(fault)? else { return Ok(None) };
    let attached = sqlx::query("SELECT blob FROM input_blobs WHERE input = ? ORDER BY place")
        .bind(blob.as_bytes().as_slice())
        .fetch_all(&mut *tx)
        .await
        .map_err(fault)?;
    let segments = sqlx::query("SELECT * FROM input_segments WHERE input = ? ORDER BY segment_limit, po2")
        .bind(blob.as_bytes().as_slice())
        .fetch_all(&mut *tx)
        .await
        .map_err(fault)?;
    let mut cuts: BTreeMap<u32, BTreeMap<u32, u32>> = BTreeMap::new();
    for row in segments {
        let row = Fields::of(row);
        cuts.entry(row.u32("segment_limit")?).or_default().insert(row.u32("po2")?, row.u32("count")?);
    }
    let row = Fields::of(row);
    let words = row.bytes("public_inputs")?;
    if words.len() % 32 != 0 {
        return Err(damaged("public_inputs", format_args!("{} bytes", words.len())));
    }
    let run = match row.optional_bytes("journal")? {
        None => None,
        Some(journal) => Some(GuestRun {
            journal: journal.into(),
            cycles: row.u64("cycles")?,
            segmentations: cuts.into_iter().map(|(limit, segments)| Segmentation { limit, segments }).collect(),
        }),
    };
    Ok(Some(InputRecord {
        blob: row.blob("blob")?,
        program: row.blob("program")?,
        attached: attached.into_iter().map(|row| Fields::of(row).blob("blob")).collect::<StoreResult<_>>()?,
        measured: measured(&row)?,
        statement: row.word("statement")?,
        public_inputs: words.chunks_exact(32).map(U256::from_be_slice).collect(),
        tried: row.bool("tried")?,
        run,
    }))
}

fn measured(row: &Fields) -> StoreResult<Measured> {
    Ok(Measured { units: WorkUnits(row.u64("units")?), memory: row.u64("memory")? })
}
