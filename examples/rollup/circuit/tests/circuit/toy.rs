//! What `toy/compress.circom` computes, and the core over it: the circuit around SHA-256 can be tried for a tenth of the
//! constraints.

use rollup_core::{Crypto, Encoded, Hash, PointFault, Portable};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toy;

impl Crypto for Toy {
    type Key = <Portable as Crypto>::Key;

    fn compress(state: &Hash, block: &[u8; 64]) -> Hash {
        let state = words::<8>(state);
        let block = words::<16>(block);
        let mut out = [0; 32];
        for (i, chunk) in out.chunks_exact_mut(4).enumerate() {
            let mixed = state[i] ^ state[(i + 1) % 8].rotate_right(5);
            let word = (0..16).fold(mixed, |word, k| word ^ block[k].rotate_right((k * (i + 1) % 32) as u32));
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        out
    }

    fn key(eighth: &[u8; 64]) -> Result<(Self::Key, Encoded), PointFault> {
        Portable::key(eighth)
    }

    fn commitment(s: &[u8; 32], c: u128, key: &Self::Key) -> Encoded {
        Portable::commitment(s, c, key)
    }
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    std::array::from_fn(|i| u32::from_be_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap()))
}
