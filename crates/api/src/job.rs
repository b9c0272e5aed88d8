//! What a prover says and hears: joining, claiming, heartbeats, results.

use crate::{
    schema,
    serde_with::{text, texts},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zkpool_protocol::{
    Address, B256, BlobId, Bytes, ErrorCode, JobId, JobState, Operation, ProgramManifest, ProofKind, TaskState,
    WorkUnits, decimal,
};

/// `POST /v1/provers/join`: a device offers its work. Joining again replaces what was said before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// Name of the device, unique per address: letters, digits, `.`, `_`, `-`; at most 64 bytes.
    #[schema(max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    pub device: String,
    /// Processor threads.
    pub cpus: u32,
    /// Memory that jobs may use, in bytes.
    pub memory: u64,
    /// What it can prove, and how fast.
    pub kinds: Vec<KindSpeed>,
    /// What it asks for its work, of the kinds for which it asks something in particular: it is given no job that pays less,
    /// and where provers compete this is its bid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<KindAsk>,
    /// How many jobs it works on at once.
    pub concurrency: u32,
    /// The SGX programs that it has an enclave of, by the names under which their verifiers know them; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::Word>, max_items = 64)]
    pub enclaves: Vec<B256>,
    /// It works whether or not anything is set apart for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpaid: bool,
}

/// A measured speed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KindSpeed {
    /// The kind of proof.
    #[schema(value_type = schema::ProofKind)]
    pub kind: ProofKind,
    /// Work units per second, from a benchmark on this device.
    pub units_per_second: f64,
}

/// What a prover asks for a kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KindAsk {
    /// The kind of proof.
    #[schema(value_type = schema::ProofKind)]
    pub kind: ProofKind,
    /// For a million work units, in wei; above zero. In another token than ether it is what the operator takes that to be
    /// (`GET /v1/info`).
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub wei_per_million_units: u128,
}

/// The device is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinReply {
    /// The prover's address: the one that is signed in.
    #[schema(value_type = schema::Address)]
    pub prover: Address,
    /// Until when it is excluded after misses (unix milliseconds), if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_until_ms: Option<u64>,
    /// The longest that a claim waits, in seconds.
    pub max_claim_wait: u32,
}

/// `POST /v1/provers/leave`: the device takes no more jobs; jobs that it still holds are given to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveRequest {
    /// Name of the device.
    pub device: String,
}

/// `POST /v1/jobs/claim`: asks for a job and waits for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// Name of the device.
    pub device: String,
    /// The jobs that the device is working on. A job that the service believes it to hold and that is not in this list
    /// was lost in a crash, and is given out again at once.
    #[serde(default, with = "texts")]
    #[schema(value_type = Vec<schema::JobId>)]
    pub holding: Vec<JobId>,
    /// How long to wait for a job, in seconds; at most 30.
    pub wait: u32,
}

/// A job, or nothing yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimReply {
    /// The job.
    pub job: Option<ClaimedJob>,
}

/// A job and what is needed to do it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimedJob {
    /// Its id.
    #[serde(with = "text")]
    #[schema(value_type = schema::JobId)]
    pub id: JobId,
    /// The lease under which the prover holds it.
    pub lease: Lease,
    /// What to do.
    #[schema(value_type = schema::Operation)]
    pub operation: Operation,
    /// For which kind of proof.
    #[schema(value_type = schema::ProofKind)]
    pub kind: ProofKind,
    /// With which program.
    #[schema(value_type = schema::ProgramManifest)]
    pub program: ProgramManifest,
    /// On what, in order: the envelope for `single` and `attest`, the segment for `prove`; for the rest the results of the jobs that it
    /// needs, and for `resolve` after them the receipt of what was assumed. The lease entitles to these blobs.
    #[schema(value_type = Vec<schema::BlobId>)]
    pub inputs: Vec<BlobId>,
    /// For `attest`: for which contract the enclave signs, and who is to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attest: Option<AttestTerms>,
    /// For `single`, the witness, if the envelope names one; for `attest`, the bytes that the enclave reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::BlobId>)]
    pub witness: Option<BlobId>,
    /// What the result must show: the task's statement for `single` and `attest`, the SHA-256 of the segment's claim for `prove`; for
    /// the rest it follows from the inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Word>)]
    pub statement: Option<B256>,
    /// When the task must be delivered to be on time, unix seconds.
    pub deadline: u64,
    /// How large the job is.
    #[schema(value_type = u64)]
    pub units: WorkUnits,
    /// Peak memory that a prover needs, in bytes.
    pub memory: u64,
    /// What it earns, with an operator that pays out of tranches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<crate::JobPay>,
}

/// What an enclave's signature is bound to, besides program and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttestTerms {
    /// EIP-155 id.
    pub chain_id: u64,
    /// The `SgxVerifier`.
    #[schema(value_type = schema::Address)]
    pub verifier: Address,
    /// The operator.
    #[schema(value_type = schema::Address)]
    pub payee: Address,
}

/// A lease on a job. The fence goes with everything that is said about the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lease {
    /// Fencing token: grows with every lease of the job.
    pub fence: u64,
    /// When it ends by the service's clock, unix milliseconds.
    pub until_ms: u64,
    /// How long it lasts from now (a duration), for provers whose clock is wrong.
    pub valid_for_ms: u64,
    /// How often to renew it (a duration).
    pub renew_every_ms: u64,
}

/// `POST /v1/jobs/{id}/heartbeat`: renews the lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatRequest {
    /// The lease's token.
    pub fence: u64,
    /// What the prover is at; at most 64 bytes.
    #[schema(max_length = 64)]
    pub stage: String,
    /// How far it is, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub progress: f32,
}

/// The lease is renewed, or the job is not needed any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeartbeatReply {
    /// When the lease ends now, by the service's clock, unix milliseconds.
    pub until_ms: u64,
    /// How long it lasts from now (a duration).
    pub valid_for_ms: u64,
    /// Stop: the job is not needed any more, for this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled: Option<String>,
}

/// `POST /v1/jobs/{id}/result`: the proof, or what else the job yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResultRequest {
    /// The lease's token.
    pub fence: u64,
    /// The result's bytes; at most 1 MiB.
    #[schema(value_type = schema::Hex)]
    pub proof: Bytes,
    /// How long proving took (a duration), as the prover measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proving_ms: Option<u64>,
    /// With an operator that pays out of tranches: the prover's signature (65 bytes r ‖ s ‖ v) of `Result` by EIP-712, in the
    /// revenue ledger's domain. A prover that signs two results for one job loses its bond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Hex>)]
    pub signature: Option<Bytes>,
}

/// The proof was verified and is durable. Sending the same result again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResultReply {
    /// The job's state.
    #[schema(value_type = schema::JobState)]
    pub job: JobState,
    /// The task's state.
    #[schema(value_type = schema::TaskState)]
    pub task: TaskState,
    /// What the prover has earned with it, if something is set apart for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<crate::Paid>,
}

/// `POST /v1/jobs/{id}/fail`: the prover gives the job up. It will not get it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailRequest {
    /// The lease's token.
    pub fence: u64,
    /// Why.
    #[schema(value_type = schema::ErrorCode)]
    pub code: ErrorCode,
    /// Why, for people; at most 1024 bytes.
    #[schema(max_length = 1024)]
    pub message: String,
}

/// The job goes to somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailReply {
    /// The job's state.
    #[schema(value_type = schema::JobState)]
    pub job: JobState,
}
