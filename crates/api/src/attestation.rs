//! What a committee's member hears and says: receipts that wait for its signature, and signatures.
//!
//! A receipt's id is the SHA-256 of its bytes: at once the name of a blob, `GET /v1/receipts/{id}`, and the
//! `receiptHash` that is signed.

use crate::schema;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zkpool_protocol::{Address, B256, BlobId, Bytes, ProofKind, TaskId};

/// `GET /v1/attestations`: waits for receipts that the member who is signed in has not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AttestationsQuery {
    /// The committee: the verifier that the tasks' quotes name.
    #[param(value_type = schema::Address)]
    pub verifier: Address,
    /// How long to wait for the first one, in seconds; at most 30.
    #[serde(default)]
    #[param(maximum = 30)]
    pub wait: u32,
    /// Only what stands behind this task in the order of the list: for a member that cannot or will not sign what it was
    /// shown, and would see no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::Word>)]
    pub after: Option<TaskId>,
}

/// What waits for the member's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttestationsReply {
    /// The most urgent first, at most 32; none if the wait is over. Behind 32 there may be more: ask again with `after`.
    pub open: Vec<OpenAttestation>,
}

/// A receipt that waits for a member's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenAttestation {
    /// For which task.
    #[schema(value_type = schema::Word)]
    pub task: TaskId,
    /// What the receipt should be.
    #[schema(value_type = schema::ProofKind)]
    pub kind: ProofKind,
    /// Which program it should prove.
    #[schema(value_type = schema::Word)]
    pub image_id: B256,
    /// What the program should have made public; at most 64 KiB.
    #[schema(value_type = schema::Hex)]
    pub journal: Bytes,
    /// The receipt.
    #[schema(value_type = schema::BlobId)]
    pub receipt: BlobId,
    /// Its size in bytes.
    pub size: u64,
    /// When the task must be delivered to be on time, unix seconds.
    pub deadline: u64,
}

/// `POST /v1/attestations`: the member has checked the receipt itself and signs for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttestationRequest {
    /// For which task.
    #[schema(value_type = schema::Word)]
    pub task: TaskId,
    /// The receipt.
    #[schema(value_type = schema::BlobId)]
    pub receipt: BlobId,
    /// Signature (65 bytes r ‖ s ‖ v) of `Attestation` by EIP-712, in the domain of the task's committee.
    #[schema(value_type = schema::Hex)]
    pub signature: Bytes,
}

/// The signature is right and is stored. Sending it again gives the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttestationReply {
    /// How many members have signed.
    pub signatures: u32,
    /// How many it takes.
    pub threshold: u32,
}
