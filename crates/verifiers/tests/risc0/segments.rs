//! Real results of a task of two segments (the guest `hash`, five iterations), made by
//! `cargo test -p zkpool-backends --features risc0 fixtures -- --ignored`.

use alloy_primitives::B256;
use risc0_zkvm::{MaybePruned, ReceiptClaim, SegmentReceipt, SuccinctReceipt, sha::Digestible};
use sha2::{Digest as _, Sha256};
use std::{fs, path::PathBuf};
use zkpool_protocol::{Operation, ProofKind, zkvm};
use zkpool_verifiers::{
    risc0::{
        ProofBytes, ReceiptError, Step, check_assumption, composite, receipt_hash, succinct, verify_assumption,
        verify_receipt,
    },
    verifier,
};

fn data(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/risc0/data").join(name)).unwrap()
}

/// What the two segments' proofs must show.
fn claims() -> [B256; 2] {
    ["first.prove", "last.prove"].map(|name| {
        let receipt: SegmentReceipt = bincode::deserialize(&data(name)).unwrap();
        B256::new(receipt.claim.digest().into())
    })
}

fn journal() -> Vec<u8> {
    (0..5).fold(vec![9; 32], |hash, _| Sha256::digest(hash).to_vec())
}

fn image() -> B256 {
    let first: SegmentReceipt = bincode::deserialize(&data("first.prove")).unwrap();
    B256::new(first.claim.pre.digest().into())
}

fn check(operation: Operation, claim: Option<B256>, needs: &[&[u8]], result: &[u8]) -> Result<(), ReceiptError> {
    Step { operation, claim, needs, assumption: None }.check(result)
}

fn prove(claim: B256, result: &[u8]) -> Result<(), ReceiptError> {
    check(Operation::Prove, Some(claim), &[], result)
}

/// A segment's receipt with something changed.
fn segment(name: &str, change: impl FnOnce(&mut SegmentReceipt)) -> Vec<u8> {
    let mut receipt: SegmentReceipt = bincode::deserialize(&data(name)).unwrap();
    change(&mut receipt);
    bincode::serialize(&receipt).unwrap()
}

/// A recursion's receipt with something changed.
fn recursion(name: &str, change: impl FnOnce(&mut SuccinctReceipt<ReceiptClaim>)) -> Vec<u8> {
    let mut receipt: SuccinctReceipt<ReceiptClaim> = bincode::deserialize(&data(name)).unwrap();
    change(&mut receipt);
    bincode::serialize(&receipt).unwrap()
}

#[test]
fn every_real_result_passes() {
    let [first, last] = claims();
    prove(first, &data("first.prove")).unwrap();
    prove(last, &data("last.prove")).unwrap();
    check(Operation::Lift, None, &[&data("first.prove")], &data("first.lift")).unwrap();
    check(Operation::Lift, None, &[&data("last.prove")], &data("last.lift")).unwrap();
    check(Operation::Join, None, &[&data("first.lift"), &data("last.lift")], &data("join")).unwrap();
}

#[test]
fn another_segments_valid_receipt_is_named() {
    let [first, last] = claims();
    let error = prove(first, &data("last.prove")).unwrap_err();
    assert_eq!(error, ReceiptError::Claim { expected: first, found: last });
    let error = check(Operation::Lift, None, &[&data("first.prove")], &data("last.lift")).unwrap_err();
    assert_eq!(error, ReceiptError::Claim { expected: first, found: last });
    let needs = [data("first.lift"), data("last.lift")];
    let error = check(Operation::Join, None, &[&needs[0], &needs[1]], &needs[0]).unwrap_err();
    assert!(matches!(error, ReceiptError::Claim { .. }), "{error}");
}

