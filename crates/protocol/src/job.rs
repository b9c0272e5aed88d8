//! Jobs: a task is planned as a graph of operations.

use crate::{BlobId, ProgramId, ProofKind, TaskId, WorkUnits};
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a job does. One operation is one prover's work at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// The whole proof in one go.
    Single,
    /// One segment of a zkVM execution: a STARK of it.
    Prove,
    /// A segment's STARK, verified in the recursion circuit: the first step towards a succinct receipt.
    Lift,
    /// Two neighbours' receipts, verified in one.
    Join,
    /// A receipt freed of an assumption, by a receipt of what was assumed.
    Resolve,
    /// A succinct receipt, verified in a Groth16 circuit.
    Wrap,
    /// An enclave's word that it ran the program on the input.
    Attest,
    /// What the contract takes, made of the finished receipt: a Groth16 receipt's seal, or else the signatures of a
    /// committee that has checked the receipt. The service does it itself.
    Seal,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 8] =
        [Self::Single, Self::Prove, Self::Lift, Self::Join, Self::Resolve, Self::Wrap, Self::Attest, Self::Seal];

    /// The name in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Prove => "prove",
            Self::Lift => "lift",
            Self::Join => "join",
            Self::Resolve => "resolve",
            Self::Wrap => "wrap",
            Self::Attest => "attest",
            Self::Seal => "seal",
        }
    }

    /// Whether provers do it; the rest is the service's own.
    pub const fn is_for_provers(self) -> bool {
        !matches!(self, Self::Seal)
    }

    /// Whether it is all of a task, whose result is what the contract takes.
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::Single | Self::Attest)
    }

    /// The operation with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == name)
    }
}

/// A job's id: its task and its place in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// The task.
    pub task: TaskId,
    /// Index in the task's graph.
    pub index: u32,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}-{}", self.task, self.index)
    }
}

/// The text is not a job's id.
#[derive(Debug, thiserror::Error)]
#[error("a job id is 0x<task>-<index>, got {0:?}")]
pub struct ParseJobIdError(String);

impl std::str::FromStr for JobId {
    type Err = ParseJobIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (task, index) = text.rsplit_once('-')?;
            Some(Self { task: task.parse().ok()?, index: index.parse().ok()? })
        };
        parse().ok_or_else(|| ParseJobIdError(text.chars().take(90).collect()))
    }
}

/// One node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What is done.
    pub operation: Operation,
    /// Which ability it takes: a segment's proof is [`ProofKind::Risc0Composite`] work, recursion
    /// [`ProofKind::Risc0Succinct`], a wrap [`ProofKind::Risc0Groth16`], whatever the task's receipt is in the end.
    pub kind: ProofKind,
    /// With which program.
    pub program: ProgramId,
    /// On what, besides the results that it needs: the envelope for `single` and `attest`, the segment for `prove`, the receipt of
    /// what was assumed for `resolve`; nothing for the rest.
    pub input: Option<BlobId>,
    /// What the result must show, where that is known beforehand: the SHA-256 of a segment's claim for `prove`.
    pub statement: Option<B256>,
    /// How large it is.
    pub units: WorkUnits,
    /// Peak memory that a prover needs, in bytes.
    pub memory: u64,
    /// Indices of the jobs whose results it takes; all smaller than its own index.
    pub needs: Vec<u32>,
}

/// A directed acyclic graph of jobs in topological order; the last job's result is the task's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobGraph {
    jobs: Vec<Job>,
}

/// The jobs do not make a graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobGraphError {
    /// No job at all.
    #[error("a task needs at least one job")]
    Empty,
    /// An edge that does not point back.
    #[error("job {job} needs job {needs}, which does not come before it")]
    NotTopological {
        /// The job.
        job: u32,
        /// What it names.
        needs: u32,
    },
}

impl JobGraph {
    /// Checks that every edge points back, which makes cycles impossible.
    pub fn new(jobs: Vec<Job>) -> Result<Self, JobGraphError> {
        if jobs.is_empty() {
            return Err(JobGraphError::Empty);
        }
        for (index, job) in (0u32..).zip(&jobs) {
            if let Some(&needs) = job.needs.iter().find(|needs| **needs >= index) {
                return Err(JobGraphError::NotTopological { job: index, needs });
            }
        }
        Ok(Self { jobs })
    }

    /// The jobs, by index.
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// All work of the task.
    pub fn units(&self) -> WorkUnits {
        self.jobs.iter().map(|job| job.units).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(needs: &[u32]) -> Job {
        Job {
            operation: Operation::Single,
            kind: ProofKind::Groth16Bn254,
            program: BlobId::of(b"p"),
            input: Some(BlobId::of(b"i")),
            statement: None,
            units: WorkUnits(5),
            memory: 1,
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn edges_point_back() {
        assert_eq!(JobGraph::new(vec![]), Err(JobGraphError::Empty));
        assert_eq!(JobGraph::new(vec![job(&[0])]), Err(JobGraphError::NotTopological { job: 0, needs: 0 }));
        let graph = JobGraph::new(vec![job(&[]), job(&[]), job(&[0, 1])]).unwrap();
        assert_eq!(graph.units(), WorkUnits(15));
    }

    #[test]
    fn operations_survive_text() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_name(operation.as_str()), Some(operation));
            assert_eq!(serde_json::to_value(operation).unwrap(), operation.as_str());
        }
    }

    #[test]
    fn ids_survive_text() {
        let id = JobId { task: TaskId::repeat_byte(0xab), index: 7 };
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        for bad in ["", "7", "0x00-1", &format!("{id}x")] {
            assert!(bad.parse::<JobId>().is_err());
        }
    }
}
