//! `GET /v1/tasks/{id}` and its events: what a task is at, for anyone who knows its id.

use crate::{ApiError, schema};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zkpool_protocol::{
    Address, B256, BlobId, JobState, Operation, ProofKind, Strategy, TaskId, TaskState, Terms, WorkUnits,
};

/// Whose task it is, in the eyes of the operator that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskRole {
    /// This operator signed the quote.
    Own,
    /// Another operator did; this one watches it and may take it over.
    Rescue,
    /// It is one leg of a bundle, and not on chain.
    Leg,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    /// Its id: the quote's EIP-712 digest.
    #[schema(value_type = schema::Word)]
    pub id: TaskId,
    /// Its state.
    #[schema(value_type = schema::TaskState)]
    pub state: TaskState,
    /// Whose it is.
    pub role: TaskRole,
    /// The terms that were signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Terms>)]
    pub terms: Option<Terms>,
    /// Block time of its publication, unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<u64>,
    /// Last second on time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_deadline: Option<u64>,
    /// Last second at which it can be proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liability_deadline: Option<u64>,
    /// The kind of proof that it ends in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ProofKind>)]
    pub kind: Option<ProofKind>,
    /// How its jobs are handed out.
    #[serde(default)]
    #[schema(value_type = schema::Strategy)]
    pub strategy: Strategy,
    /// How far a zkVM program has run again, to be proven: provers work while it still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionView>,
    /// Its jobs, by index. While a zkVM program runs they become more. Of a large task at most 2,000, around the first one
    /// that is not done.
    pub jobs: Vec<JobView>,
    /// How many jobs it has in each state, those that are not listed included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub job_counts: Vec<JobCount>,
    /// Of a bundle: its legs, every try of each, by leg and round. Each is a task of its own (`GET /v1/tasks/{id}`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<LegView>,
    /// How far the receipt is on its way to what the contract takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealView>,
    /// Its transactions, oldest first.
    pub txs: Vec<TxView>,
    /// When what happened.
    pub timings: Timings,
    /// What stands in its way, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

/// A leg of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LegView {
    /// Its name as a task of its own.
    #[schema(value_type = schema::Word)]
    pub id: TaskId,
    /// Which of the verifier's legs, from 0.
    pub leg: u32,
    /// Which try, from 0: a further one when legs disagreed.
    pub round: u32,
    /// The kind of proof.
    #[schema(value_type = schema::ProofKind)]
    pub kind: ProofKind,
    /// Its state.
    #[schema(value_type = schema::TaskState)]
    pub state: TaskState,
    /// Who works on it, or has made it.
    #[schema(value_type = Vec<schema::Address>)]
    pub provers: Vec<Address>,
    /// When the first of them was given a job of it, unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
    /// When its proof was there, unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_at_ms: Option<u64>,
    /// Whether its proof shows the bundle's output; absent until it is there. If not, the bundle is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agrees: Option<bool>,
    /// What its proof shows, if that is another output than the bundle's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Word>)]
    pub shows: Option<B256>,
}

/// How far a program has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionView {
    /// Segments so far.
    pub segments: u32,
    /// The largest segment, as a power of two of cycles.
    pub segment_limit: u32,
    /// Whether it came to its end: there will be no more.
    pub complete: bool,
}

/// How many jobs are in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCount {
    /// The state.
    #[schema(value_type = schema::JobState)]
    pub state: JobState,
    /// How many.
    pub count: u32,
}

/// A finished receipt, and what a committee says to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SealView {
    /// The receipt (`GET /v1/receipts/{id}`): the SHA-256 that is signed.
    #[schema(value_type = schema::BlobId)]
    pub receipt: BlobId,
    /// Who has signed for it, if a committee is to.
    #[schema(value_type = Vec<schema::Address>)]
    pub signers: Vec<Address>,
    /// Members whose signature was not for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Address>)]
    pub liars: Vec<Address>,
}

/// A job of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its place in the graph.
    pub index: u32,
    /// What is done.
    #[schema(value_type = schema::Operation)]
    pub operation: Operation,
    /// Its state.
    #[schema(value_type = schema::JobState)]
    pub state: JobState,
    /// Who holds it, or did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Address>)]
    pub prover: Option<Address>,
    /// How far the prover is, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f32>,
    /// What the prover is at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// How often it was given out.
    pub attempts: u32,
    /// How large it is.
    #[serde(default)]
    #[schema(value_type = u64)]
    pub units: WorkUnits,
    /// Which segment it proves or lifts, counted from zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// Attempts that came to nothing and count against their prover; the last eight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedAttempt>,
}

/// How an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Nothing came in time.
    Late,
    /// The result does not verify.
    Wrong,
    /// The prover gave the job up.
    GivenUp,
}

/// An attempt that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedAttempt {
    /// Whose.
    #[schema(value_type = schema::Address)]
    pub prover: Address,
    /// How.
    pub kind: FailureKind,
    /// What was wrong with the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a transaction fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TxState {
    /// On its way.
    Pending,
    /// In a block, and succeeded.
    Mined,
    /// In a block, and reverted.
    Reverted,
    /// Superseded or given up.
    Dropped,
}

/// A transaction of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TxView {
    /// What it is for: `publish`, `prove`, `rescue`, …
    pub purpose: String,
    /// Its hash.
    #[schema(value_type = schema::Word)]
    pub hash: B256,
    /// How it fares.
    pub state: TxState,
    /// Gas used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
    /// Number of the block that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
}

/// When what happened; unix milliseconds by the service's clock, except `proving_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Timings {
    /// The quote was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quoted_at_ms: Option<u64>,
    /// The service saw the publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at_ms: Option<u64>,
    /// The first prover took a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proving_started_at_ms: Option<u64>,
    /// The proof was verified and durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_at_ms: Option<u64>,
    /// The transaction was first sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submitted_at_ms: Option<u64>,
    /// The service saw the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at_ms: Option<u64>,
    /// How long proving took (a duration): the longest way through the graph, as the provers measured it. Absent if not
    /// all jobs are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proving_ms: Option<u64>,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The first event of a stream: how things stand.
    Snapshot,
    /// The task's state, a job's state or progress, or a transaction.
    Changed,
    /// The task is in a final state: the stream ends here.
    Final,
}

/// One server-sent event: `id` is `seq`, `event` is the kind, `data` is this as JSON.
///
/// Events carry the whole task, so a reader that missed some has lost nothing that still holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskEvent {
    /// Grows with every change of the task; a stream resumed with `Last-Event-ID` starts above it.
    pub seq: u64,
    /// When the service sent it, unix milliseconds.
    pub at_ms: u64,
    /// What changed.
    pub kind: EventKind,
    /// The task as it is now.
    pub task: TaskView,
}
