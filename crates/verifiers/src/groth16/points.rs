//! Field elements and points of BN254, in the encodings of the EVM and of snarkjs. Everything is checked: canonical,
//! on the curve, in the subgroup, not infinity.

use super::error::PointFault;
use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, PrimeField, Zero};

/// The modulus of the coordinates' field, little-endian, as snarkjs writes it into files.
pub const BASE_FIELD_PRIME_LE: [u8; 32] = to_le_bytes(Fq::MODULUS);

/// The modulus of the scalars' field, little-endian, as snarkjs writes it into files.
pub const SCALAR_FIELD_PRIME_LE: [u8; 32] = to_le_bytes(Fr::MODULUS);

/// Bytes of a word: a field element.
pub const WORD: usize = 32;

const fn to_le_bytes(int: BigInt<4>) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = (int.0[i / 8] >> (8 * (i % 8))) as u8;
        i += 1;
    }
    bytes
}

/// A 256-bit number from little-endian bytes.
pub const fn int_from_le(bytes: &[u8; 32]) -> BigInt<4> {
    let mut limbs = [0; 4];
    let mut i = 0;
    while i < 32 {
        limbs[i / 8] |= (bytes[i] as u64) << (8 * (i % 8));
        i += 1;
    }
    BigInt(limbs)
}

/// A field element from a big-endian word; `None` if it is not below the modulus.
pub(super) fn field_from_be<F: PrimeField<BigInt = BigInt<4>>>(word: &[u8; 32]) -> Option<F> {
    let mut bytes = *word;
    bytes.reverse();
    F::from_bigint(int_from_le(&bytes))
}

/// A field element as a big-endian word.
pub(super) fn field_to_be<F: PrimeField>(element: F) -> [u8; 32] {
    let mut word = [0; 32];
    word.copy_from_slice(&element.into_bigint().to_bytes_be());
    word
}

/// A coordinate as snarkjs keeps it in a zkey: little-endian, in Montgomery form; `None` if it is not canonical.
pub fn coordinate_from_zkey(bytes: &[u8; 32]) -> Option<Fq> {
    let int = int_from_le(bytes);
    // `new_unchecked` takes the Montgomery form itself.
    (int < Fq::MODULUS).then(|| Fq::new_unchecked(int))
}

/// A point of G1 that is none of: off the curve, infinity. (G1 is the whole curve.)
pub(super) fn g1(x: Fq, y: Fq) -> Result<G1Affine, PointFault> {
    if x.is_zero() && y.is_zero() {
        return Err(PointFault::Infinity);
    }
    let point = G1Affine::new_unchecked(x, y);
    check_g1(&point).map(|()| point)
}

/// The same for a point that was made elsewhere.
pub(super) fn check_g1(point: &G1Affine) -> Result<(), PointFault> {
    if point.is_zero() {
        return Err(PointFault::Infinity);
    }
    if !point.is_on_curve() {
        return Err(PointFault::NotOnCurve);
    }
    Ok(())
}

/// A point of G2 that is none of: off the curve, outside the subgroup, infinity.
pub(super) fn g2(x: Fq2, y: Fq2) -> Result<G2Affine, PointFault> {
    if x.is_zero() && y.is_zero() {
        return Err(PointFault::Infinity);
    }
    let point = G2Affine::new_unchecked(x, y);
    check_g2(&point).map(|()| point)
}

/// The same for a point that was made elsewhere.
pub(super) fn check_g2(point: &G2Affine) -> Result<(), PointFault> {
    if point.is_zero() {
        return Err(PointFault::Infinity);
    }
    if !point.is_on_curve() {
        return Err(PointFault::NotOnCurve);
    }
    if !point.is_in_correct_subgroup_assuming_on_curve() {
        return Err(PointFault::NotInSubgroup);
    }
    Ok(())
}

/// Big-endian words to points: the EVM's order, G2 coefficients imaginary first.
pub(super) fn g1_from_evm(words: &[u8; 64]) -> Result<G1Affine, PointFault> {
    let [x, y] = split::<64, 2>(words);
    let field = |word| field_from_be(word).ok_or(PointFault::NotCanonical);
    g1(field(&x)?, field(&y)?)
}

/// See [`g1_from_evm`].
pub(super) fn g2_from_evm(words: &[u8; 128]) -> Result<G2Affine, PointFault> {
    let [x1, x0, y1, y0] = split::<128, 4>(words);
    let field = |word| field_from_be(word).ok_or(PointFault::NotCanonical);
    g2(Fq2::new(field(&x0)?, field(&x1)?), Fq2::new(field(&y0)?, field(&y1)?))
}

/// The EVM's words of a point that is not infinity.
pub(super) fn g1_to_evm(point: &G1Affine) -> [[u8; 32]; 2] {
    [field_to_be(point.x), field_to_be(point.y)]
}

/// See [`g1_to_evm`].
pub(super) fn g2_to_evm(point: &G2Affine) -> [[u8; 32]; 4] {
    [point.x.c1, point.x.c0, point.y.c1, point.y.c0].map(field_to_be)
}

/// Cuts `N` bytes into `W` words.
pub(super) fn split<const N: usize, const W: usize>(bytes: &[u8; N]) -> [[u8; 32]; W] {
    const { assert!(N == W * WORD) };
    let mut words = [[0; 32]; W];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(WORD)) {
        word.copy_from_slice(chunk);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use ark_ec::CurveGroup;

    #[test]
    fn words_survive_both_ways() {
        let p = (G1Affine::generator() * Fr::from(7u64)).into_affine();
        let words = g1_to_evm(&p).concat();
        assert_eq!(g1_from_evm(words.as_slice().try_into().unwrap()), Ok(p));
        let p = (G2Affine::generator() * Fr::from(7u64)).into_affine();
        let words = g2_to_evm(&p).concat();
        assert_eq!(g2_from_evm(words.as_slice().try_into().unwrap()), Ok(p));
    }

    #[test]
    fn the_known_generator_comes_out_in_the_order_of_the_precompile() {
        // x imaginary of the G2 generator, as EIP-197 gives it.
        let words = g2_to_evm(&G2Affine::generator());
        assert_eq!(words[0][..4], [0x19, 0x8e, 0x93, 0x93]);
        assert_eq!(words[1][..4], [0x18, 0x00, 0xde, 0xef]);
    }

    #[test]
    fn what_is_not_a_point_is_told_apart() {
        let mut bytes = [0; 64];
        assert_eq!(g1_from_evm(&bytes), Err(PointFault::Infinity));
        bytes[31] = 1;
        assert_eq!(g1_from_evm(&bytes), Err(PointFault::NotOnCurve));
        bytes[63] = 2;
        assert!(g1_from_evm(&bytes).is_ok());
        // x + q
        let q = num_bigint::BigUint::from(Fq::MODULUS) + 1u32;
        bytes[..32].copy_from_slice(&q.to_bytes_be());
        assert_eq!(g1_from_evm(&bytes), Err(PointFault::NotCanonical));

        // On the twist, but not in the subgroup: x = 0..., any point with a square right side.
        let outside = (0u64..)
            .find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::zero()), false))
            .unwrap();
        assert!(outside.is_on_curve());
        assert_eq!(check_g2(&outside), Err(PointFault::NotInSubgroup));
    }
}
