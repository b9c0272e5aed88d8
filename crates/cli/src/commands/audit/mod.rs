//! `zkpool audit`: an operator's books, recomputed from the chain and from what it publishes.

mod gather;
mod recompute;
#[cfg(test)]
mod tests;

use super::Context;
use crate::{
    chain::ChainArgs,
    error::{CliError, CliResult, Exit},
};
use clap::Args;
use recompute::Verdict;
use serde_json::json;
use zkpool_api::{Client, ClientOptions};

/// What `zkpool audit` takes.
#[derive(Debug, Args)]
#[command(long_about = ABOUT)]
pub struct AuditArgs {
    /// URL of the operator's service
    #[arg(value_name = "URL")]
    pub operator: String,
    /// First block to look at: that in which the revenue ledger was made, or any before it
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    pub from_block: u64,
    /// Where.
    #[command(flatten)]
    pub chain: ChainArgs,
}

const ABOUT: &str = "Recompute an operator's books: share, receipts, vouchers, claims

Reads from the chain what share the operator has announced for its provers, which tasks it had, what deliveries have kept
apart, which tranches it has opened and what was claimed; and from the operator who is in its tranches and the receipts of
every result that it has accepted. Recomputes what each job earns and the chain of each prover's receipts, and holds them
against each other and against what was claimed.

Says what does not fit first, going along the road of the money. Exit status 0: everything fits; 5: something does not.
Receipts of tasks that have not ended are not published yet, and are counted. Everything is looked at as of one block, the last
one that the operator's service has followed; of tasks that come later nothing is said.

What it cannot see: an accepted result that was never vouched for, known to its prover alone (which stops working and has
proof of neither); work that the operator pays itself under another name, out of its own provers' fund; and, where provers
competed, the bids: that a task was competed for is the operator's word, and of its receipts only that none earns nothing, or
more than the task pays. What they stay below that is summed up.";

/// Carries the command out.
pub async fn run(args: AuditArgs, context: &Context) -> CliResult {
    let chain = context.settings.section::<AuditArgs>("audit")?.with(&args.chain)?;
    let (rpc, chain_id) = chain.endpoint().await?;
    let attempt = "ask the operator for its books";
    let options = ClientOptions { chain_id: Some(chain_id), ..ClientOptions::default() };
    let failed = |error: zkpool_api::ClientError| CliError::coded(attempt, &error, error.code());
    let client = Client::anonymous(&args.operator, options).map_err(failed)?;
    let (ledger, operator, evidence) = gather::gather(&rpc, chain_id, &client, chain.pool, args.from_block).await?;
    let verdict = recompute::audit(ledger, operator, &evidence);
    let value =
        json!({ "operator": operator, "ledger": ledger.address, "sound": verdict.first.is_none(), "verdict": verdict });
    context.output.result(&value, shown(&verdict))?;
    match verdict.first {
        None => Ok(()),
        Some(first) => {
            let why = format!("{} does not fit, first: {} ({})", verdict.discrepancies, first.message, first.code);
            Err(CliError::new("vouch for the operator's books", why, first.code, Exit::Refused))
        }
    }
}

fn shown(verdict: &Verdict) -> String {
    let figures = &verdict.figures;
    let sums = |name: &str, sums: &std::collections::BTreeMap<_, String>| {
        sums.iter().map(|(token, sum)| format!("\n{name:<11} {sum} of {token}")).collect::<String>()
    };
    let mut text = format!(
        "tasks       {} ({} whose reward only the operator names)\nreceipts    {} ({} of tasks that have not ended)",
        figures.tasks, figures.rewards_unread, figures.receipts, figures.receipts_to_come
    );
    text += &sums("kept apart", &figures.kept_apart);
    text += &sums("vouched", &figures.vouched);
    text += &sums("bid below", &figures.bid_below);
    text += &sums("claimed", &figures.claimed);
    if !figures.partly_paid.is_empty() {
        text += &format!("\npartly paid {} delivered tasks: less work was paid than quoted", figures.partly_paid.len());
    }
    match &verdict.first {
        None => text + "\n\neverything fits",
        Some(first) => {
            text += &format!("\n\n{} does not fit; first: {} [{}]", verdict.discrepancies, first.message, first.code);
            for (name, value) in [
                ("tranche", first.tranche.map(|index| index.to_string())),
                ("task", first.task.map(|task| task.to_string())),
                ("prover", first.prover.map(|prover| prover.to_string())),
            ] {
                text += &value.map(|value| format!("\n  {name:<8} {value}")).unwrap_or_default();
            }
            text
        }
    }
}
