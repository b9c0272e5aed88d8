//! `zkpool operators`: who operates, by its own word, and what it has done, by the chain's.

use super::{
    Context,
    request::{
        DEFAULT_STATE,
        args::{AllSettings, Market},
    },
};
use crate::{
    chain::{ChainArgs, chain_error},
    error::{CliError, CliResult},
    output::table,
    progress::Step,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{path::PathBuf, time::Duration};
use zkpool_chain::{ChainError, PoolView, RecordBook, RegistryView};
use zkpool_protocol::{ErrorCode, ProofKind, TaskId};
use zkpool_requester::own_tasks;

/// `zkpool operators`
#[derive(Debug, Args)]
pub struct OperatorsArgs {
    /// Only those that say that they take this kind of proof
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<ProofKind>,
    /// Whose experience counts in full.
    #[command(flatten)]
    pub whose: Whose,
    /// Where.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Which registry.
    #[command(flatten)]
    pub market: Market,
}

/// A requester's own experience is what stands in its records: anybody can publish a task in its name.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Whose {
    /// Directory of the requester whose experience counts in full [default: .zkpool/request]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
}

/// Entries that are listed, at most.
const MOST: u64 = 1_000;
/// The longest that records are read.
const RECORDS_BOUND: Duration = Duration::from_secs(300);

fn kind(name: &str) -> Result<ProofKind, String> {
    let known = || ProofKind::ALL.map(ProofKind::as_str).join(", ");
    ProofKind::from_name(name).ok_or_else(|| format!("known are {}", known()))
}

/// Carries the command out.
pub async fn run(args: OperatorsArgs, context: &Context) -> CliResult {
    let section = context.settings.section::<AllSettings>("request")?;
    let market = section.with(&args.market)?;
    let view = section.with(&args.chain)?.view().await?;
    let registry = market.registry.ok_or_else(|| {
        CliError::config("list the operators", "no registry is set")
            .advise("set --registry ADDRESS, or `registry` in [request]")
    })?;
    let listing = RegistryView::new(view.rpc().clone(), registry).list(MOST, 0).await;
    let listing = listing.map_err(|e| chain_error("read the registry of operators", e))?;
    let book = match market.records_from {
        Some(from) => {
            let state = section.with(&args.whose)?.state.unwrap_or_else(|| PathBuf::from(DEFAULT_STATE));
            let own = own_tasks(&state).map_err(|e| CliError::coded("read the requester's records", &e, e.code()))?;
            Some(read_book(&view, from, own).await?)
        }
        None => None,
    };
    let heading = ["operator", "url", "kinds", "on time", "late", "rescued", "failed", "requesters", "expected"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    for entry in listing.entries.iter().filter(|entry| args.kind.is_none_or(|kind| entry.takes(kind))) {
        let mut row = vec![entry.operator.to_string(), entry.url.clone(), entry.kinds.join(" ")];
        let mut value = json!({ "operator": entry });
        if let Some(book) = &book {
            let record = book.of(entry.operator);
            let (past, reliability) = (record.past(), record.reliability());
            let failed = past.lost + past.defaulted + past.dishonoured;
            row.extend([past.on_time, past.late, past.rescued, failed].map(|n| n.to_string()));
            row.extend([record.requesters().to_string(), format!("{}.{:02} %", reliability / 100, reliability % 100)]);
            value["record"] = json!({ "past": past, "requesters": record.requesters(), "reliability": reliability });
        } else {
            row.resize(heading.len(), String::new());
        }
        rows.push(row);
        values.push(value);
    }
    if listing.total > MOST {
        context.output.note(format!("the registry has {} entries; these are the first {MOST}", listing.total));
    }
    if book.is_none() {
        context.output.note("what they have done is not shown: say from which block on with --records-from");
    }
    let value = json!({ "block": listing.block, "total": listing.total, "operators": values });
    context.output.result(&value, table(&rows))
}

/// Reads all records from a block on.
async fn read_book(view: &PoolView, from: u64, own: Vec<TaskId>) -> CliResult<RecordBook> {
    let attempt = "read what operators have done";
    let mut book = RecordBook::new(view.domain().pool, from);
    book.count_as_own(own);
    let mut follower = book.follower(view.rpc().clone());
    let step = Step::begin("reading what operators have done");
    let read = tokio::time::timeout(RECORDS_BOUND, async {
        while !book.read(&mut follower).await? {}
        Ok::<_, ChainError>(())
    });
    let read = read.await;
    step.end();
    match read {
        Ok(Ok(())) => Ok(book),
        Ok(Err(error)) => Err(chain_error(attempt, error)),
        Err(_) => {
            let why = format!("the events were not read within {} s", RECORDS_BOUND.as_secs());
            Err(CliError::coded(attempt, why, ErrorCode::TimedOut).advise("begin later with --records-from BLOCK"))
        }
    }
}
