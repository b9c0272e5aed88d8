//! `POST /v1/quotes`: asking for a quote; `POST /v1/published`: telling of one published with another operator.

use crate::{
    ApiError, schema,
    serde_with::{optional_text, texts},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zkpool_protocol::{
    Address, B256, BlobId, Bytes, Call, ProgramId, ProofKind, SignedQuote, Strategy, TaskId, TaskState, U256,
    WorkUnits, decimal,
};

/// Names a request for a quote: the SHA-256 of [`QuoteRequest::id`].
pub type RequestId = BlobId;

/// A wish. The operator answers with terms that fulfil it, or refuses.
///
/// The same body gives the same quote until its task has ended: a retry is safe. For two proofs of one input at once,
/// change `reference`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// The kind of proof.
    #[schema(value_type = schema::ProofKind)]
    pub kind: ProofKind,
    /// The registered program that proves it.
    #[schema(value_type = schema::BlobId)]
    pub program: ProgramId,
    /// The uploaded input envelope.
    #[schema(value_type = schema::BlobId)]
    pub input: BlobId,
    /// Publishes and pays; its balance must cover the reward. The address that is signed in.
    #[schema(value_type = schema::Address)]
    pub payer: Address,
    /// Receives refunds and liability; the payer if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Address>)]
    pub requester: Option<Address>,
    /// The requester's own contract.
    #[schema(value_type = schema::Address)]
    pub target: Address,
    /// Builds the call; absent: template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Address>)]
    pub encoder: Option<Address>,
    /// Accepts the statement; absent: target mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Address>)]
    pub verifier: Option<Address>,
    /// How the target's call is built.
    #[schema(value_type = schema::Call)]
    pub call: Call,
    /// Gas that the target's call is given.
    pub call_gas: u32,
    /// Token in which the reward is paid.
    #[schema(value_type = schema::Address)]
    pub reward_token: Address,
    /// Token of liability, bond, burn and honour.
    #[schema(value_type = schema::Address)]
    pub liability_token: Address,
    /// Seconds from publication within which the delivery is on time.
    pub proof_window: u32,
    /// Seconds from publication after which nothing can be proven.
    pub liability_window: u32,
    /// The requester's when the task is never delivered.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub liability: u128,
    /// Lost by the operator when the delivery is late.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub bond: u128,
    /// Destroyed when the task is never delivered.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub burn: u128,
    /// Refuse instead of asking for more than this.
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Amount>)]
    pub max_reward: Option<u128>,
    /// The statement that the requester expects; another one is refused as `wrong_public_inputs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Word>)]
    pub statement: Option<B256>,
    /// How the jobs are to be handed out, which the price follows; absent: as the operator thinks best. A race is refused
    /// (`no_prover`) if fewer owners are there that could do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Strategy>)]
    pub strategy: Option<Strategy>,
    /// Makes otherwise equal requests different; at most 64 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 64)]
    pub reference: String,
}

impl QuoteRequest {
    /// The request's id, whatever the white space and order of the JSON that carried it.
    pub fn id(&self) -> RequestId {
        let mut text = b"zkpool quote request v1\n".to_vec();
        text.extend(serde_json::to_vec(self).expect("a request holds only strings, numbers and structs"));
        BlobId::of(&text)
    }

    /// Who receives refunds and liability.
    pub fn beneficiary(&self) -> Address {
        self.requester.unwrap_or(self.payer)
    }
}

/// How far a request for a quote has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuoteStatus {
    /// The input is being checked: ask again (`GET /v1/quotes/{request}`).
    Preflight,
    /// A firm, signed quote.
    Quoted,
    /// A price without a signature: `error` says what is missing for a firm quote.
    Indicative,
    /// No quote: `error` says why.
    Refused,
}

/// The answer to a request for a quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuoteReply {
    /// Names the request.
    #[schema(value_type = schema::BlobId)]
    pub request: RequestId,
    /// How far it has come.
    pub status: QuoteStatus,
    /// The firm quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::SignedQuote>)]
    pub quote: Option<SignedQuote>,
    /// The quote's digest: the task's id once it is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Word>)]
    pub task: Option<TaskId>,
    /// The call that the quote commits to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Call>)]
    pub call: Option<Call>,
    /// How the price was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The public inputs that the preflight found, as decimal strings.
    #[serde(default, with = "optional_words", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Amount>>)]
    pub public_inputs: Option<Vec<U256>>,
    /// How the zkVM program ran in the preflight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<GuestRunView>,
    /// Why there is no firm quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
}

/// How a zkVM program ran in the preflight. The statement is keccak-256 of `abi.encode(imageId, sha256(journal))`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuestRunView {
    /// What it made public.
    #[schema(value_type = schema::Hex)]
    pub journal: Bytes,
    /// Its own cycles, paging and padding not counted.
    pub cycles: u64,
}

impl QuoteReply {
    /// An answer that only says how far the request is.
    pub const fn new(request: RequestId, status: QuoteStatus) -> Self {
        Self {
            request,
            status,
            quote: None,
            task: None,
            call: None,
            price: None,
            public_inputs: None,
            run: None,
            error: None,
        }
    }
}

