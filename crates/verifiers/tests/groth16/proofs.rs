//! What a Groth16 verifier accepts and refuses.

use crate::support::Setup;
use alloy_primitives::B256;
use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField, Zero};
use ark_groth16::Groth16;
use num_bigint::BigUint;
use proptest::prelude::*;
use zkpool_protocol::{ErrorCode, ProofKind};
use zkpool_verifiers::{
    VerifyError,
    groth16::{self, Groth16Verifier, POINTS_LEN, PointFault, Proof, ProofBytes, ProofError, PublicInputs},
    verifier,
};

fn proof_bytes(setup: &mut Setup) -> (B256, Vec<u8>) {
    let (inputs, proof) = setup.prove();
    (inputs.statement(), ProofBytes { proof, inputs }.encode())
}

#[test]
fn accepts_a_proof_of_the_statement_by_every_road() {
    let mut setup = Setup::new(1);
    let (inputs, proof) = setup.prove();
    groth16::verify(&setup.key, &inputs, &proof).unwrap();

    let bytes = ProofBytes { proof, inputs: inputs.clone() }.encode();
    assert_eq!(bytes.len(), POINTS_LEN + 64);
    assert_eq!(ProofBytes::decode(&bytes).unwrap(), ProofBytes { proof, inputs: inputs.clone() });
    let by_kind = verifier(ProofKind::Groth16Bn254, &setup.key.to_bytes()).unwrap();
    assert_eq!(by_kind.kind(), ProofKind::Groth16Bn254);
    by_kind.verify(inputs.statement(), &bytes).unwrap();
}

#[test]
fn agrees_with_ark_groth16() {
    let mut setup = Setup::new(2);
    let (other, _) = setup.prove();
    let (inputs, proof) = setup.prove();
    let prepared = ark_groth16::prepare_verifying_key(&setup.ark.vk);
    let decoded = ProofBytes::decode(&ProofBytes { proof, inputs: inputs.clone() }.encode()).unwrap();
    assert_eq!(decoded.proof, proof);
    for (inputs, expected) in [(&inputs, true), (&other, false)] {
        let points = proof.points();
        let ark = ark_groth16::Proof { a: points.0, b: points.1, c: points.2 };
        assert_eq!(Groth16::<Bn254>::verify_proof(&prepared, &ark, inputs.as_slice()).unwrap(), expected);
        assert_eq!(groth16::verify(&setup.key, inputs, &proof).is_ok(), expected);
    }
}

#[test]
fn a_rerandomised_proof_holds_too() {
    let mut setup = Setup::new(3);
    let (inputs, proof) = setup.prove();
    let (a, b, c) = proof.points();
    let ark =
        Groth16::<Bn254>::rerandomize_proof(&setup.ark.vk, &ark_groth16::Proof { a, b, c }, &mut rand::rngs::OsRng);
    let other = Proof::new(ark.a, ark.b, ark.c).unwrap();
    assert_ne!(other, proof);
    groth16::verify(&setup.key, &inputs, &other).unwrap();
}

#[test]
fn refuses_another_statement_count_or_key() {
    let mut setup = Setup::new(4);
    let (statement, bytes) = proof_bytes(&mut setup);
    let check = |key: &groth16::VerifyingKey, statement, bytes: &[u8]| {
        let error = zkpool_verifiers::Verifier::verify(&Groth16Verifier::new(key.clone()), statement, bytes);
        error.unwrap_err()
    };
    let error = check(&setup.key, B256::ZERO, &bytes);
    assert_eq!(error, VerifyError::Statement { expected: B256::ZERO, found: statement });
    assert_eq!(error.code(), ErrorCode::WrongPublicInputs);

    let error = check(&setup.key, statement, &bytes[..POINTS_LEN + 32]);
    assert_eq!(error, VerifyError::InputCount { expected: 2, found: 1 });
    let more = [&bytes[..], &[0; 32]].concat();
    assert_eq!(check(&setup.key, statement, &more), VerifyError::InputCount { expected: 2, found: 3 });

    let error = check(&Setup::new(5).key, statement, &bytes);
    assert_eq!((&error, error.code()), (&VerifyError::Rejected, ErrorCode::ProofInvalid));

    // Another proof's points under these inputs.
    let (_, other) = proof_bytes(&mut setup);
    let spliced = [&other[..POINTS_LEN], &bytes[POINTS_LEN..]].concat();
    assert_eq!(check(&setup.key, statement, &spliced), VerifyError::Rejected);
}

