//! `zkpool simulate`.

use crate::{
    commands::Context,
    error::{CliError, CliResult},
};
use std::error::Error;
use zkpool_simulate::{SimulateArgs, simulate};

/// Plays a pool through, and shows what it came to.
pub fn run(args: &SimulateArgs, context: &Context) -> CliResult {
    let outcome = simulate(args).map_err(|error| {
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        CliError::file(error.to_string(), why)
    })?;
    context.output.result(&outcome, &outcome)
}
