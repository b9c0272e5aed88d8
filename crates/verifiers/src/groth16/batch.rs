//! Many proofs of one key at the cost of little more than one pairing each: a random linear combination.

use super::{check_inputs, key::VerifyingKey, proof::Proof, proof::PublicInputs};
use crate::VerifyError;
use ark_bn254::{Bn254, Fr, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::Zero;
use rand::{RngCore, rngs::OsRng};

/// Whether all proofs hold. If one does not, this errs but with probability 2⁻¹²⁸; which one, [`super::verify`] tells.
///
/// Each proof's equation e(A, B) = e(α, β) · e(IC, γ) · e(C, δ) is raised to a random power of 128 bits that nobody who
/// made a proof could know, and their product is checked: one pair for each proof and three for all of them.
///
/// # Errors
///
/// [`VerifyError::InputCount`] for the first proof with another number of inputs, [`VerifyError::Rejected`].
pub fn verify_batch(key: &VerifyingKey, proofs: &[(PublicInputs, Proof)]) -> Result<(), VerifyError> {
    let mut powers = Vec::with_capacity(proofs.len());
    // Coefficients of alpha (and IC[0], the same), and of the other points of IC.
    let mut ic = vec![Fr::zero(); key.inputs() + 1];
    for (inputs, _) in proofs {
        check_inputs(key, inputs)?;
        let mut bytes = [0; 16];
        OsRng.fill_bytes(&mut bytes);
        let power = Fr::from(u128::from_le_bytes(bytes));
        ic[0] += power;
        for (sum, input) in ic[1..].iter_mut().zip(inputs.as_slice()) {
            *sum += power * input;
        }
        powers.push(power);
    }

    let c: Vec<_> = proofs.iter().map(|(_, proof)| proof.c).collect();
    let mut g1: Vec<_> = proofs.iter().zip(&powers).map(|((_, proof), power)| proof.a * power).collect();
    g1.push(-(key.alpha() * ic[0]));
    g1.push(-G1Projective::msm_unchecked(key.ic(), &ic));
    g1.push(-G1Projective::msm_unchecked(&c, &powers));
    let g2 = proofs.iter().map(|(_, proof)| proof.b).chain([key.beta(), key.gamma(), key.delta()]);

    let product = Bn254::multi_pairing(G1Projective::normalize_batch(&g1), g2);
    if product.is_zero() { Ok(()) } else { Err(VerifyError::Rejected) }
}
