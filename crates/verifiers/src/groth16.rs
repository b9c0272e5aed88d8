//! Groth16 over BN254.
//!
//! Verifying keys come from a zkey ([`VerifyingKey::from_zkey`]), from snarkjs' JSON ([`VerifyingKey::from_snarkjs`]) or
//! from what was stored ([`VerifyingKey::from_bytes`]); proofs come as the contract takes them ([`ProofBytes`]).

mod batch;
mod error;
mod key;
pub mod points;
mod proof;
mod snarkjs;
pub mod zkey;

pub use batch::verify_batch;
pub use error::{KeyError, PointFault, ProofError};
pub use key::VerifyingKey;
pub use proof::{POINTS_LEN, Proof, ProofBytes, PublicInputs};

use crate::{Verifier, VerifyError};
use alloy_primitives::B256;
use ark_bn254::{Bn254, Fr, G1Projective};
use ark_ec::{
    CurveGroup, VariableBaseMSM,
    pairing::{Pairing, PairingOutput},
};
use ark_ff::One;
use std::io::{Read, Seek};
use zkpool_protocol::ProofKind;

/// The most public inputs that a key may have. On chain each costs about 6,200 gas: more of them would not fit into a
/// transaction.
pub const MAX_PUBLIC_INPUTS: u32 = 1024;

/// Checks one proof. For many proofs of one key, keep a [`Groth16Verifier`].
///
/// # Errors
///
/// [`VerifyError`].
pub fn verify(key: &VerifyingKey, inputs: &PublicInputs, proof: &Proof) -> Result<(), VerifyError> {
    Groth16Verifier::new(key.clone()).check(inputs, proof)
}

/// A verifying key, prepared: one pairing less for each proof.
///
/// The equation is e(A, B) = e(α, β) · e(IC, γ) · e(C, δ), IC being the input points' combination. It is written out
/// here rather than taken from ark-groth16, whose dependencies (R1CS, sponges, an old tracing-subscriber) would be most
/// of what a service links; the tests hold it against ark-groth16 and snarkjs.
pub struct Groth16Verifier {
    key: VerifyingKey,
    alpha_beta: PairingOutput<Bn254>,
    minus_gamma: <Bn254 as Pairing>::G2Prepared,
    minus_delta: <Bn254 as Pairing>::G2Prepared,
}

impl Groth16Verifier {
    /// Prepares a key.
    pub fn new(key: VerifyingKey) -> Self {
        Self {
            alpha_beta: Bn254::pairing(key.alpha(), key.beta()),
            minus_gamma: (-key.gamma()).into(),
            minus_delta: (-key.delta()).into(),
            key,
        }
    }

    /// From a zkey, of which only the head is read.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_zkey(reader: impl Read + Seek) -> Result<Self, KeyError> {
        VerifyingKey::from_zkey(reader).map(Self::new)
    }

    /// From what [`VerifyingKey::to_bytes`] stored.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_vk_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        VerifyingKey::from_bytes(bytes).map(Self::new)
    }

    /// The key.
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Checks one proof.
    ///
    /// # Errors
    ///
    /// [`VerifyError`].
    pub fn check(&self, inputs: &PublicInputs, proof: &Proof) -> Result<(), VerifyError> {
        check_inputs(&self.key, inputs)?;
        let scalars: Vec<_> = [Fr::one()].iter().chain(inputs.as_slice()).copied().collect();
        let ic = G1Projective::msm_unchecked(self.key.ic(), &scalars).into_affine();
        let product = Bn254::multi_pairing(
            [proof.a, ic, proof.c],
            [proof.b.into(), self.minus_gamma.clone(), self.minus_delta.clone()],
        );
        if product == self.alpha_beta { Ok(()) } else { Err(VerifyError::Rejected) }
    }
}

impl Verifier for Groth16Verifier {
    fn kind(&self) -> ProofKind {
        ProofKind::Groth16Bn254
    }

    fn verify(&self, statement: B256, proof: &[u8]) -> Result<(), VerifyError> {
        let ProofBytes { proof, inputs } = ProofBytes::decode(proof)?;
        check_inputs(&self.key, &inputs)?;
        let found = inputs.statement();
        if found != statement {
            return Err(VerifyError::Statement { expected: statement, found });
        }
        self.check(&inputs, &proof)
    }
}

fn check_inputs(key: &VerifyingKey, inputs: &PublicInputs) -> Result<(), VerifyError> {
    let (expected, found) = (key.inputs(), inputs.as_slice().len());
    if expected != found {
        return Err(VerifyError::InputCount { expected, found });
    }
    Ok(())
}
