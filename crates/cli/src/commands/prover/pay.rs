//! `zkpool prover earnings`, `claim`, `bond`, `unbond`: what a prover has earned, and what it puts up.

use super::{DEFAULT_STATE, section};
use crate::{
    chain::{ChainArgs, Party, SendArgs, chain_error, shown},
    commands::{Context, operator::sent},
    error::{CliError, CliResult},
    keys::KeyArgs,
    output::table,
    values::Amount,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;
use zkpool_bindings::{IERC20, IRevenueLedger};
use zkpool_chain::{
    LedgerView, TrancheState, TxRequest, alloy::primitives::U256, alloy::sol_types::SolCall, claim_call,
};
use zkpool_protocol::{Address, pay::Ledger};
use zkpool_prover::{Book, Holding};

/// Where the agent keeps its vouchers.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct StateArgs {
    /// The agent's state directory [default: .zkpool/prover]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
}

/// What `zkpool prover earnings` takes.
#[derive(Debug, Args)]
pub struct EarningsArgs {
    /// Whose.
    #[command(flatten)]
    pub state: StateArgs,
    /// Where; without an endpoint, only what is on disk is shown.
    #[command(flatten)]
    pub chain: ChainArgs,
}

/// What `zkpool prover claim` takes.
#[derive(Debug, Args)]
pub struct ClaimArgs {
    /// Claim only where at least so much is due, in the token's smallest unit
    #[arg(long, value_name = "AMOUNT", default_value = "1")]
    pub above: Amount,
    /// Whose.
    #[command(flatten)]
    pub state: StateArgs,
    /// Who pays the gas: any key will do, the prover is paid.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Where.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// What `zkpool prover bond` takes.
#[derive(Debug, Args)]
pub struct BondArgs {
    /// How much (1500000, 1.5ether, 2e6)
    #[arg(value_name = "AMOUNT")]
    pub amount: Amount,
    /// In which token, of what.
    #[command(flatten)]
    pub common: BondCommon,
}

/// What `zkpool prover unbond` takes.
#[derive(Debug, Args)]
pub struct UnbondArgs {
    /// Take out a bond whose time has come, instead of announcing it
    #[arg(long)]
    pub withdraw: bool,
    /// In which token, of what.
    #[command(flatten)]
    pub common: BondCommon,
}

/// What both take.
#[derive(Debug, Args)]
pub struct BondCommon {
    /// Token of the bond
    #[arg(long, value_name = "ADDRESS")]
    pub token: Address,
    /// Whose.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Where.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

fn holdings(args: &StateArgs, context: &Context) -> CliResult<Vec<Holding>> {
    let state = section(context)?.with(args)?.state.unwrap_or_else(|| PathBuf::from(DEFAULT_STATE));
    let dir = state.join("vouchers");
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let attempt = || format!("read the vouchers in {}", dir.display());
    let mut all = Book::open(&dir).map_err(|error| CliError::file(attempt(), error))?.all();
    all.sort_by_key(|holding| (holding.operator, holding.tranche));
    Ok(all)
}

/// What the chain says of a holding.
struct OnChain {
    paid: u128,
    due: u128,
    /// What was not claimed before the operator took the tranche back.
    lost: u128,
    state: Option<TrancheState>,
}

async fn on_chain(view: &LedgerView, holding: &Holding) -> CliResult<OnChain> {
    let failed = |error| chain_error("ask what was paid", error);
    let paid = view.paid(holding.operator, holding.tranche, holding.prover).await.map_err(failed)?;
    let paid: u128 = paid.saturating_to();
    let state = view.tranche(holding.operator, holding.tranche).await.map_err(failed)?.map(|tranche| tranche.state);
    let rest = holding.earned().saturating_sub(paid);
    let (due, lost) = if state == Some(TrancheState::Reclaimed) { (0, rest) } else { (rest, 0) };
    Ok(OnChain { paid, due, lost, state })
}

/// Shows what was earned.
pub async fn earnings(args: EarningsArgs, context: &Context) -> CliResult {
    let all = holdings(&args.state, context)?;
    let chain = section(context)?.with(&args.chain)?;
    let rpc = match chain.rpc.is_some() && !all.is_empty() {
        true => Some(chain.endpoint().await?),
        false => None,
    };
    let heading = ["operator", "tranche", "token", "cap", "earned", "receipts", "paid", "due", "lost", "left"];
    let (mut rows, mut values) = (vec![heading.map(str::to_owned).to_vec()], Vec::new());
    for holding in &all {
        let (voucher, mut seen) = (holding.vouched(), None);
        if let Some((rpc, chain_id)) = &rpc
            && *chain_id == holding.ledger.chain_id
        {
            seen = Some(on_chain(&LedgerView::new(rpc.clone(), holding.ledger), holding).await?);
        }
        let shown = |amount: fn(&OnChain) -> u128| {
            seen.as_ref().map_or_else(|| "?".to_owned(), |seen| amount(seen).to_string())
        };
        let left = match seen.as_ref().and_then(|seen| seen.state) {
            Some(TrancheState::Reclaimed) => "taken back".into(),
            _ if holding.reclaimed => "taken back".into(),
            Some(TrancheState::Closing) => "closing".into(),
            Some(TrancheState::Open) => holding.left().to_string(),
            None if holding.open => holding.left().to_string(),
            None => "closing".into(),
        };
        rows.push(vec![
            holding.operator.to_string(),
            holding.tranche.to_string(),
            holding.token.to_string(),
            holding.cap.to_string(),
            holding.earned().to_string(),
            voucher.count.to_string(),
            shown(|seen| seen.paid),
            shown(|seen| seen.due),
            shown(|seen| seen.lost),
            left,
        ]);
        let amounts = seen.map(|OnChain { paid, due, lost, state }| {
            json!({ "paid": paid.to_string(), "due": due.to_string(), "lost": lost.to_string(), "state": state })
        });
        values.push(json!({ "holding": holding, "on_chain": amounts }));
    }
    let text = if all.is_empty() { "nothing yet: no operator has set anything apart".into() } else { table(&rows) };
    context.output.result(&values, text)
}

/// Has what is due paid.
pub async fn claim(args: ClaimArgs, context: &Context) -> CliResult {
    let all = holdings(&args.state, context)?;
    let party = Party::from_section(section(context)?, &args.chain, &args.key, &args.send, "prover").await?;
    let (mut lines, mut values) = (Vec::new(), Vec::new());
    for holding in all.iter().filter(|holding| holding.ledger.chain_id == party.view.domain().chain_id) {
        let view = LedgerView::new(party.view.rpc().clone(), holding.ledger);
        let OnChain { due, .. } = on_chain(&view, holding).await?;
        let Some(signed) = holding.best().filter(|_| due >= args.above.0.max(1)) else { continue };
        let attempt = format!("claim from tranche {} of {}", holding.tranche, holding.operator);
        let data = claim_call(signed, holding.cap, &holding.proof);
        let record = party.send(&attempt, TxRequest::call(attempt.clone(), holding.ledger.address, data)).await?;
        let token = party.token(holding.token).await?;
        let hash = record.receipt.map(|receipt| receipt.hash);
        lines.push(format!("{} from tranche {} of {}", shown(due, &token), holding.tranche, holding.operator));
        values.push(json!({
            "operator": holding.operator, "tranche": holding.tranche, "token": holding.token,
            "amount": due.to_string(), "transaction": hash,
        }));
    }
    let text =
        if lines.is_empty() { "nothing to claim".into() } else { format!("claimed {}", lines.join("\nclaimed ")) };
    context.output.result(&values, text)
}

async fn at_ledger(common: &BondCommon, context: &Context) -> CliResult<(Party, LedgerView)> {
    let party = Party::from_section(section(context)?, &common.chain, &common.key, &common.send, "prover").await?;
    let view = ledger_of(&party).await?;
    Ok((party, view))
}

/// The revenue ledger of the party's pool.
pub async fn ledger_of(party: &Party) -> CliResult<LedgerView> {
    let domain = party.view.domain();
    let found = LedgerView::of_pool(party.view.rpc(), domain.pool).await;
    let address = found.map_err(|error| chain_error("find the pool's revenue ledger", error))?;
    Ok(LedgerView::new(party.view.rpc().clone(), Ledger { chain_id: domain.chain_id, address }))
}

/// Makes sure that the ledger may take `amount` of the token from the party's wallet.
pub async fn approve(party: &Party, ledger: Address, token: Address, amount: U256) -> CliResult {
    let allowed = party.view.allowance(token, party.key.address(), ledger).await;
    if allowed.map_err(|error| chain_error("read what is approved", error))? < amount {
        let data = IERC20::approveCall { spender: ledger, value: amount }.abi_encode();
        party.send("approve the revenue ledger", TxRequest::call("approve", token, data)).await?;
    }
    Ok(())
}

/// Puts up a bond.
pub async fn bond(args: BondArgs, context: &Context) -> CliResult {
    let (party, view) = at_ledger(&args.common, context).await?;
    let (token, amount, ledger) = (args.common.token, U256::from(args.amount.0), view.ledger().address);
    approve(&party, ledger, token, amount).await?;
    let data = IRevenueLedger::bondCall { token, amount }.abi_encode();
    sent(context, &party.send("put up the bond", TxRequest::call("bond", ledger, data)).await?)
}

/// Announces that a bond leaves, or takes it out.
pub async fn unbond(args: UnbondArgs, context: &Context) -> CliResult {
    let (party, view) = at_ledger(&args.common, context).await?;
    let (token, ledger) = (args.common.token, view.ledger().address);
    let (attempt, data) = match args.withdraw {
        true => {
            let to = party.key.address();
            ("withdraw the bond", IRevenueLedger::withdrawBondCall { token, to }.abi_encode())
        }
        false => ("announce that the bond leaves", IRevenueLedger::unbondCall { token }.abi_encode()),
    };
    sent(context, &party.send(attempt, TxRequest::call("unbond", ledger, data)).await?)
}
