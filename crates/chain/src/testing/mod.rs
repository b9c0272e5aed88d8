//! A real chain on this machine, for tests and the demo: anvil under Osaka rules with the transaction gas cap on, and
//! the contracts that forge has built.
//!
//! The binary is `$ANVIL`, or `anvil` on the `PATH`, or the one of `contracts/node_modules`.

mod artifacts;

pub use artifacts::{Artifacts, Deployer};

use crate::{Key, Rpc};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::{MnemonicBuilder, PrivateKeySigner},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The mnemonic of anvil's accounts. Public knowledge: never use them elsewhere.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// How long anvil may take to come up, or to mine one transaction.
const PATIENCE: Duration = Duration::from_secs(30);

/// Something about the test chain failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct TestChainError {
    what: String,
    reason: String,
}

impl TestChainError {
    pub(crate) fn new(what: impl Into<String>, reason: impl ToString) -> Self {
        Self { what: what.into(), reason: reason.to_string() }
    }
}

type Result<T, E = TestChainError> = std::result::Result<T, E>;

/// How the chain is to run.
#[derive(Clone, Debug)]
pub struct AnvilOptions {
    /// EIP-155 id.
    pub chain_id: u64,
    /// 0: a free one.
    pub port: u16,
    /// A block every so many seconds; `None`: one per transaction, at once.
    pub block_time: Option<u64>,
    /// How many accounts own ether.
    pub accounts: u32,
    /// Passed on as they are.
    pub more: Vec<String>,
}

impl Default for AnvilOptions {
    fn default() -> Self {
        Self { chain_id: 31_337, port: 0, block_time: None, accounts: 20, more: Vec::new() }
    }
}

/// A running anvil. Killed on drop.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    url: String,
    chain_id: u64,
    rpc: Rpc,
}

impl Anvil {
    /// Starts one on a free port, mining every transaction at once.
    pub fn start() -> Result<Self> {
        Self::start_with(&AnvilOptions::default())
    }

    /// Starts one. Blocks until it listens, a fraction of a second.
    pub fn start_with(options: &AnvilOptions) -> Result<Self> {
        let program = binary()?;
        let what = format!("start {}", program.display());
        let mut command = Command::new(&program);
        command
            .args(["--hardfork", "osaka", "--enable-tx-gas-limit", "--host", "127.0.0.1"])
            .args(["--port", &options.port.to_string(), "--chain-id", &options.chain_id.to_string()])
            .args(["--accounts", &options.accounts.to_string(), "--mnemonic", MNEMONIC])
            .args(options.block_time.iter().flat_map(|seconds| ["--block-time".to_owned(), seconds.to_string()]))
            .args(&options.more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| TestChainError::new(&what, error))?;
        let port = match listening_port(&mut child) {
            Some(port) => port,
            None => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(TestChainError::new(what, "it does not say where it listens"));
            }
        };
        let url = format!("http://127.0.0.1:{port}");
        let rpc = Rpc::new(&url).map_err(|error| TestChainError::new(&what, error))?;
        Ok(Self { child, url, chain_id: options.chain_id, rpc })
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// EIP-155 id.
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The process, for those who kill it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An endpoint handle.
    pub fn rpc(&self) -> Rpc {
        self.rpc.clone()
    }

    /// The key of account `index`, which owns 10,000 ether.
    pub fn key(&self, index: u32) -> Key {
        Key::from(signer(index))
    }

    /// The address of account `index`.
    pub fn account(&self, index: u32) -> Address {
        signer(index).address()
    }

