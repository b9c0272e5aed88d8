//! Running the binary in an empty directory and an environment without settings.

use assert_cmd::Command;
use serde_json::Value;
use std::{fs, path::Path};
use tempfile::TempDir;

/// A directory to run in.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::cargo_bin("zkpool").unwrap();
        command.current_dir(self.path()).timeout(std::time::Duration::from_secs(120));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ZKPOOL_") {
                command.env_remove(name);
            }
        }
        command.env_remove("RUST_LOG");
        // What has a place for each user has one here.
        command.env("HOME", self.path()).env_remove("XDG_DATA_HOME");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, &[])
    }

    pub(crate) fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Ended {
        let output = self.command().args(args).envs(env.iter().copied()).output().unwrap();
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Fails unless it ended with this status and code, and the message holds all of `words`.
    pub(crate) fn fails(&self, status: i32, code: &str, words: &[&str]) -> &Self {
        assert_eq!(self.code, status, "{}", self.err);
        assert!(self.err.contains(&format!("code: {code}")), "{code}: {}", self.err);
        assert!(self.err.contains("error: cannot ") && self.err.contains("\n  why: "), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing in:\n{}", self.err);
        }
        assert!(self.out.is_empty(), "data on standard output: {}", self.out);
        self
    }

    /// Fails unless it succeeded and said something.
    pub(crate) fn succeeds(&self) {
        assert!(self.code == 0 && !self.out.is_empty(), "{}{}", self.out, self.err);
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// An address where nothing listens.
pub(crate) fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
