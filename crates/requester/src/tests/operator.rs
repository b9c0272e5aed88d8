//! An operator's service as the SDK sees it, honest or not.

use super::world::{Quoter, World};
use alloy::primitives::Address;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::{get, post, put},
};
use futures::{StreamExt, stream};
use serde_json::Value;
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};
use zkpool_api::{
    ApiError, BlobReply, EventKind, GuestRunView, Info, Limits, LoginReply, LoginRequest, NonceReply, ProgramView,
    PublishedReply, PublishedRequest, QuoteReply, QuoteRequest, QuoteStatus, TaskEvent, TaskRole, TaskView, Timings,
};
use zkpool_protocol::{BlobId, ErrorCode, ProgramManifest, ProofKind, Strategy, TaskId, TaskState, WorkUnits, zkvm};

/// What every zkVM program makes public here.
pub(super) const JOURNAL: &[u8] = b"an answer";

/// How it answers to a request for a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Signs just what was asked for, after a short preflight, at this price, from this slot; for what it is asked next from
    /// the next slot.
    Honest { reward: u128, slot: u32 },
    /// Honest, at a thousand, with quotes that are valid for so many seconds.
    Fleeting { seconds: u64 },
    /// Signs everything from one slot.
    SellsOver { reward: u128, slot: u32 },
    /// Asks for more than it was told is the most.
    Overcharges,
    /// Signs something else.
    Altering,
    /// Gives a price only.
    Indicative,
    /// Says no.
    Refusing(ErrorCode),
    /// Never answers.
    Silent,
    /// Works for another pool.
    Elsewhere,
}

pub(super) struct Operator {
    pub(super) url: String,
    pub(super) desk: Arc<Desk>,
    task: tokio::task::JoinHandle<()>,
}

pub(super) struct Desk {
    manner: Manner,
    quoter: Quoter,
    pub(super) blobs: Mutex<HashMap<BlobId, usize>>,
    pub(super) programs: Mutex<Vec<ProgramManifest>>,
    pub(super) asked: Mutex<HashMap<BlobId, (u32, QuoteRequest)>>,
    pub(super) published: Mutex<Vec<PublishedRequest>>,
}

type Reply = Result<Json<Value>, Refusal>;

impl Operator {
    pub(super) async fn start(world: &World, manner: Manner) -> Self {
        Self::start_as(world.quoter(), manner).await
    }

    pub(super) async fn start_as(quoter: Quoter, manner: Manner) -> Self {
        let desk = Arc::new(Desk {
            manner,
            quoter,
            blobs: Mutex::default(),
            programs: Mutex::default(),
            asked: Mutex::default(),
            published: Mutex::default(),
        });
        let routes = Router::new()
            .route("/v1/info", get(info))
            .route("/v1/auth/nonce", post(nonce))
            .route("/v1/auth/login", post(login))
            .route("/v1/blobs/{id}", put(blob).head(has_blob))
            .route("/v1/programs", post(register))
            .route("/v1/programs/{id}", get(program))
            .route("/v1/quotes", post(ask))
            .route("/v1/quotes/{id}", get(poll))
            .route("/v1/published", post(published))
            .route("/v1/tasks/{id}/events", get(events))
            .with_state(desk.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, desk, task }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An error as the API words it.
struct Refusal(ErrorCode);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = ApiError::new(self.0, "because of this");
        (StatusCode::from_u16(error.status()).unwrap(), Json(error)).into_response()
    }
}

fn ok(value: impl serde::Serialize) -> Reply {
    Ok(Json(serde_json::to_value(value).unwrap()))
}

async fn info(State(desk): State<Arc<Desk>>) -> Reply {
    let Quoter { domain, operator, .. } = desk.quoter;
    ok(Info {
        version: "0".into(),
        chain_id: domain.chain_id,
        pool: if desk.manner == Manner::Elsewhere { Address::repeat_byte(1) } else { domain.pool },
        operator,
        kinds: vec![ProofKind::Groth16Bn254],
        verifiers: Vec::new(),
        trusted_targets: Vec::new(),
        tokens: Vec::new(),
        limits: Limits {
            json_bytes: 1 << 20,
            blob_bytes: 1 << 20,
            stored_bytes_per_address: 1 << 20,
            requests_per_second: 100,
            live_quotes_per_requester: 4,
            max_validity: 300,
        },
        pay: None,
        head: 0,
        quoting: true,
        not_quoting: None,
    })
}

async fn nonce(State(desk): State<Arc<Desk>>) -> Reply {
    ok(NonceReply {
        nonce: "abcdefgh12345678".into(),
        chain_id: desk.quoter.domain.chain_id,
        issued_at: 1_700_000_000,
        expires_at: 1_700_000_300,
    })
}

async fn login(Json(login): Json<LoginRequest>) -> Reply {
    // The signature is checked by the service's own tests; here the message is believed.
    let message = login.message;
    let address = message.lines().nth(1).and_then(|line| line.parse().ok()).ok_or(Refusal(ErrorCode::BadRequest))?;
    ok(LoginReply { token: "token".into(), address, expires_at: 4_000_000_000, expires_in: 3_600 })
}

