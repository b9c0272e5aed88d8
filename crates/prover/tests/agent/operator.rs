//! An operator that is made up.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime, sync::Notify, sync::mpsc};
use zkpool_api::{
    ApiError, ClaimReply, ClaimRequest, ClaimedJob, EarmarksReply, FailReply, FailRequest, HeartbeatReply,
    HeartbeatRequest, Info, JoinReply, JoinRequest, Lease, LeaveRequest, Limits, LoginReply, LoginRequest, NonceReply,
    ReceiptsQuery, ReceiptsReply, ResultReply, ResultRequest, TokenInfo,
};
use zkpool_protocol::{
    Address, BlobId, ErrorCode, JobId, JobState, Operation, ProgramManifest, ProofKind, TaskId, TaskInput, TaskState,
    WitnessSource, WorkUnits,
};

/// The chain of every operator in these tests.
pub(crate) const CHAIN: u64 = 31337;

/// What an operator heard.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Joined(JoinRequest),
    Left,
    Claim(ClaimRequest),
    Heartbeat(JobId, HeartbeatRequest),
    Result(JobId, ResultRequest),
    Fail(JobId, FailRequest),
    Blob(BlobId),
}

/// An answer in place of the usual one.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    Error(ErrorCode),
    Garbage,
    /// For heartbeats.
    Cancelled,
}

/// How an operator behaves.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) jobs: VecDeque<ClaimedJob>,
    pub(crate) blobs: HashMap<BlobId, Vec<u8>>,
    /// Answered instead of the usual, one after the other.
    pub(crate) join: VecDeque<Say>,
    pub(crate) claim: VecDeque<Say>,
    pub(crate) heartbeat: VecDeque<Say>,
    pub(crate) result: VecDeque<Say>,
    /// Answered to every result, if set.
    pub(crate) every_result: Option<Say>,
    pub(crate) excluded_until_ms: Option<u64>,
    /// What is sent for a blob, before the right bytes.
    pub(crate) wrong_blobs: HashMap<BlobId, VecDeque<Vec<u8>>>,
    /// How it pays; none: outside.
    pub(crate) cashier: Option<super::cashier::Cashier>,
    /// What it takes one ether to be worth in the token that it pays in, if it says so.
    pub(crate) rate: Option<u128>,
    /// The kinds of proof that it offers; all if none is named.
    pub(crate) offers: Vec<ProofKind>,
    tokens: u64,
    next_job: u32,
}

#[derive(Clone)]
struct Inner {
    script: Arc<Mutex<Script>>,
    heard: mpsc::UnboundedSender<Heard>,
    work: Arc<Notify>,
    /// Tokens of an earlier process are unknown after a restart.
    generation: u64,
}

/// See the module. Runs on threads of its own, so that stopping it breaks every connection.
pub(crate) struct FakeOperator {
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) heard: mpsc::UnboundedReceiver<Heard>,
    tell: mpsc::UnboundedSender<Heard>,
    work: Arc<Notify>,
    address: SocketAddr,
    generation: u64,
    runtime: Option<Runtime>,
}

