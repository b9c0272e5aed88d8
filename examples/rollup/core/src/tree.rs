//! The state's Merkle tree: one run of SHA-256's compression function for each node and each leaf.
//!
//! Both are of a fixed length, so that no padding is needed. They start from different states, each the SHA-256 of a
//! name, so that nothing can pass for a leaf that is none.

use crate::{Account, Crypto, Hash, hash::words};

/// SHA-256 of "zkpool example rollup: leaf".
const LEAF: Hash =
    words([0x560c_d0fd, 0x0be2_fb7e, 0x4d63_aeb0, 0x4bae_432f, 0x2752_3828, 0x5b25_484e, 0xdea3_352c, 0x7e11_3766]);

/// SHA-256 of "zkpool example rollup: node".
const NODE: Hash =
    words([0x3b10_c342, 0x84cc_fa71, 0x063c_2157, 0x14e0_2973, 0xe38d_c472, 0xbc1b_caab, 0xc313_cfd6, 0x1ea9_1bc1]);

/// The leaf of an account: its bytes and 20 zeros.
pub fn leaf<C: Crypto>(account: &Account) -> Hash {
    let mut block = [0; 64];
    block[..Account::LENGTH].copy_from_slice(&account.encode());
    C::compress(&LEAF, &block)
}

/// The node above two.
pub fn node<C: Crypto>(left: &Hash, right: &Hash) -> Hash {
    let mut block = [0; 64];
    block[..32].copy_from_slice(left);
    block[32..].copy_from_slice(right);
    C::compress(&NODE, &block)
}

/// The root above a leaf at a place, given its siblings from the leaf upwards.
pub fn climb<C: Crypto>(leaf: Hash, place: u32, siblings: &[Hash]) -> Hash {
    siblings.iter().enumerate().fold(leaf, |below, (level, sibling)| {
        if place >> level & 1 == 0 { node::<C>(&below, sibling) } else { node::<C>(sibling, &below) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_states_are_what_the_names_give() {
        assert_eq!(LEAF, <[u8; 32]>::from(Sha256::digest("zkpool example rollup: leaf")));
        assert_eq!(NODE, <[u8; 32]>::from(Sha256::digest("zkpool example rollup: node")));
    }
}
