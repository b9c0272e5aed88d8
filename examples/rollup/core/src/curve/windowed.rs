//! For machines that add points of a curve in one instruction, and multiply in its field in another.
//!
//! They know short Weierstrass curves, y² = x³ + [`WEIERSTRASS_A`]·x + [`WEIERSTRASS_B`], so points are taken there and
//! back by way of the Montgomery form v² = u³ + 168698·u² + u: u = (1 + y)/(1 - y), v = u/x. That is defined for all points
//! of the group but those with x = 0, of which one is neutral and the other of order 2; and back for all but the same two,
//! because 168696 is no square.
//!
//! s·B - c·key takes 128 doublings, all that c asks for, and about as many additions: s is cut into two halves, and two
//! bits of each look up a multiple of B; four bits of c look up one of the key.

use super::{Crypto, PointFault, encode, table::MULTIPLES};
use crate::{Encoded, Hash};
use core::marker::PhantomData;

/// 256 bits, from the least significant word on.
pub type Words = [u32; 8];

/// The field's modulus.
pub const MODULUS: Words =
    [0xf000_0001, 0x43e1_f593, 0x79b9_7091, 0x2833_e848, 0x8181_585d, 0xb850_45b6, 0xe131_a029, 0x3064_4e72];
/// The coefficient of x.
pub const WEIERSTRASS_A: Words =
    [0x1a91_f6a0, 0x16a0_a72f, 0x7de8_7adb, 0xb811_4d6d, 0x8080_72c9, 0xe81a_c1e7, 0xa065_e00d, 0x1021_6f7b];
/// The constant coefficient.
pub const WEIERSTRASS_B: Words =
    [0xb21f_706e, 0xa410_efde, 0xc276_6658, 0x43b4_ac0f, 0xe4ab_a9c0, 0x3cad_3d1e, 0x47fe_d574, 0x23d8_85f6];
/// A third of 168698: what x is more than u.
const SHIFT: Words =
    [0x5000_dba9, 0x16a0_a731, 0x7de8_7adb, 0xb811_4d6d, 0x8080_72c9, 0xe81a_c1e7, 0xa065_e00d, 0x1021_6f7b];
const EDWARDS_A: Words = small(168_700);
const EDWARDS_D: Words = small(168_696);
const ZERO: Words = small(0);
const ONE: Words = small(1);

const fn small(value: u32) -> Words {
    [value, 0, 0, 0, 0, 0, 0, 0]
}

/// What a machine does in one instruction, more or less.
///
/// Results must be below the modulus, even those that a dishonest machine may yield: points and numbers are compared by
/// their words.
pub trait Accelerator {
    /// A point of the Weierstrass form, perhaps the neutral one.
    type Point: Copy;
    /// The neutral point.
    const NEUTRAL: Self::Point;

    /// SHA-256's compression function, the state as bytes.
    fn compress(state: &Hash, block: &[u8; 64]) -> Hash;
    /// a + b in the field.
    fn add(a: &Words, b: &Words) -> Words;
    /// a - b.
    fn subtract(a: &Words, b: &Words) -> Words;
    /// a · b.
    fn multiply(a: &Words, b: &Words) -> Words;
    /// 1/a, for an a that is not 0.
    fn invert(a: &Words) -> Words;
    /// The point with these coordinates, which is on the curve.
    fn point(coordinates: &[Words; 2]) -> Self::Point;
    /// Its coordinates; none of the neutral one.
    fn coordinates(point: &Self::Point) -> Option<[Words; 2]>;
    /// Puts the sum of any two points, equal, opposite or neutral ones as well, into the third.
    fn sum(a: &Self::Point, b: &Self::Point, sum: &mut Self::Point);
    /// Puts twice any point into the other.
    fn double(a: &Self::Point, twice: &mut Self::Point);
}

/// A point that is added to in place: moving points around costs as much as adding them.
struct Sum<A: Accelerator> {
    points: [A::Point; 2],
    /// Which of the two it is.
    at: usize,
}

impl<A: Accelerator> Sum<A> {
    fn new(point: A::Point) -> Self {
        Self { points: [point, A::NEUTRAL], at: 0 }
    }

    fn point(&self) -> &A::Point {
        &self.points[self.at]
    }

    fn double(&mut self) {
        let [first, second] = &mut self.points;
        if self.at == 0 {
            A::double(first, second)
        } else {
            A::double(second, first)
        }
        self.at ^= 1;
    }

