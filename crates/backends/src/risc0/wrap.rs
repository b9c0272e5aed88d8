//! Whether this machine can wrap a receipt in Groth16.

use std::{
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long an answer is remembered.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// The zkVM wraps in a container, or on a card; it looks only for the `docker` program, and not before an hour's work is
/// done.
pub(super) fn available() -> bool {
    static KNOWN: Mutex<Option<(Instant, bool)>> = Mutex::new(None);
    if cfg!(feature = "cuda") {
        return true;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match *known {
        Some((at, answer)) if at.elapsed() < GOOD_FOR => answer,
        _ => {
            let answer = daemon_answers();
            *known = Some((Instant::now(), answer));
            answer
        }
    }
}

fn daemon_answers() -> bool {
    let mut docker = Command::new("docker");
    docker.args(["version", "--format", "{{.Server.Version}}"]);
    let Ok(mut child) = docker.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return false;
    };
    let since = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if since.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}
