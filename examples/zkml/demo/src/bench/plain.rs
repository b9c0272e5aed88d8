//! The same work without the pool: RISC Zero's own prover, in one process.

use digit_core::encode_input;
use risc0_zkvm::{ExecutorEnv, ExecutorImpl, ProverOpts, VerifierContext, get_prover_server};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};
use zkpool_demo::{
    error::{Attempt, DemoError, Result},
    process::{Process, cpu_seconds},
};
use zkpool_demo_zkml::customer::Drawn;

static GUEST: &[u8] = include_bytes!("../../../guest/digits.bin");

/// What of the work this process does.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Plain {
    /// What the guest reads
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The largest segment, as a power of two of cycles
    #[arg(long, value_name = "PO2")]
    limit: u32,
    /// Every how many-th segment it proves
    #[arg(long, default_value_t = 1)]
    of: usize,
    /// Beginning with this one
    #[arg(long, default_value_t = 0)]
    from: usize,
}

/// What it took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Took {
    /// From the start of proving to its end.
    pub(crate) seconds: f64,
    /// CPU time of the whole process, execution included.
    pub(crate) cpu_seconds: f64,
    /// Segments that were proven.
    pub(crate) segments: usize,
    /// Mean size of a segment, in bytes, as it travels.
    pub(crate) segment_bytes: usize,
    /// Mean size of a segment's receipt.
    pub(crate) receipt_bytes: usize,
}

/// Executes, proves, and tells on standard output what it took.
pub(crate) fn prove(plain: &Plain) -> Result<()> {
    let what = "proving without the pool";
    let input = std::fs::read(&plain.input).attempt(what)?;
    let env = ExecutorEnv::builder().stdin(&input[..]).segment_limit_po2(plain.limit).build().attempt(what)?;
    let session = ExecutorImpl::from_elf(env, GUEST).attempt(what)?.run().attempt(what)?;
    let prover = get_prover_server(&ProverOpts::composite()).attempt(what)?;
    let context = VerifierContext::default();
    let start = Instant::now();
    let (mut segments, mut segment_bytes, mut receipt_bytes) = (0, 0, 0);
    for segment in session.segments.iter().skip(plain.from).step_by(plain.of) {
        let segment = segment.resolve().attempt(what)?;
        let receipt = prover.prove_segment(&context, &segment).attempt(what)?;
        segments += 1;
        segment_bytes += bincode::serialized_size(&segment).attempt(what)? as usize;
        receipt_bytes += bincode::serialized_size(&receipt).attempt(what)? as usize;
    }
    let took = Took {
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds("self").attempt(what)?,
        segments,
        segment_bytes: segment_bytes / segments.max(1),
        receipt_bytes: receipt_bytes / segments.max(1),
    };
    println!("{}", serde_json::to_string(&took).attempt(what)?);
    Ok(())
}

/// Runs `shares` such processes at once, each with a share of the segments of these digits; with more than one, each on a
/// core of its own.
pub(crate) async fn run(dir: &Path, drawn: &Drawn, limit: u32, shares: usize) -> Result<Vec<Took>> {
    let what = "running the prover without the pool";
    let input = dir.join("plain.in");
    std::fs::write(&input, encode_input(&drawn.images()).attempt(what)?).attempt(what)?;
    let me = std::env::current_exe().attempt(what)?;
    let mut running = Vec::new();
    for from in 0..shares {
        let mut command = Command::new(&me);
        if shares > 1 {
            command.env("RAYON_NUM_THREADS", "1");
        }
        command.args([
            "plain",
            "--limit",
            &limit.to_string(),
            "--of",
            &shares.to_string(),
            "--from",
            &from.to_string(),
        ]);
        command.arg("--input").arg(&input);
        let log = dir.join(format!("plain-{from}.log"));
        let _ = std::fs::remove_file(&log);
        let process = Process::start(&format!("plain-{from}"), dir, command).attempt(what)?;
        if shares > 1 {
            process.pin(from).attempt(what)?;
        }
        running.push((process, log));
    }
    let mut took = Vec::new();
    for (mut process, log) in running {
        while process.check().is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let text = std::fs::read_to_string(&log).attempt(what)?;
        let line = text.lines().last().unwrap_or_default();
        took.push(serde_json::from_str(line).map_err(|_| DemoError::new(what, text.clone()))?);
    }
    Ok(took)
}