#[test]
fn segments_that_are_swapped_missing_or_doubled_are_named() {
    let (first, last) = (data("first.prove"), data("last.prove"));
    let make = |segments: &[&Vec<u8>]| composite(segments, &[] as &[&[u8]], &journal());
    assert!(matches!(make(&[&last, &first]), Err(ReceiptError::Order { left: 0, right: 1, .. })));
    assert!(matches!(make(&[&first, &first]), Err(ReceiptError::Order { .. })));
    assert_eq!(make(&[]), Err(ReceiptError::Exit("has no segment")));
    let verify = |receipt: &[u8]| verify_receipt(ProofKind::Risc0Composite, receipt, image(), &journal());
    let error = verify(&make(&[&first]).unwrap()).unwrap_err();
    assert_eq!(error, ReceiptError::Exit("goes on after its last part"));
    let error = verify(&make(&[&last]).unwrap()).unwrap_err();
    assert!(matches!(error, ReceiptError::Image { .. }), "{error}");
    let needs = [data("last.lift"), data("first.lift")];
    let error = check(Operation::Join, None, &[&needs[0], &needs[1]], &data("join")).unwrap_err();
    assert!(matches!(error, ReceiptError::Order { .. }), "{error}");
}

#[test]
fn a_tampered_seal_is_named() {
    let [first, _] = claims();
    for at in [0, 1, 5, 91, 200, 10_000, 40_000] {
        let bad = segment("first.prove", |receipt| receipt.seal[at] ^= 1);
        let error = prove(first, &bad).unwrap_err();
        assert!(matches!(error, ReceiptError::Seal(_)), "word {at}: {error}");
        let bad = recursion("first.lift", |receipt| receipt.seal[at] ^= 1);
        let error = check(Operation::Lift, None, &[&data("first.prove")], &bad).unwrap_err();
        assert!(matches!(error, ReceiptError::Seal(_)), "word {at}: {error}");
    }
    for short in [0, 1, 50, 1000] {
        let bad = segment("first.prove", |receipt| receipt.seal.truncate(short));
        assert!(matches!(prove(first, &bad), Err(ReceiptError::Seal(_))));
    }
    let bad = segment("first.prove", |receipt| receipt.seal.fill(u32::MAX));
    assert!(matches!(prove(first, &bad), Err(ReceiptError::Seal(_))));
}

#[test]
fn a_claim_that_hides_what_later_steps_need_is_named() {
    let [first, last] = claims();
    let bad = segment("first.prove", |receipt| receipt.claim.pre = MaybePruned::Pruned(receipt.claim.pre.digest()));
    assert_eq!(prove(first, &bad), Err(ReceiptError::Pruned("first state")));
    let bad =
        segment("last.prove", |receipt| receipt.claim.output = MaybePruned::Pruned(receipt.claim.output.digest()));
    assert_eq!(prove(last, &bad), Err(ReceiptError::Pruned("output")));
    let bad = recursion("first.lift", |receipt| receipt.claim = MaybePruned::Pruned(receipt.claim.digest()));
    let error = check(Operation::Lift, None, &[&data("first.prove")], &bad);
    assert_eq!(error, Err(ReceiptError::Pruned("parts")));
}

/// A receipt of whose program's place only the bits below the tree's levels are looked at by the zkVM's verifier.
fn misplaced(receipt: &mut SuccinctReceipt<ReceiptClaim>) {
    receipt.control_inclusion_proof.index += 256;
    receipt.verify_integrity_with_context(&risc0_zkvm::VerifierContext::default()).unwrap();
}

#[test]
fn a_place_above_the_tree_of_programs_is_named() {
    let place = |result: Result<_, ReceiptError>| match result {
        Err(ReceiptError::Place { index, levels }) => assert!(index >= 256 && levels == 8, "{index} {levels}"),
        other => panic!("{other:?}"),
    };
    place(check(Operation::Lift, None, &[&data("first.prove")], &recursion("first.lift", misplaced)));
    let needs = [data("first.lift"), data("last.lift")];
    let joined = recursion("join", misplaced);
    place(check(Operation::Join, None, &[&needs[0], &needs[1]], &joined));
    let receipt = succinct(&joined, &journal()).unwrap();
    place(verify_receipt(ProofKind::Risc0Succinct, &receipt, image(), &journal()));
    place(verify_assumption(&receipt).map(drop));
    place(check_assumption(ProofKind::Risc0Succinct, &receipt));
}

