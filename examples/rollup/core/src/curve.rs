//! Baby Jubjub (EIP-2494): the twisted Edwards curve 168700·x² + y² = 1 + 168696·x²·y² over BN254's scalar field.
//!
//! Its group has 8·[`ORDER`] points, and signatures live in the subgroup of prime order, which the base point generates.
//! A point is there exactly when it is eight times some point, so a key comes with such an eighth: that the eighth is on
//! the curve is all there is to check, and multiplying with the order, which would cost as much as the signature, is not
//! needed.
//!
//! Two implementations, on different forms of the curve: [`Portable`] in ordinary instructions, and [`Windowed`] for
//! machines that add points in one instruction.

#[cfg(feature = "portable")]
mod portable;
mod table;
mod windowed;

#[cfg(feature = "portable")]
pub use portable::Portable;
pub use windowed::{Accelerator, MODULUS, WEIERSTRASS_A, WEIERSTRASS_B, Windowed, Words};

use crate::{Encoded, Hash, hash::words};

/// The order of the base point, a prime of 251 bits.
pub const ORDER: [u8; 32] =
    words([0x060c_89ce, 0x5c26_3405, 0x370a_08b6, 0xd030_2b0b, 0xab3e_edb8, 0x3920_ee0a, 0x6772_97dc, 0x3921_26f1]);

/// What [`crate::apply`] computes with.
pub trait Crypto {
    /// A key that has been checked.
    type Key;

    /// SHA-256's compression function, the state as bytes.
    fn compress(state: &Hash, block: &[u8; 64]) -> Hash;

    /// Eight times a point x ‖ y, and the encoding of that.
    fn key(eighth: &[u8; 64]) -> Result<(Self::Key, Encoded), PointFault>;

    /// The encoding of s·B - c·key, for an s below [`ORDER`].
    fn commitment(s: &[u8; 32], c: u128, key: &Self::Key) -> Encoded;
}

/// Why a point is no eighth of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointFault {
    /// A coordinate is not below the field's modulus.
    Range,
    /// It is not on the curve.
    Curve,
    /// Eight times it is the neutral point, for which anybody can sign.
    Order,
}

/// y, with the topmost bit set if x is odd. Both big-endian and below the modulus, which has 254 bits.
fn encode(x: &[u8; 32], mut y: [u8; 32]) -> Encoded {
    y[0] |= x[31] << 7;
    y
}
