//! In ordinary instructions, on the twisted Edwards form with its complete formulas: bit by bit, for a clear reading.

use super::{Crypto, PointFault, encode};
use crate::{Encoded, Hash, hash::words};
use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInt, Field, MontFp, PrimeField};

const A: Fr = MontFp!("168700");
const D: Fr = MontFp!("168696");
const BASE: Point = Point {
    x: MontFp!("5299619240641551281634865583518297030282874472190772894086521144482721001553"),
    y: MontFp!("16950150798460657717958625567821834550301663161624707787222815936182638968203"),
    z: Fr::ONE,
};

/// 1/8 modulo the order of the base point.
const EIGHTH: [u8; 32] =
    words([0x054a_f894, 0x90a1_6d84, 0x9028_c79f, 0xf62a_25aa, 0x35d7_1001, 0x31fc_d049, 0x1a84_44e0, 0xb1fd_0213]);

/// Curve and hash in ordinary instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portable;

/// x/z and y/z.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    x: Fr,
    y: Fr,
    z: Fr,
}

impl Point {
    const NEUTRAL: Self = Self { x: Fr::ZERO, y: Fr::ONE, z: Fr::ONE };

    /// Holds for all points, because 168700 is a square and 168696 is none.
    fn plus(&self, other: &Self) -> Self {
        let a = self.z * other.z;
        let b = a.square();
        let c = self.x * other.x;
        let d = self.y * other.y;
        let e = D * c * d;
        let (f, g) = (b - e, b + e);
        Self { x: a * f * ((self.x + self.y) * (other.x + other.y) - c - d), y: a * g * (d - A * c), z: f * g }
    }

    /// The bits of the factor from the most significant on.
    fn times(&self, factor: &[u8]) -> Self {
        let bits = factor.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
        bits.fold(Self::NEUTRAL, |sum, bit| {
            let doubled = sum.plus(&sum);
            if bit { doubled.plus(self) } else { doubled }
        })
    }

    fn minus(&self, other: &Self) -> Self {
        self.plus(&Self { x: -other.x, ..*other })
    }

    /// x ‖ y.
    fn affine(&self) -> [u8; 64] {
        // Never zero, as the formulas are complete.
        let inverse = self.z.inverse().unwrap_or_default();
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&to_bytes(self.x * inverse));
        bytes[32..].copy_from_slice(&to_bytes(self.y * inverse));
        bytes
    }

    fn encode(&self) -> Encoded {
        let affine = self.affine();
        let (coordinates, _) = affine.as_chunks();
        encode(&coordinates[0], coordinates[1])
    }
}

impl Crypto for Portable {
    type Key = Point;

    fn compress(state: &Hash, block: &[u8; 64]) -> Hash {
        let mut state = core::array::from_fn(|i| u32::from_be_bytes(state.as_chunks().0[i]));
        sha2::compress256(&mut state, &[(*block).into()]);
        words(state)
    }

    fn key(eighth: &[u8; 64]) -> Result<(Point, Encoded), PointFault> {
        let (x, y) = eighth.split_at(32);
        let [x, y] = [coordinate(x).ok_or(PointFault::Range)?, coordinate(y).ok_or(PointFault::Range)?];
        if A * x.square() + y.square() != Fr::ONE + D * x.square() * y.square() {
            return Err(PointFault::Curve);
        }
        let key = Point { x, y, z: Fr::ONE }.times(&[8]);
        let encoded = key.encode();
        if encoded == Point::NEUTRAL.encode() {
            return Err(PointFault::Order);
        }
        Ok((key, encoded))
    }

    fn commitment(s: &[u8; 32], c: u128, key: &Point) -> Encoded {
        BASE.times(s).minus(&key.times(&c.to_be_bytes())).encode()
    }
}

fn coordinate(bytes: &[u8]) -> Option<Fr> {
    let (bytes, _) = bytes.as_chunks();
    Fr::from_bigint(BigInt(core::array::from_fn(|i| u64::from_be_bytes(bytes[3 - i]))))
}

fn to_bytes(value: Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(value.into_bigint().0.iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}

/// What only those need who hold keys or serve those who do. Takes a time that depends on the numbers, so it is not for a
/// machine on which others can measure.
impl Portable {
    /// The base point times a number: x ‖ y.
    pub fn base_times(factor: &[u8; 32]) -> [u8; 64] {
        BASE.times(factor).affine()
    }

    /// An eighth of a key, x ‖ y; none if the encoding is of no point of prime order.
    pub fn eighth_of(key: &Encoded) -> Option<[u8; 64]> {
        let (odd, mut y) = (key[0] >> 7, *key);
        y[0] &= 0x7f;
        let y = coordinate(&y)?;
        let x = ((Fr::ONE - y.square()) / (A - D * y.square())).sqrt()?;
        let x = if to_bytes(x)[31] & 1 == odd { x } else { -x };
        let eighth = Point { x, y, z: Fr::ONE }.times(&EIGHTH).affine();
        let (_, encoded) = Self::key(&eighth).ok()?;
        (encoded == *key).then_some(eighth)
    }
}
