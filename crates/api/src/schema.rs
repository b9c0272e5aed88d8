//! OpenAPI schemas of the protocol's types, which know nothing of OpenAPI themselves.
//!
//! Only ever named in `#[schema(value_type = …)]`; the tests hold each schema to what serde really writes.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, SchemaFormat, Type,
        schema::{AdditionalProperties, OneOfBuilder, Schema},
    },
};

/// Schemas of values that are written as strings of a certain form.
macro_rules! strings {
    ($($(#[doc = $doc:literal])+ $name:ident, $pattern:literal, $example:literal;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(concat!($($doc,)+).trim()))
                    .pattern(Some($pattern))
                    .examples([$example])
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

strings! {
    /// An address: 20 bytes as 0x-hex.
    Address, "^0x[0-9a-fA-F]{40}$", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    /// A 32-byte word as 0x-hex.
    Word, "^0x[0-9a-fA-F]{64}$", "0x0000000000000000000000000000000000000000000000000000000000000001";
    /// Bytes as 0x-hex.
    Hex, "^0x([0-9a-fA-F]{2})*$", "0x00ff";
    /// A whole number as a decimal string; amounts are in the token's smallest unit.
    Amount, "^[0-9]+$", "1000000000000000000";
    /// The SHA-256 of a blob's bytes: 64 lower-case hex digits without a prefix.
    BlobId, "^[0-9a-f]{64}$", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    /// A job's id: its task's id, a hyphen, its index.
    JobId, "^0x[0-9a-fA-F]{64}-[0-9]+$", "0x0000000000000000000000000000000000000000000000000000000000000001-0";
    /// How jobs are handed out: `assign` (each to one prover), `compete` (to the best bid), or `race:N` (each to 2 to 8
    /// provers of different owners at once).
    Strategy, "^(assign|compete|race:[2-8])$", "assign";
}

/// Bytes as they are: the body of an upload or a download.
#[derive(Debug)]
pub struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("Bytes as they are."))
            .into()
    }
}

impl ToSchema for Binary {}

/// Schemas of enums that are written as one of a list of names.
macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident, $values:expr;)*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(concat!($($doc,)+).trim()))
                    .enum_values(Some($values.iter().map(|value| value.as_str())))
                    .into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

names! {
    /// A fault's stable name. New ones may be added.
    ErrorCode, zkpool_protocol::ErrorCode::ALL;
    /// A kind of proof.
    ProofKind, zkpool_protocol::ProofKind::ALL;
    /// The state of a task.
    TaskState, zkpool_protocol::TaskState::ALL;
    /// The state of a job.
    JobState, zkpool_protocol::JobState::ALL;
    /// What a job does.
    Operation, zkpool_protocol::Operation::ALL;
}

/// What a field holds: another schema by name, or a number of so many bits.
enum Field {
    Of(fn() -> RefOr<Schema>),
    Number,
}

fn of<T: ToSchema>() -> Field {
    Field::Of(|| Ref::from_schema_name(T::name()).into())
}

/// Schemas of structs: fields in order, all required unless marked.
macro_rules! objects {
    ($($(#[doc = $doc:literal])+ $name:ident { required: [$($field:literal: $of:expr),*], optional: [$($opt:literal: $opt_of:expr),*], uses: [$($uses:ty),*] })*) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let builder = ObjectBuilder::new()
                    .schema_type(Type::Object)
                    .description(Some(concat!($($doc,)+).trim()))
                    .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
                let builder = [$(($field, $of, true),)* $(($opt, $opt_of, false),)*].into_iter().fold(
                    builder,
                    |builder, (name, field, required): (&str, Field, bool)| {
                        let builder = match field {
                            Field::Of(schema) => builder.property(name, schema()),
                            Field::Number => builder.property(
                                name,
                                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)),
                            ),
                        };
                        if required { builder.required(name) } else { builder }
                    },
                );
                builder.into()
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                $(
                    schemas.push((<$uses as ToSchema>::name().into_owned(), <$uses as PartialSchema>::schema()));
                    <$uses as ToSchema>::schemas(schemas);
                )*
                let _ = schemas;
            }
        }
    )*};
}

