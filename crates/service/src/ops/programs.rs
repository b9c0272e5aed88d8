//! Programs: registered once their parts are there, looked at in the preflight worker before they count.

use crate::{Context, OpError, OpResult, parts};
use std::{collections::BTreeMap, path::PathBuf};
use zkpool_api::ProgramView;
use zkpool_protocol::{
    ATTEST_UNITS, Address, B256, BlobId, ErrorCode, Operation, PreflightRequest, ProgramId, ProgramManifest, WorkUnits,
};
use zkpool_store::{Measured, ProgramRecord, Workload};

/// Registers a program whose blobs are there; again is no change. Waits for the worker, within the configured bound.
/// Fails with `NotFound` (a part is missing), `UnknownProgram` and `BadRequest` (a bundle's legs), `BadProvingKey`, `BadWitnessGenerator`, `BadGuest`, `PreflightExceeded`.
pub async fn register_program(ctx: &Context, who: Address, manifest: ProgramManifest) -> OpResult<ProgramView> {
    let id = manifest.id();
    if let Some(known) = ctx.store.program(id).await? {
        return Ok(view(ctx, &known));
    }
    for part in manifest.blobs() {
        // Whoever names somebody else's blob learns nothing of it, not even whether it is here.
        let known = ctx.store.has_uploaded(who, part).await? || ctx.store.is_program_part(part).await?;
        if !known || ctx.blobs.length(part).await?.is_none() {
            let message = format!("part {part} of program {id} is not here: upload it first (PUT /v1/blobs/{part})");
            return Err(OpError::new(ErrorCode::NotFound, message));
        }
    }
    // What an enclave or a bundle is made of says nothing that a worker could find out.
    if matches!(manifest, ProgramManifest::Sgx { .. } | ProgramManifest::Bundle { .. }) {
        parts::check_bundle(ctx, &manifest).await?;
        let measured = match manifest {
            ProgramManifest::Sgx { .. } => Measured { units: ATTEST_UNITS, memory: 0 },
            _ => Measured { units: WorkUnits(0), memory: 0 },
        };
        let record = ProgramRecord { manifest, verifying_key: vec![], measured, public_inputs: 0, registered_by: who };
        ctx.store.put_program(&record, ctx.clock.now()).await?;
        tracing::info!(program = %id, "a program was registered");
        return Ok(view(ctx, &record));
    }
    let request = PreflightRequest {
        program: manifest.clone(),
        input: None,
        files: files(ctx, manifest.blobs())?,
        trial_proof: false,
        segment_limits: vec![],
        bounds: ctx.worker.bounds(),
    };
    let report = ctx.worker.look(request).await?;
    if let ProgramManifest::Risc0 { image_id, .. } = &manifest
        && report.verifying_key.as_ref() != image_id.as_slice()
    {
        return Err(OpError::new(ErrorCode::BadGuest, format!("the program's image id is not {image_id}")));
    }
    let record = ProgramRecord {
        manifest,
        verifying_key: report.verifying_key.to_vec(),
        measured: Measured { units: report.units, memory: report.memory },
        public_inputs: report.public_input_count,
        registered_by: who,
    };
    // A key that cannot be used to verify is of no use.
    for kind in record.manifest.kinds() {
        ctx.verifier(&record, *kind)?;
    }
    ctx.store.put_program(&record, ctx.clock.now()).await?;
    tracing::info!(program = %id, units = record.measured.units.0, "a program was registered");
    Ok(view(ctx, &record))
}

/// A registered program. Fails with `UnknownProgram`.
pub async fn program(ctx: &Context, id: ProgramId) -> OpResult<ProgramView> {
    Ok(view(ctx, &known(ctx, id).await?))
}

/// A registered program, or `UnknownProgram`.
pub(crate) async fn known(ctx: &Context, id: ProgramId) -> OpResult<ProgramRecord> {
    let record = ctx.store.program(id).await?;
    record.ok_or_else(|| {
        OpError::new(ErrorCode::UnknownProgram, format!("program {id} is not registered here: register it first"))
    })
}

/// Where the blobs' files are.
pub(crate) fn files(ctx: &Context, blobs: Vec<BlobId>) -> OpResult<BTreeMap<BlobId, PathBuf>> {
    let file = |id| {
        let path = ctx.blobs.file(id);
        let missing = || OpError::new(ErrorCode::Internal, "the blobs are not kept in files");
        Ok((id, path.ok_or_else(missing)?))
    };
    blobs.into_iter().map(file).collect()
}

fn view(ctx: &Context, record: &ProgramRecord) -> ProgramView {
    let id = record.manifest.id();
    ProgramView {
        id,
        manifest: record.manifest.clone(),
        units: record.measured.units,
        public_inputs: record.public_inputs,
        trusted: ctx.config.trusted_programs.contains(&id),
    }
}

/// The SGX programs of which jobs take an enclave.
pub(crate) async fn enclaves(ctx: &Context, workload: &Workload) -> OpResult<BTreeMap<ProgramId, B256>> {
    let mut enclaves = BTreeMap::new();
    for item in workload.jobs.iter().filter(|item| item.job.job.operation == Operation::Attest) {
        let id = item.job.job.program;
        if let ProgramManifest::Sgx { enclave } = known(ctx, id).await?.manifest {
            enclaves.insert(id, enclave);
        }
    }
    Ok(enclaves)
}
