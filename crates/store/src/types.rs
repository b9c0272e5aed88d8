//! What the store keeps, as the rest of the service sees it.

mod pay;
mod work;

pub use pay::*;
pub use work::*;

use zkpool_protocol::{
    Address, B256, BlobId, Call, ErrorCode, GuestRun, ProgramId, ProgramManifest, ProofKind, Quote, SignedQuote,
    Strategy, TaskId, TaskState, U256, WorkUnits,
};

/// Milliseconds since the Unix epoch, by the service's clock. Seconds are the chain's.
pub type Millis = u64;

/// Names a request for a quote: a hash of who asks for what, so that a retry names the same one. For a task of another
/// operator, the task's id.
pub type RequestId = BlobId;

/// A task's key in the database: it exists before there is a quote to hash.
pub type TaskKey = i64;

/// What this operator is to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It was asked for the quote.
    Own,
    /// It may take the task over from another operator, or has done so.
    Rescue,
    /// It is one leg of a bundle that this operator proves, and not on chain.
    Leg,
}

impl Role {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Rescue => "rescue",
            Self::Leg => "leg",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Own, Self::Rescue, Self::Leg].into_iter().find(|role| role.as_str() == name)
    }
}

/// What a requester asks a quote for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ask {
    /// The program that proves it.
    pub program: ProgramId,
    /// The kind of proof.
    pub kind: ProofKind,
    /// The envelope.
    pub input: BlobId,
    /// The statement that the requester expects, if it says so.
    pub statement: Option<B256>,
    /// Receives refunds, liability and honour.
    pub requester: Address,
    /// The requester's own contract.
    pub target: Address,
    /// Builds the call; zero: template.
    pub encoder: Address,
    /// Verifier mode; zero: target mode.
    pub verifier: Address,
    /// How the target's call is built.
    pub call: Call,
    /// Gas that the target's call is given.
    pub call_gas: u32,
    /// On time means within so many seconds of the publication.
    pub proof_window: u32,
    /// After so many seconds nothing can be proven.
    pub liability_window: u32,
    /// Token of the reward.
    pub reward_token: Address,
    /// The most that the requester would pay, if it says so.
    pub max_reward: Option<u128>,
    /// Token of liability, bond, burn and honour.
    pub liability_token: Address,
    /// All of it the requester's when the task is never delivered.
    pub liability: u128,
    /// Lost when the delivery is late.
    pub bond: u128,
    /// Destroyed when the task is never delivered.
    pub burn: u128,
    /// How its jobs are to be handed out, if the requester says so.
    pub strategy: Option<Strategy>,
}

/// A request for a quote, to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    /// Its name.
    pub request: RequestId,
    /// Which try this is: one more than the last, or zero.
    pub attempt: u32,
    /// Who asks, pays and publishes.
    pub payer: Address,
    /// For what.
    pub ask: Ask,
}

/// A task of another operator, to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWatch {
    /// Its id.
    pub id: TaskId,
    /// Its quote.
    pub quote: Quote,
    /// The call that it commits to.
    pub call: Call,
    /// The program that proves it.
    pub program: ProgramId,
    /// The kind of proof.
    pub kind: ProofKind,
    /// Who told of it.
    pub told_by: Address,
    /// What delivering it should cost, and how long that should take.
    pub price: Price,
}

/// Why a request was not quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// What was wrong and what to do.
    pub message: String,
}

/// How a price is made up, in the reward token, and how long the task should take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// For proving.
    pub work: u128,
    /// For the transaction that delivers.
    pub gas: u128,
    /// For the liability.
    pub premium: u128,
    /// How large the work is: once, however many race.
    pub units: WorkUnits,
    /// How its jobs are handed out for that: as the requester has said, or as the operator has decided then.
    pub strategy: Strategy,
    /// Milliseconds from publication to delivery.
    pub expected_ms: u64,
}

impl Price {
    /// All of it.
    pub const fn reward(&self) -> u128 {
        self.work.saturating_add(self.gas).saturating_add(self.premium)
    }
}

/// How large a proof is to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// In units of its kind.
    pub units: WorkUnits,
    /// Peak memory of proving, in bytes.
    pub memory: u64,
}

/// A registered program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRecord {
    /// What it is made of; its id follows.
    pub manifest: ProgramManifest,
    /// As `zkpool-verifiers` takes it.
    pub verifying_key: Vec<u8>,
    /// How large a proof is to make.
    pub measured: Measured,
    /// How many public inputs a proof has.
    pub public_inputs: u32,
    /// Who registered it.
    pub registered_by: Address,
}

/// An input that passed the preflight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRecord {
    /// The envelope.
    pub blob: BlobId,
    /// The program that it names.
    pub program: ProgramId,
    /// The blobs that it names besides, in order: a witness, or a zkVM program's standard input and assumptions.
    pub attached: Vec<BlobId>,
    /// How large the proof is to make; for a zkVM program at the first of the sizes that were tried.
    pub measured: Measured,
    /// The statement that it proves.
    pub statement: B256,
    /// The public inputs behind the statement.
    pub public_inputs: Vec<U256>,
    /// Whether a proof of it was made and verified.
    pub tried: bool,
    /// How a zkVM program ran on it.
    pub run: Option<GuestRun>,
}

/// Which leg of which bundle a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegOf {
    /// The bundle.
    pub bundle: TaskKey,
    /// Which of its legs, from 0.
    pub leg: u32,
    /// Which try, from 0.
    pub round: u32,
    /// Whether whoever works on another leg of the bundle must not work on this one.
    pub independent: bool,
    /// Whether it was asked for because legs disagree: who made a try before it must not make this one.
    pub dissent: bool,
}