    /// Sends any JSON-RPC request.
    pub async fn request<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        let answer: Value = self
            .rpc
            .provider()
            .raw_request(method.to_owned().into(), params)
            .await
            .map_err(|error| TestChainError::new(method, error))?;
        serde_json::from_value(answer).map_err(|error| TestChainError::new(method, error))
    }

    async fn order(&self, method: &str, params: Value) -> Result<()> {
        self.request::<Value>(method, params).await.map(drop)
    }

    /// Mines `blocks` blocks.
    pub async fn mine(&self, blocks: u64) -> Result<()> {
        self.order("anvil_mine", json!([format!("{blocks:#x}")])).await
    }

    /// Switches mining of every transaction at once on or off.
    pub async fn set_automine(&self, on: bool) -> Result<()> {
        self.order("evm_setAutomine", json!([on])).await
    }

    /// Sets the base fee of the next block, in wei.
    pub async fn set_base_fee(&self, wei: u128) -> Result<()> {
        self.order("anvil_setNextBlockBaseFeePerGas", json!([format!("{wei:#x}")])).await
    }

    /// Forgets a transaction of the mempool.
    pub async fn drop_transaction(&self, hash: B256) -> Result<()> {
        self.order("anvil_dropTransaction", json!([hash])).await
    }

    /// Forgets all transactions of the mempool.
    pub async fn drop_all_transactions(&self) -> Result<()> {
        self.order("anvil_dropAllTransactions", json!([])).await
    }

    /// Takes the newest `depth` blocks back; their transactions are gone.
    pub async fn roll_back(&self, depth: u64) -> Result<()> {
        self.order("anvil_rollback", json!([depth])).await
    }

    /// Replaces the newest `depth` blocks by empty ones.
    pub async fn reorganise(&self, depth: u64) -> Result<()> {
        self.order("anvil_reorg", json!([depth, []])).await
    }

    /// Moves the clock by `seconds` and mines a block.
    pub async fn pass(&self, seconds: u64) -> Result<()> {
        self.order("evm_increaseTime", json!([format!("{seconds:#x}")])).await?;
        self.mine(1).await
    }

    /// Mines a block with this timestamp, in seconds.
    pub async fn mine_at(&self, timestamp: u64) -> Result<()> {
        self.order("evm_setNextBlockTimestamp", json!([format!("{timestamp:#x}")])).await?;
        self.mine(1).await
    }

    /// Sets the timestamp of the next block, in seconds; it is mined by whatever comes next.
    pub async fn set_next_timestamp(&self, timestamp: u64) -> Result<()> {
        self.order("evm_setNextBlockTimestamp", json!([format!("{timestamp:#x}")])).await
    }

    /// Gives an account this much ether, in wei.
    pub async fn set_ether(&self, account: Address, wei: U256) -> Result<()> {
        self.order("anvil_setBalance", json!([account, wei])).await
    }

    /// Lets an address without a key send transactions.
    pub async fn impersonate(&self, account: Address) -> Result<()> {
        self.order("anvil_impersonateAccount", json!([account])).await
    }

    /// Puts code at an address.
    pub async fn set_code(&self, account: Address, code: Bytes) -> Result<()> {
        self.order("anvil_setCode", json!([account, code])).await
    }

    /// Sends a transaction from one of anvil's own accounts, with all the gas that one may have, and waits for its
    /// receipt.
    ///
    /// # Errors
    /// Also if it reverts.
    pub async fn send(
        &self,
        from: Address,
        to: Option<Address>,
        data: Bytes,
        value: U256,
    ) -> Result<TransactionReceipt> {
        let what = match to {
            Some(to) => format!("call {to}"),
            None => "deploy a contract".to_owned(),
        };
        let mut request = TransactionRequest { from: Some(from), value: Some(value), ..Default::default() };
        request.gas = Some(crate::sender::TRANSACTION_GAS_CAP);
        request.to = Some(to.into());
        request.input = data.into();
        let hash: B256 = self.request("eth_sendTransaction", json!([request])).await?;
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let receipt = self.rpc.provider().get_transaction_receipt(hash).await;
            match receipt.map_err(|error| TestChainError::new(&what, error))? {
                Some(receipt) if receipt.status() => return Ok(receipt),
                Some(_) => return Err(TestChainError::new(what, "it reverted")),
                None if tokio::time::Instant::now() > end => {
                    return Err(TestChainError::new(what, "it was not mined in time"));
                }
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Kills it now.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        self.end();
    }
}

/// The key of account `index` of [`MNEMONIC`].
fn signer(index: u32) -> PrivateKeySigner {
    MnemonicBuilder::english()
        .phrase(MNEMONIC)
        .index(index)
        .and_then(|builder| builder.build())
        .expect("the mnemonic is a constant")
}

/// Where anvil is.
fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ANVIL") {
        return Ok(path.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let npm = contracts_dir().join("node_modules/.bin");
    env::split_paths(&path).chain([npm]).map(|dir| dir.join("anvil")).find(|file| file.is_file()).ok_or_else(|| {
        TestChainError::new(
            "find anvil",
            "it is neither $ANVIL, nor on the PATH, nor in contracts/node_modules: npm ci",
        )
    })
}

/// The repository's contracts.
pub fn contracts_dir() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(|crates| crates.parent()).unwrap_or(&here).join("contracts")
}

/// Reads "Listening on 127.0.0.1:PORT", and goes on reading so that anvil never blocks on a full pipe.
fn listening_port(child: &mut Child) -> Option<u16> {
    let output = BufReader::new(child.stdout.take()?);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for line in output.lines() {
            let Ok(line) = line else { break };
            if let Some(port) =
                line.strip_prefix("Listening on ").and_then(|at| at.rsplit(':').next()?.trim().parse().ok())
            {
                let _ = tell.send(port);
            }
        }
    });
    told.recv_timeout(PATIENCE).ok()
}
