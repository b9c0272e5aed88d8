//! A Groth16 key whose secrets are known, and with them a proof: what is tested here is everything but proving.

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use zkpool_protocol::{B256, Bytes, U256};
use zkpool_verifiers::groth16::{Proof, ProofBytes, PublicInputs, VerifyingKey};

/// The one public input.
pub(crate) const PUBLIC: u64 = 42;

/// A key, the statement about [`PUBLIC`], and a proof of it.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(crate) key: Bytes,
    pub(crate) statement: B256,
    pub(crate) public_inputs: Vec<U256>,
    pub(crate) proof: Bytes,
}

pub(crate) fn proven() -> Proven {
    let [alpha, beta, gamma, delta, a, b, k0, k1, input] = [3, 5, 7, 11, 13, 17, 19, 23, PUBLIC].map(Fr::from);
    let g1 = |scalar: Fr| (G1Affine::generator() * scalar).into_affine();
    let g2 = |scalar: Fr| (G2Affine::generator() * scalar).into_affine();
    let key = VerifyingKey::new(g1(alpha), g2(beta), g2(gamma), g2(delta), vec![g1(k0), g1(k1)]).unwrap();
    // e(A, B) = e(alpha, beta) · e(IC, gamma) · e(C, delta)
    let c = (a * b - alpha * beta - (k0 + k1 * input) * gamma) * delta.inverse().unwrap();
    let proof = Proof::new(g1(a), g2(b), g1(c)).unwrap();
    let inputs = PublicInputs::new(vec![input]);
    Proven {
        key: key.to_bytes().into(),
        statement: inputs.statement(),
        public_inputs: vec![U256::from(PUBLIC)],
        proof: ProofBytes { proof, inputs }.encode().into(),
    }
}
