//! Contracts and Rust agree on what a committee's members sign and on the seal that is made of it: the vectors that the
//! contracts' tests write and check (`contracts/test/vectors/committee.json`).

#![allow(clippy::unwrap_used)]

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes, Signature},
    sol_types::SolStruct,
};
use serde::Deserialize;
use zkpool_bindings::{CommitteeVerifier::Attestation, committee_domain, committee_seal};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vectors {
    chain_id: u64,
    committee: Address,
    selector: FixedBytes<4>,
    attestations: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    image_id: B256,
    journal: Bytes,
    journal_digest: B256,
    receipt_hash: B256,
    digest: B256,
    signatures: Vec<Signed>,
    seal: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    signer: Address,
    signature: Bytes,
}

fn vectors() -> Vectors {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/test/vectors/committee.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn attestations_and_seals_are_the_same() {
    let vectors = vectors();
    let domain = committee_domain(vectors.chain_id, vectors.committee);
    assert_eq!(domain.separator()[..4], vectors.selector);
    assert!(vectors.attestations.len() >= 3);
    for vector in vectors.attestations {
        assert!(!vector.journal.is_empty());
        let attestation = Attestation {
            imageId: vector.image_id,
            journalDigest: vector.journal_digest,
            receiptHash: vector.receipt_hash,
        };
        assert_eq!(attestation.digest(&domain), vector.digest);
        let signatures: Vec<_> = vector
            .signatures
            .iter()
            .map(|signed| (signed.signer, Signature::from_raw(&signed.signature).unwrap()))
            .collect();
        for (signer, signature) in &signatures {
            assert_eq!(signature.recover_address_from_prehash(&vector.digest).unwrap(), *signer);
        }
        assert_eq!(committee_seal(&domain, vector.receipt_hash, &signatures), vector.seal);
    }
}

#[test]
fn another_committee_or_chain_signs_something_else() {
    let vectors = vectors();
    let vector = &vectors.attestations[0];
    let attestation = Attestation {
        imageId: vector.image_id,
        journalDigest: vector.journal_digest,
        receiptHash: vector.receipt_hash,
    };
    assert_ne!(attestation.digest(&committee_domain(vectors.chain_id + 1, vectors.committee)), vector.digest);
    assert_ne!(attestation.digest(&committee_domain(vectors.chain_id, Address::ZERO)), vector.digest);
}

#[test]
fn the_type_is_the_documented_one() {
    let kind = "Attestation(bytes32 imageId,bytes32 journalDigest,bytes32 receiptHash)";
    assert_eq!(Attestation::eip712_root_type(), kind);
    let attestation = Attestation { imageId: B256::ZERO, journalDigest: B256::ZERO, receiptHash: B256::ZERO };
    assert_eq!(attestation.eip712_type_hash(), alloy::primitives::keccak256(kind));
}
