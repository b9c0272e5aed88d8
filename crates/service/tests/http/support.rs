//! A service with a real store in a directory of its own, a clock that stands until it is moved, and no chain.

use crate::zkvm::Script;
use alloy::signers::{SignerSync, local::PrivateKeySigner};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use zkpool_chain::{
    BundlePolicy, ChainError, Cursor, Head, Key, LiveTask, Polled, Revert, SignerView, Simulated, Slot, TxRecord,
    TxRequest, TxState,
};
use zkpool_protocol::{Address, B256, Domain, Quote, U256};
use zkpool_service::{
    Chain, Clock, Committee, Config, Context, KeyRole,
    http::{App, Bounds, router},
};
use zkpool_store::{Blobs, Owner, SqliteStore};

pub(crate) const CHAIN: u64 = 31_337;
pub(crate) const POOL: Address = Address::repeat_byte(0x11);
pub(crate) const OPERATOR: Address = Address::repeat_byte(0x22);
pub(crate) const TOKEN: Address = Address::repeat_byte(0x33);
/// Where the service believes to listen.
pub(crate) const HERE: &str = "127.0.0.1:8700";

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A chain whose endpoint does not answer: at once with an error, or never.
#[derive(Debug, Default)]
pub(crate) struct NoChain {
    pub(crate) hangs: AtomicBool,
    /// The newest block, if there is to be one.
    pub(crate) head: Mutex<Option<Head>>,
    /// Verifiers that are there and accept everything, with their committees.
    pub(crate) verifiers: Mutex<BTreeMap<Address, Option<Committee>>>,
    /// How many bytes of a journal are the question to every committee.
    pub(crate) question: AtomicU32,
    /// The verifiers of bundles.
    pub(crate) bundles: Mutex<BTreeMap<Address, BundlePolicy>>,
    /// What the verifiers behind their legs are asked, whatever the bundles state.
    pub(crate) leg_statements: Mutex<BTreeMap<Address, B256>>,
    /// When every target takes every leg by itself, if they do.
    pub(crate) leg_window: Mutex<Option<(u64, u64)>>,
    /// Members that do not count any more.
    pub(crate) gone: Mutex<BTreeSet<Address>>,
    /// Proofs that no verifier takes any more.
    pub(crate) stale: Mutex<BTreeSet<zkpool_protocol::Bytes>>,
    /// Verifiers that say that they are halted.
    pub(crate) halted: Mutex<BTreeSet<Address>>,
    /// The gas that every transaction of the signer's own takes.
    pub(crate) burns: AtomicU64,
    /// Purposes of the transactions that were to be recorded: none is.
    pub(crate) sent: Mutex<Vec<String>>,
    /// What they were shown.
    pub(crate) shown: Mutex<Vec<zkpool_protocol::Bytes>>,
    /// The signer's key, if there is to be one; transactions are recorded then, as the operator's own.
    pub(crate) key: Mutex<Option<Key>>,
    /// What was recorded.
    pub(crate) records: Mutex<BTreeMap<String, TxRecord>>,
}

impl NoChain {
    async fn none<T>(&self) -> Result<T, ChainError> {
        if self.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Err(ChainError::Unreachable { what: "test".into(), reason: "no chain here".into() })
    }
}