    fn add(&mut self, other: &A::Point) {
        let [first, second] = &mut self.points;
        if self.at == 0 {
            A::sum(first, other, second)
        } else {
            A::sum(second, other, first)
        }
        self.at ^= 1;
    }
}

/// Curve and hash of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Windowed<A>(PhantomData<A>);

/// A key and its multiples.
#[derive(Clone, Copy, Debug)]
pub struct Key<P> {
    /// At index k - 1, k times the key's opposite.
    opposites: [P; 15],
}

impl<A: Accelerator> Crypto for Windowed<A> {
    type Key = Key<A::Point>;

    fn compress(state: &Hash, block: &[u8; 64]) -> Hash {
        A::compress(state, block)
    }

    fn key(eighth: &[u8; 64]) -> Result<(Self::Key, Encoded), PointFault> {
        let (coordinates, _) = eighth.as_chunks();
        let [x, y] = [words(&coordinates[0]), words(&coordinates[1])];
        if !below(&x, &MODULUS) || !below(&y, &MODULUS) {
            return Err(PointFault::Range);
        }
        let (xx, yy) = (A::multiply(&x, &x), A::multiply(&y, &y));
        let left = A::add(&A::multiply(&EDWARDS_A, &xx), &yy);
        let right = A::add(&ONE, &A::multiply(&EDWARDS_D, &A::multiply(&xx, &yy)));
        if left != right {
            return Err(PointFault::Curve);
        }
        if x == ZERO {
            return Err(PointFault::Order);
        }
        let inverse = A::invert(&A::multiply(&A::subtract(&ONE, &y), &x));
        let v = A::multiply(&A::add(&ONE, &y), &inverse);
        let mut key = Sum::<A>::new(A::point(&[A::add(&A::multiply(&v, &x), &SHIFT), v]));
        (0..3).for_each(|_| key.double());
        let [x, y] = A::coordinates(key.point()).ok_or(PointFault::Order)?;
        let opposite = A::point(&[x, A::subtract(&ZERO, &y)]);
        let mut opposites = [opposite; 15];
        for k in 1..15 {
            let (known, rest) = opposites.split_at_mut(k);
            A::sum(&known[k - 1], &opposite, &mut rest[0]);
        }
        Ok((Key { opposites }, encoding::<A>(key.point())))
    }

    fn commitment(s: &[u8; 32], c: u128, key: &Self::Key) -> Encoded {
        let s = words(s);
        let bits = |words: &[u32], at: usize| (words[at / 32] >> (at % 32) & 3) as usize;
        let c = [c as u32, (c >> 32) as u32, (c >> 64) as u32, (c >> 96) as u32];
        let mut sum = Sum::<A>::new(A::NEUTRAL);
        for at in (0..128).step_by(2).rev() {
            sum.double();
            sum.double();
            let of_base = bits(&s[..4], at) + 4 * bits(&s[4..], at);
            if of_base != 0 {
                sum.add(&A::point(&MULTIPLES[of_base - 1]));
            }
            if at % 4 == 0 {
                let of_key = bits(&c, at) + 4 * bits(&c, at + 2);
                if of_key != 0 {
                    sum.add(&key.opposites[of_key - 1]);
                }
            }
        }
        encoding::<A>(sum.point())
    }
}

/// x = u/v and y = (u - 1)/(u + 1), as bytes. For points of odd order.
fn encoding<A: Accelerator>(point: &A::Point) -> Encoded {
    let Some([x, v]) = A::coordinates(point) else { return encode(&[0; 32], bytes(&ONE)) };
    let u = A::subtract(&x, &SHIFT);
    let above = A::add(&u, &ONE);
    let inverse = A::invert(&A::multiply(&v, &above));
    let x = A::multiply(&A::multiply(&u, &above), &inverse);
    let y = A::multiply(&A::multiply(&A::subtract(&u, &ONE), &v), &inverse);
    encode(&bytes(&x), bytes(&y))
}

fn below(a: &Words, b: &Words) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn words(bytes: &[u8; 32]) -> Words {
    let (bytes, _) = bytes.as_chunks();
    core::array::from_fn(|i| u32::from_be_bytes(bytes[7 - i]))
}

fn bytes(words: &Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(words.iter().rev()) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests;
