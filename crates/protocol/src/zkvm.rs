//! What zkVM tasks (RISC Zero) cost, what they state, and how their graph grows while the program still runs.

use crate::{BlobId, Job, Operation, ProgramId, ProofKind, WorkUnits};
use alloy_primitives::{B256, keccak256};
use sha2::{Digest, Sha256};

/// The smallest segment for which a lift program exists, as a power of two of cycles.
pub const MIN_SEGMENT_PO2: u32 = 14;
/// The largest.
pub const MAX_SEGMENT_PO2: u32 = 24;

/// The statement that the contract knows: keccak-256 of `abi.encode(imageId, sha256(journal))`.
pub fn statement(image_id: B256, journal: &[u8]) -> B256 {
    let digest: [u8; 32] = Sha256::digest(journal).into();
    keccak256([image_id.0, digest].concat())
}

/// What proving a segment of `2^po2` cycles costs.
pub const fn segment_units(po2: u32) -> WorkUnits {
    WorkUnits(1 << if po2 > MAX_SEGMENT_PO2 { MAX_SEGMENT_PO2 } else { po2 })
}

/// What a step of the recursion costs, in cycles whose proof takes as long: measured, a lift, join or resolve takes the
/// CPU time of some 100,000 cycles, a wrap with its identity step that of half a million.
pub const fn recursion_units(operation: Operation) -> WorkUnits {
    match operation {
        Operation::Lift | Operation::Join | Operation::Resolve => WorkUnits(100_000),
        Operation::Wrap => WorkUnits(500_000),
        Operation::Single | Operation::Prove | Operation::Attest | Operation::Seal => WorkUnits(0),
    }
}

/// Peak memory of proving a segment of `2^po2` cycles, in bytes: measured, 9.2 KiB a cycle and what the process needs.
pub const fn segment_memory(po2: u32) -> u64 {
    segment_units(po2).0 * 9_421 + (64 << 20)
}

/// Peak memory of a step of the recursion, in bytes.
pub const fn recursion_memory() -> u64 {
    1_450 << 20
}

/// A segment of an execution, as the executor yields it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// Where it lies.
    pub blob: BlobId,
    /// Its size, as a power of two of cycles.
    pub po2: u32,
    /// SHA-256 of the claim that its proof must show: image or state before, state after, exit code, output.
    pub claim: B256,
}

/// The graph of a zkVM task, which grows segment by segment while the program runs.
///
/// No two runs of a program are the same: each hides its memory with random numbers of its own. A run that breaks off is
/// therefore begun anew, with a graph of its own behind the jobs that it leaves.
#[derive(Clone, Debug)]
pub struct Growth {
    program: ProgramId,
    receipt: ProofKind,
    /// The next job's index.
    count: u32,
    /// The segments' `prove` jobs.
    leaves: Vec<u32>,
    /// Roots of the complete trees so far, with their heights, which fall from left to right.
    roots: Vec<(u32, u32)>,
}

impl Growth {
    /// Of a task that ends in a receipt of this kind; its first job has the index `first`.
    pub const fn new(program: ProgramId, receipt: ProofKind, first: u32) -> Self {
        Self { program, receipt, count: first, leaves: Vec::new(), roots: Vec::new() }
    }

    /// The index of the next job.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many segments there are so far.
    pub fn segments(&self) -> u32 {
        self.leaves.len() as u32
    }

    /// The jobs that a further segment brings: its proof; unless the receipt is composite its lift, and a join for every
    /// tree of neighbours that it completes.
    pub fn segment(&mut self, segment: &SegmentRef) -> Vec<Job> {
        let mut jobs = Vec::new();
        let prove = Job {
            operation: Operation::Prove,
            kind: ProofKind::Risc0Composite,
            program: self.program,
            input: Some(segment.blob),
            statement: Some(segment.claim),
            units: segment_units(segment.po2),
            memory: segment_memory(segment.po2),
            needs: vec![],
        };
        let leaf = self.add(&mut jobs, prove);
        self.leaves.push(leaf);
        if self.receipt == ProofKind::Risc0Composite {
            return jobs;
        }
        let lift = self.recursion(Operation::Lift, vec![leaf], None);
        let mut root = (0, self.add(&mut jobs, lift));
        while let Some(left) = self.roots.pop_if(|left| left.0 == root.0) {
            root = self.join(&mut jobs, left, root);
        }
        self.roots.push(root);
        jobs
    }

    /// The jobs that come when the last segment is known: the joins of what is left, a `resolve` for each assumption, the
    /// wrap, and the seal. Without a single segment there is nothing to prove, and nothing comes.
    pub fn finish(mut self, assumptions: &[BlobId]) -> Vec<Job> {
        let mut jobs = Vec::new();
        let needs = match self.receipt {
            ProofKind::Risc0Composite => std::mem::take(&mut self.leaves),
            _ => self.root(&mut jobs, assumptions).into_iter().collect(),
        };
        if needs.is_empty() {
            return jobs;
        }
        let seal = Job {
            operation: Operation::Seal,
            kind: self.receipt,
            program: self.program,
            input: None,
            statement: None,
            units: WorkUnits(0),
            memory: 0,
            needs,
        };
        self.add(&mut jobs, seal);
        jobs
    }

