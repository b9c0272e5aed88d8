//! The real contracts on a real chain, which mines a block when a test says so.

use crate::{
    groth16::proven,
    operator::{Ground, TARGET},
    pool::PAYER,
};
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use zkpool_bindings::{IERC20, IZKPool};
use zkpool_chain::{
    Key, PoolEvent, PoolView, SenderOptions, TxJournal,
    alloy::{
        eips::BlockId,
        providers::Provider,
        rpc::types::Filter,
        sol,
        sol_types::{SolCall, SolValue},
    },
    testing::{Anvil, Deployer},
};
use zkpool_protocol::{Address, B256, Bytes, Domain, TaskId, U256};
use zkpool_service::{Chain, LiveChain, OperatorKeys};
use zkpool_store::SqliteStore;
use zkpool_verifiers::groth16::VerifyingKey;

/// What everybody is given of the token.
pub(crate) const WEALTH: u128 = 1_000_000_000_000_000_000_000;
/// Gas limit of what a test sends.
const GAS: u64 = 3_000_000;
/// Words of a verifying key before its input points.
const FIXED_WORDS: usize = 14;

sol! {
    function mint(address to, uint256 amount);
}

/// The one chain of a test, with the contracts. Clones share it.
#[derive(Clone)]
pub(crate) struct Stage(Arc<Inner>);

struct Inner {
    anvil: Anvil,
    domain: Domain,
    token: Address,
    verifier: Address,
    time: AtomicU64,
}

impl Stage {
    /// Starts the chain and deploys; the payer's money is in the pool.
    pub(crate) async fn set() -> Self {
        let anvil = Anvil::start().unwrap();
        let mut deployer = Deployer::new(&anvil, anvil.account(0));
        let pool = deployer.deploy_pool().await.unwrap();
        let token = deployer.deploy("TestToken").await.unwrap();
        let verifier = deployer.deploy_with("Groth16Verifier", &key_argument()).await.unwrap();
        // It takes any call.
        anvil.set_code(TARGET, Bytes::from_static(&[0])).await.unwrap();
        let time = anvil.rpc().head().await.unwrap().timestamp;
        let domain = Domain { chain_id: anvil.chain_id(), pool };
        let stage = Self(Arc::new(Inner { anvil, domain, token, verifier, time: time.into() }));
        stage.anvil().set_automine(false).await.unwrap();
        stage.anvil().impersonate(PAYER).await.unwrap();
        stage.enrich(PAYER).await;
        stage.deposit(PAYER, WEALTH).await;
        stage
    }

    pub(crate) fn anvil(&self) -> &Anvil {
        &self.0.anvil
    }

    pub(crate) fn domain(&self) -> Domain {
        self.0.domain
    }

    pub(crate) fn token(&self) -> Address {
        self.0.token
    }

    pub(crate) fn verifier(&self) -> Address {
        self.0.verifier
    }

    pub(crate) fn view(&self) -> PoolView {
        PoolView::new(self.anvil().rpc(), self.domain())
    }

    /// Ether and tokens in somebody's wallet.
    pub(crate) async fn enrich(&self, who: Address) {
        self.anvil().set_ether(who, U256::from(WEALTH)).await.unwrap();
        let mint = mintCall { to: who, amount: U256::from(WEALTH) };
        self.send(self.anvil().account(0), self.token(), &mint).await;
        self.mine(1).await;
    }

    /// From a wallet of anvil's or an impersonated one into the pool.
    pub(crate) async fn deposit(&self, who: Address, amount: u128) {
        let (token, amount) = (self.token(), U256::from(amount));
        self.send(who, token, &IERC20::approveCall { spender: self.domain().pool, value: amount }).await;
        self.send(who, self.domain().pool, &IZKPool::depositCall { token, to: who, amount }).await;
        self.mine(1).await;
    }

    /// Sends from an account of anvil's or an impersonated one. It waits for the next block.
    pub(crate) async fn send(&self, from: Address, to: Address, call: &impl SolCall) -> B256 {
        let data = Bytes::from(call.abi_encode());
        let request = json!([{ "from": from, "to": to, "data": data, "gas": format!("{GAS:#x}") }]);
        self.anvil().request("eth_sendTransaction", request).await.unwrap()
    }

    /// Mines a block `seconds` after the last one.
    pub(crate) async fn mine(&self, seconds: u64) {
        let time = self.0.time.fetch_add(seconds, Ordering::SeqCst) + seconds;
        self.anvil().mine_at(time).await.unwrap();
    }

    /// Height of the newest block.
    pub(crate) async fn height(&self) -> u64 {
        self.anvil().rpc().head().await.unwrap().number
    }

    /// How many transactions of an account were mined.
    pub(crate) async fn count(&self, who: Address) -> u64 {
        let rpc = self.anvil().rpc();
        rpc.provider().get_transaction_count(who).block_id(BlockId::latest()).await.unwrap()
    }

    /// How many transactions wait in the mempool.
    pub(crate) async fn waiting(&self) -> usize {
        let content: Value = self.anvil().request("txpool_status", json!([])).await.unwrap();
        let count = |name: &str| {
            let text = content[name].as_str().unwrap().trim_start_matches("0x").to_owned();
            usize::from_str_radix(&text, 16).unwrap()
        };
        count("pending") + count("queued")
    }

    /// All that somebody has: in the wallet, in the pool, and in the slots with these indices.
    pub(crate) async fn wealth(&self, who: Address, slots: std::ops::Range<u32>) -> i128 {
        let (view, token) = (self.view(), self.token());
        let mut all = view.token_balance(token, who).await.unwrap() + view.balance(token, who).await.unwrap();
        for index in slots {
            let slot = view.slot(who, token, index).await.unwrap();
            all += U256::from(slot.collateral) + U256::from(slot.honour_reserve);
        }
        all.try_into().unwrap()
    }

    /// All that the pool said of a task from this block on.
    pub(crate) async fn events_of(&self, task: TaskId, from: u64) -> Vec<PoolEvent> {
        let rpc = self.anvil().rpc();
        let filter = Filter::new().address(self.domain().pool).from_block(from);
        let logs = rpc.provider().get_logs(&filter).await.unwrap();
        let events = logs.iter().filter_map(|log| PoolEvent::decode(&log.inner));
        events.filter(|event| event.task() == Some(task)).collect()
    }
}

impl Ground for Stage {
    fn time(&self) -> u64 {
        self.0.time.load(Ordering::SeqCst)
    }

    fn line(&self, store: &Arc<SqliteStore>, signer: &Key, owner: &Key, confirmations: u64) -> Arc<dyn Chain> {
        let keys = OperatorKeys { signer: signer.clone(), owner: Some(owner.clone()) };
        let journal: Arc<dyn TxJournal> = store.clone();
        let options = SenderOptions { confirmations, ..SenderOptions::default() };
        Arc::new(LiveChain::new(&self.anvil().rpc(), self.domain(), keys, &journal, &options))
    }
}

/// The constructor's argument of a `Groth16Verifier` for the key that everything here is proven with.
fn key_argument() -> Vec<u8> {
    let words = VerifyingKey::from_bytes(&proven().key).unwrap().evm_words();
    let word = |n: usize| U256::from_be_bytes(words[n].0);
    let pair = |n: usize| [word(n), word(n + 1)];
    let four = |n: usize| [word(n), word(n + 1), word(n + 2), word(n + 3)];
    let points: Vec<[U256; 2]> = (FIXED_WORDS..words.len()).step_by(2).map(pair).collect();
    (pair(0), four(2), four(6), four(10), points).abi_encode()
}
