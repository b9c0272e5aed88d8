//! The work on tasks: graphs, jobs, leases, provers, and what committees sign.

use super::{Earning, Millis, NewLeg, ResultPay};
pub use zkpool_scheduler::Standing;

use std::{collections::BTreeMap, fmt};
use zkpool_protocol::{Address, B256, BlobId, Job, JobGraph, JobId, JobState, ProofKind, Strategy, TaskId, TaskState};

/// The graph of a task, as it is known when its work starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// All of it.
    Complete(JobGraph),
    /// Nothing yet: it grows while the program runs.
    Growing {
        /// The largest segment, as a power of two of cycles.
        segment_limit: u32,
    },
    /// None of its own: each leg of the bundle becomes a task with a graph.
    Legs(Vec<NewLeg>),
}

/// What a write adds to a task besides a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Noted {
    /// Its graph has grown.
    Grown,
    /// Its graph was left unfinished, and is begun anew.
    Abandoned,
    /// Its graph is complete.
    Planned,
    /// Its receipt is there.
    Receipt,
    /// A member of a committee has signed for it.
    Attested,
}

/// What a member of a committee has signed for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationRecord {
    /// The member.
    pub signer: Address,
    /// Whether it is of the task's receipt; otherwise it is kept as evidence against its signer.
    pub honest: bool,
    /// The program's image id.
    pub image_id: B256,
    /// SHA-256 of the journal.
    pub journal_digest: B256,
    /// SHA-256 of the receipt.
    pub receipt_hash: B256,
    /// 65 bytes: r ‖ s ‖ v.
    pub signature: Vec<u8>,
    /// When it came.
    pub at: Millis,
}

/// A job with its present state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRecord {
    /// Id.
    pub id: JobId,
    /// Where it stands.
    pub state: JobState,
    /// What it is.
    pub job: Job,
    /// How often it was given out; the newest fencing token.
    pub last_token: u64,
    /// When it became ready.
    pub ready_at: Option<Millis>,
    /// Its verified result.
    pub result: Option<BlobId>,
    /// Who produced it.
    pub done_by: Option<ProverId>,
    /// How long that took, as the prover measured it, in milliseconds.
    pub proving_ms: Option<u64>,
}

/// How the jobs of a task stand, counted: a large task has tens of thousands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobCensus {
    /// All of them, abandoned ones included: the next one's index.
    pub all: u32,
    /// How many are in each state; one that does not occur is absent.
    pub states: BTreeMap<JobState, u32>,
    /// Segments of the graph as it is, without what was abandoned.
    pub segments: u32,
    /// The first of the graph as it is that is neither done nor cancelled.
    pub front: Option<u32>,
    /// When the first lease on any of them was given.
    pub begun_at: Option<Millis>,
}

/// A prover: a device of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProverId {
    /// Whose device.
    pub address: Address,
    /// Its name.
    pub device: String,
}

impl fmt::Display for ProverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.device)
    }
}

/// On which terms a job is given to a prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The most holders that the job may have with this one.
    pub most: u32,
    /// What a result under this lease earns, in the smallest unit of the task's reward token; `None`: what the task says, or
    /// what was agreed outside.
    pub pay: Option<u128>,
    /// When the lease ends unless renewed.
    pub expires_at: Millis,
}

impl Grant {
    /// To its only holder, for what the task says.
    pub const fn sole(expires_at: Millis) -> Self {
        Self { most: 1, pay: None, expires_at }
    }
}

/// A lease: a prover's right to a job until it ends. The token grows with every lease of the job.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseRecord {
    /// The job.
    pub job: JobId,
    /// Fencing token.
    pub token: u64,
    /// The holder.
    pub prover: ProverId,
    /// When it was given.
    pub granted_at: Millis,
    /// When it ends unless renewed.
    pub expires_at: Millis,
    /// What a result under it earns ([`Grant::pay`]).
    pub pay: Option<u128>,
    /// Last heartbeat.
    pub seen_at: Millis,
    /// How far it is, 0 to 1, as the prover says.
    pub progress: f64,
    /// What it is at, as the prover says.
    pub stage: String,
    /// How it ended.
    pub ended: Option<LeaseEnd>,
    /// A word on why.
    pub note: Option<String>,
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseEnd {
    /// Its result was accepted.
    Done,
    /// Nothing came in time.
    Expired,
    /// Its result did not verify.
    Wrong,
    /// The prover said that it cannot do it.
    GivenUp,
    /// The prover stopped in good order before it was done.
    Released,
    /// The job is not needed any more.
    Cancelled,
}

