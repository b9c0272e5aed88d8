//! The windows on a machine that is emulated, against the plain implementation.
#![cfg(feature = "portable")]

use super::*;
use crate::{ORDER, Portable};
use ark_bn254::Fr;
use ark_ff::{BigInt, Field, PrimeField};
use sha2::{Digest, Sha256};

struct Emulated;

fn field(words: &Words) -> Fr {
    Fr::from_bigint(BigInt(core::array::from_fn(|i| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32)))
        .unwrap()
}

fn unfield(value: Fr) -> Words {
    let limbs = value.into_bigint().0;
    core::array::from_fn(|i| (limbs[i / 2] >> (32 * (i % 2))) as u32)
}

impl Accelerator for Emulated {
    type Point = Option<[Fr; 2]>;
    const NEUTRAL: Self::Point = None;

    fn compress(state: &Hash, block: &[u8; 64]) -> Hash {
        Portable::compress(state, block)
    }
    fn add(a: &Words, b: &Words) -> Words {
        unfield(field(a) + field(b))
    }
    fn subtract(a: &Words, b: &Words) -> Words {
        unfield(field(a) - field(b))
    }
    fn multiply(a: &Words, b: &Words) -> Words {
        unfield(field(a) * field(b))
    }
    fn invert(a: &Words) -> Words {
        unfield(field(a).inverse().unwrap())
    }
    fn point(coordinates: &[Words; 2]) -> Self::Point {
        let [x, y] = coordinates.each_ref().map(field);
        assert_eq!(y.square(), (x.square() + field(&WEIERSTRASS_A)) * x + field(&WEIERSTRASS_B));
        Some([x, y])
    }
    fn coordinates(point: &Self::Point) -> Option<[Words; 2]> {
        point.map(|point| point.map(unfield))
    }
    fn sum(a: &Self::Point, b: &Self::Point, sum: &mut Self::Point) {
        *sum = match (a, b) {
            (Some([x1, y1]), Some([x2, y2])) if x1 != x2 => chord(*x1, *y1, *x2, (y2 - y1) / (x2 - x1)),
            (Some([_, y1]), Some([_, y2])) => {
                if y1 == y2 {
                    twice(a)
                } else {
                    None
                }
            }
            _ => a.or(*b),
        }
    }
    fn double(a: &Self::Point, doubled: &mut Self::Point) {
        *doubled = twice(a);
    }
}

fn twice(a: &Option<[Fr; 2]>) -> Option<[Fr; 2]> {
    let [x, y] = (*a)?;
    let slope = (x.square() * Fr::from(3) + field(&WEIERSTRASS_A)) * (y + y).inverse()?;
    chord(x, y, x, slope)
}

fn chord(x1: Fr, y1: Fr, x2: Fr, slope: Fr) -> Option<[Fr; 2]> {
    let x = slope.square() - x1 - x2;
    Some([x, slope * (x1 - x) - y1])
}

/// Numbers that nobody chose.
fn drawn(seed: u32) -> [u8; 32] {
    Sha256::digest(seed.to_be_bytes()).into()
}

/// An eighth of a key: the base point of EIP-2494, whose eighth is its generator.
fn eighth() -> [u8; 64] {
    let generator: [Fr; 2] = [
        ark_ff::MontFp!("995203441582195749578291179787384436505546430278305826713579947235728471134"),
        ark_ff::MontFp!("5472060717959818805561601436314318772137091100104008585924551046643952123905"),
    ];
    joined(generator.map(unfield))
}

fn joined(coordinates: [Words; 2]) -> [u8; 64] {
    let mut point = [0; 64];
    point[..32].copy_from_slice(&bytes(&coordinates[0]));
    point[32..].copy_from_slice(&bytes(&coordinates[1]));
    point
}

fn s(seed: u32) -> [u8; 32] {
    let mut s = drawn(seed);
    s[0] &= 3;
    s
}

#[test]
fn both_implementations_agree() {
    let (key, encoded) = Windowed::<Emulated>::key(&eighth()).unwrap();
    let (plain, same) = Portable::key(&eighth()).unwrap();
    assert_eq!(encoded, same);
    let agree = |s: [u8; 32], c: u128| {
        assert_eq!(Windowed::<Emulated>::commitment(&s, c, &key), Portable::commitment(&s, c, &plain), "{s:?} {c}");
    };
    for seed in 0..20 {
        let c = drawn(seed + 1000);
        agree(s(seed), u128::from_be_bytes(*c.first_chunk().unwrap()));
    }
    // Sums that are neutral, that double, and that start late.
    let small = |value: u8| bytes(&super::small(value.into()));
    for c in 0..20 {
        for factor in 0..20 {
            agree(small(factor), c);
        }
    }
    let mut last = ORDER;
    last[31] -= 1;
    for c in [0, 1, u128::MAX, u128::MAX - 1, 1 << 127] {
        agree(last, c);
        agree([0; 32], c);
    }
}

#[test]
fn the_table_holds_multiples_of_the_base() {
    let (key, _) = Portable::key(&eighth()).unwrap();
    for (index, coordinates) in (1u8..).zip(&MULTIPLES) {
        let mut factor = [0; 32];
        (factor[15], factor[31]) = (index / 4, index % 4);
        let expected = Portable::commitment(&factor, 0, &key);
        assert_eq!(encoding::<Emulated>(&Emulated::point(coordinates)), expected, "{index}");
    }
}

#[test]
fn points_that_are_no_eighth_are_refused_alike() {
    let both = |eighth: &[u8; 64]| {
        let fault = Portable::key(eighth).map(|_| ()).unwrap_err();
        assert_eq!(Windowed::<Emulated>::key(eighth).map(|_| ()).unwrap_err(), fault);
        fault
    };
    let with = |x: Words, y: Words| joined([x, y]);
    let mut other = eighth();
    other[63] ^= 1;
    assert_eq!(both(&other), PointFault::Curve);
    assert_eq!(both(&with(MODULUS, ONE)), PointFault::Range);
    assert_eq!(both(&with(ZERO, [u32::MAX; 8])), PointFault::Range);
    // The neutral point, that of order 2, and one of order 4: (1/√168700, 0).
    assert_eq!(both(&with(ZERO, ONE)), PointFault::Order);
    assert_eq!(both(&with(ZERO, unfield(-Fr::from(1)))), PointFault::Order);
    let quarter = Fr::from(168_700).sqrt().unwrap().inverse().unwrap();
    assert_eq!(both(&with(unfield(quarter), ZERO)), PointFault::Order);
    // One of order 8: the generator of all of the curve times the order of the base point.
    let [x, y]: [Fr; 2] = [
        ark_ff::MontFp!("4342719913949491028786768530115087822524712248835451589697801404893164183326"),
        ark_ff::MontFp!("4826523245007015323400664741523384119579596407052839571721035538011798951543"),
    ];
    assert_eq!(both(&with(unfield(x), unfield(y))), PointFault::Order);
}
