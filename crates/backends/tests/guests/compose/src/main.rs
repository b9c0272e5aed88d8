//! A guest that builds on a receipt of another guest (`env::verify`).
//!
//! Input: `image id: 32 bytes ‖ journal: 32 bytes` of the other receipt. Journal: `sha256(that journal)` (32 bytes).
#![no_main]

use risc0_zkvm::guest::env;
use sha2::{Digest, Sha256};

risc0_zkvm::guest::entry!(main);

fn main() {
    let mut image = [0u8; 32];
    env::read_slice(&mut image);
    let mut journal = [0u8; 32];
    env::read_slice(&mut journal);
    let Ok(()) = env::verify(image, &journal);
    let hash: [u8; 32] = Sha256::digest(journal).into();
    env::commit_slice(&hash);
}