#[test]
fn what_goes_through_the_recursion_builds_on_succinct_receipts() {
    let whole = composite(&[data("first.prove"), data("last.prove")], &[] as &[&[u8]], &journal()).unwrap();
    let joined = succinct(&data("join"), &journal()).unwrap();
    for task in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct, ProofKind::Risc0Groth16] {
        assert_eq!(check_assumption(task, &joined), Ok(()));
    }
    assert_eq!(check_assumption(ProofKind::Risc0Composite, &whole), Ok(()));
    for task in [ProofKind::Risc0Succinct, ProofKind::Risc0Groth16] {
        let found = ProofKind::Risc0Composite;
        assert_eq!(check_assumption(task, &whole), Err(ReceiptError::Assumption { task, found }));
    }
}

#[test]
fn the_finished_receipts_prove_image_and_journal_and_nothing_else() {
    let whole = composite(&[data("first.prove"), data("last.prove")], &[] as &[&[u8]], &journal()).unwrap();
    let joined = succinct(&data("join"), &journal()).unwrap();
    for (kind, other, receipt) in [
        (ProofKind::Risc0Composite, ProofKind::Risc0Succinct, &whole),
        (ProofKind::Risc0Succinct, ProofKind::Risc0Groth16, &joined),
    ] {
        verify_receipt(kind, receipt, image(), &journal()).unwrap();
        let error = verify_receipt(other, receipt, image(), &journal()).unwrap_err();
        assert_eq!(error, ReceiptError::Kind { expected: other, found: kind });
        let error = verify_receipt(kind, receipt, B256::ZERO, &journal()).unwrap_err();
        assert_eq!(error, ReceiptError::Image { expected: B256::ZERO, found: image() });
        let error = verify_receipt(kind, receipt, image(), b"another").unwrap_err();
        assert_eq!(error, ReceiptError::Journal);
        let mut cut = receipt.clone();
        cut.push(0);
        assert!(matches!(verify_receipt(kind, &cut, image(), &journal()), Err(ReceiptError::Malformed { .. })));
        assert_ne!(receipt_hash(receipt), receipt_hash(&cut));
        assert_eq!(verify_assumption(receipt), Ok(kind));

        let proof = ProofBytes { image: image(), journal: journal(), seal: receipt.clone() };
        let verifier = verifier(kind, image().as_slice()).unwrap();
        verifier.verify(zkvm::statement(image(), &journal()), &proof.encode()).unwrap();
        assert!(verifier.verify(B256::ZERO, &proof.encode()).is_err());
    }
    // A journal that somebody writes into the receipt itself.
    let forged = composite(&[data("first.prove"), data("last.prove")], &[] as &[&[u8]], b"forged").unwrap();
    let error = verify_receipt(ProofKind::Risc0Composite, &forged, image(), b"forged").unwrap_err();
    assert_eq!(error, ReceiptError::Journal);
    let forged = succinct(&data("join"), b"forged").unwrap();
    let error = verify_receipt(ProofKind::Risc0Succinct, &forged, image(), b"forged").unwrap_err();
    assert_eq!(error, ReceiptError::Journal);
}

#[test]
fn a_composite_receipt_with_a_tampered_segment_is_named() {
    let bad = segment("last.prove", |receipt| receipt.seal[20_000] ^= 1);
    let whole = composite(&[data("first.prove"), bad], &[] as &[&[u8]], &journal()).unwrap();
    let error = verify_receipt(ProofKind::Risc0Composite, &whole, image(), &journal()).unwrap_err();
    assert!(matches!(error, ReceiptError::Seal(_)), "{error}");
}

#[test]
fn what_was_not_assumed_does_not_resolve() {
    let receipt = succinct(&data("join"), &journal()).unwrap();
    let conditional = data("join");
    let step = Step { operation: Operation::Resolve, claim: None, needs: &[&conditional], assumption: Some(&receipt) };
    assert!(matches!(step.check(&data("join")), Err(ReceiptError::NotAssumed(_))));
}
