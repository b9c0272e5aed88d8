//! The proof of a bundle.

use alloy::{
    primitives::Bytes,
    sol,
    sol_types::{SolType, sol_data},
};

sol! {
    /// As `MultiProofVerifier` reads it (`contracts/src/libraries/LegProofs.sol`).
    struct LegProof {
        uint8 leg;
        bytes proof;
    }
}

/// What `MultiProofVerifier` takes: `abi.encode(LegProof[])` of legs in ascending order of their indices.
pub fn bundle_proof(legs: impl IntoIterator<Item = (u8, Bytes)>) -> Bytes {
    let mut legs: Vec<LegProof> = legs.into_iter().map(|(leg, proof)| LegProof { leg, proof }).collect();
    legs.sort_by_key(|leg| leg.leg);
    sol_data::Array::<LegProof>::abi_encode(&legs).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::hex;

    #[test]
    fn it_is_the_canonical_encoding_in_the_order_of_the_legs() {
        let proof = bundle_proof([(2, Bytes::from_static(&[0xbb])), (0, Bytes::from_static(&[0xaa]))]);
        let word = |n: u64| format!("{n:064x}");
        let bytes = |byte: &str| format!("{byte:0<64}");
        let leg = |n, byte| [word(n), word(0x40), word(1), bytes(byte)].concat();
        let expected = [word(0x20), word(2), word(0x40), word(0xc0), leg(0, "aa"), leg(2, "bb")].concat();
        assert_eq!(hex::encode(proof), expected);
    }
}
