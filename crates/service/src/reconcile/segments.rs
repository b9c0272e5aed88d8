//! How a zkVM execution is cut, by the machines that are present.

use crate::{OpError, OpResult, capacity::Capacity};
use zkpool_protocol::{ErrorCode, ProofKind, Segmentation, WorkUnits};
use zkpool_scheduler::{Plan, PlanRequest, plan, task_units};
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
    let most = most(kind);
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
        assumptions: assumptions(input),
        machines: &capacity.machines(),
        time_left,
    };
    plan(&request).map_err(|error| {
        let message = format!("the {} provers present cannot prove it: {error}", capacity.provers());
        OpError::caused_by(ErrorCode::NoProver, message, error)
    })
}

/// The way to cut it when nobody is there to choose by: the one that was `quoted`, by the work that it comes to, or else
/// the one whose segments take the least memory. Never one with more segments than the receipt can have, if there is
/// another.
pub(super) fn fallback(kind: ProofKind, input: &InputRecord, quoted: Option<WorkUnits>) -> Option<u32> {
    let cuts = &input.run.as_ref()?.segmentations;
    let possible = || cuts.iter().filter(|cut| cut.count() > 0);
    let fitting = || possible().filter(|cut| cut.count() <= most(kind));
    let as_quoted = fitting().find(|cut| Some(task_units(cut, kind, assumptions(input))) == quoted);
    let smallest = as_quoted.or_else(|| fitting().min_by_key(|cut| cut.limit));
    smallest.or_else(|| possible().min_by_key(|cut| cut.count())).map(|cut| cut.limit)
}

/// All the work of a task that is cut so, if the preflight has tried it.
pub(crate) fn units(kind: ProofKind, input: &InputRecord, limit: u32) -> Option<WorkUnits> {
    let cut = input.run.as_ref()?.segmentations.iter().find(|cut| cut.limit == limit)?;
    Some(task_units(cut, kind, assumptions(input)))
}

/// The most segments that a run may come to: some more than in the preflight, as paging differs a little, but not so many
/// that a program which tells the two apart could fill the disk, or that the receipt became too large.
pub(super) fn most_of_a_run(kind: ProofKind, input: &InputRecord, limit: u32) -> u32 {
    const A_FEW: u32 = 8;
    let cuts = input.run.as_ref().map(|run| run.segmentations.as_slice()).unwrap_or_default();
    let seen = cuts.iter().find(|cut| cut.limit == limit).map_or_else(|| most(kind), Segmentation::count);
    seen.saturating_mul(2).min(seen.max(most(kind))).saturating_add(A_FEW)
}

/// The most segments that a receipt of this kind can have.
fn most(kind: ProofKind) -> u32 {
    if kind == ProofKind::Risc0Composite { MAX_COMPOSITE } else { MAX_SEGMENTS }
}

fn assumptions(input: &InputRecord) -> u32 {
    u32::try_from(input.attached.len().saturating_sub(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkpool_protocol::{B256, BlobId, GuestRun};
    use zkpool_store::Measured;

    fn input(cuts: &[(u32, u32)]) -> InputRecord {
        let cut = |(limit, count): &(u32, u32)| Segmentation { limit: *limit, segments: [(*limit, *count)].into() };
        let segmentations = cuts.iter().map(cut).collect();
        InputRecord {
            blob: BlobId::of(b"envelope"),
            program: BlobId::of(b"program"),
            attached: vec![BlobId::of(b"stdin")],
            measured: Measured { units: WorkUnits(1), memory: 1 },
            statement: B256::ZERO,
            public_inputs: vec![],
            tried: false,
            run: Some(GuestRun { journal: vec![].into(), cycles: 1, segmentations }),
        }
    }

    #[test]
    fn with_nobody_there_it_is_cut_as_it_was_quoted() {
        let (composite, succinct) = (ProofKind::Risc0Composite, ProofKind::Risc0Succinct);
        let known = input(&[(16, 1_600), (18, 400), (20, 100)]);
        let quoted = units(succinct, &known, 20);
        assert_eq!(fallback(succinct, &known, quoted), Some(20));
        assert_eq!(fallback(succinct, &known, None), Some(16));
        assert_eq!(fallback(composite, &known, None), Some(18), "1,600 segments are no receipt");
        assert_eq!(fallback(composite, &input(&[(16, 4_000), (18, 1_000)]), None), Some(18));
        assert_eq!(fallback(composite, &input(&[]), None), None);
    }

    #[test]
    fn a_run_may_grow_a_little_and_not_beyond_its_receipt() {
        let known = input(&[(16, 10), (20, 800), (14, 30_000)]);
        let most = |kind, limit| most_of_a_run(kind, &known, limit);
        assert_eq!(most(ProofKind::Risc0Succinct, 16), 28);
        assert_eq!(most(ProofKind::Risc0Succinct, 20), 1_608);
        assert_eq!(most(ProofKind::Risc0Composite, 20), 808);
        assert_eq!(most(ProofKind::Risc0Succinct, 14), 30_008);
    }
}
