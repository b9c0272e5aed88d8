//! The rollup's state transition as a zkVM guest: reads a batch as `rollup-core` describes it, applies it, commits the
//! journal's bytes.
//!
//! Hashing, field and curve are the zkVM's own: this file only says which.
#![no_main]

use risc0_bigint2::{
    ec::{AffinePoint, Curve, EC_256_WIDTH_WORDS, WeierstrassCurve},
    field::{modadd_256, modinv_256, modmul_256, modsub_256},
};
use risc0_zkvm::{
    guest::env,
    sha::{Digest, Impl, Sha256},
};
use rollup_core::{
    Accelerator, DEPTH, Hash, MODULUS, TRANSFERS, WEIERSTRASS_A, WEIERSTRASS_B, Windowed, Words, apply, input_length,
};
use std::io::Read;

risc0_zkvm::guest::entry!(main);

fn main() {
    let most = input_length(DEPTH, TRANSFERS, TRANSFERS);
    let mut input = Vec::with_capacity(most + 1);
    // One byte more than there may be, so that an input which is too long does not look like one that is not.
    env::stdin().take(most as u64 + 1).read_to_end(&mut input).expect("the host serves the input");
    match apply::<Windowed<Zkvm>, DEPTH, TRANSFERS>(&input) {
        Ok(journal) => env::commit_slice(&journal.encode()),
        Err(refusal) => panic!("{refusal}"),
    }
}

/// The zkVM's accelerators.
struct Zkvm;

type Point = AffinePoint<EC_256_WIDTH_WORDS, BabyJubjub>;

/// Baby Jubjub in its short Weierstrass form.
#[derive(Debug)]
enum BabyJubjub {}

impl Curve<EC_256_WIDTH_WORDS> for BabyJubjub {
    const CURVE: &'static WeierstrassCurve<EC_256_WIDTH_WORDS> =
        &WeierstrassCurve::new(MODULUS, WEIERSTRASS_A, WEIERSTRASS_B);
}

// All of these are the checked operations: they assert that what the host says is below the modulus.
impl Accelerator for Zkvm {
    type Point = Point;
    const NEUTRAL: Point = Point::IDENTITY;

    fn compress(state: &Hash, block: &[u8; 64]) -> Hash {
        let (halves, _) = block.as_chunks::<32>();
        let [first, second] = [Digest::from(halves[0]), Digest::from(halves[1])];
        (*Impl::compress(&Digest::from(*state), &first, &second)).into()
    }

    fn add(a: &Words, b: &Words) -> Words {
        let mut result = [0; 8];
        modadd_256(a, b, &MODULUS, &mut result);
        result
    }

    fn subtract(a: &Words, b: &Words) -> Words {
        let mut result = [0; 8];
        modsub_256(a, b, &MODULUS, &mut result);
        result
    }

    fn multiply(a: &Words, b: &Words) -> Words {
        let mut result = [0; 8];
        modmul_256(a, b, &MODULUS, &mut result);
        result
    }

    fn invert(a: &Words) -> Words {
        let mut result = [0; 8];
        modinv_256(a, &MODULUS, &mut result);
        result
    }

    fn point([x, y]: &[Words; 2]) -> Point {
        Point::new_unchecked(*x, *y)
    }

    fn coordinates(point: &Point) -> Option<[Words; 2]> {
        point.as_u32s().copied()
    }

    fn sum(a: &Point, b: &Point, sum: &mut Point) {
        a.add(b, sum);
    }

    fn double(a: &Point, twice: &mut Point) {
        a.double(twice);
    }
}
