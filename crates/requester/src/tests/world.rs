//! A pool with an operator, a rescuer and a requester, and helpers that act for everybody but the requester.

use crate::{Config, FirmOffer, Options, Point, ProofRequest, Requester, RequesterError, TaskRecord, point::Probe};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    sol,
    sol_types::{SolCall, SolValue},
};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use zkpool_api::{ClientOptions, QuoteRequest};
use zkpool_bindings::{IERC20, IZKPool};
use zkpool_chain::{
    Key, PoolView, Rpc, SenderOptions, TaskEvent, TaskHistory, registration,
    testing::{Anvil, AnvilOptions, Deployer},
};
use zkpool_protocol::{BlobId, Call, Domain, ProgramManifest, ProofKind, Quote, SignedQuote, Task, TaskId, Terms};

sol! {
    function mint(address to, uint256 amount);
    function setHalt(uint8 mode);
    function deposit() payable;
}

pub(super) const REWARD: u128 = 1_001;
pub(super) const ADVANCE: u128 = 103;
pub(super) const LIABILITY: u128 = 5_003;
pub(super) const BOND: u128 = 333;
pub(super) const BURN: u128 = 77;
pub(super) const HONOUR: u128 = 55;
pub(super) const PROOF_WINDOW: u32 = 1_000;
pub(super) const LIABILITY_WINDOW: u32 = 3_000;
pub(super) const FUNDS: u128 = 1_000_000;

const OWNER: u32 = 1;
const SIGNER: u32 = 2;
const RESCUER: u32 = 3;
const REQUESTER: u32 = 5;
/// More operators: the owner's account of the first, then its signer's, and so on.
const MORE: u32 = 8;
pub(super) const STRANGER: u32 = 6;

pub(super) struct World {
    pub(super) chain: Anvil,
    pub(super) domain: Domain,
    pub(super) token: Address,
    pub(super) weth: Address,
    pub(super) router: Address,
    pub(super) verifier: Address,
    pub(super) target: Address,
    pub(super) dir: tempfile::TempDir,
}

/// Makes and signs quotes for an operator.
#[derive(Clone)]
pub(super) struct Quoter {
    pub(super) domain: Domain,
    pub(super) operator: Address,
    pub(super) signer: Key,
    pub(super) rpc: Rpc,
    pub(super) reward: u128,
    /// Seconds.
    pub(super) validity: u64,
}

impl Quoter {
    /// Just what was asked for.
    pub(super) async fn quote(&self, asked: &QuoteRequest, slot: u32) -> Quote {
        let one_token = asked.reward_token == asked.liability_token;
        Quote {
            terms: Terms {
                requester: asked.beneficiary(),
                operator: self.operator,
                target: asked.target,
                encoder: asked.encoder.unwrap_or_default(),
                verifier: asked.verifier.unwrap_or_default(),
                call_gas: asked.call_gas,
                proof_window: asked.proof_window,
                liability_window: asked.liability_window,
                valid_until: self.rpc.head().await.unwrap().timestamp + self.validity,
                reward_token: asked.reward_token,
                reward: self.reward,
                advance: if one_token { ADVANCE } else { 0 },
                liability_token: asked.liability_token,
                liability: asked.liability,
                bond: asked.bond,
                burn: asked.burn,
                honour: HONOUR,
            },
            task: Task {
                slot,
                statement: asked.statement.unwrap_or_default(),
                call_hash: asked.call.hash(),
                input_hash: asked.input.into(),
                salt: Key::random().address().into_word(),
            },
        }
    }

