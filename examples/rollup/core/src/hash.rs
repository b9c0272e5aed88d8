//! SHA-256 of messages, from its compression function.

use crate::{Crypto, Hash};

/// The fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
const START: Hash =
    words([0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19]);

/// Big-endian words as bytes.
pub(crate) const fn words(words: [u32; 8]) -> Hash {
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = words[i / 4].to_be_bytes()[i % 4];
        i += 1;
    }
    bytes
}

/// SHA-256.
pub fn sha256<C: Crypto>(message: &[u8]) -> Hash {
    let mut state = START;
    let (blocks, rest) = message.as_chunks::<64>();
    for block in blocks {
        state = C::compress(&state, block);
    }
    let mut last = [0; 64];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    if rest.len() >= 56 {
        state = C::compress(&state, &last);
        last = [0; 64];
    }
    last[56..].copy_from_slice(&(8 * message.len() as u64).to_be_bytes());
    C::compress(&state, &last)
}
