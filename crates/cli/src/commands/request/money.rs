//! Balances, deposits and withdrawals of a requester.

use super::{
    args::{BalanceArgs, DepositArgs, TokenArgs, WithdrawArgs},
    failed, open,
};
use crate::{
    chain::{Party, chain_error, shown},
    commands::{Context, operator::sent},
    error::{CliError, CliResult},
    values::Amount,
};
use serde_json::json;
use zkpool_bindings::IZKPool;
use zkpool_chain::{TxRecord, alloy::primitives::U256};
use zkpool_protocol::Address;
use zkpool_requester::{Requester, RequesterError};

/// Shows what the wallet and the pool hold.
pub(super) async fn balance(args: BalanceArgs, context: &Context) -> CliResult {
    let section = super::section(context)?;
    let chain = section.with(&args.common.chain)?;
    let account = match args.account {
        Some(account) => account,
        None => section.with(&args.common.key)?.load(&context.settings, "requester")?.address(),
    };
    let token = token(&args.token, context)?;
    let view = chain.view().await?;
    let fail = |e| chain_error("read the balances", e);
    let info = view.token(token).await.map_err(fail)?;
    let wallet = view.token_balance(token, account).await.map_err(fail)?;
    let pool = view.balance(token, account).await.map_err(fail)?;
    let ether = view.rpc().ether(account).await.map_err(fail)?;
    let value = json!({
        "account": account, "token": token, "symbol": info.symbol, "decimals": info.decimals,
        "wallet": wallet.to_string(), "pool": pool.to_string(), "ether": ether.to_string(),
    });
    let text = format!("account  {account}\nwallet   {}\npool     {}", shown(wallet, &info), shown(pool, &info));
    context.output.result(&value, text)
}

/// Moves tokens into the pool; a deposit that was interrupted is finished instead of a new one.
pub(super) async fn deposit(args: DepositArgs, context: &Context) -> CliResult {
    let token = token(&args.token, context)?;
    let (requester, _) = open(&args.common, context).await?;
    let record = requester.deposit(token, args.amount.0).await.map_err(|e| failed("deposit into the pool", e))?;
    sent(context, &record)
}

/// Moves tokens from the wallet so that `amount` more arrives in the pool: with a token that takes a fee on transfers,
/// what the fee took is brought as well.
pub(super) async fn bring(requester: &Requester, token: Address, amount: u128) -> Result<(), RequesterError> {
    let before = requester.balance(token).await?;
    requester.deposit(token, amount).await?;
    let arrived = requester.balance(token).await?.saturating_sub(before);
    let short = U256::from(amount).saturating_sub(arrived);
    if short.is_zero() || arrived.is_zero() {
        return Ok(());
    }
    // The same part of it will be taken again.
    let more = short.saturating_mul(U256::from(amount)) / arrived + U256::from(1);
    requester.deposit(token, u128::try_from(more).unwrap_or(u128::MAX)).await.map(drop)
}

/// Moves tokens out of the pool.
pub(super) async fn withdraw(args: WithdrawArgs, context: &Context) -> CliResult {
    let token = token(&args.token, context)?;
    let (requester, _) = open(&args.common, context).await?;
    let to = args.to.unwrap_or(requester.address());
    let record = requester.withdraw(token, to, U256::from(args.amount.0)).await;
    sent(context, &record.map_err(|e| failed("withdraw from the pool", e))?)
}

/// The token, by flag or from `[request]`.
fn token(args: &TokenArgs, context: &Context) -> CliResult<Address> {
    super::section(context)?.with(args)?.token.ok_or_else(|| {
        CliError::config("tell which token is meant", "no token is set")
            .advise("set --token ADDRESS, or `token` in [request]")
    })
}

/// Moves tokens from a party's wallet into its balance at the pool.
pub async fn deposit_into(party: &Party, token: Address, amount: Amount) -> CliResult<TxRecord> {
    let (owner, amount) = (party.key.address(), U256::from(amount.0));
    let attempt = "deposit into the pool";
    let wallet = party.view.token_balance(token, owner).await.map_err(|e| chain_error(attempt, e))?;
    if wallet < amount {
        let info = party.token(token).await?;
        let why = format!("the wallet of {owner} holds {}, not {}", shown(wallet, &info), shown(amount, &info));
        return Err(CliError::coded(attempt, why, zkpool_protocol::ErrorCode::Unfunded)
            .advise("send tokens to that address first"));
    }
    party.approve(token, amount).await?;
    party.call(attempt, &IZKPool::depositCall { token, to: owner, amount }).await
}
