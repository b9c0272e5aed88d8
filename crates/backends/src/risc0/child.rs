//! One step of proving: the prover's side of the process that does it.

use super::step::ProveRequest;
use crate::{BackendError, Control, Step};
use std::{
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use zkpool_protocol::Operation;
use zkpool_verifiers::risc0::MAX_RESULT;

/// How often a running step is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a step's processes get to end when nobody wants its result any more. The zkVM's prover ends at once; whoever
/// waits for a container passes the signal on to it.
const GRACE: Duration = Duration::from_secs(1);
/// The most of a child's last words that is repeated.
const LAST_WORDS: usize = 400;
/// What the child keeps of the environment: where libraries, cards and containers are. Never the prover's keys.
const ENVIRONMENT: [&str; 12] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
    "CUDA_PATH",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "XDG_RUNTIME_DIR",
];

/// How the process of a step is started. It gets one request on its standard input, which stays open for as long as
/// somebody waits for the result: a child whose standard input has ended is to end, too.
#[derive(Clone, Debug, Default)]
pub struct WorkerCommand {
    /// The program and its arguments; by default this program and `prove-worker`.
    pub command: Vec<OsString>,
}

impl WorkerCommand {
    /// Does a step in a child, with as many threads as the current rayon pool has.
    pub(super) fn run(&self, step: &Step, control: &Control) -> Result<Vec<u8>, BackendError> {
        let operation = step.operation();
        let failed = |reason: String| BackendError::Worker { operation, reason };
        let scratch = Scratch::new().map_err(|source| failed(source.to_string()))?;
        let result = scratch.path().join("result");
        let files = step.files().into_iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>();
        let files = files.map_err(|error| failed(error.to_string()))?;
        let request = ProveRequest { operation, files, result: result.clone() };
        let mut line = serde_json::to_vec(&request).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        let words = scratch.path().join("words");
        let mut child = Running(self.spawn(&words).map_err(|error| failed(format!("it cannot be started: {error}")))?);
        let mut stdin = child.0.stdin.take();
        if let Some(stdin) = &mut stdin {
            stdin.write_all(&line).and_then(|()| stdin.flush()).map_err(|error| failed(error.to_string()))?;
        }
        let status = child.wait(control, operation)?;
        drop(stdin);
        if !status.success() {
            return Err(failed(ending(status, &words)));
        }
        crate::program::read(&result, "result", MAX_RESULT as u64)
    }

    fn spawn(&self, words: &Path) -> io::Result<Child> {
        let (program, arguments) = match self.command.split_first() {
            Some((program, arguments)) => (PathBuf::from(program), arguments.to_vec()),
            None => (std::env::current_exe()?, vec!["prove-worker".into()]),
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Of its own, so that what it starts can be ended with it; and the terminal's Ctrl-C is the agent's alone.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.env("RAYON_NUM_THREADS", rayon::current_num_threads().to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(fs::File::create(words)?).spawn()
    }
}

/// A child that does not outlive whoever waits for it.
struct Running(Child);

impl Running {
    fn wait(&mut self, control: &Control, operation: Operation) -> Result<ExitStatus, BackendError> {
        loop {
            control.check()?;
            match self.0.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => std::thread::sleep(LOOK_EVERY),
                Err(error) => return Err(BackendError::Worker { operation, reason: error.to_string() }),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, most of the time; its group then is empty, or holds what it has left behind.
        #[cfg(unix)]
        self.end_group();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
impl Running {
    /// Ends the process and all that it has started: a wrap starts the client of a container.
    fn end_group(&mut self) {
        use nix::sys::signal::{Signal, killpg};
        let Ok(group) = i32::try_from(self.0.id()) else { return };
        let say = |signal: Option<Signal>| killpg(nix::unistd::Pid::from_raw(group), signal);
        if say(Some(Signal::SIGTERM)).is_err() {
            return;
        }
        let since = Instant::now();
        while since.elapsed() < GRACE {
            // One that has ended is in its group until it has been waited for.
            let _ = self.0.try_wait();
            if say(None).is_err() {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let _ = say(Some(Signal::SIGKILL));
    }
}

/// A directory of this process's own, gone when the step is.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("zkpool-step-{}-{count}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&path) {
            // Left by a process of the same number, which is gone.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_dir_all(&path)?;
                builder.create(&path)?;
            }
            other => other?,
        }
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How a child ended, in one line.
fn ending(status: ExitStatus, words: &Path) -> String {
    if status.code().is_none() {
        return format!("{status}; a step that is killed from outside has mostly run out of memory");
    }
    let mut text = String::new();
    let read = fs::File::open(words).and_then(|file| file.take(1 << 16).read_to_string(&mut text));
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    match (read, last) {
        (Ok(_), Some(last)) => last.chars().filter(|c| !c.is_control()).take(LAST_WORDS).collect(),
        _ => status.to_string(),
    }
}
