//! Child processes that end with this one.

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::signal::{Signal, kill},
    unistd::{Pid, SysconfVar, sysconf},
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// A child whose output goes to a file of its own; killed and reaped when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; its output is written to `<dir>/<name>.log`.
    pub fn start(name: &str, dir: &Path, mut command: Command) -> io::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("starting {name}: {e}")))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last lines that it wrote.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// An error with what it last wrote, if it has ended by itself.
    pub fn check(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("{} ended ({status}):\n{}", self.name, self.tail()))),
        }
    }

    /// CPU time that it and its children that have ended took, in seconds: proc_pid_stat(5).
    pub fn cpu_seconds(&self) -> io::Result<f64> {
        cpu_seconds(&self.child.id().to_string())
    }

    /// Keeps it, and the children that it starts from now on, on one core.
    pub fn pin(&self, core: usize) -> io::Result<()> {
        let mut set = CpuSet::new();
        set.set(core)?;
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        for task in tasks {
            if let Some(thread) = task?.file_name().to_str().and_then(|name| name.parse().ok()) {
                sched_setaffinity(Pid::from_raw(thread), &set)?;
            }
        }
        Ok(())
    }

    /// Ends it without a chance to tidy up, as a power cut would.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Stops its clock: it neither works nor answers, and does not know it.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end and waits for at most `bound`.
    pub fn stop(mut self, bound: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        let start = Instant::now();
        while start.elapsed() < bound {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{} did not stop within {bound:?}:\n{}", self.name, self.tail()),
        ))
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // A stopped process takes SIGKILL too.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// CPU time of a process (`self` for this one) and of its children that have ended, in seconds: proc_pid_stat(5).
pub fn cpu_seconds(process: &str) -> io::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold anything. After it: user and system time, and the children's.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(4);
    let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
    let per_second = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100);
    Ok(ticks / per_second as f64)
}
