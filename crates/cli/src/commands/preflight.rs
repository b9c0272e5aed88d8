//! `zkpool preflight-worker`: looks at a foreign program and input. The service starts it; it bounds itself.
//!
//! One JSON request on standard input, one JSON reply on standard output. A process that runs out of its bounds dies
//! without a reply: the service takes that for an answer, too.

use crate::error::{CliError, CliResult};
use std::io::{Read, Write};
use zkpool_protocol::{PreflightBounds, PreflightRequest};

/// The largest request; it names files and holds none.
const MAX_REQUEST: u64 = 1 << 20;

/// Reads the request, bounds the process, looks, answers.
pub fn run() -> CliResult {
    let mut text = Vec::new();
    std::io::stdin().take(MAX_REQUEST).read_to_end(&mut text).map_err(|error| failed("read the request", error))?;
    let request: PreflightRequest = serde_json::from_slice(&text).map_err(|error| {
        CliError::usage("read the request", error).advise("the service starts this command: `zkpool service run`")
    })?;
    bound(request.bounds)?;
    let reply = zkpool_backends::preflight_worker(request);
    let text = serde_json::to_vec(&reply).map_err(|error| failed("write the reply", error))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&text).and_then(|()| out.flush()).map_err(|error| failed("write the reply", error))
}

fn failed(attempted: &str, error: impl std::fmt::Display) -> CliError {
    CliError::new(attempted, error, "internal", crate::error::Exit::Failed)
}

/// What the program itself takes, beside what it looks at: code, stacks, reserved but unused address space.
#[cfg(unix)]
const OWN_DATA: u64 = 256 << 20;
#[cfg(unix)]
const OWN_ADDRESSES: u64 = 4 << 30;

/// Sets the bounds on this process, for good: they cannot be raised again.
#[cfg(unix)]
fn bound(bounds: PreflightBounds) -> CliResult {
    use nix::sys::resource::{Resource, setrlimit};
    let limits = [
        (Resource::RLIMIT_DATA, bounds.memory.saturating_add(OWN_DATA)),
        (Resource::RLIMIT_AS, bounds.memory.saturating_add(OWN_ADDRESSES)),
        (Resource::RLIMIT_CPU, bounds.cpu_seconds),
        // It has nothing to write but its reply.
        (Resource::RLIMIT_FSIZE, 0),
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
fn bound(_: PreflightBounds) -> CliResult {
    Ok(())
}