    /// The one receipt that all segments come to.
    fn root(&mut self, jobs: &mut Vec<Job>, assumptions: &[BlobId]) -> Option<u32> {
        while let [.., left, right] = self.roots[..] {
            let root = self.join(jobs, left, right);
            self.roots.truncate(self.roots.len() - 2);
            self.roots.push(root);
        }
        let (_, mut last) = self.roots.pop()?;
        for assumption in assumptions {
            let resolve = self.recursion(Operation::Resolve, vec![last], Some(*assumption));
            last = self.add(jobs, resolve);
        }
        if self.receipt == ProofKind::Risc0Groth16 {
            let wrap = self.recursion(Operation::Wrap, vec![last], None);
            last = self.add(jobs, wrap);
        }
        Some(last)
    }

    fn join(&mut self, jobs: &mut Vec<Job>, left: (u32, u32), right: (u32, u32)) -> (u32, u32) {
        let join = self.recursion(Operation::Join, vec![left.1, right.1], None);
        (left.0.max(right.0) + 1, self.add(jobs, join))
    }

    fn recursion(&self, operation: Operation, needs: Vec<u32>, input: Option<BlobId>) -> Job {
        let kind = match operation {
            Operation::Wrap => ProofKind::Risc0Groth16,
            _ => ProofKind::Risc0Succinct,
        };
        Job {
            operation,
            kind,
            program: self.program,
            input,
            statement: None,
            units: recursion_units(operation),
            memory: recursion_memory(),
            needs,
        }
    }

    fn add(&mut self, jobs: &mut Vec<Job>, job: Job) -> u32 {
        jobs.push(job);
        self.count += 1;
        self.count - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JobGraph;

    fn grown(receipt: ProofKind, segments: u32, assumptions: u32) -> Vec<Job> {
        let blob = |n: u32| BlobId::of(&n.to_be_bytes());
        let mut growth = Growth::new(blob(0), receipt, 0);
        let mut jobs = Vec::new();
        for n in 0..segments {
            jobs.extend(growth.segment(&SegmentRef { blob: blob(n), po2: 16, claim: B256::with_last_byte(n as u8) }));
            assert_eq!(growth.count() as usize, jobs.len());
        }
        jobs.extend(growth.finish(&(0..assumptions).map(blob).collect::<Vec<_>>()));
        jobs
    }

    /// The segments that a job's result covers, in order.
    fn covers(jobs: &[Job], index: u32) -> Vec<u8> {
        let job = &jobs[index as usize];
        match job.operation {
            Operation::Prove => vec![job.statement.unwrap().0[31]],
            _ => job.needs.iter().flat_map(|needs| covers(jobs, *needs)).collect(),
        }
    }

    #[test]
    fn the_last_job_covers_every_segment_once_in_order_and_nothing_is_left_over() {
        for receipt in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct, ProofKind::Risc0Groth16] {
            for segments in 1..40 {
                let jobs = JobGraph::new(grown(receipt, segments, segments % 3)).unwrap();
                let last = jobs.jobs().len() as u32 - 1;
                assert_eq!(jobs.jobs()[last as usize].operation, Operation::Seal);
                assert_eq!(covers(jobs.jobs(), last), (0..segments as u8).collect::<Vec<_>>());
                let needed: usize = jobs.jobs().iter().map(|job| job.needs.len()).sum();
                assert_eq!(needed, last as usize, "every result but the last is needed exactly once");
            }
        }
    }

    #[test]
    fn a_tree_is_as_low_as_it_can_be() {
        fn height(jobs: &[Job], index: u32) -> u32 {
            let job = &jobs[index as usize];
            let below = job.needs.iter().map(|needs| height(jobs, *needs)).max().unwrap_or(0);
            below + u32::from(job.operation == Operation::Join)
        }
        for segments in 1_u32..70 {
            let jobs = grown(ProofKind::Risc0Succinct, segments, 0);
            assert_eq!(height(&jobs, jobs.len() as u32 - 1), segments.next_power_of_two().trailing_zeros());
        }
    }

    #[test]
    fn neighbours_are_joined_before_the_end_is_known() {
        let blob = BlobId::of(b"s");
        let mut growth = Growth::new(blob, ProofKind::Risc0Succinct, 0);
        let segment = SegmentRef { blob, po2: 14, claim: B256::ZERO };
        let kinds = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.operation).collect::<Vec<_>>();
        assert_eq!(kinds(growth.segment(&segment)), [Operation::Prove, Operation::Lift]);
        assert_eq!(kinds(growth.segment(&segment)), [Operation::Prove, Operation::Lift, Operation::Join]);
        assert_eq!(growth.segments(), 2);
    }

    #[test]
    fn nothing_proves_nothing() {
        for receipt in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct] {
            assert_eq!(grown(receipt, 0, 1), []);
        }
    }

    #[test]
    fn units_and_memory_fit_what_was_measured() {
        // MiB, FACTS of a two-core machine.
        for (po2, peak) in [(14, 159), (15, 303), (16, 595), (17, 1_181), (18, 2_350)] {
            let model = segment_memory(po2) >> 20;
            assert!(model >= peak && model < peak * 3 / 2, "2^{po2}: {model} MiB for {peak}");
        }
        assert_eq!(segment_units(63), segment_units(MAX_SEGMENT_PO2));
    }

    #[test]
    fn the_statement_is_what_the_contract_hashes() {
        // keccak256(abi.encode(bytes32(uint256(1)), sha256("abc")))
        let digest: B256 = "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".parse().unwrap();
        let encoded = [B256::with_last_byte(1).0, digest.0].concat();
        assert_eq!(statement(B256::with_last_byte(1), b"abc"), keccak256(encoded));
    }
}
