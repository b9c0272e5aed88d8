//! The execution worker: a process of its own that runs a zkVM program and says a line for each segment.
//!
//! As the preflight worker it gets an empty environment and bounds on memory, CPU and wall time. Whoever stops listening
//! ends it.

use crate::{
    OpError, OpResult,
    config::Execution,
    worker::{Group, fault, spawn},
};
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use std::{os::unix::process::ExitStatusExt, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout},
    time::Instant,
};
use zkpool_protocol::{ErrorCode, ExecuteReply, ExecuteRequest, PreflightBounds};

/// What a worker says, line by line. It ends with `Finished`, or with an error; dropping it ends the worker.
pub type Lines = BoxStream<'static, OpResult<ExecuteReply>>;

/// Runs zkVM programs.
#[async_trait]
pub trait ExecutionWorker: Send + Sync {
    /// The bounds that a request is to name.
    fn bounds(&self) -> PreflightBounds;
    /// Starts a run. What the worker refuses is an error with its code and message.
    async fn run(&self, request: ExecuteRequest) -> OpResult<Lines>;
}

/// Longest line, in bytes: a journal as JSON, and what stands around it.
const MAX_LINE: u64 = 1 << 20;

/// A process per run.
#[derive(Debug)]
pub struct ExecutionProcess {
    command: Vec<String>,
    timeout: Duration,
    bounds: PreflightBounds,
}

impl ExecutionProcess {
    /// As configured.
    pub fn new(config: &Execution) -> Self {
        Self {
            command: config.command.clone(),
            timeout: Duration::from_secs(config.timeout),
            bounds: PreflightBounds { memory: config.memory, cpu_seconds: config.timeout, cycles: config.cycles },
        }
    }
}

#[async_trait]
impl ExecutionWorker for ExecutionProcess {
    fn bounds(&self) -> PreflightBounds {
        self.bounds
    }

    async fn run(&self, request: ExecuteRequest) -> OpResult<Lines> {
        let bytes = serde_json::to_vec(&request).map_err(|error| fault("write to the execution worker", error))?;
        let mut child =
            spawn(&self.command, "execute-worker").map_err(|error| fault("start the execution worker", error))?;
        let group = Group::of(&child);
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not listen is judged by its answer. It reads all of it before it says anything.
            let _ = tokio::time::timeout(self.timeout, stdin.write_all(&bytes)).await;
        }
        let output = child.stdout.take().map(BufReader::new);
        let run = Run { child, output, _group: group, end: Instant::now() + self.timeout, bound: self.timeout };
        let lines = stream::unfold(Some(run), |run| async {
            let mut run = run?;
            let line = run.line().await;
            let goes_on = matches!(line, Ok(ExecuteReply::Segment { .. }));
            Some((line, goes_on.then_some(run)))
        });
        Ok(lines.boxed())
    }
}

/// A worker at work.
struct Run {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    _group: Group,
    end: Instant,
    bound: Duration,
}

impl Run {
    async fn line(&mut self) -> OpResult<ExecuteReply> {
        let exceeded = |how: String, bound: Duration| {
            let message = format!("running the program took more than its bounds ({how}; {} s)", bound.as_secs());
            OpError::new(ErrorCode::PreflightExceeded, message)
        };
        let mut line = Vec::new();
        if let Some(output) = &mut self.output {
            let mut bounded = output.take(MAX_LINE);
            match tokio::time::timeout_at(self.end, bounded.read_until(b'\n', &mut line)).await {
                Err(_) => return Err(exceeded("out of time".into(), self.bound)),
                Ok(Err(error)) => return Err(fault("listen to the execution worker", error)),
                Ok(Ok(_)) => {}
            }
        }
        match serde_json::from_slice(&line) {
            Ok(ExecuteReply::Refused { code, message }) => Err(OpError::new(code, message)),
            Ok(line) => Ok(line),
            // It was killed for want of memory or CPU time, or broke down under what it was given.
            Err(error) => match tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await {
                Ok(Ok(status)) if status.signal().is_some() || line.is_empty() => {
                    Err(exceeded(status.to_string(), self.bound))
                }
                _ => Err(fault("understand the execution worker", error)),
            },
        }
    }
}
