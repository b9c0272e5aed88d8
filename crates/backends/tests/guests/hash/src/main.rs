//! A guest whose length its input chooses: it hashes a seed over and over.
//!
//! Input: `iterations: u32 LE ‖ seed: 32 bytes`. Journal: `sha256` applied `iterations` times to the seed (32 bytes).
//! The hash is computed in software, so that a segment is full of ordinary instructions.
#![no_main]

use risc0_zkvm::guest::env;
use sha2::{Digest, Sha256};

risc0_zkvm::guest::entry!(main);

fn main() {
    let mut iterations = [0u8; 4];
    env::read_slice(&mut iterations);
    let mut hash = [0u8; 32];
    env::read_slice(&mut hash);
    for _ in 0..u32::from_le_bytes(iterations) {
        hash = Sha256::digest(hash).into();
    }
    env::commit_slice(&hash);
}