impl FakeOperator {
    pub(crate) fn start() -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut operator =
            Self { script: Arc::default(), heard, tell, work: Arc::default(), address, generation: 0, runtime: None };
        operator.up();
        operator
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Comes up, on the same port, with its tokens forgotten.
    pub(crate) fn up(&mut self) {
        self.generation += 1;
        let inner = Inner {
            script: Arc::clone(&self.script),
            heard: self.tell.clone(),
            work: Arc::clone(&self.work),
            generation: self.generation,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = self.address;
        let (ready, is_ready) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(address).unwrap();
            let listener: TcpListener = socket.listen(64).unwrap();
            ready.send(()).unwrap();
            axum::serve(listener, routes(inner)).await.unwrap();
        });
        is_ready.recv_timeout(Duration::from_secs(10)).unwrap();
        self.runtime = Some(runtime);
    }

    /// Goes down, as by kill -9.
    pub(crate) fn down(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Puts a blob where provers can fetch it.
    pub(crate) fn blob(&self, bytes: &[u8]) -> BlobId {
        let id = BlobId::of(bytes);
        self.script().blobs.insert(id, bytes.to_vec());
        id
    }

    /// The program of these tests.
    pub(crate) fn program(&self) -> ProgramManifest {
        ProgramManifest::Groth16Bn254 {
            zkey: self.blob(b"proving key"),
            witness_generator: Some(self.blob(b"generator")),
        }
    }

    /// A job with named inputs, which is not given out yet.
    pub(crate) fn new_job(&self) -> ClaimedJob {
        let program = self.program();
        let inputs = serde_json::json!({ "secret": "31415926535" }).as_object().cloned().unwrap();
        let envelope = TaskInput { program: program.id(), source: WitnessSource::Inputs(inputs) };
        let input = self.blob(&envelope.to_bytes());
        let (index, pay) = {
            let mut script = self.script();
            script.next_job += 1;
            (script.next_job, script.cashier.as_ref().map(super::cashier::Cashier::job_pay))
        };
        ClaimedJob {
            id: JobId { task: TaskId::repeat_byte(9), index },
            lease: Lease { fence: 5, until_ms: 0, valid_for_ms: 60_000, renew_every_ms: 20 },
            operation: Operation::Single,
            kind: ProofKind::Groth16Bn254,
            program,
            inputs: vec![input],
            attest: None,
            witness: None,
            statement: Some(super::backend::statement()),
            deadline: u64::MAX,
            units: WorkUnits(1),
            memory: 1,
            pay,
        }
    }

    /// Gives a job to the next claim.
    pub(crate) fn give(&self, job: ClaimedJob) -> JobId {
        let id = job.id;
        self.script().jobs.push_back(job);
        self.work.notify_waiters();
        id
    }

    /// Waits until `wanted` picks something that was heard; what comes before is dropped.
    pub(crate) async fn hears<T>(&mut self, mut wanted: impl FnMut(&Heard) -> Option<T>) -> T {
        super::kit::within(async {
            loop {
                let heard = self.heard.recv().await.expect("the operator lives");
                if let Some(found) = wanted(&heard) {
                    return found;
                }
            }
        })
        .await
    }

    pub(crate) async fn hears_result(&mut self) -> (JobId, ResultRequest) {
        self.hears(|heard| match heard {
            Heard::Result(job, request) => Some((*job, request.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn hears_fail(&mut self) -> (JobId, FailRequest) {
        self.hears(|heard| match heard {
            Heard::Fail(job, request) => Some((*job, request.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn hears_claim(&mut self) -> ClaimRequest {
        self.hears(|heard| match heard {
            Heard::Claim(request) => Some(request.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn hears_join(&mut self) -> JoinRequest {
        self.hears(|heard| match heard {
            Heard::Joined(request) => Some(request.clone()),
            _ => None,
        })
        .await
    }

    /// What has been heard and not looked at yet.
    pub(crate) fn heard_so_far(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

impl Drop for FakeOperator {
    fn drop(&mut self) {
        self.down();
    }
}

fn routes(inner: Inner) -> Router {
    Router::new()
        .route("/v1/info", get(info))
        .route("/v1/auth/nonce", post(nonce))
        .route("/v1/auth/login", post(login))
        .route("/v1/provers/join", post(join))
        .route("/v1/provers/leave", post(leave))
        .route("/v1/jobs/claim", post(claim))
        .route("/v1/jobs/{id}/heartbeat", post(heartbeat))
        .route("/v1/jobs/{id}/result", post(result))
        .route("/v1/jobs/{id}/fail", post(fail))
        .route("/v1/blobs/{id}", get(blob))
        .route("/v1/pay/provers/{address}", get(earmarks))
        .route("/v1/pay/provers/{address}/receipts", get(receipts))
        .with_state(inner)
}

fn error(code: ErrorCode) -> Response {
    let error = ApiError::new(code, "as the test wants it");
    (StatusCode::from_u16(error.status()).unwrap(), Json(error)).into_response()
}

impl Say {
    fn response(&self) -> Response {
        match self {
            Self::Error(code) => error(*code),
            Self::Garbage => (StatusCode::OK, "<html>welcome to this wireless network</html>").into_response(),
            Self::Cancelled => {
                let reply =
                    HeartbeatReply { until_ms: 0, valid_for_ms: 60_000, cancelled: Some("delivered already".into()) };
                Json(reply).into_response()
            }
        }
    }
}

impl Inner {
    fn tell(&self, heard: Heard) {
        let _ = self.heard.send(heard);
    }

    fn scripted(&self, pick: impl Fn(&mut Script) -> Option<Say>) -> Option<Response> {
        pick(&mut self.script.lock().unwrap()).map(|say| say.response())
    }

    fn signed_in(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if token.starts_with(&format!("Bearer {}-", self.generation)) {
            Ok(())
        } else {
            Err(Box::new(error(ErrorCode::Unauthorized)))
        }
    }
}

async fn info(State(inner): State<Inner>) -> Json<Info> {
    let script = inner.script.lock().unwrap();
    let token = TokenInfo { address: super::cashier::TOKEN, reward: true, liability: true, per_ether: 0 };
    Json(Info {
        version: "test".into(),
        chain_id: CHAIN,
        pool: Address::repeat_byte(1),
        operator: Address::repeat_byte(2),
        kinds: if script.offers.is_empty() { ProofKind::ALL.to_vec() } else { script.offers.clone() },
        verifiers: Vec::new(),
        trusted_targets: Vec::new(),
        tokens: script.rate.iter().map(|rate| TokenInfo { per_ether: *rate, ..token }).collect(),
        limits: Limits {
            json_bytes: 1,
            blob_bytes: 1,
            stored_bytes_per_address: 1,
            requests_per_second: 1,
            live_quotes_per_requester: 1,
            max_validity: 1,
        },
        pay: script.cashier.as_ref().and_then(super::cashier::Cashier::info),
        head: 0,
        quoting: true,
        not_quoting: None,
    })
}

async fn nonce() -> Json<NonceReply> {
    Json(NonceReply {
        nonce: "abcdefgh12345678".into(),
        chain_id: CHAIN,
        issued_at: 1_700_000_000,
        expires_at: 1_700_000_300,
    })
}

async fn login(State(inner): State<Inner>, Json(_): Json<LoginRequest>) -> Json<LoginReply> {
    let mut script = inner.script.lock().unwrap();
    script.tokens += 1;
    let token = format!("{}-{}", inner.generation, script.tokens);
    Json(LoginReply { token, address: super::kit::prover(), expires_at: u64::MAX, expires_in: 3600 })
}

async fn join(State(inner): State<Inner>, headers: HeaderMap, Json(request): Json<JoinRequest>) -> Response {
    if let Err(response) = inner.signed_in(&headers) {
        return *response;
    }
    inner.tell(Heard::Joined(request));
    if let Some(response) = inner.scripted(|script| script.join.pop_front()) {
        return response;
    }
    let excluded_until_ms = inner.script.lock().unwrap().excluded_until_ms.take();
    Json(JoinReply { prover: super::kit::prover(), excluded_until_ms, max_claim_wait: 30 }).into_response()
}

async fn leave(State(inner): State<Inner>, headers: HeaderMap, Json(_): Json<LeaveRequest>) -> Response {
    if let Err(response) = inner.signed_in(&headers) {
        return *response;
    }
    inner.tell(Heard::Left);
    StatusCode::NO_CONTENT.into_response()
}

async fn claim(State(inner): State<Inner>, headers: HeaderMap, Json(request): Json<ClaimRequest>) -> Response {
    if let Err(response) = inner.signed_in(&headers) {
        return *response;
    }
    let wait = Duration::from_secs(request.wait.into());
    // What a test writes once it has heard of this claim is for the next one.
    let scripted = inner.scripted(|script| script.claim.pop_front());
    inner.tell(Heard::Claim(request));
    if let Some(response) = scripted {
        return response;
    }
    let job = tokio::time::timeout(wait, async {
        loop {
            let work = inner.work.notified();
            tokio::pin!(work);
            work.as_mut().enable();
            if let Some(job) = inner.script.lock().unwrap().jobs.pop_front() {
                return job;
            }
            work.await;
        }
    });
    Json(ClaimReply { job: job.await.ok() }).into_response()
}

async fn heartbeat(
    State(inner): State<Inner>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(request): Json<HeartbeatRequest>,
) -> Response {
    if let Err(response) = inner.signed_in(&headers) {
        return *response;
    }
    inner.tell(Heard::Heartbeat(id.parse().unwrap(), request));
    if let Some(response) = inner.scripted(|script| script.heartbeat.pop_front()) {
        return response;
    }
    Json(HeartbeatReply { until_ms: 0, valid_for_ms: 60_000, cancelled: None }).into_response()
}

async fn result(
    State(inner): State<Inner>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(request): Json<ResultRequest>,
) -> Response {
    if let Err(response) = inner.signed_in(&headers) {
        return *response;
    }
    let job: JobId = id.parse().unwrap();
    inner.tell(Heard::Result(job, request.clone()));
    if let Some(response) = inner.scripted(|script| script.result.pop_front().or_else(|| script.every_result.clone())) {
        return response;
    }
    let mut script = inner.script.lock().unwrap();
    let cashier = script.cashier.as_mut();
    let paid = cashier.and_then(|cashier| cashier.pay(job, request.fence, &request.proof, WorkUnits(1)));
    Json(ResultReply { job: JobState::Done, task: TaskState::Proven, paid }).into_response()
}

async fn fail(
    State(inner): State<Inner>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(request): Json<FailRequest>,
) -> Response {
    if let Err(response) = inner.signed_in(&headers) {
        return *response;
    }
    inner.tell(Heard::Fail(id.parse().unwrap(), request));
    Json(FailReply { job: JobState::Ready }).into_response()
}

async fn earmarks(State(inner): State<Inner>) -> Json<EarmarksReply> {
    let script = inner.script.lock().unwrap();
    Json(EarmarksReply { earmarks: script.cashier.as_ref().map_or(vec![], super::cashier::Cashier::earmarks) })
}

async fn receipts(State(inner): State<Inner>, Query(query): Query<ReceiptsQuery>) -> Json<ReceiptsReply> {
    Json(inner.script.lock().unwrap().cashier.as_ref().unwrap().receipts(query))
}

async fn blob(State(inner): State<Inner>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(response) = inner.signed_in(&headers) {
        return *response;
    }
    let id: BlobId = id.parse().unwrap();
    inner.tell(Heard::Blob(id));
    let mut script = inner.script.lock().unwrap();
    if let Some(wrong) = script.wrong_blobs.get_mut(&id).and_then(VecDeque::pop_front) {
        return wrong.into_response();
    }
    match script.blobs.get(&id) {
        Some(bytes) => bytes.clone().into_response(),
        None => error(ErrorCode::NotFound),
    }
}
