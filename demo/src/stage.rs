//! The chain and what stands on it before anybody trades.

use crate::{
    error::{Attempt, Result},
    semaphore::{DEPTH, Member, OnChain},
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol,
    sol_types::{SolCall, SolValue},
};
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
    function createGroup(address admin) returns (uint256 groupId);
    function addMembers(uint256 groupId, uint256[] identityCommitments);
    function groupCounter() returns (uint256);
    event ProofValidated(
        uint256 indexed groupId,
        uint256 indexed merkleTreeDepth,
        uint256 merkleTreeRoot,
        uint256 nullifier,
        uint256 message,
        uint256 indexed scope,
        uint256[8] points
    );
}

/// A local chain with everything deployed.
pub struct Stage {
    /// The chain; a block every second, as on a real one nothing is mined at once.
    pub anvil: Anvil,
    /// Chain and contract.
    pub domain: Domain,
    /// WETH.
    pub weth: Address,
    /// An ordinary ERC-20.
    pub token: Address,
    /// Semaphore with its adapter and encoder.
    pub semaphore: OnChain,
    deployer: Address,
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
        let pool = deployer.deploy("ZKPool").await.attempt(what)?;
        let weth = deployer.deploy("TestWETH").await.attempt(what)?;
        let token = deployer.deploy("TestToken").await.attempt(what)?;
        let published = deployer.deploy("SemaphoreVerifier").await.attempt(what)?;
        let semaphore = deployer.deploy_with("Semaphore", &published.abi_encode()).await.attempt(what)?;
        let arguments = (published, U256::from(DEPTH)).abi_encode_params();
        let verifier = deployer.deploy_with("SemaphoreVerifierAdapter", &arguments).await.attempt(what)?;
        let encoder = deployer.deploy("SemaphoreEncoder").await.attempt(what)?;
        Ok(Self {
            domain: Domain { chain_id: anvil.chain_id(), pool },
            weth,
            token,
            semaphore: OnChain { semaphore, verifier, encoder },
            deployer: from,
            anvil,
        })
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

    /// Makes a Semaphore group of `member` and somebody else; its id.
    pub async fn group(&self, member: &Member) -> Result<U256> {
        let what = "making a Semaphore group";
        let semaphore = self.semaphore.semaphore;
        let counter = Bytes::from(groupCounterCall {}.abi_encode());
        let request = serde_json::json!([{ "to": semaphore, "data": counter }, "latest"]);
        let answer: U256 = self.anvil.request("eth_call", request).await.attempt(what)?;
        self.call(semaphore, createGroupCall { admin: self.deployer }, U256::ZERO, what).await?;
        let members = vec![member.commitment, member.other];
        let add = addMembersCall { groupId: answer, identityCommitments: members };
        self.call(semaphore, add, U256::ZERO, what).await?;
        Ok(answer)
    }

    /// Typed reads of the pool.
    pub fn view(&self) -> PoolView {
        PoolView::new(self.anvil.rpc(), self.domain)
    }

    async fn call<C: SolCall>(&self, to: Address, call: C, value: U256, what: &str) -> Result<()> {
        self.anvil.send(self.deployer, Some(to), call.abi_encode().into(), value).await.attempt(what).map(drop)
    }
}

/// In wei.
pub fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(1_000_000_000_000_000_000_u64)
}
