//! `GET /v1/info`: who the operator is and what it takes.

use crate::schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zkpool_protocol::{Address, ProofKind, decimal};

/// What anyone may know about an operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Version of the service.
    pub version: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The ZKPool contract.
    #[schema(value_type = schema::Address)]
    pub pool: Address,
    /// The operator's address: owner of the slots.
    #[schema(value_type = schema::Address)]
    pub operator: Address,
    /// The kinds of proof that it offers.
    #[schema(value_type = Vec<schema::ProofKind>)]
    pub kinds: Vec<ProofKind>,
    /// The verifiers that it signs for.
    pub verifiers: Vec<VerifierInfo>,
    /// Whether it signs quotes in target mode for targets on its list, and which.
    #[schema(value_type = Vec<schema::Address>)]
    pub trusted_targets: Vec<Address>,
    /// The tokens that it takes.
    pub tokens: Vec<TokenInfo>,
    /// Bounds on requests.
    pub limits: Limits,
    /// How it pays its provers, if it does so out of tranches of the revenue ledger; if not, provers agree with it outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay: Option<crate::PayInfo>,
    /// Number of the newest block that the service has followed.
    pub head: u64,
    /// Whether it gives firm quotes at the moment; if not, `not_quoting` says why.
    pub quoting: bool,
    /// Why it gives no firm quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_quoting: Option<crate::ApiError>,
}

/// A verifier on the operator's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifierInfo {
    /// Its address.
    #[schema(value_type = schema::Address)]
    pub address: Address,
    /// The kind of proof that it checks.
    #[schema(value_type = schema::ProofKind)]
    pub kind: ProofKind,
}

/// A token on the operator's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenInfo {
    /// Its address.
    #[schema(value_type = schema::Address)]
    pub address: Address,
    /// Whether rewards can be paid in it.
    pub reward: bool,
    /// Whether the operator has slots in it.
    pub liability: bool,
    /// How much of it, in its smallest unit, one ether is worth in the operator's prices, and in what provers ask.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub per_ether: u128,
}

/// Bounds on requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// Largest JSON body, in bytes.
    pub json_bytes: u64,
    /// Largest blob, in bytes.
    pub blob_bytes: u64,
    /// The most that one address may have stored, in bytes.
    pub stored_bytes_per_address: u64,
    /// Requests per second and address, sustained.
    pub requests_per_second: u32,
    /// Live quotes that one requester may have.
    pub live_quotes_per_requester: u32,
    /// Longest validity of a quote, in seconds.
    pub max_validity: u64,
}
