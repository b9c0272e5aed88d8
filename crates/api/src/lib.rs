//! The HTTP API of an operator's service: wire types, their OpenAPI schemas, and a typed client.
//!
//! The table of routes is in ARCHITECTURE.md; `openapi.json` beside this crate is the machine-readable form, which the
//! service serves and a test there keeps fresh.
//!
//! Conventions: field names are snake_case, except inside the quote (`Terms`, `Task`, `Call`), which is spelled as the
//! contract spells it; amounts are decimal strings in the token's smallest unit; bytes are 0x-hex; blob ids are bare
//! hex; times are unix seconds unless the name ends in `_ms` (unix milliseconds, or a duration in milliseconds where the
//! documentation says so). Requests with fields that the service does not know are refused; replies may gain fields.

mod attestation;
mod auth;
mod blob;
mod client;
mod error;
mod info;
mod job;
mod pay;
mod program;
mod quote;
pub mod schema;
mod serde_with;
mod task;

pub use attestation::{AttestationReply, AttestationRequest, AttestationsQuery, AttestationsReply, OpenAttestation};
pub use auth::{LoginReply, LoginRequest, NonceReply, SIGN_IN_STATEMENT, sign_in_message};
pub use blob::BlobReply;
pub use client::{Client, ClientError, Identity, Options as ClientOptions, Reach, TaskEvents, is_public};
pub use error::ApiError;
pub use info::{Info, Limits, TokenInfo, VerifierInfo};
pub use job::{
    AttestTerms, ClaimReply, ClaimRequest, ClaimedJob, FailReply, FailRequest, HeartbeatReply, HeartbeatRequest,
    JoinReply, JoinRequest, KindAsk, KindSpeed, Lease, LeaveRequest, ResultReply, ResultRequest,
};
pub use pay::{
    BondInfo, EarmarkView, EarmarksReply, JobPay, Paid, PartPay, PayInfo, ReceiptView, ReceiptsQuery, ReceiptsReply,
    TaskPayReply, TrancheReply, TrancheView, TranchesReply,
};
pub use program::ProgramView;
pub use quote::{
    GuestRunView, Price, PublishedReply, PublishedRequest, QuoteReply, QuoteRequest, QuoteStatus, RequestId,
};
pub use task::{
    EventKind, ExecutionView, FailedAttempt, FailureKind, JobCount, JobView, LegView, SealView, TaskEvent, TaskRole,
    TaskView, Timings, TxState, TxView,
};

/// The longest that `POST /v1/jobs/claim` waits for a job, in seconds.
pub const MAX_CLAIM_WAIT: u32 = 30;
/// The longest that `GET /v1/attestations` waits for a receipt to sign, in seconds.
pub const MAX_ATTESTATION_WAIT: u32 = 30;
/// How many of a task's jobs `GET /v1/tasks/{id}` and its events list at most.
pub const MAX_TASK_JOBS: u32 = 2_000;
/// How many receipts `GET /v1/attestations` names at most.
pub const MAX_OPEN_ATTESTATIONS: usize = 32;
/// How many receipts `GET /v1/pay/provers/{address}/receipts` names at most.
pub const MAX_RECEIPTS: u32 = 500;
/// The longest that `POST /v1/quotes` waits for the preflight before it answers 202, in seconds.
pub const MAX_QUOTE_WAIT: u32 = 20;
/// The longest name of a device, in bytes.
pub const MAX_DEVICE_NAME: usize = 64;
/// The longest name of a proving stage, in bytes.
pub const MAX_STAGE: usize = 64;
/// The longest message with which a prover gives up a job, in bytes.
pub const MAX_FAIL_MESSAGE: usize = 1024;
/// The longest result of a job, in bytes. A zkVM segment's is a quarter of it.
pub const MAX_PROOF: usize = 1 << 20;
