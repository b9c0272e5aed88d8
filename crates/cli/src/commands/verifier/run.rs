//! `zkpool verifier run`: the node.

use super::{Common, Memory, section};
use crate::{
    commands::Context,
    error::{CliError, CliResult, Exit},
    signals,
    values::{Size, Span, texts},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use zkpool_attester::{AttesterError, Config, LogObserver, Node, Risc0Check};

/// What `zkpool verifier run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which committee, whose.
    #[command(flatten)]
    pub common: Common,
    /// Where it remembers.
    #[command(flatten)]
    pub memory: Memory,
    /// Settings of the node.
    #[command(flatten)]
    pub own: Own,
    /// Start without anything that says what this key has signed, though it has a stake already: only if it has never
    /// signed for this committee
    #[arg(long)]
    pub new_state: bool,
}

/// Settings of `[verifier]`: the node.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Own {
    /// URL of an operator's service; can be repeated
    #[arg(long = "operator", value_name = "URL", value_delimiter = ',')]
    #[serde(default, deserialize_with = "texts::deserialize", skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<String>,
    /// Largest receipt to fetch; operators sell proofs whose receipts have up to the default [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_receipt: Option<Size>,
    /// New claims to sign for one operator within an hour; all are remembered for ever [default: 600]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<usize>,
    /// Disk space for receipts that were signed; those of whom takes the most go first, by deadline [default: 4GiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Size>,
    /// Receipts that are checked at once, each on one processor thread [default: 1]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<usize>,
    /// How long to wait for what is being signed when told to stop [default: 10s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
}

pub(super) async fn run(args: RunArgs, context: &Context) -> CliResult {
    let section = section(context)?;
    let own = section.with(&args.own)?;
    let key = section.with(&args.common.key)?.load(&context.settings, "verifier")?;
    let view = section.with(&args.common.chain)?.view().await?;
    let state = section.with(&args.memory)?.dir()?;
    let mut config = Config::new(own.operators, view.chain_id(), view.address(), state);
    config.new_state = args.new_state;
    config.per_hour = own.per_hour.unwrap_or(config.per_hour);
    config.max_receipt = own.max_receipt.map_or(config.max_receipt, |size| size.0);
    config.keep = own.keep.map_or(config.keep, |size| size.0);
    config.checks = own.checks.unwrap_or(config.checks);
    config.grace = own.grace.map_or(config.grace, |time| time.0);

    let stop = CancellationToken::new();
    let observer = Arc::new(LogObserver);
    let node = Node::open(config, view.rpc().clone(), key, Arc::new(Risc0Check), observer, stop.clone());
    let node = node.map_err(failed)?;
    tracing::info!(dir = %node.dir().display(), "what is signed is remembered here");
    let (again, at_once) = tokio::sync::oneshot::channel();
    let again = std::sync::Mutex::new(Some(again));
    let signals = tokio::spawn(signals::each(move || {
        if stop.is_cancelled()
            && let Some(again) = again.lock().ok().and_then(|mut again| again.take())
        {
            let _ = again.send(());
        }
        stop.cancel();
    }));
    let done = tokio::select! {
        done = node.run() => done.map_err(failed),
        // What was pledged is on disk, and is signed by the next run.
        Ok(()) = at_once => Ok(()),
    };
    signals.abort();
    done
}

pub(super) fn failed(error: AttesterError) -> CliError {
    let attempt = "work as a verifier";
    let settings = |advice: &str| CliError::new(attempt, &error, error.code().as_str(), Exit::Config).advise(advice);
    let advice = match &error {
        AttesterError::NoOperator => {
            return settings("set --operator URL, `operators` in [verifier], or ZKPOOL_VERIFIER__OPERATORS");
        }
        AttesterError::Url(_) => return settings("correct --operator, or `operators` in [verifier]"),
        AttesterError::Committee(_) => "check --committee and --rpc: a CommitteeVerifier contract must be there",
        AttesterError::NotAMember { .. } => "check --key and --committee; another set of members is another contract",
        AttesterError::Slashed { .. } => {
            "find out who else had the key; take part in another committee, with another key"
        }
        AttesterError::State { .. } => "choose another directory with --state, or make room on the disk",
        AttesterError::NoMemory { .. } => {
            "name the directory that the key has worked with by --state; only if it has never signed for this committee, \
             add --new-state, once"
        }
        AttesterError::StateInUse(_) => "stop the other node: one node per key",
        _ => return CliError::coded(attempt, &error, error.code()),
    };
    CliError::coded(attempt, &error, error.code()).advise(advice)
}
