//! What is hashed. `tests/agrees.rs` holds it to what verifies it.

use sha3::{Digest, Keccak256};

/// `program ‖ output ‖ payee ‖ r ‖ s ‖ v`.
pub const PROOF_LEN: usize = 32 + 32 + 20 + 65;

pub(crate) fn keccak(bytes: &[u8]) -> [u8; 32] {
    Keccak256::digest(bytes).into()
}

/// Keccak-256 of words, as `abi.encode` has them.
fn keccak_words(words: &[[u8; 32]]) -> [u8; 32] {
    keccak(words.as_flattened())
}

/// The EIP-712 digest that a proof signs.
pub(crate) fn proof_digest(
    chain_id: u64,
    verifier: &[u8; 20],
    program: &[u8; 32],
    output: &[u8; 32],
    payee: &[u8; 20],
) -> [u8; 32] {
    let domain = keccak_words(&[
        keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
        keccak(b"ZKPool SGX"),
        keccak(b"1"),
        number(chain_id),
        address(verifier),
    ]);
    let attestation = keccak_words(&[
        keccak(b"Attestation(bytes32 program,bytes32 output,address payee)"),
        *program,
        *output,
        address(payee),
    ]);
    keccak(&[&b"\x19\x01"[..], &domain, &attestation].concat())
}

/// The report data of a quote for an instance: the hash of what its key is bound to, then the hash of a recent block.
pub fn report_data(
    chain_id: u64,
    verifier: &[u8; 20],
    program: &[u8; 32],
    instance: &[u8; 20],
    block_hash: &[u8; 32],
) -> [u8; 64] {
    let purpose = keccak(b"zkpool sgx instance v1");
    let bound = keccak_words(&[purpose, number(chain_id), address(verifier), *program, address(instance)]);
    let mut data = [0; 64];
    data[..32].copy_from_slice(&bound);
    data[32..].copy_from_slice(block_hash);
    data
}

fn number(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}

fn address(value: &[u8; 20]) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(value);
    word
}