#[async_trait]
impl Chain for NoChain {
    async fn poll(&self, _: &Cursor) -> Result<Polled, ChainError> {
        self.none().await
    }
    async fn head(&self) -> Result<Head, ChainError> {
        let head = *self.head.lock().unwrap();
        match head {
            Some(head) => Ok(head),
            None => self.none().await,
        }
    }
    async fn slot(&self, _: Address, _: Address, _: u32) -> Result<Slot, ChainError> {
        self.none().await
    }
    async fn signer_of(&self, _: Address) -> Result<SignerView, ChainError> {
        self.none().await
    }
    async fn published_quote(&self, _: zkpool_protocol::TaskId, _: B256) -> Result<Option<Quote>, ChainError> {
        self.none().await
    }
    async fn live_task(&self, _: &Quote) -> Result<Option<LiveTask>, ChainError> {
        self.none().await
    }
    async fn balance(&self, _: Address, _: Address) -> Result<U256, ChainError> {
        self.none().await
    }
    async fn payable(&self, _: Address, _: Address) -> Result<U256, ChainError> {
        self.none().await
    }
    async fn has_code(&self, _: Address) -> Result<bool, ChainError> {
        self.none().await
    }
    async fn verifies(&self, verifier: Address, _: B256, proof: &zkpool_protocol::Bytes) -> Result<bool, ChainError> {
        if !self.verifiers.lock().unwrap().contains_key(&verifier) {
            return self.none().await;
        }
        self.shown.lock().unwrap().push(proof.clone());
        Ok(!self.stale.lock().unwrap().contains(proof))
    }
    async fn committee(&self, verifier: Address) -> Result<Option<Committee>, ChainError> {
        let known = self.verifiers.lock().unwrap().get(&verifier).cloned();
        match known {
            Some(committee) => Ok(committee),
            None => self.none().await,
        }
    }
    async fn question_bytes(&self, committee: Address, _: B256) -> Result<Option<u32>, ChainError> {
        Ok(self.committee(committee).await?.map(|_| self.question.load(Ordering::Relaxed)))
    }
    async fn is_live_member(&self, committee: Address, member: Address) -> Result<bool, ChainError> {
        if self.gone.lock().unwrap().contains(&member) {
            return Ok(false);
        }
        Ok(self.committee(committee).await?.is_some_and(|committee| committee.members.contains(&member)))
    }
    async fn bundle(&self, verifier: Address) -> Result<Option<BundlePolicy>, ChainError> {
        Ok(self.bundles.lock().unwrap().get(&verifier).cloned())
    }
    async fn leg_statement(&self, _: Address, leg: Address, _: B256) -> Result<B256, ChainError> {
        let known = self.leg_statements.lock().unwrap().get(&leg).copied();
        match known {
            Some(statement) => Ok(statement),
            None => self.none().await,
        }
    }
    async fn leg_window(&self, _: Address, _: B256, _: u32) -> Result<Option<(u64, u64)>, ChainError> {
        Ok(*self.leg_window.lock().unwrap())
    }
    async fn is_halted(&self, verifier: Address) -> Result<bool, ChainError> {
        self.head().await?;
        Ok(self.halted.lock().unwrap().contains(&verifier))
    }
    async fn encode(
        &self,
        _: Address,
        _: &zkpool_protocol::Bytes,
        _: &zkpool_protocol::Bytes,
    ) -> Result<zkpool_protocol::Bytes, ChainError> {
        self.none().await
    }
    async fn simulate_target(&self, _: Address, _: zkpool_protocol::Bytes, _: u32) -> Result<Simulated, ChainError> {
        self.head().await.map(|_| Simulated::Ok(zkpool_protocol::Bytes::new()))
    }
    async fn simulate_own(&self, _: Address, _: zkpool_protocol::Bytes, gas: u64) -> Result<Simulated, ChainError> {
        self.head().await?;
        Ok(match gas < self.burns.load(Ordering::Relaxed) {
            true => Simulated::Reverted(Revert::decode(&[])),
            false => Simulated::Ok(zkpool_protocol::Bytes::new()),
        })
    }
    fn address_of(&self, role: KeyRole) -> Option<Address> {
        let key = self.key.lock().unwrap();
        key.as_ref().map(|key| if role == KeyRole::Owner { OPERATOR } else { key.address() })
    }
    fn sign(&self, digest: &B256) -> Result<zkpool_protocol::Bytes, ChainError> {
        match &*self.key.lock().unwrap() {
            Some(key) => Ok(key.sign_digest(digest)?),
            None => Err(ChainError::BadUrl("no key here".into())),
        }
    }
    async fn enqueue(&self, role: KeyRole, request: TxRequest) -> Result<TxRecord, ChainError> {
        self.sent.lock().unwrap().push(request.purpose.clone());
        let Some(from) = self.address_of(role) else { return self.none().await };
        let record = request.queued(from, 0);
        let mut records = self.records.lock().unwrap();
        let known = records.get(&record.purpose).filter(|known| known.state != TxState::Failed);
        let kept = known.unwrap_or(&record).clone();
        records.insert(kept.purpose.clone(), kept.clone());
        Ok(kept)
    }
    async fn transaction(&self, purpose: &str) -> Result<Option<TxRecord>, ChainError> {
        self.head().await.map(|_| self.records.lock().unwrap().get(purpose).cloned())
    }
    async fn drive(&self) -> Result<Vec<TxRecord>, ChainError> {
        self.head().await?;
        Ok(vec![])
    }
}

/// A service to talk to.
pub(crate) struct Service {
    pub(crate) ctx: Arc<Context>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) chain: Arc<NoChain>,
    pub(crate) ledger: crate::ledger::FakeLedger,
    pub(crate) stop: CancellationToken,
    pub(crate) router: Router,
    _directory: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or("no code").to_owned()
    }

    /// It is this error, in the shape that all errors have.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        assert_eq!((self.status.as_u16(), self.code().as_str()), (status, code), "{self:?}");
        assert_eq!(self.headers["content-type"], "application/json");
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        let message = body["message"].as_str().unwrap().to_owned();
        assert!(!message.is_empty());
        message
    }
}

