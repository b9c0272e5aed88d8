//! zkVM tasks: programs run by a scripted executor, results and receipts as the world's own test vector gives them.

use crate::{
    support::{OPERATOR, Service, TOKEN, key},
    work::{quote, requester},
};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use zkpool_protocol::{
    Address, B256, BlobId, Bytes, Call, ErrorCode, ExecuteReply, ExecuteRequest, GuestRun, JobId, Operation,
    PreflightBounds, PreflightReport, PreflightRequest, ProgramManifest, ProofKind, Segmentation, Strategy, TaskId,
    WorkUnits, zkvm,
};
use zkpool_service::{ExecutionWorker, Lines, OpError, OpResult, PreflightWorker, reconcile_once};
use zkpool_store::{
    Ask, Fact, Grant, InputRecord, LeaseRecord, Measured, NewResult, NewTask, Price, ProgramRecord, ProverDescription,
    ProverId, Standing, TaskKey,
};

/// A real Groth16 receipt, as the zkVM's authors publish it with their verifier contracts (risc0-ethereum-contracts
/// 3.0.1, Apache-2.0): what the contract takes, and of what it is.
pub(crate) const IMAGE: &str = "0x11d264ed8dfdee222b820f0278e4d7f55d4b69a5472253a471c102265a91ea1a";
pub(crate) const JOURNAL: &[u8] = b"just a simple receipt";
pub(crate) const SEAL: &str = concat!(
    "73c457ba2ccb718fd9092cc11546eeded62a44d3ed274076dd3ec154fae8739f3432050b2005be2c5dbe6c08bfd04b30601a",
    "462540962bc26a2f38c5cfc0a4d76d8f1b8015e690a1b230081234867edeedb2f98bcdf33d0471c2aa5e8db63b72333f8715",
    "27eb5d1fcf0a7af50fb8f42e8699e2c4eda3cd93f4e2a930096ae78e38bea4020c5c3d963dc453b4b302170e47c0cf533822",
    "55143c8fcef474d8b6eaaa8daaaf092c2f650809a3afbd122ef128cb882c2de7a6ccddd2e544b645fa3fedf6bcc92e09be04",
    "876a07778231fd5b93305d35fd8af23f040a11682a8c64130370804f28f07a76fa538755276e42c04b5f7eb97b04b68b65fa",
    "50e3181a0452069a3667",
);

/// Three segments, and what they are proven by.
pub(crate) const SEGMENTS: [&[u8]; 3] = [b"segment 0", b"segment 1", b"segment 2"];

/// Both workers. Of the one that executes: yields [`SEGMENTS`]; breaks off or falls silent when told to.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// What the preflight worker was asked. Every execution has 2^20 cycles.
    pub(crate) looks: Mutex<Vec<PreflightRequest>>,
    /// Segments of fewer cycles than so many (power of two) are too small for the program.
    pub(crate) least: Mutex<u32>,
    /// The preflight's run makes something else public, too.
    pub(crate) unsteady: AtomicBool,
    /// What it was asked.
    pub(crate) requests: Mutex<Vec<ExecuteRequest>>,
    /// After so many segments the next run breaks off.
    pub(crate) break_after: Mutex<Option<u32>>,
    /// Runs of this task always break off.
    pub(crate) breaks: Mutex<Option<TaskKey>>,
    /// So many segments more than in the preflight.
    pub(crate) more: u32,
    /// After so many segments nothing more comes.
    pub(crate) silent_after: Option<u32>,
    /// Another journal than in the preflight.
    pub(crate) lies: bool,
    /// A run was ended from outside.
    pub(crate) ended: Arc<AtomicBool>,
}

