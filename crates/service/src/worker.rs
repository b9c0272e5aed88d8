//! The preflight worker: a process of its own for programs and inputs that strangers send.
//!
//! It gets one request and a bounded time, and its environment is empty: what it runs is foreign, and the service's
//! environment can hold keys.

use crate::{OpError, OpResult, config::Preflight};
use async_trait::async_trait;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use std::{io, os::unix::process::ExitStatusExt, path::PathBuf, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
};
use zkpool_protocol::{ErrorCode, PreflightBounds, PreflightReply, PreflightReport, PreflightRequest};

/// Looks at a program, and at an input of it.
#[async_trait]
pub trait PreflightWorker: Send + Sync {
    /// The bounds that a request is to name.
    fn bounds(&self) -> PreflightBounds;
    /// Answers within its bounds. What the worker refuses is an error with its code and message.
    async fn look(&self, request: PreflightRequest) -> OpResult<PreflightReport>;
}

/// Longest answer, in bytes: a proof and its public inputs, as JSON.
const MAX_REPLY: u64 = 16 << 20;

/// A process per request.
#[derive(Debug)]
pub struct WorkerProcess {
    command: Vec<String>,
    timeout: Duration,
    memory: u64,
    cycles: u64,
    permits: Semaphore,
}

impl WorkerProcess {
    /// As configured.
    pub fn new(config: &Preflight) -> Self {
        let workers = usize::try_from(config.workers).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            command: config.command.clone(),
            timeout: Duration::from_secs(config.timeout),
            memory: config.memory,
            cycles: config.cycles,
            permits: Semaphore::new(workers),
        }
    }
}

/// Starts a worker: with an empty environment, in a process group of its own.
pub(crate) fn spawn(command: &[String], name: &str) -> io::Result<Child> {
    let (program, arguments) = match command.split_first() {
        Some((program, arguments)) => (PathBuf::from(program), arguments.to_vec()),
        None => (std::env::current_exe()?, vec![name.to_owned()]),
    };
    Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

#[async_trait]
impl PreflightWorker for WorkerProcess {
    fn bounds(&self) -> PreflightBounds {
        PreflightBounds { memory: self.memory, cpu_seconds: self.timeout.as_secs(), cycles: self.cycles }
    }

    async fn look(&self, request: PreflightRequest) -> OpResult<PreflightReport> {
        let _permit = self.permits.acquire().await.map_err(|error| fault("the preflight is closed", error))?;
        let bytes = serde_json::to_vec(&request).map_err(|error| fault("write to the preflight worker", error))?;
        let child =
            spawn(&self.command, "preflight-worker").map_err(|error| fault("start the preflight worker", error))?;
        let group = Group::of(&child);
        let talked = tokio::time::timeout(self.timeout, talk(child, &bytes)).await;
        drop(group);
        let exceeded = |how: String| {
            let message = format!(
                "looking at the program and its input took more than its bounds of {} s and {} MiB ({how}): \
                 they are too large for this operator",
                self.timeout.as_secs(),
                self.memory >> 20
            );
            OpError::new(ErrorCode::PreflightExceeded, message)
        };
        let (reply, status) = match talked {
            Err(_) => return Err(exceeded("out of time".into())),
            Ok(Err(error)) => return Err(fault("talk to the preflight worker", error)),
            Ok(Ok(heard)) => heard,
        };
        match serde_json::from_slice(&reply) {
            Ok(PreflightReply::Passed(report)) => Ok(report),
            Ok(PreflightReply::Refused { code, message }) => Err(OpError::new(code, message)),
            // It was killed for want of memory or CPU time, or broke down under what it was given.
            Err(_) if status.signal().is_some() || reply.is_empty() => Err(exceeded(status.to_string())),
            Err(error) => Err(fault("understand the preflight worker", error)),
        }
    }
}

/// What the worker says, and how it ended.
async fn talk(mut child: Child, request: &[u8]) -> io::Result<(Vec<u8>, std::process::ExitStatus)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let tell = async {
        if let Some(mut stdin) = stdin {
            // One that does not listen is judged by its answer.
            let _ = stdin.write_all(request).await;
        }
    };
    let hear = async {
        let mut reply = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_REPLY + 1).read_to_end(&mut reply).await?;
        }
        if reply.len() as u64 > MAX_REPLY {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "its answer has no end"));
        }
        Ok(reply)
    };
    let ((), reply) = tokio::join!(tell, hear);
    let reply = reply?;
    Ok((reply, child.wait().await?))
}

/// The worker's process group: whatever it has started goes with it.
#[derive(Debug)]
pub(crate) struct Group(Option<Pid>);

impl Group {
    pub(crate) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Gone already, most of the time.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

pub(crate) fn fault(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> OpError {
    OpError::caused_by(
        ErrorCode::Internal,
        "the service cannot look at programs or run them now; its log says more",
        Attempt { what: what.to_owned(), source: Box::new(error) },
    )
}

/// What was attempted, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Attempt {
    what: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}
