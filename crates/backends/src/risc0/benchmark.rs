//! How fast this machine proves segments: one real proof of the smallest, of a program that only counts.

use super::{
    GuestError,
    child::WorkerCommand,
    execute::{GuestInput, run},
    program::Guest,
};
use crate::{BackendError, Control, Input, Stage, Step, Throughput};
use risc0_binfmt::ProgramBinary;
use risc0_zkos_v1compat::V1COMPAT_ELF;
use risc0_zkvm::{Assumptions, Output, sha::Digestible};
use std::{fs, time::Instant};
use zkpool_protocol::zkvm::{self, MIN_SEGMENT_PO2};
use zkpool_verifiers::risc0::image_id;

/// Rounds of the loop: with what the zkVM takes for itself, most of the smallest segment.
const ROUNDS: u32 = 2_000;
/// More cycles than the program takes.
const CYCLES: u64 = 1 << 16;

/// Executes and proves a segment: some ten seconds on two cores.
pub(super) fn measure(worker: &WorkerCommand, control: &Control) -> Result<Throughput, BackendError> {
    let failed = |error: std::io::Error| BackendError::Read { path: std::env::temp_dir(), source: error };
    let directory = super::child::Scratch::new().map_err(failed)?;
    let stdin = directory.path().join("stdin");
    fs::write(&stdin, []).map_err(failed)?;
    let binary = ProgramBinary::new(&counter(ROUNDS), V1COMPAT_ELF).encode();
    let guest = Guest { image: image_id(&binary).map_err(GuestError::Malformed)?, binary };
    let input = Input::Guest { stdin, assumptions: vec![] };
    let input = GuestInput::read(&input)?;
    let mut cuts = Vec::new();
    run(&guest, &input, MIN_SEGMENT_PO2, CYCLES, control, |cut| {
        cuts.push(cut);
        Ok(())
    })?;
    let Some(cut) = cuts.first() else { return Err(GuestError::BrokeDown.into()) };
    let segment = directory.path().join("segment");
    fs::write(&segment, cut.bytes()?).map_err(failed)?;
    control.report(Stage::Prove, 0.0);
    let start = Instant::now();
    worker.run(&Step::Prove { segment, claim: cut.claim }, control)?;
    let elapsed = start.elapsed();
    control.report(Stage::Verify, 1.0);
    Ok(Throughput { work: zkvm::segment_units(cut.po2), elapsed })
}

/// A program that counts down and ends: an ELF file of nine instructions.
fn counter(rounds: u32) -> Vec<u8> {
    const fn addi(rd: u32, rs: u32, value: i32) -> u32 {
        ((value as u32 & 0xfff) << 20) | (rs << 15) | (rd << 7) | 0x13
    }
    const T0: u32 = 5;
    const A0: u32 = 10;
    const A1: u32 = 11;
    // The upper part is rounded up, as the lower one is signed.
    let (upper, lower) = ((rounds.wrapping_add(0x800)) & 0xffff_f000, (rounds as i32) << 20 >> 20);
    let code = [
        upper | (T0 << 7) | 0x37,                 // lui t0, upper
        addi(T0, T0, lower),                      // addi t0, t0, lower
        addi(T0, T0, -1),                         // addi t0, t0, -1
        0xfe02_9ee3,                              // bnez t0, -4
        addi(T0, 0, 0),                           // li t0, HALT
        addi(A0, 0, 0),                           // li a0, TERMINATE with code 0
        (ENTRY & 0xffff_f000) | (A1 << 7) | 0x37, // lui a1, page of the output's digest
        addi(A1, A1, DIGEST as i32),              // addi a1, a1, DIGEST
        0x0000_0073,                              // ecall
    ];
    let mut image: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    image.resize(DIGEST as usize, 0);
    // Nothing is made public, and nothing assumed.
    let nothing = Output { journal: Vec::new().into(), assumptions: Assumptions(Vec::new()).into() };
    image.extend_from_slice(nothing.digest().as_bytes());
    elf(&image)
}

/// Where a user's program begins.
const ENTRY: u32 = 0x0020_0000;
/// Where, behind its code, the digest of its output is.
const DIGEST: u32 = 0x100;
/// Code and digest.
const MEMORY: u32 = 0x200;

/// An executable with one segment.
fn elf(code: &[u8]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1];
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    half(&mut file, 2); // an executable
    half(&mut file, 243); // for RISC-V
    word(&mut file, 1);
    word(&mut file, ENTRY);
    word(&mut file, 52); // program headers follow this header
    word(&mut file, 0);
    word(&mut file, 0);
    for value in [52, 32, 1, 40, 0, 0] {
        half(&mut file, value);
    }
    let start = 52 + 32;
    for value in [1, start, ENTRY, ENTRY, code.len() as u32, MEMORY, 7, 4] {
        word(&mut file, value);
    }
    file.extend(code);
    file
}
