//! How fast this machine proves: the prover itself, on a key that is shaped like a real one.
//!
//! The key's points are random rather than from a setup, which would take longer than the measurement: a prover's time
//! does not depend on them. The proof that comes out proves nothing, so it is not verified.

use super::{
    matrix::{Entry, Matrix},
    msm::{Point, Scalar},
    prove,
    witness::Witness,
    zkey::{ProvingKey, Query, Sizes},
};
use crate::{BackendError, Control, Stage, Throughput};
use ark_bn254::{Fr, G1Affine, G2Affine, g1, g2};
use ark_ec::{
    AffineRepr, CurveGroup,
    short_weierstrass::{Projective, SWCurveConfig},
};
use ark_ff::{PrimeField, UniformRand};
use rand::rngs::OsRng;
use std::time::{Duration, Instant};
use zkpool_verifiers::groth16::{Groth16Verifier, VerifyingKey};

/// The size of many a real circuit's part, and large enough for the multiplications to be most of it.
const CONSTRAINTS: usize = (1 << 14) - 2;
/// Proofs are made until this has passed, and at least two.
const DURATION: Duration = Duration::from_millis(1500);

/// Proves for about two seconds.
pub(super) fn run(control: &Control) -> Result<Throughput, BackendError> {
    let key = key()?;
    let witness = Witness::new(
        std::iter::once(Scalar::one()).chain((1..key.wires).map(|_| Fr::rand(&mut OsRng).into_bigint())).collect(),
        key.wires,
    )?;
    // The first proof warms up threads and memory.
    let _warm = prove::points(&key, &witness, control)?;
    let start = Instant::now();
    let mut proofs = 0;
    while proofs < 2 || start.elapsed() < DURATION {
        let _proof = prove::points(&key, &witness, control)?;
        proofs += 1;
    }
    let elapsed = start.elapsed();
    control.report(Stage::Verify, 1.0);
    let work = (0..proofs).map(|_| key.sizes.work()).sum();
    Ok(Throughput { work, elapsed })
}

/// As many wires as constraints, two factors with two wires each in a constraint, one public input.
fn key() -> Result<ProvingKey, BackendError> {
    let (wires, domain) = (CONSTRAINTS, CONSTRAINTS + 2);
    let mut entries = [Vec::new(), Vec::new()];
    for row in 0..CONSTRAINTS as u32 {
        for entries in &mut entries {
            for wire in [row, (row + 1) % wires as u32] {
                entries.push(Entry { row, wire, value: Fr::rand(&mut OsRng) });
            }
        }
    }
    let sizes = Sizes::new(wires, CONSTRAINTS, domain, 4 * CONSTRAINTS);
    let [a, b] = entries.map(|entries| Matrix::new(entries, domain));
    let point = || (G1Affine::generator() * Fr::rand(&mut OsRng)).into_affine();
    let other = || (G2Affine::generator() * Fr::rand(&mut OsRng)).into_affine();
    let verifier = VerifyingKey::new(point(), other(), other(), other(), vec![point(), point()]);
    Ok(ProvingKey {
        wires,
        inputs: 1,
        domain,
        beta_g1: point(),
        delta_g1: point(),
        verifier: Groth16Verifier::new(verifier.map_err(super::ZkeyError::from)?),
        matrices: [a?, b?],
        a: query::<g1::Config>(wires),
        // A half of the wires is in no right factor, as is usual.
        b1: query::<g1::Config>(wires / 2),
        b2: query::<g2::Config>(wires / 2),
        c_and_h: query::<g1::Config>(wires - 2 + domain),
        sizes,
    })
}

/// Points of which nobody knows more than that they are different.
fn query<P: SWCurveConfig<ScalarField = Fr>>(count: usize) -> Query<P::BaseField> {
    let step = Projective::<P>::from(P::GENERATOR) * Fr::rand(&mut OsRng);
    let points: Vec<_> = std::iter::successors(Some(step), |last| Some(*last + step)).take(count).collect();
    let points = Projective::normalize_batch(&points);
    Query {
        points: points.into_iter().map(|point| Point { x: point.x, y: point.y }).collect(),
        positions: (0..count as u32).collect(),
    }
}
