//! Small circuits, their keys and their witnesses.

use crate::setup::{Circuit, write_development_key};
use ark_bn254::Fr;
use ark_ff::{BigInt, Field, One, PrimeField, Zero};
use rand::{SeedableRng, rngs::StdRng};
use zkpool_verifiers::groth16::points::SCALAR_FIELD_PRIME_LE;

/// The circuit that [`super::generator_wasm`] computes: out = a · b₀ · b₁, and a public tag.
///
/// Wires: 1, out, tag, a, b₀, b₁, a·b₀.
pub fn product() -> Circuit {
    let mut circuit = Circuit::new(7, 2);
    let one = |wire: u32| [(wire, Fr::one())];
    circuit.constrain([&one(3), &one(4), &one(6)]);
    circuit.constrain([&one(6), &one(5), &one(1)]);
    circuit.constrain([&one(2), &one(0), &one(2)]);
    circuit
}

/// A witness of [`product`].
pub fn product_witness(tag: u64, a: u64, b: [u64; 2]) -> Vec<BigInt<4>> {
    let ab = Fr::from(a) * Fr::from(b[0]);
    let values = [Fr::one(), ab * Fr::from(b[1]), Fr::from(tag), Fr::from(a), Fr::from(b[0]), Fr::from(b[1]), ab];
    values.map(PrimeField::into_bigint).to_vec()
}

/// A circuit of 3 · `links` constraints, one public output and no witness generator, of all sizes a backend may want:
/// out = f(f(…f(x))) for f(x) = (x + k)⁵.
///
/// Wires: 1, out, x, and the inner ones.
pub fn chain(links: usize) -> Circuit {
    let mut circuit = Circuit::new(2 + 3 * links, 1);
    let one = |wire: u32| [(wire, Fr::one())];
    let mut x = 2;
    for link in 0..links as u32 {
        let sum = [(x, Fr::one()), (0, Fr::from(link + 1))];
        let (square, fourth) = (3 * link + 3, 3 * link + 4);
        // The last link's result is the output.
        let fifth = if link as usize + 1 == links { 1 } else { 3 * link + 5 };
        circuit.constrain([&sum, &sum, &one(square)]);
        circuit.constrain([&one(square), &one(square), &one(fourth)]);
        circuit.constrain([&one(fourth), &sum, &one(fifth)]);
        x = fifth;
    }
    circuit
}

/// A witness of [`chain`].
pub fn chain_witness(links: usize, x: u64) -> Vec<BigInt<4>> {
    let mut x = Fr::from(x);
    let mut values = vec![Fr::one(), Fr::zero(), x];
    for link in 0..links {
        let sum = x + Fr::from(link as u64 + 1);
        let square = sum.square();
        values.extend([square, square.square(), square.square() * sum]);
        x = square.square() * sum;
    }
    // The last link's result is the output.
    values[1] = values.pop().unwrap();
    values.into_iter().map(PrimeField::into_bigint).collect()
}

/// A `.wtns` file.
pub fn wtns(values: &[BigInt<4>]) -> Vec<u8> {
    let mut header = 32u32.to_le_bytes().to_vec();
    header.extend(SCALAR_FIELD_PRIME_LE);
    header.extend((values.len() as u32).to_le_bytes());
    let values = values.iter().flat_map(|value| value.0).flat_map(u64::to_le_bytes).collect();
    let mut file = b"wtns".to_vec();
    file.extend([2u32, 2].iter().flat_map(|word| word.to_le_bytes()));
    for (id, bytes) in [(1u32, header), (2, values)] {
        file.extend(id.to_le_bytes());
        file.extend((bytes.len() as u64).to_le_bytes());
        file.extend(bytes);
    }
    file
}

/// A `.zkey` file for a circuit. The same seed makes the same key.
pub fn zkey(circuit: Circuit, seed: u64) -> Vec<u8> {
    let mut file = vec![];
    write_development_key(&circuit, &mut StdRng::seed_from_u64(seed), &mut file).unwrap();
    file
}