    pub(super) fn sign(&self, quote: Quote) -> SignedQuote {
        let signature = self.signer.sign_digest(&quote.id(&self.domain)).unwrap();
        SignedQuote { quote, signature }
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let chain = Anvil::start_with(&AnvilOptions::default()).unwrap();
        let mut deployer = Deployer::new(&chain, chain.account(0));
        let pool = deployer.deploy_pool().await.unwrap();
        let token = deployer.deploy("TestToken").await.unwrap();
        let weth = deployer.deploy("TestWETH").await.unwrap();
        let arguments = (pool, weth, Address::ZERO).abi_encode_params();
        let router = deployer.deploy_with("Router", &arguments).await.unwrap();
        let verifier = deployer.deploy("Verifiers.sol:TestVerifier").await.unwrap();
        let target = deployer.deploy("Targets.sol:RecordingTarget").await.unwrap();
        let domain = Domain { chain_id: chain.chain_id(), pool };
        let world = Self { chain, domain, token, weth, router, verifier, target, dir: tempfile::tempdir().unwrap() };
        for account in [OWNER, RESCUER, REQUESTER, STRANGER] {
            let to = world.chain.account(account);
            world.call(0, token, mintCall { to, amount: U256::from(FUNDS) }).await;
        }
        for account in [OWNER, RESCUER, STRANGER] {
            let approve = IERC20::approveCall { spender: pool, value: U256::MAX };
            world.call(account, token, approve).await;
        }
        world.call(OWNER, pool, IZKPool::setSignerCall { signer: world.chain.account(SIGNER) }).await;
        for index in 0..4 {
            world.open_slot(OWNER, index, Address::ZERO).await;
        }
        world.open_slot(RESCUER, 0, Address::ZERO).await;
        world
    }

    pub(super) async fn open_slot(&self, owner: u32, index: u32, dedicated: Address) {
        let call = IZKPool::openSlotCall {
            token: self.token,
            index,
            collateral: LIABILITY + BOND + BURN + ADVANCE,
            honour: 10 * HONOUR,
            dedicatedTo: dedicated,
        };
        self.call(owner, self.domain.pool, call).await;
    }

    pub(super) async fn call<C: SolCall>(&self, from: u32, to: Address, call: C) {
        self.chain.send(self.chain.account(from), Some(to), call.abi_encode().into(), U256::ZERO).await.unwrap();
    }

    pub(super) fn requester(&self) -> Address {
        self.chain.account(REQUESTER)
    }

    pub(super) fn operator(&self) -> Address {
        self.chain.account(OWNER)
    }

    pub(super) fn rescuer(&self) -> Address {
        self.chain.account(RESCUER)
    }

    pub(super) fn view(&self) -> PoolView {
        PoolView::new(self.chain.rpc(), self.domain)
    }

    pub(super) async fn now(&self) -> u64 {
        self.chain.rpc().head().await.unwrap().timestamp
    }

    pub(super) fn options() -> Options {
        let poll = Duration::from_millis(20);
        Options {
            ask_bound: Duration::from_secs(20),
            transaction_bound: Duration::from_secs(20),
            poll,
            quiet: Duration::from_millis(300),
            sender: SenderOptions { confirmations: 1, poll, ..SenderOptions::default() },
            client: ClientOptions { retries: 0, ..ClientOptions::default() },
            ..Options::default()
        }
    }

    pub(super) fn config(&self, rpc: Rpc, dir: &Path, operators: Vec<String>) -> Config {
        Config {
            rpc,
            domain: self.domain,
            key: self.chain.key(REQUESTER),
            state: dir.to_owned(),
            operators,
            options: Self::options(),
        }
    }

    /// The requester's SDK.
    pub(super) async fn open(&self) -> Requester {
        self.open_with(Vec::new()).await
    }

    pub(super) async fn open_with(&self, operators: Vec<String>) -> Requester {
        Requester::open(self.config(self.chain.rpc(), self.dir.path(), operators)).await.unwrap()
    }

    /// The SDK in a process that is killed at `point`.
    pub(super) async fn open_doomed(&self, point: Point) -> (Requester, Arc<Mutex<bool>>) {
        let died = Arc::new(Mutex::new(false));
        let flag = died.clone();
        let probe = Probe::new(move |at| {
            if at == point {
                *flag.lock().unwrap() = true;
                return Err(RequesterError::BadRequest("killed".into()));
            }
            Ok(())
        });
        let config = self.config(self.chain.rpc(), self.dir.path(), Vec::new());
        (Requester::open_with(config, probe).await.unwrap(), died)
    }