async fn blob(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Bytes) -> Reply {
    let id: BlobId = id.parse().map_err(|_| Refusal(ErrorCode::BadRequest))?;
    if BlobId::of(&body) != id {
        return Err(Refusal(ErrorCode::HashMismatch));
    }
    desk.blobs.lock().unwrap().insert(id, body.len());
    ok(BlobReply { id, size: body.len() as u64 })
}

async fn has_blob(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Result<(), Refusal> {
    let id: BlobId = id.parse().map_err(|_| Refusal(ErrorCode::BadRequest))?;
    if desk.blobs.lock().unwrap().contains_key(&id) { Ok(()) } else { Err(Refusal(ErrorCode::NotFound)) }
}

fn view(manifest: ProgramManifest) -> ProgramView {
    ProgramView { id: manifest.id(), manifest, units: WorkUnits(1), public_inputs: 1, trusted: true }
}

async fn register(State(desk): State<Arc<Desk>>, Json(manifest): Json<ProgramManifest>) -> Reply {
    if manifest.blobs().iter().any(|id| !desk.blobs.lock().unwrap().contains_key(id)) {
        return Err(Refusal(ErrorCode::UnknownInput));
    }
    desk.programs.lock().unwrap().push(manifest.clone());
    ok(view(manifest))
}

async fn program(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Reply {
    let found = desk.programs.lock().unwrap().iter().find(|manifest| manifest.id().to_string() == id).cloned();
    ok(view(found.ok_or(Refusal(ErrorCode::UnknownProgram))?))
}

async fn ask(State(desk): State<Arc<Desk>>, Json(request): Json<QuoteRequest>) -> Reply {
    let id = request.id();
    if !desk.blobs.lock().unwrap().contains_key(&request.input) {
        return Err(Refusal(ErrorCode::UnknownInput));
    }
    {
        let mut asked = desk.asked.lock().unwrap();
        let next = asked.len() as u32;
        asked.entry(id).or_insert((next, request));
    }
    match desk.manner {
        Manner::Refusing(code) => Err(Refusal(code)),
        Manner::Silent => std::future::pending().await,
        _ => ok(QuoteReply::new(id, QuoteStatus::Preflight)),
    }
}

async fn poll(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Reply {
    let id: BlobId = id.parse().map_err(|_| Refusal(ErrorCode::BadRequest))?;
    let (n, request) = desk.asked.lock().unwrap().get(&id).cloned().ok_or(Refusal(ErrorCode::NotFound))?;
    let (reward, slot) = match desk.manner {
        Manner::Honest { reward, slot } => (reward, slot + n),
        Manner::SellsOver { reward, slot } => (reward, slot),
        Manner::Overcharges => (request.max_reward.unwrap() + 1, n),
        Manner::Indicative => {
            let error = Some(ApiError::new(ErrorCode::Unfunded, "deposit first"));
            return ok(QuoteReply { error, ..QuoteReply::new(id, QuoteStatus::Indicative) });
        }
        _ => (1_000, 0),
    };
    let mut quoter = Quoter { reward, ..desk.quoter.clone() };
    if let Manner::Fleeting { seconds } = desk.manner {
        quoter.validity = seconds;
    }
    let mut quote = quoter.quote(&request, slot).await;
    if desk.manner == Manner::Altering {
        quote.terms.liability = 0;
    }
    // A zkVM program is run, and says this.
    let programs = desk.programs.lock().unwrap().clone();
    let run = programs.iter().find(|manifest| manifest.id() == request.program).and_then(|manifest| {
        let ProgramManifest::Risc0 { image_id, .. } = manifest else { return None };
        quote.task.statement = zkvm::statement(*image_id, JOURNAL);
        Some(GuestRunView { journal: JOURNAL.into(), cycles: 1 })
    });
    let quote = quoter.sign(quote);
    ok(QuoteReply {
        run,
        task: Some(quote.quote.id(&quoter.domain)),
        quote: Some(quote),
        call: Some(request.call.clone()),
        ..QuoteReply::new(id, QuoteStatus::Quoted)
    })
}

/// One snapshot, then silence.
async fn events(Path(id): Path<TaskId>) -> impl IntoResponse {
    let task = TaskView {
        id,
        state: TaskState::Proving,
        role: TaskRole::Own,
        terms: None,
        published_at: None,
        proof_deadline: None,
        liability_deadline: None,
        kind: None,
        strategy: Strategy::Assign,
        execution: None,
        jobs: Vec::new(),
        job_counts: Vec::new(),
        legs: Vec::new(),
        seal: None,
        txs: Vec::new(),
        timings: Timings::default(),
        error: None,
    };
    let event = TaskEvent { seq: 1, at_ms: 0, kind: EventKind::Snapshot, task };
    let event = Event::default().id("1").event("snapshot").json_data(event).unwrap();
    Sse::new(stream::once(async { Ok::<_, Infallible>(event) }).chain(stream::pending()))
}

async fn published(State(desk): State<Arc<Desk>>, Json(request): Json<PublishedRequest>) -> Reply {
    let task = request.quote.quote.id(&desk.quoter.domain);
    desk.published.lock().unwrap().push(request);
    let state = TaskState::Watched;
    ok(PublishedReply { task, state })
}