objects! {
    /// What all tasks of one publication share. Amounts in the token's smallest unit, times in seconds.
    Terms {
        required: [
            "requester": of::<Address>(),
            "operator": of::<Address>(),
            "target": of::<Address>(),
            "encoder": of::<Address>(),
            "verifier": of::<Address>(),
            "callGas": Field::Number,
            "proofWindow": Field::Number,
            "liabilityWindow": Field::Number,
            "validUntil": Field::Number,
            "rewardToken": of::<Address>(),
            "reward": of::<Amount>(),
            "advance": of::<Amount>(),
            "liabilityToken": of::<Address>(),
            "liability": of::<Amount>(),
            "bond": of::<Amount>(),
            "burn": of::<Amount>(),
            "honour": of::<Amount>()
        ],
        optional: [],
        uses: [Address, Amount]
    }
    /// What differs from task to task.
    Task {
        required: [
            "slot": Field::Number,
            "statement": of::<Word>(),
            "callHash": of::<Word>(),
            "inputHash": of::<Word>(),
            "salt": of::<Word>()
        ],
        optional: [],
        uses: [Word]
    }
    /// An offer for one task; its EIP-712 digest is the task's id.
    Quote { required: ["terms": of::<Terms>(), "task": of::<Task>()], optional: [], uses: [Terms, Task] }
    /// A quote with the signature (65 bytes r ‖ s ‖ v over the digest) of the operator's signer.
    SignedQuote { required: ["quote": of::<Quote>(), "signature": of::<Hex>()], optional: [], uses: [Quote, Hex] }
    /// What an operator says of one accepted result. Its EIP-712 struct hash is the head of its prover's chain after it.
    Receipt {
        required: [
            "task": of::<Word>(),
            "index": Field::Number,
            "fence": Field::Number,
            "prover": of::<Address>(),
            "output": of::<Word>(),
            "units": Field::Number,
            "amount": of::<Amount>(),
            "previous": of::<Word>()
        ],
        optional: [],
        uses: [Address, Amount, Word]
    }
    /// What the revenue ledger pays a prover out of a tranche: all that it has earned there so far.
    Voucher {
        required: [
            "operator": of::<Address>(),
            "tranche": Field::Number,
            "prover": of::<Address>(),
            "amount": of::<Amount>(),
            "count": Field::Number,
            "head": of::<Word>()
        ],
        optional: [],
        uses: [Address, Amount, Word]
    }
    /// A voucher with the signature (65 bytes r ‖ s ‖ v by EIP-712, in the ledger's domain) of the tranche's signer.
    SignedVoucher {
        required: ["voucher": of::<Voucher>(), "signature": of::<Hex>()],
        optional: [],
        uses: [Voucher, Hex]
    }
    /// What one prover may be paid out of a tranche, at most.
    Cap { required: ["prover": of::<Address>(), "amount": of::<Amount>()], optional: [], uses: [Address, Amount] }
    /// A node of a tranche's tree: its hash, and the sum of the caps below it.
    SumNode { required: ["hash": of::<Word>(), "sum": of::<Amount>()], optional: [], uses: [Word, Amount] }
    /// From what a task's jobs are paid: `share` (basis points) of the reward, by their part of the units.
    TaskPay {
        required: [
            "token": of::<Address>(),
            "reward": of::<Amount>(),
            "share": Field::Number,
            "units": Field::Number
        ],
        optional: [],
        uses: [Address, Amount]
    }
    /// How the target's call is built. Template: prefix, the proof as ABI `bytes`, suffix. Encoder: its data in prefix.
    Call {
        required: ["prefix": of::<Hex>()],
        optional: ["suffix": of::<Hex>(), "doneCheck": of::<Hex>()],
        uses: [Hex]
    }
}

/// What makes up a program.
#[derive(Debug)]
pub struct ProgramManifest;

impl PartialSchema for ProgramManifest {
    fn schema() -> RefOr<Schema> {
        let manifest = |kind: &str, description: &str| {
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .description(Some(description))
                .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
                .property("kind", ObjectBuilder::new().schema_type(Type::String).enum_values(Some([kind])))
                .required("kind")
        };
        let blob = || Ref::from_schema_name(BlobId::name());
        let groth16 = "A circom circuit: snarkjs proving key, and circom's WebAssembly witness generator.";
        let groth16 = manifest("groth16-bn254", groth16)
            .property("zkey", blob())
            .required("zkey")
            .property("witness_generator", blob());
        let risc0 = "A program of the RISC Zero zkVM: its binary (`R0BF`), and its image id as words in memory order.";
        let risc0 = manifest("risc0", risc0)
            .property("binary", blob())
            .required("binary")
            .property("image_id", Ref::from_schema_name(Word::name()))
            .required("image_id");
        let word = || Ref::from_schema_name(Word::name());
        let sgx = "A program that runs in SGX enclaves: the name under which they are registered with their verifier.";
        let sgx = manifest("sgx", sgx).property("enclave", word()).required("enclave");
        let leg = ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
            .property("program", blob())
            .required("program")
            .property("kind", Ref::from_schema_name(ProofKind::name()))
            .required("kind");
        let legs = ArrayBuilder::new().items(leg).min_items(Some(2)).max_items(Some(8));
        let bundle = "One statement, proven with several programs, in the order of the verifier's legs.";
        let bundle = manifest("bundle", bundle).property("legs", legs).required("legs");
        let all = OneOfBuilder::new().item(groth16).item(risc0).item(sgx).item(bundle);
        all.description(Some("What makes up a program.")).into()
    }
}

