//! Bytes that are no receipts, or receipts that prove nothing.

use alloy_primitives::B256;
use proptest::prelude::*;
use risc0_zkvm::{
    Digest, FakeReceipt, InnerAssumptionReceipt, InnerReceipt, MaybePruned, Receipt, ReceiptClaim, Unknown,
};
use zkpool_protocol::{ErrorCode, Operation, ProofKind};
use zkpool_verifiers::risc0::{MAX_RESULT, ReceiptError, Step, check_assumption, verify_assumption, verify_receipt};

const IMAGE: B256 = B256::repeat_byte(5);

fn fake() -> Vec<u8> {
    let claim = ReceiptClaim::ok(Digest::from(IMAGE.0), MaybePruned::Value(b"journal".to_vec()));
    bincode::serialize(&Receipt::new(InnerReceipt::Fake(FakeReceipt::new(claim)), b"journal".to_vec())).unwrap()
}

#[test]
pub(crate) fn development_receipts_are_refused() {
    for kind in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct, ProofKind::Risc0Groth16] {
        let error = verify_receipt(kind, &fake(), IMAGE, b"journal").unwrap_err();
        assert_eq!(error, ReceiptError::DevelopmentMode);
    }
    assert_eq!(verify_assumption(&fake()).unwrap_err(), ReceiptError::DevelopmentMode);
}

/// A composite receipt without segments, with assumptions nested so deep.
fn nested(depth: usize) -> Vec<u8> {
    // Kind, number of segments; then number of assumptions, and each the same again.
    let mut bytes = vec![];
    for _ in 0..depth {
        bytes.extend(0_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(1_u64.to_le_bytes());
    }
    bytes
}

#[test]
fn a_development_receipt_does_not_hide_in_an_assumption() {
    let fake: InnerAssumptionReceipt =
        InnerAssumptionReceipt::Fake(FakeReceipt::<Unknown>::new(MaybePruned::Pruned(Digest::ZERO)));
    let none: Vec<risc0_zkvm::SegmentReceipt> = vec![];
    let composite = bincode::serialize(&(0_u32, (none, vec![fake], Digest::ZERO))).unwrap();
    let receipt = [composite, bincode::serialize(&(Vec::<u8>::new(), Digest::ZERO)).unwrap()].concat();
    let _: Receipt = bincode::deserialize(&receipt).expect("it is one");
    let error = verify_receipt(ProofKind::Risc0Composite, &receipt, IMAGE, b"").unwrap_err();
    assert_eq!(error, ReceiptError::DevelopmentMode);
}

#[test]
fn receipts_nested_without_end_are_an_error_and_not_the_end_of_the_process() {
    for depth in [2, 3, 1_000_000] {
        let error = verify_receipt(ProofKind::Risc0Composite, &nested(depth), IMAGE, b"").unwrap_err();
        assert!(matches!(error, ReceiptError::Malformed { .. }), "{error}");
        assert!(verify_assumption(&nested(depth)).is_err());
    }
}

/// A succinct receipt without a seal, whose program has a place under so many levels.
fn placed(index: u32, levels: usize) -> Vec<u8> {
    let claim: MaybePruned<ReceiptClaim> = MaybePruned::Pruned(Digest::ZERO);
    let (seal, id) = (Vec::<u32>::new(), Digest::ZERO);
    bincode::serialize(&(seal, id, claim, "poseidon2", id, (index, vec![id; levels]))).unwrap()
}

fn receipt(kind: u32, inner: &[u8]) -> Vec<u8> {
    let rest = bincode::serialize(&(Vec::<u8>::new(), Digest::ZERO)).unwrap();
    [&kind.to_le_bytes()[..], inner, &rest].concat()
}

#[test]
fn a_place_outside_the_tree_of_programs_is_named_before_the_seal_is_looked_at() {
    for (index, levels) in [(256, 8), (u32::MAX, 8), (3, 7), (3, 9), (256, 9), (0, 0), (3, 40)] {
        let bytes = receipt(1, &placed(index, levels));
        let place = ReceiptError::Place { index, levels };
        assert_eq!(verify_assumption(&bytes), Err(place.clone()));
        assert_eq!(verify_receipt(ProofKind::Risc0Succinct, &bytes, IMAGE, b""), Err(place));
    }
    for index in [0, 255] {
        assert_eq!(check_assumption(ProofKind::Risc0Succinct, &receipt(1, &placed(index, 8))), Ok(()));
    }
}

#[test]
fn a_receipt_with_assumptions_of_its_own_is_not_built_on() {
    let composite = |assumptions: &[Vec<u8>]| {
        let count = assumptions.len() as u64;
        receipt(0, &[&[0; 8][..], &count.to_le_bytes(), &assumptions.concat(), &[0; 32]].concat())
    };
    let succinct = |index| [&1_u32.to_le_bytes()[..], &placed(index, 8)].concat();
    let nested = composite(&[succinct(1)]);
    assert_eq!(verify_assumption(&nested), Err(ReceiptError::Nested));
    assert_eq!(check_assumption(ProofKind::Risc0Composite, &nested), Err(ReceiptError::Nested));
    assert_eq!(check_assumption(ProofKind::Risc0Composite, &composite(&[])), Ok(()));
    let place = ReceiptError::Place { index: 300, levels: 8 };
    let error = verify_receipt(ProofKind::Risc0Composite, &composite(&[succinct(300)]), IMAGE, b"");
    assert_eq!(error, Err(place));
}

#[test]
fn what_is_too_long_is_not_read() {
    let step = Step { operation: Operation::Prove, claim: Some(B256::ZERO), needs: &[], assumption: None };
    let error = step.check(&vec![0; MAX_RESULT + 1]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooLarge);
    let error = verify_receipt(ProofKind::Risc0Composite, &fake(), IMAGE, &vec![0; 65 << 10]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooLarge);
}

#[test]
fn a_step_with_other_inputs_is_the_callers_fault() {
    for operation in Operation::ALL {
        let step = Step { operation, claim: None, needs: &[b"a", b"b", b"c"], assumption: None };
        assert_eq!(step.check(b"").unwrap_err(), ReceiptError::Inputs { operation, found: 3 });
    }
}

proptest! {
    #[test]
    fn foreign_bytes_are_errors(bytes in proptest::collection::vec(any::<u8>(), 0..4096), kind in 0_u32..4) {
        let tagged = [&kind.to_le_bytes()[..], &bytes].concat();
        for bytes in [&bytes, &tagged] {
            for kind in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct, ProofKind::Risc0Groth16] {
                prop_assert!(verify_receipt(kind, bytes, IMAGE, b"").is_err());
            }
            for operation in [Operation::Lift, Operation::Wrap] {
                let step = Step { operation, claim: None, needs: &[bytes], assumption: None };
                prop_assert!(step.check(bytes).is_err());
            }
            let step = Step { operation: Operation::Prove, claim: Some(IMAGE), needs: &[], assumption: None };
            prop_assert!(step.check(bytes).is_err());
        }
    }
}
