//! What a decision is made from.

use crate::{Deal, Standing};
use std::collections::BTreeMap;
use zkpool_protocol::{Address, B256, JobId, ProofKind, TaskId, WorkUnits};

/// Unix milliseconds.
pub type Millis = u64;

/// Everything that a decision depends on, besides the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Jobs that are ready or held.
    pub jobs: Vec<OpenJob>,
    /// The provers that are members; others refer to them by index.
    pub provers: Vec<Candidate>,
}

/// A job whose result is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenJob {
    /// Its id.
    pub id: JobId,
    /// The kind of proof.
    pub kind: ProofKind,
    /// How large it is.
    pub units: WorkUnits,
    /// Peak memory that it needs, in bytes.
    pub memory: u64,
    /// When it became ready.
    pub ready_at: Millis,
    /// Until when its task is on time.
    pub proof_deadline: Millis,
    /// Until when its task can be proven at all.
    pub liability_deadline: Millis,
    /// How long the longest way from its end to its task's end takes ([`crate::after`]).
    pub after: Millis,
    /// Provers that have its inputs already: indices in [`Snapshot::provers`].
    pub near: Vec<usize>,
    /// Who holds it.
    pub holders: Vec<Holder>,
    /// Whose result was wrong, or who gave it up: it never returns to them.
    pub barred: Vec<Address>,
    /// The SGX program that it takes an enclave of.
    pub enclave: Option<B256>,
    /// Of which leg of a bundle it is, if no owner may work on two of them.
    pub leg: Option<LegOf>,
    /// How it is handed out, and what for.
    pub deal: Deal,
}

/// Which leg of which bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegOf {
    /// The bundle.
    pub bundle: TaskId,
    /// Which of its legs.
    pub leg: u32,
}

/// A prover at work on a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder {
    /// Index in [`Snapshot::provers`]; absent if the prover has left.
    pub prover: Option<usize>,
    /// Whose device it is: a second copy goes to somebody else.
    pub owner: Address,
    /// Fencing token of the lease.
    pub token: u64,
    /// When it was given out.
    pub granted_at: Millis,
    /// When it ends.
    pub expires_at: Millis,
    /// How far it is, 0 to 1.
    pub progress: f64,
}

/// A prover.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Whose device it is.
    pub address: Address,
    /// Whether it was heard of lately.
    pub present: bool,
    /// How many jobs it asks for at this moment.
    pub waiting: u32,
    /// The most jobs that it does at once.
    pub concurrency: u32,
    /// Memory for one job, in bytes: so much for each of `concurrency` at once.
    pub memory: u64,
    /// Work units per second of one job, by kind.
    pub speeds: BTreeMap<ProofKind, f64>,
    /// The SGX programs that it has an enclave of.
    pub enclaves: Vec<B256>,
    /// How it stands after hits and misses.
    pub standing: Standing,
    /// What it bids for a million work units where provers compete, in wei, by kind. One that bids nothing takes the pool's
    /// price.
    pub asks: BTreeMap<ProofKind, u128>,
}

/// How jobs are handed out. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A lease lasts at least this long without a sign of life.
    pub min_lease: Millis,
    /// And at most this long, however long the job takes: whoever is at work gives signs of life, and the job of a prover
    /// that died must not wait until the prover should have been done.
    pub max_lease: Millis,
    /// A lease ends after so many times what the job should take, whatever signs of life there are: a heartbeat is no
    /// work, and who only holds a job holds it up...
    pub stalled: u64,
    /// ... but not before this, as small jobs can take much longer than they should.
    pub stalled_floor: Millis,
    /// First exclusion after a miss; each further one doubles it.
    pub exclusion: Millis,
    /// Misses in a row that put a prover out.
    pub strikes: u32,
    /// Time between a job's result and its task's delivery on chain.
    pub delivery: Millis,
    /// A prover that has a job's inputs is preferred to one that would be done up to so much sooner: about what fetching
    /// them takes, which the expected times leave out.
    pub near: Millis,
    /// A job waits for a prover that is busy only if that prover is expected to be free within this time.
    pub patience: Millis,
    /// What waiting, or a second copy near the end of a task, must save at least, as estimates are rough and work done
    /// twice is paid by the operator...
    pub gain: Millis,
    /// ... and in percent of the time that the job itself takes.
    pub gain_percent: u64,
    /// Where provers compete, a job is open for bids so long.
    pub bidding: Millis,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            min_lease: 15_000,
            max_lease: 60_000,
            stalled: 8,
            stalled_floor: 300_000,
            exclusion: 60_000,
            strikes: 3,
            delivery: 5_000,
            near: 2_000,
            patience: 600_000,
            gain: 2_000,
            gain_percent: 20,
            bidding: 2_000,
        }
    }
}

impl Candidate {
    /// How long it would take for the job, if it can do it at all.
    pub fn estimate(&self, job: &OpenJob) -> Option<Millis> {
        let takes = self.takes(job)?;
        let fits = job.enclave.is_none_or(|enclave| self.enclaves.contains(&enclave));
        (self.memory >= job.memory && fits).then_some(takes)
    }

    /// Whether it may be given anything now.
    pub fn is_in(&self, now: Millis) -> bool {
        !self.standing.out && self.standing.excluded_until <= now
    }

    /// How long it would take if its memory sufficed.
    pub(crate) fn takes(&self, job: &OpenJob) -> Option<Millis> {
        Some(time(job.units, self.speed(job.kind)?))
    }

    /// Its speed at a kind of work, if it has one.
    fn speed(&self, kind: ProofKind) -> Option<f64> {
        usable(self.speeds.get(&kind))
    }
}

/// A speed that something can be done with.
pub(crate) fn usable(speed: Option<&f64>) -> Option<f64> {
    speed.copied().filter(|speed| speed.is_finite() && *speed > 0.0)
}

/// How long so much work takes at a speed. Saturates: what is absurdly slow is never the best.
pub(crate) fn time(units: WorkUnits, speed: f64) -> Millis {
    (units.0 as f64 * 1_000.0 / speed).ceil() as Millis
}
