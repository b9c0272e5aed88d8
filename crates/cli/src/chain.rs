//! The chain and the pool that a command works with.

use crate::{
    config::{Section, Settings},
    error::{CliError, CliResult},
    keys::KeyArgs,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{fmt::Display, sync::Arc, time::Duration};
use zkpool_bindings::IERC20;
use zkpool_chain::{
    ChainError, Key, MemoryJournal, PoolView, Rpc, Sender, SenderOptions, TokenInfo, TxRecord, TxRequest,
    alloy::{primitives::U256, sol_types::SolCall},
};
use zkpool_protocol::{Address, Domain};

/// Where the chain is, and which contract.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct ChainArgs {
    /// JSON-RPC endpoint of the chain, http(s)://…
    #[arg(long, value_name = "URL", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// EIP-155 id that the endpoint must have; without it, whatever it has
    #[arg(long, value_name = "ID", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Address of the ZKPool contract
    #[arg(long, value_name = "ADDRESS", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Address>,
}

/// How transactions are sent by commands.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct SendArgs {
    /// Blocks that must have the transaction, its own included, before the command is satisfied
    #[arg(long, value_name = "N", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmations: Option<u64>,
}

/// The longest that a command waits for one transaction.
const TRANSACTION_BOUND: Duration = Duration::from_secs(300);

impl ChainArgs {
    /// The endpoint, checked to be the right chain; and its id.
    pub async fn endpoint(&self) -> CliResult<(Rpc, u64)> {
        let rpc = self.unasked()?;
        let actual = rpc.chain_id().await.map_err(|e| chain_error("reach the chain", e))?;
        match self.chain_id {
            Some(expected) if expected != actual => {
                Err(chain_error("use this chain", ChainError::WrongChain { expected, actual }))
            }
            _ => Ok((rpc, actual)),
        }
    }

    /// The endpoint, which nobody has asked anything yet: it may be away, or of another chain.
    pub fn unasked(&self) -> CliResult<Rpc> {
        let Some(url) = &self.rpc else {
            return Err(CliError::config("reach the chain", "no RPC endpoint is set")
                .advise("set --rpc URL, `rpc` in the configuration, or ZKPOOL_RPC"));
        };
        Rpc::new(url).map_err(|e| chain_error("reach the chain", e))
    }

    /// The pool, checked to be there.
    pub async fn view(&self) -> CliResult<PoolView> {
        let (rpc, chain_id) = self.endpoint().await?;
        let domain = Domain { chain_id, pool: self.pool()? };
        rpc.check(&domain).await.map_err(|e| chain_error("find the pool", e))?;
        Ok(PoolView::new(rpc, domain))
    }

    /// The pool's address.
    pub fn pool(&self) -> CliResult<Address> {
        self.pool.ok_or_else(|| {
            CliError::config("find the pool", "no pool contract is set")
                .advise("set --pool ADDRESS, `pool` in the configuration, or ZKPOOL_POOL")
        })
    }
}

/// A fault of the chain, as a command reports it.
pub fn chain_error(attempted: impl Into<String>, error: ChainError) -> CliError {
    let code = error.code();
    let advice = match &error {
        ChainError::Unreachable { .. } => "check --rpc (or `rpc`, ZKPOOL_RPC) and that the node runs",
        ChainError::WrongChain { .. } => "change --rpc or --chain-id so that they agree",
        ChainError::NoContract { .. } => "check --pool and the chain; `zkpool deploy pool` makes one on a test chain",
        ChainError::TimedOut { .. } => "the transaction may still be included: look before you send it again",
        _ => return CliError::coded(attempted, error, code),
    };
    CliError::coded(attempted, error, code).advise(advice)
}

/// Somebody who can read the pool and send transactions.
pub struct Party {
    /// Reads.
    pub view: PoolView,
    /// Whose transactions.
    pub key: Key,
    sender: Sender,
}

