//! The command line of ZKPool: every role's subcommands. `docs/cli.md` is its help, kept fresh by a test.
//!
//! A library so that tests can walk the commands; `main.rs` only calls [`main`].

pub mod args;
pub mod chain;
pub mod commands;
pub mod config;
mod desk;
pub mod error;
pub mod guard;
pub mod keys;
pub mod logging;
pub mod output;
pub mod progress;
pub mod signals;
pub mod values;

use args::{Cli, Command};
use clap::Parser;
use commands::verifier::VerifierCommand;
use error::{CliError, CliResult};
use std::process::ExitCode;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let json = args.iter().any(|arg| arg == "--json");
    match guard::check::<Cli>(&args).and_then(|()| run(Cli::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if json {
                eprintln!("{}", error.to_json())
            } else {
                eprintln!("{error}")
            }
            error.exit()
        }
    }
}

fn run(cli: Cli) -> CliResult {
    // Before any thread is started: limits are set on the process.
    match cli.command {
        Command::PreflightWorker => return commands::worker::preflight(),
        Command::ExecuteWorker => return commands::worker::execute(),
        Command::ProveWorker => return commands::worker::prove(),
        _ => {}
    }
    let long_running =
        matches!(cli.command, Command::Service(_) | Command::Prover(_) | Command::Verifier(VerifierCommand::Run(_)));
    logging::start(cli.global.log_format, if long_running { "info" } else { "warn" });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::new("start", error, "internal", error::Exit::Failed))?;
    let done = runtime.block_on(commands::run(cli));
    // Threads that still compute (a cancelled proof, a benchmark) are not waited for.
    runtime.shutdown_background();
    done
}
