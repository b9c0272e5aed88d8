//! `zkpool completions`.

use crate::{args::Cli, error::CliResult};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Which shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> CliResult {
    clap_complete::generate(args.shell, &mut Cli::command(), "zkpool", &mut std::io::stdout());
    Ok(())
}