impl Party {
    /// Connects and loads the key.
    pub async fn open(
        settings: &Settings,
        chain: &ChainArgs,
        key: &KeyArgs,
        send: &SendArgs,
        role: &str,
    ) -> CliResult<Self> {
        let key = key.load(settings, role)?;
        let view = chain.view().await?;
        let sender = sender(view.rpc().clone(), view.domain().chain_id, &key, send);
        Ok(Self { view, key, sender })
    }

    /// The same from a section of the configuration.
    pub async fn from_section(
        section: Section<'_>,
        chain: &ChainArgs,
        key: &KeyArgs,
        send: &SendArgs,
        role: &str,
    ) -> CliResult<Self> {
        let (chain, key, send) = (section.with(chain)?, section.with(key)?, section.with(send)?);
        Self::open(section.settings, &chain, &key, &send, role).await
    }

    /// Calls the pool.
    pub async fn call(&self, attempted: &str, call: &impl SolCall) -> CliResult<TxRecord> {
        let request = TxRequest::call(attempted, self.view.domain().pool, call.abi_encode());
        self.send(attempted, request).await
    }

    /// Sends a transaction and waits for it.
    pub async fn send(&self, attempted: &str, request: TxRequest) -> CliResult<TxRecord> {
        tracing::info!(from = %self.key.address(), to = %request.to, "sending a transaction to {attempted}");
        send(&self.sender, attempted, request).await
    }

    /// Makes sure that the pool may take `amount` of the token from this party's wallet.
    pub async fn approve(&self, token: Address, amount: U256) -> CliResult {
        let (owner, pool) = (self.key.address(), self.view.domain().pool);
        let attempt = || format!("approve the pool for token {token}");
        let allowed = self.view.allowance(token, owner, pool).await.map_err(|e| chain_error(attempt(), e))?;
        if allowed >= amount {
            return Ok(());
        }
        let data = |value| IERC20::approveCall { spender: pool, value }.abi_encode();
        // Some tokens refuse to change an allowance that is not zero.
        if !allowed.is_zero() {
            self.send(
                &format!("{} (reset)", attempt()),
                TxRequest::call("reset the approval", token, data(U256::ZERO)),
            )
            .await?;
        }
        self.send(&attempt(), TxRequest::call("approve", token, data(amount))).await.map(drop)
    }

    /// How the token describes itself.
    pub async fn token(&self, token: Address) -> CliResult<TokenInfo> {
        self.view.token(token).await.map_err(|e| chain_error(format!("read token {token}"), e))
    }
}

/// A sender for a command: what it sends is waited for, so its records need not outlive it.
pub fn sender(rpc: Rpc, chain_id: u64, key: &Key, args: &SendArgs) -> Sender {
    let options = SenderOptions {
        confirmations: args.confirmations.unwrap_or(1).max(1),
        poll: Duration::from_millis(250),
        ..SenderOptions::default()
    };
    Sender::new(rpc, chain_id, key.clone(), Arc::new(MemoryJournal::new()), options)
}

/// Sends a transaction and waits for it.
pub async fn send(sender: &Sender, attempted: &str, request: TxRequest) -> CliResult<TxRecord> {
    sender.send(request, TRANSACTION_BOUND).await.map_err(|e| chain_error(attempted, e))
}

/// An amount with its token's symbol, for people.
pub fn shown(amount: impl Display, token: &TokenInfo) -> String {
    let text = amount.to_string();
    let decimals = usize::from(token.decimals);
    let padded = format!("{text:0>width$}", width = decimals + 1);
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{whole}{dot}{fraction} {}", token.symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_exactly() {
        let token = |decimals| TokenInfo { address: Address::ZERO, symbol: "T".into(), decimals };
        assert_eq!(shown(1_500_000u64, &token(6)), "1.5 T");
        assert_eq!(shown(1u64, &token(18)), "0.000000000000000001 T");
        assert_eq!(shown(7u64, &token(0)), "7 T");
        assert_eq!(shown(0u64, &token(18)), "0 T");
    }
}