impl ToSchema for ProgramManifest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((BlobId::name().into_owned(), BlobId::schema()));
        schemas.push((Word::name().into_owned(), Word::schema()));
        schemas.push((ProofKind::name().into_owned(), ProofKind::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;
    use zkpool_protocol as p;

    /// The properties that a schema has are exactly the fields that serde writes.
    #[track_caller]
    fn same_fields(schema: RefOr<Schema>, value: impl serde::Serialize) {
        same_fields_of(schema, 0, value);
    }

    /// For a schema that has several forms.
    #[track_caller]
    fn same_fields_of(schema: RefOr<Schema>, form: usize, value: impl serde::Serialize) {
        let schema = serde_json::to_value(schema).unwrap();
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let object = schema.get("oneOf").map_or(&schema, |variants| &variants[form]);
        assert_eq!(keys(&object["properties"]), keys(&serde_json::to_value(value).unwrap()));
        let required = object["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned());
        assert!(required.collect::<BTreeSet<_>>().is_subset(&keys(&object["properties"])));
    }

    #[test]
    fn schemas_are_what_serde_writes() {
        let terms = json!({
            "requester": p::Address::ZERO, "operator": p::Address::ZERO, "target": p::Address::ZERO,
            "encoder": p::Address::ZERO, "verifier": p::Address::ZERO, "callGas": 1, "proofWindow": 1,
            "liabilityWindow": 1, "validUntil": 1, "rewardToken": p::Address::ZERO, "reward": "1", "advance": "1",
            "liabilityToken": p::Address::ZERO, "liability": "1", "bond": "1", "burn": "1", "honour": "1",
        });
        let terms: p::Terms = serde_json::from_value(terms).unwrap();
        let word = p::B256::ZERO;
        let task = p::Task { slot: 0, statement: word, call_hash: word, input_hash: word, salt: word };
        let quote = p::Quote { terms: terms.clone(), task: task.clone() };
        same_fields(Terms::schema(), terms);
        same_fields(Task::schema(), task);
        same_fields(Quote::schema(), &quote);
        same_fields(SignedQuote::schema(), p::SignedQuote { quote, signature: p::Bytes::new() });
        same_fields(Call::schema(), p::Call::default());
        let voucher = p::pay::Voucher::none(p::Address::ZERO, 0, p::Address::ZERO);
        same_fields(Voucher::schema(), voucher);
        same_fields(SignedVoucher::schema(), p::pay::SignedVoucher { voucher, signature: p::Bytes::new() });
        same_fields(Cap::schema(), p::pay::Cap { prover: p::Address::ZERO, amount: 1 });
        same_fields(SumNode::schema(), p::pay::SumNode { hash: word, sum: 1 });
        let pay = p::pay::TaskPay { token: p::Address::ZERO, reward: 1, share: 1, units: p::WorkUnits(1) };
        same_fields(TaskPay::schema(), pay);
        let receipt = p::pay::Receipt {
            task: word,
            index: 0,
            fence: 1,
            prover: p::Address::ZERO,
            output: word,
            units: 1,
            amount: 1,
            previous: word,
        };
        same_fields(Receipt::schema(), receipt);
        let blob = p::BlobId::of(b"");
        let manifest = p::ProgramManifest::Groth16Bn254 { zkey: blob, witness_generator: Some(blob) };
        same_fields_of(ProgramManifest::schema(), 0, manifest);
        let manifest = p::ProgramManifest::Risc0 { binary: blob, image_id: p::B256::ZERO };
        same_fields_of(ProgramManifest::schema(), 1, manifest);
        same_fields_of(ProgramManifest::schema(), 2, p::ProgramManifest::Sgx { enclave: p::B256::ZERO });
        let leg = p::BundleLeg { program: blob, kind: p::ProofKind::Sgx };
        same_fields_of(ProgramManifest::schema(), 3, p::ProgramManifest::Bundle { legs: vec![leg] });
    }
}
