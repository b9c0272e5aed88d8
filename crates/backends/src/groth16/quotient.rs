//! The scalars of the H query, as snarkjs' setup wants them.
//!
//! The polynomials A, B and C agree with the wires' linear combinations on the domain, and AB - C is a multiple of its
//! vanishing polynomial. snarkjs' H query is in Lagrange form over the domain's odd coset (the domain twice as large,
//! less the domain itself), where the vanishing polynomial is constant: the scalars are AB - C on that coset, without a
//! division. (libsnark's reduction, ark-groth16's default, goes back to coefficients instead; its keys are different.)

use super::{matrix::Matrix, msm::Scalar, witness::Witness};
use crate::{BackendError, Control};
use ark_bn254::Fr;
use ark_ff::PrimeField;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rayon::prelude::*;

/// The scalars of the H query. `domain` is a power of two, at most 2^27; `done` is told of each finished share.
///
/// # Errors
///
/// Those of [`Control::check`], which is looked at between the transforms.
pub(super) fn scalars(
    matrices: &[Matrix; 2],
    witness: &Witness,
    domain: usize,
    control: &Control,
    done: &dyn Fn(f64),
) -> Result<Vec<Scalar>, BackendError> {
    let wires = witness.elements();
    let mut a = matrices[0].times(&wires);
    control.check()?;
    let mut b = matrices[1].times(&wires);
    drop(wires);
    control.check()?;
    // The zkey lacks the matrix C. A witness that satisfies the constraints makes C = AB on the domain; for another one
    // this is a lie, and the proof does not verify.
    let mut c: Vec<Fr> = a.par_iter().zip(&b).with_min_len(1024).map(|(a, b)| *a * b).collect();

    let (domain, odd_coset) = domains(domain);
    for values in [&mut a, &mut b, &mut c] {
        domain.ifft_in_place(values);
        control.check()?;
        done(1.0 / 6.0);
        odd_coset.fft_in_place(values);
        control.check()?;
        done(1.0 / 6.0);
    }
    let quotient = a.par_iter().zip(&b).zip(&c).with_min_len(1024).map(|((a, b), c)| (*a * b - c).into_bigint());
    Ok(quotient.collect())
}

/// The domain, and the same shifted by the root of unity of twice the order.
fn domains(size: usize) -> (Radix2EvaluationDomain<Fr>, Radix2EvaluationDomain<Fr>) {
    // The scalar field has roots of unity up to order 2^28, and a zkey's header is checked for 2^27.
    let new = |size| Radix2EvaluationDomain::<Fr>::new(size).expect("a domain of at most 2^28");
    let domain = new(size);
    let coset = domain.get_coset(new(2 * size).group_gen()).expect("a root of unity is not zero");
    (domain, coset)
}