/// The configuration, with room for a test's wishes.
pub(crate) fn config(wishes: Value) -> Config {
    let mut config = json!({
        "rpc": "http://127.0.0.1:1", "chain_id": CHAIN, "pool": POOL, "operator": OPERATOR,
        "keys": { "signer": "test" }, "data": "unused",
        "tokens": [{ "address": TOKEN, "per_ether": "1000000000000000000" }],
    });
    for (key, value) in wishes.as_object().unwrap() {
        config[key] = value.clone();
    }
    let config: Config = serde_json::from_value(config).unwrap();
    config.check().unwrap();
    config
}

impl Service {
    /// The chain answers now, with this block as its newest.
    pub(crate) fn see_chain(&self, number: u64) {
        let now = self.ctx.clock.now();
        let hash = B256::ZERO;
        let head = Head { number, hash, parent: hash, timestamp: now / 1000, base_fee: 1, gas_limit: 30_000_000 };
        *self.chain.head.lock().unwrap() = Some(head);
        self.ctx.status.saw_chain(head, true, now);
    }

    pub(crate) async fn start() -> Self {
        Self::with(json!({}), Bounds::default()).await
    }

    pub(crate) async fn with(wishes: Value, bounds: Bounds) -> Self {
        Self::running(wishes, bounds, Arc::new(Script::default())).await
    }

    /// With a worker and an executor of the test's own.
    pub(crate) async fn running(wishes: Value, bounds: Bounds, script: Arc<Script>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config { data: directory.path().to_owned(), ..config(wishes) };
        let owner = Owner { domain: Domain { chain_id: CHAIN, pool: POOL }, operator: OPERATOR };
        let store = SqliteStore::open(&directory.path().join("test.db"), owner).await.unwrap();
        let clock = Arc::new(TestClock(AtomicU64::new(1_800_000_000_000)));
        let chain = Arc::new(NoChain::default());
        let ctx = Context::new(
            config,
            Arc::new(store),
            Blobs::in_directory(&directory.path().join("blobs")).unwrap(),
            Arc::clone(&chain) as Arc<dyn Chain>,
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        let ledger = crate::ledger::FakeLedger::default();
        let ctx = match ctx.config.pay {
            Some(_) => {
                *chain.key.lock().unwrap() = Some(Key::random());
                ctx.with_ledger(Arc::new(ledger.clone()))
            }
            None => ctx,
        };
        let ctx = Arc::new(ctx.with_worker(script.clone()).with_executor(script));
        let stop = CancellationToken::new();
        let app = App::new(Arc::clone(&ctx), HERE.parse::<SocketAddr>().unwrap(), bounds, stop.clone());
        let router = router(app.clone());
        Self { ctx, clock, chain, ledger, stop, router, _directory: directory }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Answer { status, headers, body }
    }

    /// A call with a JSON body, or without one if it is null.
    pub(crate) async fn call(&self, route: &str, token: Option<&str>, body: &Value) -> Answer {
        let bytes = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = request(route, token).body(bytes).unwrap();
        if !body.is_null() {
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        }
        self.send(request).await
    }

    pub(crate) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        self.call(&format!("GET {path}"), token, &Value::Null).await
    }

    /// A token for `key`.
    pub(crate) async fn token(&self, key: &PrivateKeySigner) -> String {
        let nonce = self.call("POST /v1/auth/nonce", None, &Value::Null).await.json();
        let nonce = serde_json::from_value(nonce).unwrap();
        let message = zkpool_api::sign_in_message(&format!("http://{HERE}"), key.address(), &nonce).unwrap();
        let reply = self.call("POST /v1/auth/login", None, &signed(message, key)).await;
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        reply.json()["token"].as_str().unwrap().to_owned()
    }
}

/// A request as `METHOD path`.
pub(crate) fn request(route: &str, token: Option<&str>) -> axum::http::request::Builder {
    let (method, path) = route.split_once(' ').unwrap();
    let builder = Request::builder().method(method.parse::<Method>().unwrap()).uri(path);
    match token {
        Some(token) => builder.header("authorization", format!("Bearer {token}")),
        None => builder,
    }
}

/// One of many keys.
pub(crate) fn key(n: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[n; 32]).unwrap()
}

/// The body of a sign-in.
pub(crate) fn signed(message: String, key: &PrivateKeySigner) -> Value {
    let signature = key.sign_message_sync(message.as_bytes()).unwrap();
    json!({ "message": message, "signature": zkpool_protocol::Bytes::from(signature.as_bytes().to_vec()) })
}
