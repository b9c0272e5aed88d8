//! Development keys: Groth16's setup of a circuit by one party.
//!
//! Whoever runs it could keep the numbers that it draws, and with them prove anything. So such a key is for trying a
//! circuit out, and never for value: that takes a ceremony of many, of whom one forgets (`snarkjs groth16 setup`,
//! `snarkjs zkey contribute`). The key says so itself: it has no contributions on record.
//!
//! Format: snarkjs `src/zkey_utils.js`.

mod r1cs;

pub use r1cs::{Circuit, R1csError};

use ark_bn254::{Fq, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup, scalar_mul::ScalarMul};
use ark_ff::{BigInt, Field, One, UniformRand, Zero};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use r1cs::Matrix;
use rand::{CryptoRng, RngCore};
use std::io::{self, Write};
use zkpool_verifiers::groth16::{
    points::{BASE_FIELD_PRIME_LE, SCALAR_FIELD_PRIME_LE},
    zkey::section,
};

/// The circuit's hash and the list of contributions: none.
const CONTRIBUTIONS: (u32, [u8; 68]) = (10, [0; 68]);
/// Bytes of an entry of a matrix.
const ENTRY_LEN: u64 = 4 + 4 + 4 + 32;
/// Points that are made and written at a time.
const BATCH: usize = 1 << 16;

/// Draws a development key of a circuit and writes it as a `.zkey`. The same random numbers make the same key.
///
/// # Errors
///
/// An [`io::Error`] of the writer's; of kind [`io::ErrorKind::InvalidInput`], if the circuit is too large for the curve.
pub fn write_development_key(
    circuit: &Circuit,
    rng: &mut (impl RngCore + CryptoRng),
    out: &mut dyn Write,
) -> io::Result<()> {
    let [alpha, beta, delta, tau] = [(); 4].map(|()| Fr::rand(rng));
    write_key(circuit, &Waste { alpha, beta, delta, tau }, out)
}

/// What a setup draws, and whoever knows it can prove anything.
struct Waste {
    alpha: Fr,
    beta: Fr,
    delta: Fr,
    tau: Fr,
}

// Not generic, so that it is compiled here, where optimisation is on in development, too.
fn write_key(circuit: &Circuit, waste: &Waste, out: &mut dyn Write) -> io::Result<()> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "the circuit has more constraints than BN254 takes");
    let rows = circuit.constraints() + circuit.inputs + 1;
    let domain = Radix2EvaluationDomain::<Fr>::new(rows).ok_or_else(too_large)?;
    let double = Radix2EvaluationDomain::<Fr>::new(2 * domain.size()).ok_or_else(too_large)?;

    // A zero, or a tau in the domain, is drawn by nobody.
    let Waste { alpha, beta, delta, tau } = *waste;
    let delta_inverse = delta.inverse().unwrap_or_default();
    let [a, b, c] = at(circuit, &domain.evaluate_all_lagrange_coefficients(tau));
    let combined = |factor: Fr| {
        a.iter().zip(&b).zip(&c).map(move |((a, b), c)| (beta * a + alpha * b + c) * factor).collect::<Vec<_>>()
    };
    // gamma = 1, the generator, as in every key of snarkjs. It proves with the quotient's values at the odd places of the
    // domain twice as large.
    let public = &combined(Fr::one())[..=circuit.inputs];
    let private = &combined(delta_inverse)[circuit.inputs + 1..];
    let lagrange = double.evaluate_all_lagrange_coefficients(tau);
    let quotient: Vec<Fr> = lagrange.into_iter().skip(1).step_by(2).map(|value| value * delta_inverse).collect();

    let one = G1Projective::generator();
    let two = G2Projective::generator();
    let mut header = Vec::new();
    for prime in [BASE_FIELD_PRIME_LE, SCALAR_FIELD_PRIME_LE] {
        header.extend(32u32.to_le_bytes());
        header.extend(prime);
    }
    for size in [circuit.wires, circuit.inputs, domain.size()] {
        header.extend((size as u32).to_le_bytes());
    }
    let [alpha_1, beta_1, delta_1] = [alpha, beta, delta].map(|factor| g1(&(one * factor).into_affine()));
    let [beta_2, gamma_2, delta_2] = [beta, Fr::one(), delta].map(|factor| g2(&(two * factor).into_affine()));
    header.extend(alpha_1.iter().chain(&beta_1).chain(&beta_2).chain(&gamma_2).chain(&delta_1).chain(&delta_2));

    out.write_all(b"zkey")?;
    out.write_all(&1u32.to_le_bytes())?;
    out.write_all(&10u32.to_le_bytes())?;
    section_of(out, section::PROTOCOL, &1u32.to_le_bytes())?;
    section_of(out, section::HEADER, &header)?;
    points(out, section::IC, one, public, g1)?;
    entries(out, circuit)?;
    points(out, section::A, one, &a, g1)?;
    points(out, section::B1, one, &b, g1)?;
    points(out, section::B2, two, &b, g2)?;
    points(out, section::C, one, private, g1)?;
    points(out, section::H, one, &quotient, g1)?;
    section_of(out, CONTRIBUTIONS.0, &CONTRIBUTIONS.1)?;
    out.flush()
}

