//! The subcommands, one file per group.

pub mod audit;
pub mod completions;
pub mod deploy;
pub mod key;
pub mod operator;
pub mod operators;
pub mod program;
pub mod prover;
pub mod quote;
pub mod request;
pub mod service;
pub mod sgx;
pub mod simulate;
pub mod verifier;
pub mod worker;

use crate::{
    args::{Cli, Command},
    config::Settings,
    error::CliResult,
    output::Output,
};

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// File and environment.
    pub settings: Settings,
    /// Where results go.
    pub output: Output,
}

/// Carries a command out.
pub async fn run(cli: Cli) -> CliResult {
    let context = || -> CliResult<Context> {
        let settings = Settings::load(cli.global.config.as_deref())?;
        Ok(Context { settings, output: Output { json: cli.global.json } })
    };
    match cli.command {
        Command::Service(command) => service::run(command, &context()?).await,
        Command::Operator(command) => operator::run(command, &context()?).await,
        Command::Operators(args) => operators::run(args, &context()?).await,
        Command::Prover(command) => prover::run(command, &context()?).await,
        Command::Verifier(command) => verifier::run(command, &context()?).await,
        Command::Sgx(command) => sgx::run(command, &context()?).await,
        Command::Program(command) => program::run(command, &context()?).await,
        Command::Request(command) => request::run(command, &context()?).await,
        Command::Deploy(command) => deploy::run(command, &context()?).await,
        Command::Quote(command) => quote::run(command, &context()?).await,
        Command::Audit(args) => audit::run(args, &context()?).await,
        Command::Key(command) => key::run(command, &context()?).await,
        Command::Simulate(args) => simulate::run(&args, &context()?),
        // These depend on nothing that an owner could have set wrong.
        Command::Completions(args) => completions::run(&args),
        Command::PreflightWorker => worker::preflight(),
        Command::ExecuteWorker => worker::execute(),
        Command::ProveWorker => worker::prove(),
    }
}
