//! The workers: processes of their own for what is foreign, or for what cannot be stopped otherwise.
//!
//! | command | started by | does |
//! | --- | --- | --- |
//! | `zkpool preflight-worker` | the service | looks at a program and an input |
//! | `zkpool execute-worker` | the service | runs a zkVM program and cuts it into segments |
//! | `zkpool prove-worker` | the prover | one step of a zkVM task |
//!
//! One JSON request on standard input. The first two answer in JSON on standard output and bound themselves by what the
//! request says; one that runs out of its bounds dies without an answer, which the service takes for one, too. The third
//! writes its result to a file, and ends when its standard input does.

use crate::error::{CliError, CliResult};
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use zkpool_protocol::{PreflightBounds, PreflightRequest};

/// The largest request; it names files and holds none.
const MAX_REQUEST: u64 = 1 << 20;

/// Looks at a program, and at an input of it.
pub fn preflight() -> CliResult {
    let request: PreflightRequest = request("zkpool service run")?;
    // It has nothing to write but its reply.
    bound(request.bounds, 0)?;
    let reply = zkpool_backends::preflight_worker(request);
    say(&mut std::io::stdout().lock(), &reply).map_err(|error| failed("write the reply", error))
}

/// Runs a zkVM program and writes its segments.
#[cfg(feature = "risc0")]
pub fn execute() -> CliResult {
    /// The longest segment, in bytes.
    const MAX_SEGMENT: u64 = 256 << 20;
    let request: zkpool_protocol::ExecuteRequest = request("zkpool service run")?;
    bound(request.bounds, MAX_SEGMENT)?;
    let mut out = std::io::stdout();
    zkpool_backends::risc0::execute_worker(&request, |line| {
        say(&mut out, line)?;
        out.write_all(b"\n").and_then(|()| out.flush())
    })
    .map_err(|error| failed("write the last line", error))
}

/// Does one step of a zkVM task.
#[cfg(feature = "risc0")]
pub fn prove() -> CliResult {
    let mut line = String::new();
    let read = std::io::BufRead::read_line(&mut std::io::stdin().lock().take(MAX_REQUEST), &mut line);
    read.map_err(|error| failed("read the request", error))?;
    let request = parse(line.as_bytes(), "zkpool prover run")?;
    end_with_standard_input();
    // A machine that runs out of memory should lose this process before any other of its owner's.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    zkpool_backends::risc0::prove_worker(&request).map_err(|error| failed("do the step", error))
}

/// A step cannot be told to stop: when nobody waits for it any more, the process ends, and what it has started with it.
#[cfg(feature = "risc0")]
fn end_with_standard_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        end_group();
        std::process::exit(1);
    });
}

/// Tells all processes of this one's group to end, if the group is its own: the prover's agent has made it so.
#[cfg(all(feature = "risc0", unix))]
fn end_group() {
    use nix::unistd::{getpgrp, getpid};
    if getpgrp() == getpid() {
        let _ = nix::sys::signal::killpg(getpgrp(), nix::sys::signal::Signal::SIGTERM);
    }
}

#[cfg(all(feature = "risc0", not(unix)))]
fn end_group() {}

/// The same, in a build that does not have it.
#[cfg(not(feature = "risc0"))]
pub fn execute() -> CliResult {
    Err(not_built())
}

/// The same, in a build that does not have it.
#[cfg(not(feature = "risc0"))]
pub fn prove() -> CliResult {
    Err(not_built())
}

#[cfg(not(feature = "risc0"))]
fn not_built() -> CliError {
    CliError::new("work on a RISC Zero task", "this build cannot", "bad_request", crate::error::Exit::Failed)
        .advise("build zkpool with its default features")
}

fn request<T: DeserializeOwned>(starter: &str) -> CliResult<T> {
    let mut text = Vec::new();
    std::io::stdin().take(MAX_REQUEST).read_to_end(&mut text).map_err(|error| failed("read the request", error))?;
    parse(&text, starter)
}

fn parse<T: DeserializeOwned>(text: &[u8], starter: &str) -> CliResult<T> {
    serde_json::from_slice(text).map_err(|error| {
        let advice = format!("`{starter}` starts this command");
        CliError::usage("read the request", error).advise(&advice)
    })
}

fn say<T: serde::Serialize>(out: &mut impl Write, reply: &T) -> std::io::Result<()> {
    let text = serde_json::to_vec(reply)?;
    out.write_all(&text).and_then(|()| out.flush())
}

fn failed(attempted: &str, error: impl std::fmt::Display) -> CliError {
    CliError::new(attempted, error, "internal", crate::error::Exit::Failed)
}

/// What the program itself takes, beside what it looks at: code, stacks, reserved but unused address space.
#[cfg(unix)]
const OWN_DATA: u64 = 256 << 20;
#[cfg(unix)]
const OWN_ADDRESSES: u64 = 4 << 30;

/// Sets the bounds on this process, for good: they cannot be raised again. `file`: the longest file that it may write.
#[cfg(unix)]
fn bound(bounds: PreflightBounds, file: u64) -> CliResult {
    use nix::sys::resource::{Resource, setrlimit};
    let limits = [
        (Resource::RLIMIT_DATA, bounds.memory.saturating_add(OWN_DATA)),
        (Resource::RLIMIT_AS, bounds.memory.saturating_add(OWN_ADDRESSES)),
        (Resource::RLIMIT_CPU, bounds.cpu_seconds),
        (Resource::RLIMIT_FSIZE, file),
        // An image of its memory would hold the input.
        (Resource::RLIMIT_CORE, 0),
    ];
    for (resource, limit) in limits {
        let (_, ceiling) =
            nix::sys::resource::getrlimit(resource).map_err(|error| failed("bound this process", error))?;
        let limit = limit.min(ceiling);
        setrlimit(resource, limit, limit).map_err(|error| failed("bound this process", error))?;
    }
    Ok(())
}

/// Elsewhere the service's bound on time and the backend's own bounds have to do.
#[cfg(not(unix))]
fn bound(_: PreflightBounds, _: u64) -> CliResult {
    Ok(())
}