/// Notes that it was dropped.
struct Alive(Arc<AtomicBool>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl PreflightWorker for Script {
    fn bounds(&self) -> PreflightBounds {
        PreflightBounds { memory: 1, cpu_seconds: 1, cycles: 1 }
    }

    async fn look(&self, request: PreflightRequest) -> OpResult<PreflightReport> {
        let image: B256 = IMAGE.parse().unwrap();
        let least = *self.least.lock().unwrap();
        let cut = |limit: &u32| match *limit < least {
            true => Segmentation::too_small(*limit),
            false => Segmentation { limit: *limit, segments: [(*limit, 1 << (20 - limit))].into() },
        };
        let segmentations = request.segment_limits.iter().map(cut).collect();
        let journal = if self.unsteady.load(Ordering::SeqCst) { b"another" } else { JOURNAL };
        let run = GuestRun { journal: journal.into(), cycles: 1_000_000, segmentations };
        let is_run = request.input.is_some();
        self.looks.lock().unwrap().push(request);
        Ok(PreflightReport {
            units: WorkUnits(1 << 20),
            memory: 0,
            verifying_key: image.to_vec().into(),
            public_input_count: 0,
            public_inputs: vec![],
            statement: is_run.then(|| zkvm::statement(image, journal)),
            trial_proof: None,
            run: is_run.then_some(run),
        })
    }
}

#[async_trait]
impl ExecutionWorker for Script {
    fn bounds(&self) -> PreflightBounds {
        PreflightBounds { memory: 1, cpu_seconds: 1, cycles: 1 }
    }

    async fn run(&self, request: ExecuteRequest) -> OpResult<Lines> {
        let always = self.breaks.lock().unwrap().filter(|key| request.directory.ends_with(key.to_string()));
        let broken = self.break_after.lock().unwrap().take().or(always.map(|_| 0));
        let mut lines = Vec::new();
        let count = SEGMENTS.len() as u32 + self.more;
        for index in 0..count {
            if broken == Some(index) {
                lines.push(Err(OpError::new(ErrorCode::PreflightExceeded, "out of time")));
            }
            let bytes = match (broken, SEGMENTS.get(index as usize)) {
                (None, Some(bytes)) => bytes.to_vec(),
                // No two runs are the same.
                _ => format!("another segment {index}").into_bytes(),
            };
            let path = request.directory.join(format!("{index}"));
            std::fs::write(&path, bytes).unwrap();
            lines.push(Ok(ExecuteReply::Segment {
                index,
                path,
                po2: 14 + index.min(2),
                claim: B256::with_last_byte(index as u8),
            }));
        }
        let journal = if self.lies { Bytes::new() } else { JOURNAL.into() };
        lines.push(Ok(ExecuteReply::Finished { segments: count, journal }));
        self.requests.lock().unwrap().push(request);
        let alive = Alive(self.ended.clone());
        let most = self.silent_after.map_or(usize::MAX, |most| most as usize);
        let lines = stream::iter(lines.into_iter().take(most)).chain(stream::pending());
        Ok(lines
            .inspect(move |_| {
                let _ = &alive;
            })
            .boxed())
    }
}

/// A task of a zkVM program that was published.
pub(crate) struct Guest {
    pub(crate) id: TaskId,
    pub(crate) key: TaskKey,
    pub(crate) image: B256,
    pub(crate) stdin: BlobId,
}

impl Guest {
    pub(crate) fn job(&self, index: u32) -> JobId {
        JobId { task: self.id, index }
    }
}

impl Service {
    /// A task that was published at block 10 and is not planned yet.
    pub(crate) async fn guest(&self, kind: ProofKind, verifier: Address) -> Guest {
        self.guest_on(0, kind, verifier).await
    }

    /// The same on another slot: another task.
    pub(crate) async fn guest_on(&self, slot: u32, kind: ProofKind, verifier: Address) -> Guest {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let image: B256 = IMAGE.parse().unwrap();
        let binary = self.ctx.blobs.put_bytes(b"R0BF"[..].into()).await.unwrap();
        let stdin = self.ctx.blobs.put_bytes(b"stdin"[..].into()).await.unwrap();
        let envelope = self.ctx.blobs.put_bytes(b"envelope"[..].into()).await.unwrap();
        let manifest = ProgramManifest::Risc0 { binary, image_id: image };
        let measured = Measured { units: WorkUnits(1 << 16), memory: 1 << 30 };
        let program = ProgramRecord {
            manifest: manifest.clone(),
            verifying_key: image.to_vec(),
            measured,
            public_inputs: 0,
            registered_by: requester(),
        };
        store.put_program(&program, now).await.unwrap();
        let cut = |limit| Segmentation { limit, segments: [(14, 1), (15, 1), (16, 1)].into() };
        let input = InputRecord {
            blob: envelope,
            program: manifest.id(),
            attached: vec![stdin],
            measured,
            statement: zkvm::statement(image, JOURNAL),
            public_inputs: vec![],
            tried: false,
            run: Some(GuestRun { journal: JOURNAL.into(), cycles: 100_000, segmentations: vec![cut(16), cut(17)] }),
        };
        store.put_input(&input, now).await.unwrap();
        let ask = ask(manifest.id(), envelope, kind, verifier);
        let new = NewTask {
            request: B256::repeat_byte(8 + slot as u8).into(),
            attempt: 0,
            payer: requester(),
            ask: ask.clone(),
        };
        let task = store.create_task(&new, 10, now).await.unwrap();
        let mut quote = quote(&ask, input.statement, now / 1000 + 60);
        quote.task.slot = slot;
        let id = quote.id(&self.ctx.domain());
        let price =
            Price { work: 1, gas: 1, premium: 1, units: WorkUnits(1), strategy: Strategy::Assign, expected_ms: 1 };
        store.quote_task(task.key, id, &quote, price, 10, now).await.unwrap();
        store.sign_task(task.key, &[1; 65]).await.unwrap();
        self.says(10, Fact::Published { task: id, operator: OPERATOR }).await;
        Guest { id, key: task.key, image, stdin }
    }

    /// Plans the task and runs its program to its end.
    pub(crate) async fn grown(&self, kind: ProofKind, verifier: Address) -> Guest {
        let guest = self.guest(kind, verifier).await;
        self.reconcile(&["plan", "execute"]).await;
        guest
    }

    pub(crate) async fn reconcile(&self, names: &[&str]) {
        reconcile_once(&self.ctx, names).await.unwrap();
    }

    /// A prover of segments that is there.
    pub(crate) async fn segment_prover(&self, prover: u8) -> ProverId {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let prover = ProverId { address: key(prover).address(), device: "rig".into() };
        let speeds = BTreeMap::from([(ProofKind::Risc0Composite, 1_000.0), (ProofKind::Risc0Succinct, 1_000.0)]);
        let description = ProverDescription {
            cpus: 1,
            memory: 1 << 34,
            concurrency: 1,
            speeds,
            asks: [].into(),
            enclaves: vec![],
            unpaid: false,
        };
        store.join_prover(&prover, &description, now).await.unwrap();
        self.ctx.status.heard(&prover, now);
        prover
    }

    /// A prover that the dispatcher has given a job of a zkVM task.
    pub(crate) async fn segment_lease(&self, job: JobId, prover: u8) -> LeaseRecord {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let prover = self.segment_prover(prover).await;
        store.grant_lease(job, &prover, Grant::sole(now + 60_000), now).await.unwrap()
    }

    /// Every job for provers is done; the wrap's result is the real one.
    pub(crate) async fn all_proven(&self, guest: &Guest) {
        self.all_proven_with(guest, wrapped(guest.image)).await;
    }

    /// With this as the wrap's result, which nobody has verified.
    pub(crate) async fn all_proven_with(&self, guest: &Guest, wrap: Vec<u8>) {
        for record in self.ctx.store.jobs_of(guest.key).await.unwrap() {
            let bytes = match record.job.operation {
                Operation::Seal => continue,
                Operation::Wrap => wrap.clone(),
                _ => format!("result {}", record.id.index).into_bytes(),
            };
            let lease = self.segment_lease(record.id, 2).await;
            let result = NewResult {
                job: lease.job,
                token: lease.token,
                prover: lease.prover.clone(),
                result: self.ctx.blobs.put_bytes(bytes.into()).await.unwrap(),
                proving_ms: Some(5),
                standing: Standing::default(),
                speed: None,
                pay: None,
            };
            self.ctx.store.complete_job(&result, self.ctx.clock.now()).await.unwrap();
        }
    }
}

/// What a requester asks for.
pub(crate) fn ask(program: BlobId, input: BlobId, kind: ProofKind, verifier: Address) -> Ask {
    Ask {
        program,
        kind,
        input,
        statement: None,
        requester: requester(),
        target: Address::repeat_byte(4),
        encoder: Address::ZERO,
        verifier,
        call: Call::default(),
        call_gas: 100_000,
        proof_window: 600,
        liability_window: 1_200,
        reward_token: TOKEN,
        max_reward: None,
        liability_token: TOKEN,
        liability: 10,
        bond: 1,
        burn: 0,
        strategy: None,
    }
}

/// The published receipt as a wrap yields it.
fn wrapped(image: B256) -> Vec<u8> {
    use risc0_zkvm::{
        Digest, Groth16Receipt, Groth16ReceiptVerifierParameters, MaybePruned, ReceiptClaim, sha::Digestible,
    };
    let claim = ReceiptClaim::ok(Digest::from(image.0), MaybePruned::Value(JOURNAL.to_vec()));
    let points = zkpool_protocol::Bytes::from(hex::decode(SEAL).unwrap()).slice(4..).to_vec();
    let parameters = Groth16ReceiptVerifierParameters::default().digest();
    bincode::serialize(&Groth16Receipt::new(points, MaybePruned::Value(claim), parameters)).unwrap()
}
