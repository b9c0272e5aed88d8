//! The digit classifier as a zkVM guest: reads a batch of images, commits which model gave them which classes.
//!
//! Input and journal are described in `digit-core`, which does the work; the bytes are raw, without a serialiser.
#![no_main]

use digit_core::{Hash, answer, input_length};
use risc0_zkvm::guest::env;
use risc0_zkvm::sha::{Impl, Sha256};

risc0_zkvm::guest::entry!(main);

fn main() {
    let mut count = [0u8; 4];
    env::read_slice(&mut count);
    let length = input_length(u32::from_be_bytes(count)).expect("a count of images within bounds");
    // In words, because the zkVM reads and hashes those much faster than bytes.
    let mut words = vec![0u32; length / 4];
    words[0] = u32::from_ne_bytes(count);
    env::read_slice(&mut words[1..]);
    let journal = answer(bytemuck::cast_slice(&words), sha256).expect("pixels within bounds");
    env::commit_slice(&journal);
}

/// The zkVM's own SHA-256, some fifty times cheaper than one in ordinary instructions.
fn sha256(bytes: &[u8]) -> Hash {
    (*Impl::hash_bytes(bytes)).into()
}