/// The wires' polynomials of the three matrices, at the point at which the rows' have these values. A has a row for the
/// constant and each public input besides, which bind them to the proof.
fn at(circuit: &Circuit, rows: &[Fr]) -> [Vec<Fr>; 3] {
    let mut columns = circuit.matrices.each_ref().map(|matrix| {
        let mut columns = vec![Fr::zero(); circuit.wires];
        for (row, value) in matrix.rows().zip(rows) {
            for (wire, factor) in row {
                columns[*wire as usize] += *value * factor;
            }
        }
        columns
    });
    for input in 0..=circuit.inputs {
        columns[0][input] += rows[circuit.constraints() + input];
    }
    columns
}

fn section_of(out: &mut dyn Write, id: u32, bytes: &[u8]) -> io::Result<()> {
    begin(out, id, bytes.len() as u64)?;
    out.write_all(bytes)
}

fn begin(out: &mut dyn Write, id: u32, length: u64) -> io::Result<()> {
    out.write_all(&id.to_le_bytes())?;
    out.write_all(&length.to_le_bytes())
}

/// A section of points: the generator times each of the numbers.
fn points<G: ScalarMul<ScalarField = Fr>, const LEN: usize>(
    out: &mut dyn Write,
    id: u32,
    generator: G,
    factors: &[Fr],
    encode: impl Fn(&G::MulBase) -> [u8; LEN],
) -> io::Result<()> {
    begin(out, id, (factors.len() * LEN) as u64)?;
    let table = ark_ec::scalar_mul::BatchMulPreprocessing::new(generator, factors.len());
    for batch in factors.chunks(BATCH) {
        let bytes: Vec<u8> = table.batch_mul(batch).iter().flat_map(&encode).collect();
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// The section of the matrices A and B.
fn entries(out: &mut dyn Write, circuit: &Circuit) -> io::Result<()> {
    let [a, b, _] = &circuit.matrices;
    let count = a.count() + b.count() + circuit.inputs + 1;
    let claimed = u32::try_from(count).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    begin(out, section::COEFFICIENTS, 4 + count as u64 * ENTRY_LEN)?;
    out.write_all(&claimed.to_le_bytes())?;
    let mut put = |matrix: u32, row: usize, wire: u32, value: &Fr| {
        for word in [matrix, row as u32, wire] {
            out.write_all(&word.to_le_bytes())?;
        }
        // value · R²: in Montgomery form twice over.
        out.write_all(&le(Fr::new(value.0).0))
    };
    let mut all = |number: u32, matrix: &Matrix| {
        let row = |(row, entries): (usize, &[(u32, Fr)])| {
            entries.iter().try_for_each(|(wire, value)| put(number, row, *wire, value))
        };
        matrix.rows().enumerate().try_for_each(row)
    };
    all(0, a)?;
    all(1, b)?;
    (0..=circuit.inputs).try_for_each(|input| put(0, circuit.constraints() + input, input as u32, &Fr::one()))
}

fn le(int: BigInt<4>) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(int.0) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}

/// In Montgomery form, infinity as zeros.
fn g1(point: &G1Affine) -> [u8; 64] {
    let (x, y) = point.xy().unwrap_or((Fq::zero(), Fq::zero()));
    joined([le(x.0), le(y.0)])
}

fn g2(point: &G2Affine) -> [u8; 128] {
    let (x, y) = point.xy().unwrap_or_default();
    joined([le(x.c0.0), le(x.c1.0), le(y.c0.0), le(y.c1.0)])
}

fn joined<const WORDS: usize, const LEN: usize>(words: [[u8; 32]; WORDS]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes.copy_from_slice(words.as_flattened());
    bytes
}
