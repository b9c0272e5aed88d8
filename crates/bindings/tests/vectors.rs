//! Contracts and Rust agree on every digest: the vectors that the contracts' tests write and check
//! (`contracts/test/vectors/eip712.json`), computed again by `zkpool-protocol` and by the bindings.

#![allow(clippy::unwrap_used)]

use alloy::{
    primitives::{Address, B256, Bytes, Signature},
    sol_types::SolStruct,
};
use serde::Deserialize;
use zkpool_bindings::{IZKPool, Router};
use zkpool_protocol::{BatchQuote, Call, Domain, Quote, SignedQuote};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vectors {
    chain_id: u64,
    pool: Address,
    domain_separator: B256,
    type_hashes: TypeHashes,
    calls: Vec<CallVector>,
    quotes: Vec<QuoteVector>,
    batches: Vec<BatchVector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TypeHashes {
    terms: B256,
    task: B256,
    quote: B256,
    quote_batch: B256,
    call: B256,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallVector {
    call: Call,
    hash: B256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct QuoteVector {
    quote: Quote,
    terms_hash: B256,
    task_hash: B256,
    digest: B256,
    signer: Address,
    signature: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchVector {
    batch: BatchQuote,
    task_digests: Vec<B256>,
    digest: B256,
    signer: Address,
    signature: Bytes,
}

fn vectors() -> (Vectors, Domain) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/test/vectors/eip712.json");
    let vectors: Vectors = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let domain = Domain { chain_id: vectors.chain_id, pool: vectors.pool };
    (vectors, domain)
}

#[test]
fn domain_and_types_are_the_same() {
    let (vectors, domain) = vectors();
    assert_eq!(domain.eip712().separator(), vectors.domain_separator);
    let (quote, call) = (&vectors.quotes[0].quote, &vectors.calls[0].call);
    let abi = IZKPool::Quote::from(quote);
    assert_eq!(abi.terms.eip712_type_hash(), vectors.type_hashes.terms);
    assert_eq!(abi.task.eip712_type_hash(), vectors.type_hashes.task);
    assert_eq!(abi.eip712_type_hash(), vectors.type_hashes.quote);
    assert_eq!(IZKPool::Call::from(call).eip712_type_hash(), vectors.type_hashes.call);
    let batch = alloy::primitives::keccak256(format!(
        "QuoteBatch(Terms terms,Task[] tasks){}{}",
        IZKPool::Task::eip712_root_type(),
        IZKPool::Terms::eip712_root_type()
    ));
    assert_eq!(batch, vectors.type_hashes.quote_batch);
}

#[test]
fn calls_hash_to_the_same() {
    let (vectors, _) = vectors();
    assert!(vectors.calls.len() >= 4);
    for vector in vectors.calls {
        assert_eq!(vector.call.hash(), vector.hash);
        assert_eq!(IZKPool::Call::from(&vector.call).eip712_hash_struct(), vector.hash);
    }
}

#[test]
fn quotes_have_the_same_ids_and_signers() {
    let (vectors, domain) = vectors();
    assert!(vectors.quotes.len() >= 4);
    for vector in vectors.quotes {
        assert_eq!(vector.quote.id(&domain), vector.digest);
        let (abi, router) = (IZKPool::Quote::from(&vector.quote), Router::Quote::from(&vector.quote));
        assert_eq!(abi.terms.eip712_hash_struct(), vector.terms_hash);
        assert_eq!(abi.task.eip712_hash_struct(), vector.task_hash);
        assert_eq!(abi.eip712_signing_hash(&domain.eip712()), vector.digest);
        assert_eq!(router.eip712_signing_hash(&domain.eip712()), vector.digest);
        assert_eq!(Quote::from(abi), vector.quote);
        let signed = SignedQuote { quote: vector.quote, signature: vector.signature };
        assert_eq!(signed.signer(&domain).unwrap(), vector.signer);
    }
}

#[test]
fn batches_have_the_same_digests_and_their_tasks_ids_of_their_own() {
    let (vectors, domain) = vectors();
    assert!(!vectors.batches.is_empty());
    for vector in vectors.batches {
        assert_eq!(vector.batch.digest(&domain), vector.digest);
        let ids: Vec<_> = vector.batch.quotes().map(|quote| quote.id(&domain)).collect();
        assert_eq!(ids, vector.task_digests);
        let signature = Signature::from_raw(&vector.signature).unwrap();
        assert_eq!(signature.recover_address_from_prehash(&vector.digest).unwrap(), vector.signer);
    }
}
