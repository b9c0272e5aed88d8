//! `zkpool operator set-share`, `fund`, `authorize-tranches`, `tranches`, `close-tranche`, `readmit`: what provers are paid
//! with, and who is in.

use super::{AllSettings, Common, EveryKey, MoveArgs, sent};
use crate::{
    chain::{chain_error, shown},
    commands::{
        Context,
        prover::{
            identity,
            pay::{approve, ledger_of},
        },
    },
    error::{CliError, CliResult},
    keys::KeyArgs,
    output::table,
};
use clap::Args;
use serde_json::json;
use zkpool_api::{Client, ClientError, ClientOptions};
use zkpool_bindings::{IRevenueLedger, IZKPool};
use zkpool_chain::{LedgerView, TrancheState, TxRequest, alloy::primitives::U256, alloy::sol_types::SolCall};
use zkpool_protocol::{
    Address,
    pay::{ALL_BPS, Ledger, SHARE_STEP},
};

/// What provers get.
#[derive(Debug, Args)]
pub struct SetShareArgs {
    /// Hundredths of a percent of each reward, in steps of 50
    #[arg(value_name = "BPS")]
    pub share: u16,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Whom to let open tranches.
#[derive(Debug, Args)]
pub struct AuthorizeArgs {
    /// The key's address
    #[arg(value_name = "ADDRESS")]
    pub agent: Address,
    /// Take it back
    #[arg(long)]
    pub revoke: bool,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Whose tranches.
#[derive(Debug, Args)]
pub struct TranchesArgs {
    /// Settings.
    #[command(flatten)]
    pub all: AllSettings,
}

/// Which tranche.
#[derive(Debug, Args)]
pub struct CloseTrancheArgs {
    /// Index of the tranche
    #[arg(value_name = "INDEX")]
    pub index: u64,
    /// Take back what is left of one whose time has come, instead of announcing it
    #[arg(long)]
    pub reclaim: bool,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Whom to let in again.
#[derive(Debug, Args)]
pub struct ReadmitArgs {
    /// The prover's address
    #[arg(value_name = "ADDRESS")]
    pub prover: Address,
    /// URL of your service
    #[arg(long, value_name = "URL")]
    pub service: String,
    /// Whose: the operator's, or the one that signs for it.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Lets a prover in again.
pub async fn readmit(args: ReadmitArgs, context: &Context) -> CliResult {
    let key = context.settings.section::<EveryKey>("operator")?.with(&args.key)?.load(&context.settings, "operator")?;
    let failed = |error: ClientError| CliError::coded("let the prover in again", &error, error.code());
    let client = Client::new(&args.service, identity(&key), ClientOptions::default()).map_err(failed)?;
    client.readmit(args.prover).await.map_err(failed)?;
    context.output.result(&json!({ "prover": args.prover }), format!("{} is in again", args.prover))
}

/// Announces the share.
pub async fn set_share(args: SetShareArgs, context: &Context) -> CliResult {
    if args.share > ALL_BPS || !args.share.is_multiple_of(SHARE_STEP) {
        let why = format!("a share is a multiple of {SHARE_STEP}, at most {ALL_BPS} (all of it)");
        return Err(CliError::usage("set the share", why));
    }
    let (party, _) = args.common.party(context).await?;
    sent(context, &party.call("set the share", &IZKPool::setShareCall { share: args.share }).await?)
}

/// Deposits for provers.
pub async fn fund(args: MoveArgs, context: &Context) -> CliResult {
    let (party, own) = args.common.party(context).await?;
    let (token, amount, view) = (own.token()?, U256::from(args.amount.0), ledger_of(&party).await?);
    let ledger = view.ledger().address;
    approve(&party, ledger, token, amount).await?;
    let call = IRevenueLedger::depositCall { token, operator: party.key.address(), amount };
    sent(context, &party.send("deposit for provers", TxRequest::call("fund", ledger, call.abi_encode())).await?)
}

/// Lets a key open tranches.
pub async fn authorize(args: AuthorizeArgs, context: &Context) -> CliResult {
    let (party, _) = args.common.party(context).await?;
    let ledger = ledger_of(&party).await?.ledger().address;
    let call = IRevenueLedger::setAuthorizationCall { agent: args.agent, allowed: !args.revoke };
    let request = TxRequest::call("authorize", ledger, call.abi_encode());
    sent(context, &party.send("authorize a key for tranches", request).await?)
}

/// Announces that a tranche closes, or takes back what is left of it.
pub async fn close_tranche(args: CloseTrancheArgs, context: &Context) -> CliResult {
    let (party, _) = args.common.party(context).await?;
    let (ledger, operator) = (ledger_of(&party).await?.ledger().address, party.key.address());
    let tranche = U256::from(args.index);
    let (attempt, data) = match args.reclaim {
        true => ("take back what is left", IRevenueLedger::reclaimCall { operator, tranche }.abi_encode()),
        false => ("close the tranche", IRevenueLedger::closeTrancheCall { operator, tranche }.abi_encode()),
    };
    sent(context, &party.send(attempt, TxRequest::call(attempt, ledger, data)).await?)
}

/// Lists tranches.
pub async fn tranches(args: TranchesArgs, context: &Context) -> CliResult {
    let (pool, own, operator) = args.all.watcher(context).await?;
    let failed = |error| chain_error("read the tranches", error);
    let domain = *pool.domain();
    let address = LedgerView::of_pool(pool.rpc(), domain.pool).await.map_err(failed)?;
    let view = LedgerView::new(pool.rpc().clone(), Ledger { chain_id: domain.chain_id, address });
    let share = view.share(domain.pool, operator).await.map_err(failed)?;
    let mut value = json!({
        "operator": operator,
        "ledger": address,
        "share": share.share,
        "next_share": share.next.map(|(share, at)| json!({ "share": share, "at": at })),
    });
    let mut text = format!("ledger  {address}\nshare   {}", percent(share.share));
    if let Some((next, at)) = share.next {
        text += &format!(", {} from {at}", percent(next));
    }
    if let Some(token) = own.token {
        let info = pool.token(token).await.map_err(failed)?;
        let fund = view.fund(operator, token).await.map_err(failed)?;
        let kept = view.kept_apart(domain.pool, token, operator).await.map_err(failed)?;
        text += &format!("\nfund    {}, and {} to be swept", shown(fund, &info), shown(kept, &info));
        value["fund"] = json!({ "token": token, "fund": fund.to_string(), "to_sweep": kept.to_string() });
    }
    let heading = ["tranche", "state", "token", "total", "paid", "signer"];
    let (mut rows, mut values) = (vec![heading.map(str::to_owned).to_vec()], Vec::new());
    for index in 0..view.tranche_count(operator).await.map_err(failed)? {
        let Some(tranche) = view.tranche(operator, index).await.map_err(failed)? else { continue };
        let info = pool.token(tranche.token).await.map_err(failed)?;
        let state = match (tranche.state, tranche.closes_at) {
            (TrancheState::Open, _) => "open".to_owned(),
            (TrancheState::Closing, at) => format!("closing, {}", at.unwrap_or_default()),
            (TrancheState::Reclaimed, _) => "reclaimed".to_owned(),
        };
        rows.push(vec![
            index.to_string(),
            state,
            info.symbol.clone(),
            shown(tranche.total, &info),
            shown(tranche.paid, &info),
            tranche.signer.to_string(),
        ]);
        values.push(json!({ "index": index, "tranche": tranche }));
    }
    value["tranches"] = values.into();
    if rows.len() > 1 {
        text += &format!("\n\n{}", table(&rows));
    }
    context.output.result(&value, text)
}

fn percent(bps: u16) -> String {
    format!("{}.{:02}%", bps / 100, bps % 100)
}