#[test]
fn refuses_every_byte_changed() {
    let mut setup = Setup::new(6);
    let (statement, bytes) = proof_bytes(&mut setup);
    let verifier = verifier(ProofKind::Groth16Bn254, &setup.key.to_bytes()).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        assert!(verifier.verify(statement, &bad).is_err(), "byte {at}");
    }
    for len in 0..bytes.len() {
        assert!(verifier.verify(statement, &bytes[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn refuses_what_is_not_canonical() {
    let mut setup = Setup::new(7);
    let (inputs, proof) = setup.prove();
    let bytes = ProofBytes { proof, inputs }.encode();
    let (q, r) = (BigUint::from(Fq::MODULUS), BigUint::from(Fr::MODULUS));
    for word in 0..bytes.len() / 32 {
        let modulus = if word < 8 { &q } else { &r };
        let range = 32 * word..32 * (word + 1);
        let lifted = (BigUint::from_bytes_be(&bytes[range.clone()]) + modulus).to_bytes_be();
        let mut bad = bytes.clone();
        bad[range].copy_from_slice(&lifted);
        let expected = match word {
            0 | 1 => ProofError::Point { point: 'A', fault: PointFault::NotCanonical },
            2..=5 => ProofError::Point { point: 'B', fault: PointFault::NotCanonical },
            6 | 7 => ProofError::Point { point: 'C', fault: PointFault::NotCanonical },
            _ => ProofError::Input { index: word - 8 },
        };
        assert_eq!(ProofBytes::decode(&bad), Err(expected), "word {word}");
    }
}

#[test]
fn refuses_points_at_infinity_and_outside_the_subgroup() {
    let (a, b) = (G1Affine::generator(), G2Affine::generator());
    let bad = |point, fault| Err(ProofError::Point { point, fault });
    assert_eq!(Proof::new(G1Affine::zero(), b, a), bad('A', PointFault::Infinity));
    assert_eq!(Proof::new(a, G2Affine::zero(), a), bad('B', PointFault::Infinity));
    assert_eq!(Proof::new(a, b, G1Affine::zero()), bad('C', PointFault::Infinity));
    let off = G1Affine::new_unchecked(Fq::from(1u64), Fq::from(1u64));
    assert_eq!(Proof::new(off, b, a), bad('A', PointFault::NotOnCurve));

    let x = |n: u64| Fq2::new(Fq::from(n), Fq::zero());
    let outside = (0..).find_map(|n| G2Affine::get_point_from_x_unchecked(x(n), false)).unwrap();
    assert_eq!(Proof::new(a, outside, a), bad('B', PointFault::NotInSubgroup));
    let word = |c: Fq| c.into_bigint().to_bytes_be();
    let mut bytes = Proof::new(a, b, a).unwrap().to_evm();
    let b = [outside.x.c1, outside.x.c0, outside.y.c1, outside.y.c0].map(word).concat();
    bytes[64..192].copy_from_slice(&b);
    assert_eq!(Proof::from_evm(&bytes), bad('B', PointFault::NotInSubgroup));
}

#[test]
fn a_statement_is_the_hash_of_the_words() {
    let inputs = PublicInputs::new(vec![Fr::from(1u64), Fr::from(258u64)]);
    let mut words = [0; 64];
    (words[31], words[62], words[63]) = (1, 1, 2);
    assert_eq!(inputs.to_words(), words);
    assert_eq!(PublicInputs::from_words(&words), Ok(inputs.clone()));
    assert_eq!(inputs.statement(), alloy_primitives::keccak256(words));
    assert!(PublicInputs::from_words(&[0; 32 * 1025]).is_err());
    assert!(PublicInputs::from_words(&[0; 31]).is_err());
}

#[test]
fn a_batch_holds_only_if_all_of_it_holds() {
    let mut setup = Setup::new(8);
    let mut proofs: Vec<_> = (0..5).map(|_| setup.prove()).collect();
    groth16::verify_batch(&setup.key, &proofs).unwrap();
    groth16::verify_batch(&setup.key, &[]).unwrap();

    // Two wrongs that cancel without random coefficients: inputs swapped between proofs.
    let swapped = proofs[1].0.clone();
    proofs[1].0 = std::mem::replace(&mut proofs[3].0, swapped);
    assert_eq!(groth16::verify_batch(&setup.key, &proofs), Err(VerifyError::Rejected));
    proofs[0].0 = PublicInputs::new(vec![]);
    let error = VerifyError::InputCount { expected: 2, found: 0 };
    assert_eq!(groth16::verify_batch(&setup.key, &proofs), Err(error));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn never_panics_on_foreign_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(ProofBytes::decode(&bytes).is_err());
    }
}