    /// What the requester wants.
    pub(super) fn request(&self, n: u8) -> ProofRequest {
        let program = ProgramManifest::Groth16Bn254 { zkey: BlobId::of(b"zkey"), witness_generator: None }.id();
        let input = Bytes::from(format!(r#"{{"program":"{program}","inputs":{{"n":"{n}"}}}}"#).into_bytes());
        let quote = QuoteRequest {
            kind: ProofKind::Groth16Bn254,
            program,
            input: BlobId::of(&input),
            payer: self.requester(),
            requester: None,
            target: self.target,
            encoder: None,
            verifier: Some(self.verifier),
            call: Call { prefix: vec![n; 36].into(), ..Call::default() },
            call_gas: 500_000,
            reward_token: self.token,
            liability_token: self.token,
            proof_window: PROOF_WINDOW,
            liability_window: LIABILITY_WINDOW,
            liability: LIABILITY,
            bond: BOND,
            burn: BURN,
            max_reward: Some(REWARD),
            statement: Some(B256::repeat_byte(n)),
            strategy: None,
            reference: String::new(),
        };
        ProofRequest::new(quote, input)
    }

    /// What an honest operator answers, from one of its slots.
    pub(super) async fn offer(&self, request: &ProofRequest, slot: u32) -> FirmOffer {
        self.offer_with(request, slot, |_| {}).await
    }

    /// The same, with something changed before it is signed.
    pub(super) async fn offer_with(
        &self,
        request: &ProofRequest,
        slot: u32,
        change: impl FnOnce(&mut Quote),
    ) -> FirmOffer {
        let quoter = self.quoter();
        let mut quote = quoter.quote(&request.quote, slot).await;
        quote.task.input_hash = BlobId::of(&request.input).into();
        change(&mut quote);
        FirmOffer { operator: Some(self.operator()), ..FirmOffer::of(quoter.sign(quote), request.quote.call.clone()) }
    }

    /// The operator's pen.
    pub(super) fn quoter(&self) -> Quoter {
        Quoter {
            domain: self.domain,
            operator: self.operator(),
            signer: self.chain.key(SIGNER),
            rpc: self.chain.rpc(),
            reward: REWARD,
            validity: 200,
        }
    }

    /// Puts the requester's money into the pool.
    pub(super) async fn deposit_for_requester(&self, amount: u128) {
        let (to, amount) = (self.requester(), U256::from(amount));
        let call = IZKPool::depositCall { token: self.token, to, amount };
        self.call(STRANGER, self.domain.pool, call).await;
    }

    /// Somebody else publishes a quote.
    pub(super) async fn publish_as(&self, account: u32, quote: &SignedQuote) {
        let call = IZKPool::publishCall { quote: (&quote.quote).into(), signature: quote.signature.clone() };
        self.call(account, self.domain.pool, call).await;
    }

    /// One more operator, with four slots, and its pen.
    pub(super) async fn one_more(&self, n: u32) -> Quoter {
        let (owner, signer) = (MORE + 2 * n, MORE + 2 * n + 1);
        let operator = self.chain.account(owner);
        self.call(0, self.token, mintCall { to: operator, amount: U256::from(FUNDS) }).await;
        self.call(owner, self.token, IERC20::approveCall { spender: self.domain.pool, value: U256::MAX }).await;
        self.call(owner, self.domain.pool, IZKPool::setSignerCall { signer: self.chain.account(signer) }).await;
        for index in 0..4 {
            self.open_slot(owner, index, Address::ZERO).await;
        }
        self.pen_of(n)
    }

    /// The pen of one more operator.
    pub(super) fn pen_of(&self, n: u32) -> Quoter {
        let (owner, signer) = (MORE + 2 * n, MORE + 2 * n + 1);
        Quoter { operator: self.chain.account(owner), signer: self.chain.key(signer), ..self.quoter() }
    }

    /// Has one more operator put itself into the registry.
    pub(super) async fn list(&self, registry: Address, n: u32, url: &str) {
        let call = registration(url, &[ProofKind::Groth16Bn254.as_str().into()]).unwrap();
        self.call(MORE + 2 * n, registry, call).await;
    }

    /// One more operator delivers a task of its own.
    pub(super) async fn prove_as(&self, n: u32, record: &TaskRecord) {
        let call = IZKPool::proveCall {
            quote: (&record.quote.quote).into(),
            call: (&record.call).into(),
            proof: Self::proof_of(record.quote.quote.task.statement),
        };
        self.call(MORE + 2 * n + 1, self.domain.pool, call).await;
    }

    /// One more operator takes a late task over, waits, and delivers it.
    pub(super) async fn rescue_as(&self, n: u32, record: &TaskRecord, slot: u32) {
        let (rescuer, quote) = (self.chain.account(MORE + 2 * n), &record.quote.quote);
        let call = IZKPool::rescueCall { quote: quote.into(), rescuer, rescuerSlot: slot };
        self.call(MORE + 2 * n + 1, self.domain.pool, call).await;
        self.chain.pass(quote.terms.rescue_grace() + 1).await.unwrap();
        let call = IZKPool::proveRescuedCall {
            quote: quote.into(),
            rescuer,
            rescuerSlot: slot,
            call: (&record.call).into(),
            proof: Self::proof_of(quote.task.statement),
        };
        self.call(MORE + 2 * n + 1, self.domain.pool, call).await;
    }

    fn proof_of(statement: B256) -> Bytes {
        ("a proof of".to_owned(), statement).abi_encode_params().into()
    }

    /// The operator delivers.
    pub(super) async fn prove(&self, record: &TaskRecord) {
        let call = IZKPool::proveCall {
            quote: (&record.quote.quote).into(),
            call: (&record.call).into(),
            proof: Self::proof_of(record.quote.quote.task.statement),
        };
        self.call(SIGNER, self.domain.pool, call).await;
    }

    /// The rescuer announces itself.
    pub(super) async fn announce_rescue(&self, record: &TaskRecord) {
        let call = IZKPool::rescueCall { quote: (&record.quote.quote).into(), rescuer: self.rescuer(), rescuerSlot: 0 };
        self.call(RESCUER, self.domain.pool, call).await;
    }

    /// The rescuer delivers.
    pub(super) async fn prove_rescued(&self, record: &TaskRecord) {
        let call = IZKPool::proveRescuedCall {
            quote: (&record.quote.quote).into(),
            rescuer: self.rescuer(),
            rescuerSlot: 0,
            call: (&record.call).into(),
            proof: Self::proof_of(record.quote.quote.task.statement),
        };
        self.call(RESCUER, self.domain.pool, call).await;
    }

    /// All that the requester has: wallet and pool.
    pub(super) async fn wealth(&self) -> u128 {
        let view = self.view();
        let wallet = view.token_balance(self.token, self.requester()).await.unwrap();
        let balance = view.balance(self.token, self.requester()).await.unwrap();
        (wallet + balance).to()
    }

    /// All events of a task.
    pub(super) async fn events(&self, task: TaskId) -> Vec<TaskEvent> {
        TaskHistory::new(self.chain.rpc(), self.domain.pool, task, 0).read().await.unwrap().1
    }

    /// How many transactions the requester has sent.
    pub(super) async fn sent(&self) -> u64 {
        self.chain.rpc().provider().get_transaction_count(self.requester()).await.unwrap()
    }
}

/// What is long can be spawned.
#[tokio::test]
async fn futures_may_move_between_threads() {
    fn sendable<T: Send>(_: T) {}
    let world = World::new().await;
    let sdk = world.open().await;
    let request = world.request(1);
    sendable(sdk.ask(&request));
    sendable(sdk.choose(&request, &[]));
    sendable(sdk.buy(&request, crate::Payment::Pool));
    sendable(sdk.publish(TaskId::ZERO));
    sendable(sdk.tell(TaskId::ZERO));
    sendable(sdk.wait(TaskId::ZERO, Duration::ZERO));
    sendable(sdk.collect(TaskId::ZERO));
    sendable(sdk.deposit(world.token, 1));
}
