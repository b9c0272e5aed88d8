//! Baby Jubjub as EIP-2494 has it: affine points, one inversion an addition.

use ark_bn254::Fr;
use ark_ff::{BigInteger, Field, MontFp, PrimeField};
use num_bigint::BigUint;

pub(crate) type Point = (Fr, Fr);

pub(crate) const BASE: Point = (
    MontFp!("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
    MontFp!("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
);

pub(crate) fn order() -> BigUint {
    "2736030358979909402780800718157159386076813972158567259200215660948447373041".parse().unwrap()
}

pub(crate) fn neutral() -> Point {
    (Fr::from(0), Fr::from(1))
}

pub(crate) fn add((x1, y1): Point, (x2, y2): Point) -> Point {
    let product = Fr::from(168_696) * x1 * x2 * y1 * y2;
    let one = Fr::from(1);
    ((x1 * y2 + y1 * x2) / (one + product), (y1 * y2 - Fr::from(168_700) * x1 * x2) / (one - product))
}

pub(crate) fn times(factor: &BigUint, point: Point) -> Point {
    (0..factor.bits()).rev().fold(neutral(), |sum, bit| {
        let doubled = add(sum, sum);
        if factor.bit(bit) { add(doubled, point) } else { doubled }
    })
}

/// A point of prime order from its encoding, which must be the only one; the neutral one as well.
pub(crate) fn decode(encoded: &[u8; 32]) -> Option<Point> {
    let odd = encoded[0] >= 0x80;
    let mut y_bytes = *encoded;
    y_bytes[0] %= 0x80;
    let number = BigUint::from_bytes_be(&y_bytes);
    if number >= BigUint::from_bytes_le(&Fr::MODULUS.to_bytes_le()) {
        return None;
    }
    let y = Fr::from(number);
    let one = Fr::from(1);
    let x = ((one - y * y) / (Fr::from(168_700) - Fr::from(168_696) * y * y)).sqrt()?;
    let x = if x.into_bigint().is_odd() == odd { x } else { -x };
    // Where x is 0 there is no odd one.
    (x.into_bigint().is_odd() == odd && times(&order(), (x, y)) == neutral()).then_some((x, y))
}
