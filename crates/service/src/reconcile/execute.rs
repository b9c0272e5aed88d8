//! `execute`: runs the programs of zkVM tasks whose graph is open, and appends their jobs as segments come.
//!
//! A segment is durable as a blob before its jobs are. A run that breaks off is begun anew, with other segments: no two
//! runs are the same, as each hides its memory with random numbers of its own. What it leaves is cancelled, and its
//! segments are removed.
//!
//! A program whose runs always break off costs the others nothing: it waits outside the places in which programs run, for
//! longer each time, and a run that grows beyond what the preflight saw is broken off.

use super::segments;
use crate::{
    Change, Context, OpError, OpResult,
    backoff::{Backoff, Pauses},
    ops::programs,
};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::io::AsyncReadExt;
use zkpool_protocol::{
    Bytes, ErrorCode, ExecuteReply, ExecuteRequest, TaskId, TaskState,
    zkvm::{Growth, SegmentRef},
};
use zkpool_store::{InputRecord, StoreError, TaskKey, TaskRecord};

/// Before a program whose run broke off is run again. Ten times in a row is no accident: from then on it is only seen
/// whether anything has changed, until the deadline ends it.
const PAUSES: Pauses = Pauses {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(60),
    hopeless: (10, Duration::from_secs(600)),
};
/// How often it is looked whether a task whose program runs is still wanted.
const LOOK: Duration = Duration::from_secs(1);
/// The largest segment, in bytes.
const MAX_SEGMENT: u64 = 1 << 30;

/// Runs every program that is to be run, some at once, the most urgent first, and those that come meanwhile.
pub(crate) async fn tick(ctx: &Context) -> OpResult<bool> {
    let places = ctx.config.execution.workers as usize;
    let mut under_way = HashSet::new();
    let mut broken = Backoff::default();
    let mut running = FuturesUnordered::new();
    loop {
        let look = ctx.store.work_in(&[TaskState::Proving]);
        tokio::pin!(look);
        // What ends while it looks, it may still see open.
        let mut ended_meanwhile = Vec::new();
        // The runs go on meanwhile: one that holds a connection to the database would never give it back to this.
        let mut tasks = loop {
            tokio::select! {
                tasks = &mut look => break tasks?,
                Some((key, ran)) = running.next() => {
                    note(&mut broken, key, ran)?;
                    ended_meanwhile.push(key);
                }
            }
        };
        tasks.retain(|task| task.segment_limit.is_some() && !task.planned);
        broken.keep(|key| tasks.iter().any(|task| task.key == key));
        tasks.sort_by_key(|task| (task.chain.proof_deadline, task.key));
        let mut waits = false;
        for task in tasks {
            if !broken.may(task.key) {
                waits = true;
            } else if running.len() < places && under_way.insert(task.key) {
                running.push(async move { (task.key, run(ctx, &task).await) });
            }
        }
        let is_late = !ended_meanwhile.is_empty();
        for key in ended_meanwhile {
            under_way.remove(&key);
        }
        if is_late {
            continue;
        }
        if running.is_empty() && !waits {
            return Ok(false);
        }
        let pause = async {
            match broken.next() {
                _ if !waits => std::future::pending().await,
                Some(at) => tokio::time::sleep_until(at).await,
                // It may be tried by now.
                None => {}
            }
        };
        tokio::select! {
            Some((key, ran)) = running.next() => {
                note(&mut broken, key, ran)?;
                under_way.remove(&key);
            }
            () = pause => {}
            () = ctx.nudges.execute.called() => {}
        }
    }
}

/// How a run ended.
enum Ran {
    /// To its end, or until it was not needed any more.
    Through,
    /// It broke off; the task's program is to be run anew.
    BrokeOff(OpError),
}

/// Notes how a run ended. Without the store nothing can go on.
fn note(broken: &mut Backoff, key: TaskKey, ran: OpResult<(TaskId, Ran)>) -> OpResult<()> {
    match ran? {
        (_, Ran::Through) => broken.forget(key),
        (id, Ran::BrokeOff(error)) => {
            let pause = broken.failed(key, &PAUSES);
            tracing::warn!(
                task.id = %id,
                code = %error.code,
                error = error.chain(),
                again_in_s = pause.as_secs(),
                "running a program broke off"
            );
        }
    }
    Ok(())
}

/// Runs a task's program to its end, or until the task is over. Fails if the store does.
async fn run(ctx: &Context, task: &TaskRecord) -> OpResult<(TaskId, Ran)> {
    let id = task.id().unwrap_or_default();
    match grow(ctx, task).await {
        Ok(true) => tracing::info!(task.id = %id, "a task's program has run to its end"),
        Ok(false) => tracing::info!(task.id = %id, "a task's program is not needed any more"),
        Err(error) if error.source.as_ref().is_some_and(|source| source.is::<StoreError>()) => return Err(error),
        Err(error) => return Ok((id, Ran::BrokeOff(error))),
    }
    Ok((id, Ran::Through))
}

