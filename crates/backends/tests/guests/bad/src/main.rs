//! A guest that misbehaves in the way that the first byte of its input names, as a hostile requester's would.
//!
//! | byte | what it does |
//! | --- | --- |
//! | 0 | panics |
//! | 1 | runs for ever |
//! | 2 | allocates, and touches, memory until there is none |
//! | 3 | exits with code 7, after committing `7` |
//! | 4 | commits a journal of 64 MiB |
//! | 5 | commits `5`, but halts with the digest of something else |
//! | 6 | commits `6`, but halts without an output |
//! | 7 | commits a random number, as hash maps draw it |
//! | 8 | commits 32 KiB at once |
//! | other | reads past the end of its input |
#![no_main]

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    hint::black_box,
};

use risc0_zkvm::guest::env;
use risc0_zkvm_platform::syscall;

risc0_zkvm::guest::entry!(main);

const CHUNK: usize = 4096;

fn main() {
    let mut mode = [0u8; 1];
    env::read_slice(&mut mode);
    match mode[0] {
        0 => panic!("this guest was told to panic"),
        1 => run_for_ever(),
        2 => allocate_for_ever(),
        3 => {
            env::commit_slice(&[7u8]);
            env::exit(7);
        }
        4 => {
            let chunk = [0u8; CHUNK];
            for _ in 0..16 * 1024 {
                env::commit_slice(&chunk);
            }
        }
        5 => halt(5, [1; 8]),
        6 => halt(6, [0; 8]),
        7 => {
            let random = RandomState::new().build_hasher().finish();
            env::commit_slice(&random.to_le_bytes());
        }
        8 => env::commit_slice(&[8u8; 8 * CHUNK]),
        _ => {
            let mut more = [0u8; 3];
            loop {
                env::read_slice(&mut more);
            }
        }
    }
}

fn halt(byte: u8, output: [u32; 8]) -> ! {
    env::commit_slice(&[byte]);
    syscall::sys_halt(0, &output)
}

fn run_for_ever() {
    let mut n = 0u32;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

fn allocate_for_ever() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        chunk.push(1u8);
        kept.push(black_box(chunk));
    }
}