/// A leg, to be stored: published like its bundle, with a quote of its own that nobody signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLeg {
    /// Its name ([`zkpool_protocol::bundle::leg_id`]).
    pub id: TaskId,
    /// Which of the bundle's legs, from 0.
    pub leg: u32,
    /// Which try, from 0.
    pub round: u32,
    /// Whether whoever works on another leg of the bundle must not work on this one.
    pub independent: bool,
    /// Whether it was asked for because legs disagree: who made a try before it must not make this one.
    pub dissent: bool,
    /// What it would be asked for with as a task of its own.
    pub ask: Ask,
    /// What it would be quoted with: its verifier and statement differ from its bundle's.
    pub quote: Quote,
    /// How large it is. It costs nothing by itself.
    pub units: WorkUnits,
    /// How its jobs are handed out: as its bundle's.
    pub strategy: Strategy,
}

/// How a task stands on chain. Everything here is taken back when the block that said it is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnChain {
    /// Height and time of the publication.
    pub published: Option<(u64, u64)>,
    /// Last second on time, halts included.
    pub proof_deadline: u64,
    /// Last second at which it can be proven, halts included.
    pub liability_deadline: u64,
    /// The rescue that was announced, if any.
    pub rescue: Option<AnnouncedRescue>,
    /// Height at which the rescue was carried out.
    pub novated: Option<u64>,
    /// Height and kind of the end.
    pub ended: Option<(u64, End)>,
}

/// A rescue as announced on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncedRescue {
    /// Who takes the task over.
    pub rescuer: Address,
    /// With which of its slots.
    pub slot: u32,
    /// When it takes effect, in seconds.
    pub effective_at: u64,
    /// Height of the announcement.
    pub block: u64,
}

/// How a task ended on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Proven within the proof window.
    DeliveredOnTime,
    /// Proven after it.
    DeliveredLate,
    /// Published without backing.
    Dishonoured,
    /// Refunded, with the liability.
    Defaulted,
    /// Ended without fault.
    Unwound,
}

impl End {
    const ALL: [Self; 5] =
        [Self::DeliveredOnTime, Self::DeliveredLate, Self::Dishonoured, Self::Defaulted, Self::Unwound];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeliveredOnTime => "on-time",
            Self::DeliveredLate => "late",
            Self::Dishonoured => "dishonoured",
            Self::Defaulted => "defaulted",
            Self::Unwound => "unwound",
        }
    }

    /// The end with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.as_str() == name)
    }
}

/// A task with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// Key in the database.
    pub key: TaskKey,
    /// What this operator is to it.
    pub role: Role,
    /// Where it stands.
    pub state: TaskState,
    /// Grows with every change of the task, its jobs and leases.
    pub version: u64,
    /// The request.
    pub request: RequestId,
    /// Which try of that request this is.
    pub attempt: u32,
    /// Who asked, pays and publishes.
    pub payer: Address,
    /// What was asked for.
    pub ask: Ask,
    /// The quote, once there is one, and its id.
    pub quote: Option<(TaskId, Quote)>,
    /// The operator's signature over it.
    pub signature: Option<Vec<u8>>,
    /// What it costs, or would cost.
    pub price: Option<Price>,
    /// Why there is no quote.
    pub refusal: Option<Refusal>,
    /// Slot of this operator that backs it, or with which it is rescued.
    pub own_slot: Option<u32>,
    /// Which leg of which bundle it is, if it is one.
    pub leg: Option<LegOf>,
    /// How it stands on chain; of a leg, its bundle's deadlines alone.
    pub chain: OnChain,
    /// The largest segment of a task whose graph grows, as a power of two of cycles; set when its work starts.
    pub segment_limit: Option<u32>,
    /// Whether its graph is complete: no further job will come. A bundle has none: its legs have.
    pub planned: bool,
    /// Index of its graph's first job: those before it were left by runs that broke off.
    pub first_job: u32,
    /// The verified receipt of a zkVM task, before it is sealed for the contract.
    pub receipt: Option<BlobId>,
    /// The verified proof, as the contract takes it.
    pub proof: Option<BlobId>,
    /// How often its transactions have failed.
    pub failed_submissions: u32,
    /// Not tried again before, in milliseconds.
    pub retry_at: Millis,
    /// When it was asked for.
    pub created_at: Millis,
    /// When its state last changed.
    pub changed_at: Millis,
}

impl TaskRecord {
    /// The id on chain, once there is a quote.
    pub fn id(&self) -> Option<TaskId> {
        self.quote.as_ref().map(|(id, _)| *id)
    }

    /// How its jobs are handed out.
    pub fn strategy(&self) -> Strategy {
        self.price.map(|price| price.strategy).unwrap_or_default()
    }

    /// The signed quote, once it is signed.
    pub fn signed(&self) -> Option<SignedQuote> {
        let (_, quote) = self.quote.clone()?;
        Some(SignedQuote { quote, signature: self.signature.clone()?.into() })
    }
}

/// A step in a task's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When.
    pub at: Millis,
    /// Before; absent for the first.
    pub from: Option<TaskState>,
    /// After.
    pub to: TaskState,
    /// A word on why.
    pub note: Option<String>,
}

/// Whose database this is, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// EIP-155 id.
    pub chain_id: u64,
    /// The ZKPool contract.
    pub pool: Address,
    /// Owner of the slots.
    pub operator: Address,
    /// The follower's cursor, as it writes it.
    pub cursor: Option<Vec<u8>>,
    /// Height and time of the last block seen.
    pub head: (u64, u64),
    /// Misses before this do not count for the circuit breaker.
    pub breaker_reset_at: Millis,
}
