//! Groth16's prover.

use super::{
    PROVEN, WITNESSED,
    msm::{Scalar, msm},
    quotient,
    witness::Witness,
    zkey::{ProvingKey, Query},
};
use crate::{BackendError, Control, Stage, program::reserved};
use ark_bn254::{Fr, G1Projective, g1, g2};
use ark_ec::{
    CurveGroup,
    short_weierstrass::{Projective, SWCurveConfig},
};
use ark_ff::UniformRand;
use rand::rngs::OsRng;
use std::sync::{Mutex, PoisonError};
use zkpool_verifiers::groth16::{Proof, ProofBytes};

/// Proves, and verifies the proof.
pub(super) fn prove(key: &ProvingKey, witness: &Witness, control: &Control) -> Result<ProofBytes, BackendError> {
    let (a, b, c) = points(key, witness, control)?;
    control.report(Stage::Verify, PROVEN);
    let inputs = witness.public_inputs(key.inputs);
    // Infinity is as unlikely as a guessed discrete logarithm, unless the key is foul.
    let proof =
        Proof::new(a.into_affine(), b.into_affine(), c.into_affine()).map_err(|_| BackendError::WitnessUnsatisfied)?;
    key.verifier.check(&inputs, &proof).map_err(|_| BackendError::WitnessUnsatisfied)?;
    control.report(Stage::Verify, 1.0);
    Ok(ProofBytes { proof, inputs })
}

type Points = (G1Projective, Projective<g2::Config>, G1Projective);

/// The three points of a proof, for fresh randomness r and s:
///
/// A = α + Σ wᵢ·Aᵢ + r·δ, B = β + Σ wᵢ·Bᵢ + s·δ, C = Σ wᵢ·Cᵢ + Σ hᵢ·Hᵢ + s·A + r·B₁ - rs·δ
///
/// with B₁ the same as B, but in G1, and wires and C over the private ones.
pub(super) fn points(key: &ProvingKey, witness: &Witness, control: &Control) -> Result<Points, BackendError> {
    let wires = witness.scalars();
    let (r, s) = (Fr::rand(&mut OsRng), Fr::rand(&mut OsRng));
    let vk = key.verifier.key();

    // In additions of G1; those of G2 cost three times as much, the transforms about as much as one in G1 each.
    let work = |query: usize, weight: f64| query as f64 * weight;
    let shares = [
        work(key.domain, 0.5),
        work(key.a.points.len(), 1.0),
        work(key.b1.points.len(), 1.0),
        work(key.b2.points.len(), 3.0),
        work(key.c_and_h.points.len(), 1.0),
    ];
    let meter = Meter::new(control, shares.iter().sum());

    let quotient =
        quotient::scalars(&key.matrices, witness, key.domain, control, &|share| meter.add(share * shares[0]))?;
    let private = &wires[key.inputs + 1..];
    let mut scalars = reserved(private.len() + quotient.len())?;
    scalars.extend_from_slice(private);
    scalars.extend(quotient);
    let c = query::<g1::Config>(&key.c_and_h, &scalars, control, &|share| meter.add(share * shares[4]))?;
    drop(scalars);
    let a = query::<g1::Config>(&key.a, wires, control, &|share| meter.add(share * shares[1]))?;
    let b1 = query::<g1::Config>(&key.b1, wires, control, &|share| meter.add(share * shares[2]))?;
    let b2 = query::<g2::Config>(&key.b2, wires, control, &|share| meter.add(share * shares[3]))?;

    let delta = G1Projective::from(key.delta_g1);
    let a = a + vk.alpha() + delta * r;
    let b1 = b1 + key.beta_g1 + delta * s;
    let b2 = b2 + vk.beta() + Projective::<g2::Config>::from(vk.delta()) * s;
    Ok((a, b2, c + a * s + b1 * r - delta * (r * s)))
}

fn query<P: SWCurveConfig>(
    query: &Query<P::BaseField>,
    scalars: &[Scalar],
    control: &Control,
    done: &(dyn Fn(f64) + Sync),
) -> Result<Projective<P>, BackendError> {
    msm::<P>(&query.points, query.gather(scalars)?, control, done)
}

/// Turns finished work into progress.
struct Meter<'a> {
    control: &'a Control,
    total: f64,
    done: Mutex<f64>,
}

impl<'a> Meter<'a> {
    fn new(control: &'a Control, total: f64) -> Self {
        Self { control, total, done: Mutex::new(0.0) }
    }

    fn add(&self, work: f64) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done += work;
        self.control.report(Stage::Prove, WITNESSED + (PROVEN - WITNESSED) * *done / self.total);
    }
}
