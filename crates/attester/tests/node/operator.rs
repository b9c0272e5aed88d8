//! An operator that is made up.

use alloy::{primitives::Signature, sol_types::Eip712Domain};
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
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{net::TcpSocket, runtime::Runtime, sync::Notify};
use zkpool_api::{
    ApiError, AttestationReply, AttestationRequest, AttestationsQuery, AttestationsReply, LoginReply, LoginRequest,
    NonceReply, OpenAttestation,
};
use zkpool_bindings::CommitteeVerifier::Attestation;
use zkpool_protocol::{Address, BlobId, Bytes, ErrorCode};

/// A signature that the operator has found to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) member: Address,
    pub(crate) request: AttestationRequest,
}

/// How an operator behaves, and what it has got.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) open: Vec<OpenAttestation>,
    pub(crate) receipts: HashMap<BlobId, Vec<u8>>,
    pub(crate) signed: Vec<Signed>,
    /// Signatures that are not of who sent them, for the claim that was asked for.
    pub(crate) refused: Vec<Address>,
    /// Answers to the next signatures, in place of the usual.
    pub(crate) say: VecDeque<ErrorCode>,
    /// How often it was asked for what is open.
    pub(crate) polls: usize,
    /// How often for a receipt.
    pub(crate) fetches: usize,
}

#[derive(Clone)]
struct Inner {
    script: Arc<Mutex<Script>>,
    changed: Arc<Notify>,
    domain: Eip712Domain,
    chain_id: u64,
}

/// See the module. Runs on threads of its own, so that stopping it breaks every connection.
pub(crate) struct FakeOperator {
    inner: Inner,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl FakeOperator {
    pub(crate) fn start(world: &super::world::World) -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (domain, chain_id) = (world.view().domain(), world.chain.chain_id());
        let inner = Inner { script: Arc::default(), changed: Arc::default(), domain, chain_id };
        let mut operator = Self { inner, address, runtime: None };
        operator.up();
        operator
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Comes up, on the same port.
    pub(crate) fn up(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (address, inner) = (self.address, self.inner.clone());
        let (ready, is_ready) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(address).unwrap();
            let listener = socket.listen(64).unwrap();
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

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.inner.script.lock().unwrap()
    }

    /// Asks for signatures for a receipt, which it hands out.
    pub(crate) fn ask(&self, open: OpenAttestation, receipt: &[u8]) {
        {
            let mut script = self.script();
            script.receipts.insert(open.receipt, receipt.to_vec());
            script.open.push(open);
        }
        self.inner.changed.notify_waiters();
    }

    /// What `member` has signed.
    pub(crate) fn signed_by(&self, member: Address) -> Vec<AttestationRequest> {
        let script = self.script();
        script.signed.iter().filter(|signed| signed.member == member).map(|signed| signed.request.clone()).collect()
    }
}

impl Drop for FakeOperator {
    fn drop(&mut self) {
        self.down();
    }
}

fn routes(inner: Inner) -> Router {
    Router::new()
        .route("/v1/auth/nonce", post(nonce))
        .route("/v1/auth/login", post(login))
        .route("/v1/attestations", get(wanted).post(attest))
        .route("/v1/receipts/{id}", get(receipt))
        .with_state(inner)
}

fn error(code: ErrorCode, message: &str) -> Response {
    let error = ApiError::new(code, message);
    (StatusCode::from_u16(error.status()).unwrap(), Json(error)).into_response()
}

async fn nonce(State(inner): State<Inner>) -> Json<NonceReply> {
    let nonce = "abcdefgh12345678".to_owned();
    Json(NonceReply { nonce, chain_id: inner.chain_id, issued_at: 1_800_000_000, expires_at: 1_800_000_300 })
}

/// The token is the address that signed in.
async fn login(Json(request): Json<LoginRequest>) -> Json<LoginReply> {
    let signature = Signature::from_raw(&request.signature).unwrap();
    let address = signature.recover_address_from_msg(request.message.as_bytes()).unwrap();
    assert!(request.message.contains(&address.to_string()), "signed by who it says");
    Json(LoginReply { token: address.to_string(), address, expires_at: 4_000_000_000, expires_in: 3600 })
}

fn who(headers: &HeaderMap) -> Address {
    headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().parse().unwrap()
}

async fn wanted(State(inner): State<Inner>, Query(query): Query<AttestationsQuery>, headers: HeaderMap) -> Response {
    let member = who(&headers);
    if Some(query.verifier) != inner.domain.verifying_contract {
        return error(ErrorCode::Forbidden, "another committee");
    }
    let end = tokio::time::Instant::now() + Duration::from_secs(query.wait.into());
    inner.script.lock().unwrap().polls += 1;
    loop {
        let changed = inner.changed.notified();
        let open: Vec<_> = {
            let script = inner.script.lock().unwrap();
            let signed = |open: &OpenAttestation| {
                script
                    .signed
                    .iter()
                    .any(|s| s.member == member && (s.request.task, s.request.receipt) == (open.task, open.receipt))
            };
            let mut open: Vec<_> = script.open.iter().filter(|open| !signed(open)).cloned().collect();
            let place = |open: &OpenAttestation| (open.deadline, open.task);
            open.sort_by_key(place);
            let after = query.after.and_then(|after| script.open.iter().find(|open| open.task == after)).map(place);
            open.retain(|open| Some(place(open)) > after);
            open.truncate(zkpool_api::MAX_OPEN_ATTESTATIONS);
            open
        };
        if !open.is_empty() || tokio::time::timeout_at(end, changed).await.is_err() {
            return Json(AttestationsReply { open }).into_response();
        }
    }
}

async fn attest(State(inner): State<Inner>, headers: HeaderMap, Json(request): Json<AttestationRequest>) -> Response {
    let member = who(&headers);
    let mut script = inner.script.lock().unwrap();
    if let Some(code) = script.say.pop_front() {
        return error(code, "as the test says");
    }
    let asked = |open: &&OpenAttestation| (open.task, open.receipt) == (request.task, request.receipt);
    let Some(open) = script.open.iter().find(asked) else { return error(ErrorCode::NotFound, "nobody asked") };
    let claim = Attestation {
        imageId: open.image_id,
        journalDigest: BlobId::of(&open.journal).into(),
        receiptHash: open.receipt.into(),
    };
    if signer(&request.signature, &claim, &inner.domain) != Some(member) {
        script.refused.push(member);
        return error(ErrorCode::ProofInvalid, "the signature is not the member's, for what was asked");
    }
    let signed = Signed { member, request: request.clone() };
    if !script.signed.contains(&signed) {
        script.signed.push(signed);
    }
    let signatures = script.signed.iter().filter(|signed| signed.request.task == request.task).count() as u32;
    Json(AttestationReply { signatures, threshold: 2 }).into_response()
}

async fn receipt(State(inner): State<Inner>, Path(id): Path<String>) -> Response {
    let mut script = inner.script.lock().unwrap();
    script.fetches += 1;
    match script.receipts.get(&id.parse().unwrap()) {
        Some(bytes) => bytes.clone().into_response(),
        None => error(ErrorCode::NotFound, "no such receipt"),
    }
}

/// Whose signature it is.
pub(crate) fn signer(signature: &Bytes, claim: &Attestation, domain: &Eip712Domain) -> Option<Address> {
    Signature::from_raw(signature).ok()?.recover_address_from_prehash(&claim.digest(domain)).ok()
}
