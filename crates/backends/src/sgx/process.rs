//! The agent's process: started, asked, stopped.

use super::{EnclaveError, answer::shown};
use crate::{BackendError, Control};
use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often a wait looks up.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long an agent that is not needed any more gets to end by itself.
const GRACE: Duration = Duration::from_secs(3);
/// The most that an answer may be, in bytes: a journal in hex, and what is around it.
const MAX_ANSWER: u64 = 4 << 20;
/// The most of a line on standard error that is looked at, in bytes.
const MAX_WORDS: u64 = 4 << 10;
/// What the agent keeps of the environment. Never the prover's keys.
const ENVIRONMENT: [&str; 7] =
    ["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "XDG_RUNTIME_DIR", "SGX_AESM_ADDR"];

/// A running agent. It is stopped when this is dropped, and so is all that it has started.
pub(super) struct Process {
    child: Child,
    questions: Option<Sender<Vec<u8>>>,
    answers: Receiver<Vec<u8>>,
    last_words: Arc<Mutex<String>>,
    /// Keeps them.
    listener: Option<JoinHandle<()>>,
    /// Nobody waits for it to end by itself.
    forsaken: bool,
}

impl Process {
    pub(super) fn start(command: &[OsString]) -> Result<Self, EnclaveError> {
        let (program, arguments) = command.split_first().ok_or(EnclaveError::NoCommand)?;
        let failed = |source| EnclaveError::Start { program: shown(&program.to_string_lossy()), source };
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // Of its own, so that what it starts can be ended with it; and the terminal's Ctrl-C is the prover's alone.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (questions, asked) = mpsc::channel();
        let (answered, answers) = mpsc::channel();
        let last_words = Arc::new(Mutex::new(String::new()));
        let mut process = Self {
            child,
            questions: Some(questions),
            answers,
            last_words: Arc::clone(&last_words),
            listener: None,
            forsaken: false,
        };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        // Each ends with the process: a pipe has no bound of time of its own.
        let named = |name: &str| thread::Builder::new().name(format!("enclave-{name}"));
        named("in").spawn(move || pass_questions(&asked, stdin)).map_err(failed)?;
        named("out").spawn(move || pass_answers(stdout, &answered)).map_err(failed)?;
        let listener = named("err").spawn(move || keep_last_words(stderr, &last_words)).map_err(failed)?;
        process.listener = Some(listener);
        Ok(process)
    }

    /// Sends a line and waits for the next one that comes back.
    pub(super) fn ask(
        &mut self,
        method: &'static str,
        line: Vec<u8>,
        bound: Duration,
        control: &Control,
    ) -> Result<Vec<u8>, BackendError> {
        if let Some(questions) = &self.questions {
            // If nobody takes it, the process has ended, which is told below.
            let _ = questions.send(line);
        }
        let end = Instant::now() + bound;
        loop {
            control.check()?;
            let left = end.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left.min(LOOK_EVERY)) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ending().into()),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    return Err(EnclaveError::Silent { method, bound }.into());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Stops it in the middle of what it does.
    pub(super) fn stop(mut self) {
        self.forsaken = true;
    }

    /// Whether it still runs, and has said nothing that it was not asked for.
    pub(super) fn is_well(&mut self) -> bool {
        matches!(self.answers.try_recv(), Err(mpsc::TryRecvError::Empty)) && matches!(self.child.try_wait(), Ok(None))
    }

    /// Why no more answers come.
    fn ending(&mut self) -> EnclaveError {
        let status = wait(&mut self.child, GRACE);
        // What it said last may not have been heard yet.
        let end = Instant::now() + GRACE / 2;
        while self.listener.as_ref().is_some_and(|listener| !listener.is_finished()) && Instant::now() < end {
            thread::sleep(LOOK_EVERY / 10);
        }
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let how = match status {
            Some(status) => status.to_string(),
            None => "it closed its output, or wrote a line that is too long".into(),
        };
        let reason = if words.is_empty() { how } else { format!("{how}; its last words: {words}") };
        EnclaveError::Ended { reason }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input tells it to end.
        self.questions = None;
        if !self.forsaken {
            wait(&mut self.child, GRACE);
        }
        // Ended already, most of the time; its group then is empty, or holds what it has left behind.
        #[cfg(unix)]
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait(child: &mut Child, bound: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + bound;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => thread::sleep(LOOK_EVERY / 5),
            _ => return None,
        }
    }
}

fn pass_questions(asked: &Receiver<Vec<u8>>, mut stdin: ChildStdin) {
    while let Ok(line) = asked.recv() {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

/// Until there are no more, or one is longer than any honest one.
fn pass_answers(stdout: impl Read, answered: &Sender<Vec<u8>>) {
    let mut stdout = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = stdout.by_ref().take(MAX_ANSWER).read_until(b'\n', &mut line);
        if read.is_err() || line.pop() != Some(b'\n') || answered.send(line).is_err() {
            return;
        }
    }
}

fn keep_last_words(stderr: impl Read, words: &Mutex<String>) {
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match stderr.by_ref().take(MAX_WORDS).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = shown(String::from_utf8_lossy(&line).trim());
        if !line.is_empty() {
            *words.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}