/// Whether the program came to its end.
async fn grow(ctx: &Context, task: &TaskRecord) -> OpResult<bool> {
    let wrong = |message: &str| OpError::new(ErrorCode::Internal, message);
    let input = ctx.store.input(task.ask.input).await?.ok_or_else(|| wrong("the task's input was never looked at"))?;
    let first = match ctx.store.abandon_graph(task.key, ctx.clock.now()).await {
        Err(StoreError::Moved { .. }) => return Ok(false),
        first => first?,
    };
    clear(ctx, task).await?;
    let most = segments::most_of_a_run(task.ask.kind, &input, task.segment_limit.unwrap_or_default());
    let mut growth = Growth::new(task.ask.program, task.ask.kind, first);
    let directory = Directory::make(ctx.config.data.join("execution").join(task.key.to_string()))?;
    let request = request(ctx, task, &input, &directory.0).await?;
    let mut lines = ctx.executor.run(request).await?;
    loop {
        let Some(line) = wanted(ctx, task.key, lines.next()).await? else { return Ok(false) };
        match line.ok_or_else(|| wrong("the execution worker fell silent"))?? {
            ExecuteReply::Segment { index, path, po2, claim } => {
                if index != growth.segments() {
                    return Err(wrong("the execution worker left a segment out"));
                }
                // A program can tell one run from another: it must not fill the disk in the second.
                if index >= most {
                    let message = format!("the program runs longer than in its preflight: more than {most} segments");
                    return Err(OpError::new(ErrorCode::PreflightExceeded, message));
                }
                let name = path.file_name().map(|name| directory.0.join(name));
                let path = name.ok_or_else(|| wrong("the execution worker names no file"))?;
                let bytes = read(&path)
                    .await
                    .map_err(|error| OpError::caused_by(ErrorCode::Internal, "a segment cannot be read", error))?;
                let blob = ctx.blobs.put_bytes(bytes.0).await?;
                // Room for the next one.
                let _ = tokio::fs::remove_file(&path).await;
                let first = growth.count();
                let jobs = growth.segment(&SegmentRef { blob, po2, claim });
                if !extend(ctx, task.key, first, &jobs, false).await? {
                    return Ok(false);
                }
            }
            ExecuteReply::Finished { segments, journal } => {
                let expected = input.run.as_ref().map(|run| &run.journal);
                if segments != growth.segments() || expected != Some(&journal) {
                    return Err(wrong("the program ran otherwise than in the preflight"));
                }
                let first = growth.count();
                let jobs = growth.finish(input.attached.get(1..).unwrap_or_default());
                return extend(ctx, task.key, first, &jobs, true).await;
            }
            ExecuteReply::Refused { code, message } => return Err(OpError::new(code, message)),
        }
    }
}

/// Removes the segments that the run before this one has left. Those of a run during which the process died, or that only
/// the blobs know of, stay.
async fn clear(ctx: &Context, task: &TaskRecord) -> OpResult<()> {
    for segment in ctx.store.stray_segments(task.key, task.first_job).await? {
        ctx.blobs.remove(segment).await?;
    }
    Ok(())
}

async fn request(ctx: &Context, task: &TaskRecord, input: &InputRecord, directory: &Path) -> OpResult<ExecuteRequest> {
    let program = programs::known(ctx, task.ask.program).await?.manifest;
    let blobs = program.blobs().into_iter().chain([task.ask.input]).chain(input.attached.clone()).collect();
    Ok(ExecuteRequest {
        files: programs::files(ctx, blobs)?,
        program,
        input: task.ask.input,
        segment_limit: task.segment_limit.unwrap_or_default(),
        directory: directory.to_owned(),
        ahead: ctx.config.execution.ahead,
        bounds: ctx.executor.bounds(),
    })
}

/// Appends jobs; false if the task is over.
async fn extend(
    ctx: &Context,
    key: TaskKey,
    first: u32,
    jobs: &[zkpool_protocol::Job],
    complete: bool,
) -> OpResult<bool> {
    match ctx.store.extend_task(key, first, jobs, complete, ctx.clock.now()).await {
        Ok(_) => {}
        Err(StoreError::Moved { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    ctx.changes.announce(Change::Task(key));
    ctx.nudges.dispatch.wake();
    if complete {
        ctx.nudges.seal.wake();
    }
    Ok(true)
}

/// Waits for `next`; `None` as soon as the task is not being proven any more.
async fn wanted<T>(ctx: &Context, key: TaskKey, next: impl Future<Output = T>) -> OpResult<Option<T>> {
    tokio::pin!(next);
    loop {
        match tokio::time::timeout(LOOK, &mut next).await {
            Ok(next) => return Ok(Some(next)),
            Err(_) => {
                let task = ctx.store.task_by_key(key).await?;
                if task.is_none_or(|task| task.state != TaskState::Proving) {
                    return Ok(None);
                }
            }
        }
    }
}

/// A file that a foreign program's worker has written: an ordinary one, not larger than it may be, and no link to
/// something else.
async fn read(path: &Path) -> io::Result<Bytes> {
    let mut options = tokio::fs::OpenOptions::new();
    let file = options.read(true).custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits()).open(path).await?;
    let meta = file.metadata().await?;
    if !meta.is_file() || meta.len() > MAX_SEGMENT {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file, or too large"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
    file.take(MAX_SEGMENT).read_to_end(&mut bytes).await?;
    Ok(bytes.into())
}

/// An empty directory that is gone when the run is over.
struct Directory(PathBuf);

impl Directory {
    fn make(path: PathBuf) -> OpResult<Self> {
        let made = match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => std::fs::create_dir_all(&path),
        };
        // The worker has a working directory of its own.
        let path = made.and_then(|()| path.canonicalize());
        path.map(Self).map_err(|error| {
            OpError::caused_by(ErrorCode::Storage, "the directory for a program's segments cannot be made", error)
        })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind is removed before the next run.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
