//! Schnorr signatures over Baby Jubjub.
//!
//! A signature is R ‖ s. The challenge c is the first 128 bits of
//! `SHA-256(R ‖ key ‖ chain id: u64 ‖ rollup: 20 ‖ from ‖ to ‖ amount ‖ nonce ‖ "rollup1")`, 119 bytes, and the signature
//! holds when R is the encoding of s·B - c·key. As R is compared as bytes, it has one encoding, is on the curve, and is of
//! the right order, because B and the key are. 128 bits of challenge are as hard to hit as the curve's logarithms are to
//! find.

use crate::{Context, Crypto, Encoded, Fault, ORDER, Transfer, hash::sha256};

/// Keeps these signatures apart from what else the key may sign.
const NAME: &[u8; 7] = b"rollup1";

/// The challenge.
pub fn challenge<C: Crypto>(context: &Context, key: &Encoded, transfer: &Transfer) -> u128 {
    let mut message = [0; 32 + 32 + 28 + Transfer::SIGNED + NAME.len()];
    message[..32].copy_from_slice(&transfer.r);
    message[32..64].copy_from_slice(key);
    message[64..92].copy_from_slice(&context.encode()[..28]);
    message[92..92 + Transfer::SIGNED].copy_from_slice(&transfer.encode()[..Transfer::SIGNED]);
    message[92 + Transfer::SIGNED..].copy_from_slice(NAME);
    let digest = sha256::<C>(&message);
    let mut high = [0; 16];
    high.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(high)
}

/// Whether the key signed the transfer for this chain and rollup. `eighth` is the point, x ‖ y, eight times which is the
/// key: to have it is to know that the key is in the group of prime order.
pub fn verify<C: Crypto>(
    context: &Context,
    key: &Encoded,
    eighth: &[u8; 64],
    transfer: &Transfer,
) -> Result<(), Fault> {
    let (point, encoded) = C::key(eighth).map_err(Fault::Point)?;
    if encoded != *key {
        return Err(Fault::Key);
    }
    // Of equal length, so that comparing bytes compares the numbers.
    if transfer.s >= ORDER {
        return Err(Fault::Scalar);
    }
    if C::commitment(&transfer.s, challenge::<C>(context, key, transfer), &point) != transfer.r {
        return Err(Fault::Signature);
    }
    Ok(())
}
