//! How provers are paid: what a job earns, receipts, vouchers, and what is set apart for whom.
//!
//! Everything under `/v1/pay` can be recomputed by anyone: `zkpool audit` does.

use crate::schema;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zkpool_protocol::{
    Address, B256, Bytes, Strategy, TaskId, decimal,
    pay::{Cap, CapProof, Receipt, SignedVoucher, SumNode, TaskPay},
};

/// How an operator pays its provers: out of tranches of the revenue ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PayInfo {
    /// The RevenueLedger contract.
    #[schema(value_type = schema::Address)]
    pub ledger: Address,
    /// The provers' part of rewards that the operator means to have on chain, in basis points.
    pub share: u16,
    /// The bond in the ledger that a prover must have to be given work, if one is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bond: Option<BondInfo>,
}

/// A bond that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BondInfo {
    /// In which token.
    #[schema(value_type = schema::Address)]
    pub token: Address,
    /// How much at least, in the token's smallest unit. More of who was put out.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub amount: u128,
}

/// What a job earns when its result is accepted, as far as the prover's cap goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobPay {
    /// In which token.
    #[schema(value_type = schema::Address)]
    pub token: Address,
    /// How much, in the token's smallest unit.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub amount: u128,
}

/// What an accepted result has earned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Paid {
    /// The receipt.
    #[schema(value_type = schema::Receipt)]
    pub receipt: Receipt,
    /// What the prover is owed in this tranche with it.
    #[schema(value_type = schema::SignedVoucher)]
    pub voucher: SignedVoucher,
}

/// A tranche, as the operator has planned it; the chain says whether it is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrancheView {
    /// Its index among the operator's.
    pub index: u64,
    /// What it pays in.
    #[schema(value_type = schema::Address)]
    pub token: Address,
    /// Whether it still earns anybody anything; it pays as long as the chain says.
    pub open: bool,
    /// Who signs its vouchers.
    #[schema(value_type = schema::Address)]
    pub signer: Address,
    /// Root of the tree of its caps.
    #[schema(value_type = schema::Word)]
    pub root: B256,
    /// The sum of its caps, in the token's smallest unit.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub total: u128,
}

/// `GET /v1/pay/tranches`: all tranches of this operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TranchesReply {
    /// By index.
    pub tranches: Vec<TrancheView>,
}

/// `GET /v1/pay/tranches/{index}`: a tranche with everybody who is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TrancheReply {
    /// The tranche.
    pub tranche: TrancheView,
    /// In the order of the tree.
    #[schema(value_type = Vec<schema::Cap>)]
    pub caps: Vec<Cap>,
}

/// What is set apart for a prover in a tranche, with the proof that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EarmarkView {
    /// The tranche.
    pub tranche: TrancheView,
    /// The most that the prover is paid out of it, in the token's smallest unit.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub cap: u128,
    /// Position of the cap in the tree: bit `i` says whether the node at height `i` is a right child.
    pub place: u64,
    /// The nodes beside the way from the cap to the root.
    #[schema(value_type = Vec<schema::SumNode>)]
    pub siblings: Vec<SumNode>,
    /// The last voucher, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::SignedVoucher>)]
    pub voucher: Option<SignedVoucher>,
}

impl EarmarkView {
    /// That the cap is in the tranche's tree.
    pub fn proof(&self) -> CapProof {
        CapProof { index: self.place, siblings: self.siblings.clone() }
    }
}

/// `GET /v1/pay/provers/{address}`: what is set apart for a prover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EarmarksReply {
    /// By tranche.
    pub earmarks: Vec<EarmarkView>,
}

/// `GET /v1/pay/provers/{address}/receipts`: which receipts of a prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReceiptsQuery {
    /// In which tranche.
    pub tranche: u64,
    /// Only those behind so many, the first of the chain.
    #[serde(default)]
    pub after: u64,
}

/// A receipt, with what its prover has signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptView {
    /// The receipt.
    #[schema(value_type = schema::Receipt)]
    pub receipt: Receipt,
    /// The prover's signature (65 bytes r ‖ s ‖ v) of `Result` by EIP-712, in the ledger's domain.
    #[schema(value_type = schema::Hex)]
    pub signature: Bytes,
    /// In which tranche it is paid.
    pub tranche: u64,
}

/// A part of a chain of receipts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptsReply {
    /// In order; at most 500. Behind 500 there may be more: ask again with `after`.
    pub receipts: Vec<ReceiptView>,
    /// How long the whole chain is. What is left out at its end is of tasks that have not ended: only their prover sees it.
    pub count: u64,
}

/// `GET /v1/pay/tasks/{id}`: what a task's jobs were paid from, and all of its receipts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskPayReply {
    /// From what its jobs are paid; none if none of them was given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TaskPay>)]
    pub pay: Option<TaskPay>,
    /// How its jobs were handed out: where provers competed, a job earns what came of their bids, at most what it would have
    /// earned otherwise.
    #[serde(default)]
    #[schema(value_type = schema::Strategy)]
    pub strategy: Strategy,
    /// The task itself, or of a bundle each try of each leg.
    pub parts: Vec<PartPay>,
}

/// The receipts of a task, or of one try of one leg of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartPay {
    /// What its receipts are for.
    #[schema(value_type = schema::Word)]
    pub task: TaskId,
    /// Which leg, from 0, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<u32>,
    /// Which try of the leg, from 0.
    #[serde(default)]
    pub round: u32,
    /// By job and lease.
    pub receipts: Vec<ReceiptView>,
}