impl LeaseEnd {
    /// Every end.
    pub const ALL: [Self; 6] = [Self::Done, Self::Expired, Self::Wrong, Self::GivenUp, Self::Released, Self::Cancelled];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Wrong => "wrong",
            Self::GivenUp => "given-up",
            Self::Released => "released",
            Self::Cancelled => "cancelled",
        }
    }

    /// The end with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == name)
    }

    /// Whether the job never returns to the prover.
    pub const fn bars_return(self) -> bool {
        matches!(self, Self::Wrong | Self::GivenUp)
    }

    /// Whether it counts against the prover.
    pub const fn is_miss(self) -> bool {
        matches!(self, Self::Expired | Self::Wrong | Self::GivenUp)
    }
}

/// What a prover says of itself on joining.
#[derive(Clone, Debug, PartialEq)]
pub struct ProverDescription {
    /// Processor threads.
    pub cpus: u32,
    /// Memory that jobs may use, in bytes.
    pub memory: u64,
    /// Jobs at once.
    pub concurrency: u32,
    /// What it can prove, with work units per second.
    pub speeds: BTreeMap<ProofKind, f64>,
    /// What it asks for a million work units, in wei, of the kinds for which it asks something in particular.
    pub asks: BTreeMap<ProofKind, u128>,
    /// The SGX programs that it has an enclave of.
    pub enclaves: Vec<B256>,
    /// It works whether or not anything is set apart for it.
    pub unpaid: bool,
}

/// A prover.
#[derive(Clone, Debug, PartialEq)]
pub struct ProverRecord {
    /// Who it is.
    pub id: ProverId,
    /// What it said of itself; speeds follow what it delivers.
    pub description: ProverDescription,
    /// Whether it is a member now.
    pub joined: bool,
    /// When it joined first.
    pub joined_at: Millis,
    /// When it was last heard of.
    pub seen_at: Millis,
    /// How it stands.
    pub standing: Standing,
    /// Whether its address is out: one of its devices has missed too often in a row. Names of devices cost nothing.
    pub out: bool,
}

/// An address that is out, or was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outing {
    /// Whose.
    pub prover: Address,
    /// Whether it is out now.
    pub out: bool,
    /// The bond that it must have to be given work since it was let in again, in the token's smallest unit.
    pub amount: Option<u128>,
    /// The bond that lets it in again, once the ledger was asked what it had when it was put out.
    pub to_return: Option<u128>,
}

/// What the dispatcher decides over: the tasks that are being proven, their jobs and leases, and the provers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// Jobs of tasks that are being proven, with the task's deadlines.
    pub jobs: Vec<WorkItem>,
    /// Every lease that has not ended, of whatever task.
    pub leases: Vec<LeaseRecord>,
    /// The provers that have joined.
    pub provers: Vec<ProverRecord>,
}

/// A job that is being waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkItem {
    /// The job.
    pub job: JobRecord,
    /// Last second at which its task is on time.
    pub proof_deadline: u64,
    /// Last second at which its task can be proven.
    pub liability_deadline: u64,
    /// How its task's jobs are handed out.
    pub strategy: Strategy,
    /// What its task is paid in.
    pub reward_token: Address,
    /// Who does not get it: who failed at it, and, if it is a leg's, whose word would not be independent.
    pub excluded: Vec<Address>,
    /// Of which leg it is, if its task is one.
    pub leg: Option<LegRef>,
    /// Who made the results that it takes.
    pub suppliers: Vec<ProverId>,
}

impl WorkItem {
    /// Whether provers can be given it: what waits cannot be yet, and what is the service's own never is.
    pub fn is_open(&self) -> bool {
        self.job.state != JobState::Waiting && self.job.job.operation.is_for_provers()
    }
}

/// Of which leg a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegRef {
    /// The bundle.
    pub bundle: TaskId,
    /// Which of its legs.
    pub leg: u32,
    /// Whether whoever works on another leg of the bundle must not work on this one.
    pub independent: bool,
}

/// What became of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease goes on.
    Renewed,
    /// The job is done or not needed any more.
    Cancelled,
}

/// What became of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Where the job stands.
    pub job: JobState,
    /// Where the task stands.
    pub task: TaskState,
    /// What its prover has earned with it, if it is paid out of a tranche.
    pub earning: Option<Earning>,
}

/// A verified result, to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewResult {
    /// The job.
    pub job: JobId,
    /// Fencing token.
    pub token: u64,
    /// Who brings it.
    pub prover: ProverId,
    /// The proof, stored already.
    pub result: BlobId,
    /// How long it took, as the prover measured it, in milliseconds.
    pub proving_ms: Option<u64>,
    /// How the prover stands now.
    pub standing: Standing,
    /// How fast it is at this kind of proof, seen from what it delivers; work units per second.
    pub speed: Option<f64>,
    /// What it is paid from, if this operator pays out of tranches.
    pub pay: Option<ResultPay>,
}

/// How a lease ends without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOutcome {
    /// How.
    pub end: LeaseEnd,
    /// A word on why.
    pub note: Option<String>,
    /// How the prover stands after it, if that changes.
    pub standing: Option<Standing>,
}