/// How a price was made; amounts in the reward token. `reward = work + gas + premium`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// What the publisher pays.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub reward: u128,
    /// For proving, under the present load.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub work: u128,
    /// For the transaction that delivers.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub gas: u128,
    /// For the liability.
    #[serde(with = "decimal")]
    #[schema(value_type = schema::Amount)]
    pub premium: u128,
    /// Size of the work: once, however many race.
    #[schema(value_type = u64)]
    pub units: WorkUnits,
    /// How the jobs are handed out for that. It stays so, whatever the operator thinks best later.
    #[schema(value_type = schema::Strategy)]
    pub strategy: Strategy,
    /// Milliseconds that the operator expects from publication to delivery.
    pub expected_ms: u64,
}

/// Tells an operator of a quote that was published with another one, which it may take over if it is late.
///
/// The chain is asked whether it is so. The input must have been uploaded (under its hash) before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedRequest {
    /// The quote as it was published.
    #[schema(value_type = schema::SignedQuote)]
    pub quote: SignedQuote,
    /// The call that it commits to.
    #[schema(value_type = schema::Call)]
    pub call: Call,
}

/// The operator knows the task now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishedReply {
    /// The task's id.
    #[schema(value_type = schema::Word)]
    pub task: TaskId,
    /// Its state in this operator's eyes.
    #[schema(value_type = schema::TaskState)]
    pub state: TaskState,
}

/// An optional list of words as decimal strings.
mod optional_words {
    use super::{U256, texts};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Words(#[serde(with = "texts")] Vec<U256>);

    pub(super) fn serialize<S: Serializer>(value: &Option<Vec<U256>>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(words) => texts::serialize(words, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<U256>>, D::Error> {
        Ok(Option::<Words>::deserialize(deserializer)?.map(|words| words.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_id_covers_every_field_and_nothing_else() {
        let full = json!({
            "kind": "groth16-bn254", "program": BlobId::of(b"p"), "input": BlobId::of(b"i"),
            "payer": Address::repeat_byte(1), "requester": Address::repeat_byte(2), "target": Address::repeat_byte(3),
            "encoder": Address::repeat_byte(4), "verifier": Address::repeat_byte(5),
            "call": { "prefix": "0x01", "suffix": "0x02", "doneCheck": "0x03" }, "call_gas": 1,
            "reward_token": Address::repeat_byte(6), "liability_token": Address::repeat_byte(7), "proof_window": 1,
            "liability_window": 2, "liability": "3", "bond": "4", "burn": "5", "max_reward": "6",
            "statement": B256::repeat_byte(8), "strategy": "race:2", "reference": "r",
        });
        let read = |value: &serde_json::Value| serde_json::from_value::<QuoteRequest>(value.clone()).unwrap();
        let id = read(&full).id();
        assert_eq!(serde_json::to_value(read(&full)).unwrap(), full, "no field is missing in this test");
        // White space makes no other request.
        let text = serde_json::to_string_pretty(&full).unwrap();
        assert_eq!(serde_json::from_str::<QuoteRequest>(&text).unwrap().id(), id);
        for field in full.as_object().unwrap().keys().filter(|field| *field != "kind") {
            let mut other = full.clone();
            other[field] = match field.as_str() {
                "program" | "input" => json!(BlobId::of(b"other")),
                "call" => json!({ "prefix": "0x01", "suffix": "0x02", "doneCheck": "0x04" }),
                "call_gas" | "proof_window" | "liability_window" => json!(99),
                "liability" | "bond" | "burn" | "max_reward" => json!("99"),
                "statement" => json!(B256::repeat_byte(99)),
                "strategy" => json!("race:3"),
                "reference" => json!("other"),
                _ => json!(Address::repeat_byte(99)),
            };
            assert_ne!(read(&other).id(), id, "{field}");
        }
    }

    #[test]
    fn amounts_are_decimal_strings_of_any_size() {
        let price = Price {
            reward: u128::MAX,
            work: 0,
            gas: 0,
            premium: 0,
            units: WorkUnits(u64::MAX),
            strategy: Strategy::Assign,
            expected_ms: 1,
        };
        let json = serde_json::to_value(&price).unwrap();
        assert_eq!(json["reward"], json!(u128::MAX.to_string()));
        assert_eq!(serde_json::from_value::<Price>(json).unwrap(), price);
        for bad in [json!(1), json!("0x1"), json!("-1"), json!("1.0"), json!("")] {
            let mut json = serde_json::to_value(&price).unwrap();
            json["gas"] = bad;
            assert!(serde_json::from_value::<Price>(json).is_err());
        }
        let mut reply = QuoteReply::new(BlobId::of(b"r"), QuoteStatus::Quoted);
        reply.public_inputs = Some(vec![U256::MAX, U256::ZERO]);
        let json = serde_json::to_value(&reply).unwrap();
        assert_eq!(json["public_inputs"], json!([U256::MAX.to_string(), "0"]));
        assert_eq!(serde_json::from_value::<QuoteReply>(json).unwrap(), reply);
    }
}
