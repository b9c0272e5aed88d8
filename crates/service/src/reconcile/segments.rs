//! How a zkVM execution is cut, by the machines that are present.

use crate::{OpError, OpResult, capacity::Capacity};
use zkpool_protocol::{ErrorCode, ProofKind, Segmentation};
use zkpool_scheduler::{Plan, PlanRequest, plan};
use zkpool_store::{InputRecord, Millis};
use zkpool_verifiers::risc0::{MAX_ASSUMPTION, MAX_JOURNAL, MAX_RECEIPT};

/// The most segments of a composite receipt: it holds the proof of each, and is read whole by whoever checks it.
const MAX_COMPOSITE: u32 = 750;
/// The longest honest proof of a segment, in bytes.
const SEGMENT_PROOF: usize = 300_000;
const _: () = assert!(MAX_COMPOSITE as usize * SEGMENT_PROOF + MAX_ASSUMPTION + MAX_JOURNAL < MAX_RECEIPT);
/// The most segments of any task: each is a row or three, and a blob.
const MAX_SEGMENTS: u32 = 20_000;

/// The way to cut it with which the present machines finish soonest. Fails with `NoProver`, `TooLarge`.
pub(super) fn choose(kind: ProofKind, input: &InputRecord, capacity: &Capacity, time_left: Millis) -> OpResult<Plan> {
    let cuts = input.run.as_ref().map(|run| run.segmentations.as_slice()).unwrap_or_default();
    let most = if kind == ProofKind::Risc0Composite { MAX_COMPOSITE } else { MAX_SEGMENTS };
    // Without segments a size has been found too small for the program.
    let counts = cuts.iter().map(Segmentation::count).filter(|count| *count > 0);
    let Some(least) = counts.min() else {
        let message = format!(
            "an instruction of the program takes more room than the segments have that the {} provers present could \
             prove: come back when machines with more memory are there",
            capacity.provers()
        );
        return Err(OpError::new(ErrorCode::NoProver, message));
    };
    let fits = |cut: &&Segmentation| (1..=most).contains(&cut.count());
    let segmentations: Vec<Segmentation> = cuts.iter().filter(fits).cloned().collect();
    if segmentations.is_empty() {
        let message = format!(
            "the execution comes to {least} segments, and a {kind} receipt has at most {most}: ask for another kind of \
             receipt, or come back when machines with more memory are there"
        );
        return Err(OpError::new(ErrorCode::TooLarge, message));
    }
    let request = PlanRequest {
        segmentations: &segmentations,
        receipt: kind,
        assumptions: u32::try_from(input.attached.len().saturating_sub(1)).unwrap_or(u32::MAX),
        machines: &capacity.machines(),
        time_left,
    };
    plan(&request).map_err(|error| {
        let message = format!("the {} provers present cannot prove it: {error}", capacity.provers());
        OpError::caused_by(ErrorCode::NoProver, message, error)
    })
}

/// The one whose segments take the least memory, for when nobody is there to choose by.
pub(super) fn smallest(input: &InputRecord) -> Option<u32> {
    input.run.as_ref()?.segmentations.iter().filter(|cut| cut.count() > 0).map(|cut| cut.limit).min()
}
