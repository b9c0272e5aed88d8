//! What the programs on this stage have in common: options, the ground they stand on, how they end.

use crate::{
    actors::Scenery,
    error::{Attempt, DemoError, Result},
    report::Timeline,
    stage::Stage,
};
use serde::Serialize;
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Options of every demo.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Write the summary as JSON to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep data and logs in this directory (default: a temporary one that is removed)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The zkpool binary (default: the one beside this program)
    #[arg(long, value_name = "FILE")]
    zkpool: Option<PathBuf>,
}

/// What is left to say at the end.
pub trait Summary: Serialize {
    /// Whether everything ended as it should.
    fn ok(&self) -> bool;
    /// For people.
    fn print(&self);
}

impl Options {
    /// Sets the stage, plays, tells what came of it, and leaves nothing running, whatever happens.
    pub async fn play<S: Summary>(&self, play: impl AsyncFnOnce(&Scenery) -> Result<Option<S>>) -> ExitCode {
        let played = tokio::select! {
            played = self.try_play(play) => played,
            () = interrupted() => Err(DemoError::new("running the demo", "it was interrupted; everything is stopped")),
        };
        match played {
            Ok(Some(summary)) => {
                summary.print();
                if summary.ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Ok(None) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\nthe demo failed: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn try_play<S: Summary>(&self, play: impl AsyncFnOnce(&Scenery) -> Result<Option<S>>) -> Result<Option<S>> {
        let temporary = tempfile::tempdir().attempt("making a directory")?;
        let dir = self.dir.as_deref().unwrap_or(temporary.path());
        let beside = std::env::current_exe().attempt("finding this program")?.with_file_name("zkpool");
        let scenery = Scenery::set(self.zkpool.clone().unwrap_or(beside), dir).await?;
        let summary = play(&scenery).await?;
        if let (Some(path), Some(summary)) = (&self.json, &summary) {
            let text = serde_json::to_string_pretty(summary).attempt("writing the summary")?;
            std::fs::write(path, text).attempt(format!("writing {}", path.display()))?;
        }
        Ok(summary)
    }
}

/// Talks to this machine's own processes only, and waits for none of them longer than half a minute.
pub fn http() -> Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().attempt("making an HTTP client")
}

impl Scenery {
    /// A chain with the pool, and a directory for all that the processes write.
    pub async fn set(zkpool: PathBuf, dir: &std::path::Path) -> Result<Self> {
        let timeline = Timeline::begin();
        std::fs::create_dir_all(dir).attempt(format!("making {}", dir.display()))?;
        let dir = dir.canonicalize().attempt("finding the directory")?;
        timeline.title("Setting up");
        let stage = Stage::set().await?;
        timeline.say("chain", format!("anvil at {}, ZKPool at {}", stage.anvil.url(), stage.domain.pool));
        Ok(Self { zkpool, dir, stage, timeline, http: http()? })
    }
}

/// Dropping what runs kills the processes: nothing is left.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
        }
        _ => std::future::pending().await,
    }
}
