//! The chain and what stands on it before anybody trades.

use crate::error::{Attempt, Result};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol,
    sol_types::SolCall,
};
use serde::de::DeserializeOwned;
use zkpool_chain::{
    PoolView,
    testing::{Anvil, AnvilOptions, Deployer},
};
use zkpool_protocol::Domain;

sol! {
    function mint(address to, uint256 amount);
    function deposit() payable;
    function transfer(address to, uint256 amount) returns (bool);
    function approve(address spender, uint256 amount) returns (bool);
}

/// A local chain with the pool and two tokens.
pub struct Stage {
    /// The chain; a block every second, as on a real one nothing is mined at once.
    pub anvil: Anvil,
    /// Chain and contract.
    pub domain: Domain,
    /// WETH.
    pub weth: Address,
    /// An ordinary ERC-20.
    pub token: Address,
    /// Deploys, and owns what it deployed.
    pub deployer: Address,
}

impl Stage {
    /// Starts anvil and deploys.
    pub async fn set() -> Result<Self> {
        let options = AnvilOptions { chain_id: 31_337, ..AnvilOptions::default() };
        let anvil = Anvil::start_with(&options).attempt("starting the chain")?;
        let from = anvil.account(0);
        // It wraps what everybody is given.
        anvil.set_ether(from, ether(1_000_000)).await.attempt("funding the deployer")?;
        let mut deployer = Deployer::new(&anvil, from);
        let what = "deploying the contracts";
        let pool = deployer.deploy_pool().await.attempt(what)?;
        let weth = deployer.deploy("TestWETH").await.attempt(what)?;
        let token = deployer.deploy("TestToken").await.attempt(what)?;
        Ok(Self { domain: Domain { chain_id: anvil.chain_id(), pool }, weth, token, deployer: from, anvil })
    }

    /// From now on the chain makes a block a second.
    pub async fn mine_by_the_second(&self) -> Result<()> {
        let what = "switching the chain to a block a second";
        self.anvil.set_automine(false).await.attempt(what)?;
        self.set_interval(1).await
    }

    /// Seconds between blocks; zero holds the chain until a block is asked for.
    pub async fn set_interval(&self, seconds: u64) -> Result<()> {
        let answer: Result<serde_json::Value, _> =
            self.anvil.request("evm_setIntervalMining", serde_json::json!([seconds])).await;
        answer.attempt("setting the time between blocks").map(drop)
    }

    /// How many transactions wait in the mempool.
    pub async fn waiting(&self) -> Result<u64> {
        let what = "looking at the mempool";
        let status: serde_json::Value =
            self.anvil.request("txpool_status", serde_json::json!([])).await.attempt(what)?;
        let text = status["pending"].as_str().attempt(what)?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).attempt(what)
    }

    /// Gives `account` ether for gas and `amount` of both tokens.
    pub async fn fund(&self, account: Address, amount: U256) -> Result<()> {
        let what = format!("funding {account}");
        self.anvil.set_ether(account, ether(100)).await.attempt(&what)?;
        self.call(self.weth, depositCall {}, amount, &what).await?;
        self.call(self.weth, transferCall { to: account, amount }, U256::ZERO, &what).await?;
        self.call(self.token, mintCall { to: account, amount }, U256::ZERO, &what).await
    }

    /// Deploys a contract of the artifacts, with ABI-encoded constructor arguments.
    pub async fn deploy(&self, name: &str, arguments: &[u8]) -> Result<Address> {
        let mut deployer = Deployer::new(&self.anvil, self.deployer);
        deployer.deploy_with(name, arguments).await.attempt(format!("deploying {name}"))
    }

    /// Typed reads of the pool.
    pub fn view(&self) -> PoolView {
        PoolView::new(self.anvil.rpc(), self.domain)
    }

    /// What a view function returns, as the JSON-RPC gives it: hex of the ABI encoding.
    pub async fn view_of<C: SolCall, T: DeserializeOwned>(&self, to: Address, call: C) -> Result<T> {
        let request = serde_json::json!([{ "to": to, "data": Bytes::from(call.abi_encode()) }, "latest"]);
        self.anvil.request("eth_call", request).await.attempt(format!("calling {to}"))
    }

    /// Calls a contract as the deployer, with `value` wei.
    pub async fn call<C: SolCall>(&self, to: Address, call: C, value: U256, what: &str) -> Result<()> {
        self.anvil.send(self.deployer, Some(to), call.abi_encode().into(), value).await.attempt(what).map(drop)
    }
}

/// In wei.
pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(1_000_000_000_000_000_000_u64)
}
