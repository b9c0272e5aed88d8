//! One step of proving: the child's side.

use super::{MAX_SEGMENT, refuse_development_mode};
use crate::{BackendError, program};
use risc0_circuit_rv32im::execute::Segment as Trace;
use risc0_zkvm::{
    InnerReceipt, Output, ProverOpts, ProverServer, Receipt, ReceiptClaim, Segment, SuccinctReceipt, VerifierContext,
    get_prover_server,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};
use zkpool_protocol::Operation;
use zkpool_verifiers::risc0::{MAX_ASSUMPTION, MAX_RESULT};

/// What the child is asked: one line of JSON on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProveRequest {
    /// The step.
    pub operation: Operation,
    /// What it is done on, in order.
    pub files: Vec<PathBuf>,
    /// Where the result goes. The file is there when, and only when, the result is complete.
    pub result: PathBuf,
}

/// Does a step and writes its result. It cannot be stopped but by ending the process.
///
/// # Errors
///
/// A text for the prover's log.
pub fn prove_worker(request: &ProveRequest) -> Result<(), String> {
    let bytes = step(request).map_err(|error| format!("{error:#}"))?;
    let unfinished = request.result.with_extension("tmp");
    fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &request.result)).map_err(|e| e.to_string())
}

fn step(request: &ProveRequest) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    refuse_development_mode()?;
    let files: Vec<&Path> = request.files.iter().map(PathBuf::as_path).collect();
    let bytes = match (request.operation, &files[..]) {
        (Operation::Prove, [segment]) => {
            let segment: Segment = read(segment, MAX_SEGMENT)?;
            let context = VerifierContext::default().with_dev_mode(false);
            bincode::serialize(&prover(ProverOpts::succinct())?.prove_segment(&context, &segment)?)?
        }
        (Operation::Lift, [receipt]) => {
            bincode::serialize(&prover(ProverOpts::succinct())?.lift(&read(receipt, MAX_RESULT as u64)?)?)?
        }
        (Operation::Join, [left, right]) => {
            let (left, right) = (succinct(left)?, succinct(right)?);
            bincode::serialize(&prover(ProverOpts::succinct())?.join(&left, &right)?)?
        }
        (Operation::Resolve, [conditional, assumption]) => {
            let receipt: Receipt = read(assumption, MAX_ASSUMPTION as u64)?;
            let InnerReceipt::Succinct(assumption) = receipt.inner else {
                return Err("the receipt of the assumption is not succinct".into());
            };
            let conditional = succinct(conditional)?;
            bincode::serialize(&prover(ProverOpts::succinct())?.resolve(&conditional, &assumption.into_unknown())?)?
        }
        (Operation::Wrap, [receipt]) => {
            bincode::serialize(&prover(ProverOpts::groth16())?.succinct_to_groth16(&succinct(receipt)?)?)?
        }
        (operation, files) => return Err(format!("no {operation:?} step takes {} files", files.len()).into()),
    };
    Ok(bytes)
}

fn prover(options: ProverOpts) -> Result<Rc<dyn ProverServer>, BackendError> {
    let failed = |error| BackendError::Worker { operation: Operation::Prove, reason: format!("{error:#}") };
    get_prover_server(&options.with_dev_mode(false)).map_err(failed)
}

fn succinct(path: &Path) -> Result<SuccinctReceipt<ReceiptClaim>, Box<dyn std::error::Error + Send + Sync>> {
    read(path, MAX_RESULT as u64)
}

fn read<T: DeserializeOwned>(path: &Path, max: u64) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    Ok(bincode::deserialize(&program::read(path, "input of the step", max)?)?)
}

/// The size of a segment, as a power of two of cycles.
pub(super) fn po2_of(segment: &Path) -> Result<u32, BackendError> {
    let bytes = program::read(segment, "segment", MAX_SEGMENT)?;
    let segment: (u32, Trace, Option<Output>) = bincode::deserialize(&bytes)
        .map_err(|error| BackendError::Envelope(format!("the segment cannot be read: {error}")))?;
    Ok(segment.1.po2)
}
