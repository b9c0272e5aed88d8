//! Quotes for zkVM tasks: cut for the machines that are there, refused with a code where nobody could do it.

use crate::{
    support::{Service, TOKEN, key},
    work::requester,
    zkvm::{IMAGE, JOURNAL, Script, ask},
};
use serde_json::json;
use std::sync::{Arc, atomic::Ordering};
use zkpool_protocol::{
    Address, BlobId, ErrorCode, GuestInput, ProgramManifest, ProofKind, TaskInput, TaskState, WitnessSource,
    zkvm::segment_memory,
};
use zkpool_service::{Committee, http::Bounds, ops::programs::register_program};
use zkpool_store::{Ask, NewTask, ProverDescription, ProverId, TaskRecord};

const VERIFIER: Address = Address::repeat_byte(0x99);

struct Shop {
    service: Service,
    script: Arc<Script>,
    ask: Ask,
    attempts: u32,
}

impl Shop {
    /// An operator that signs for a committee of three, of whom two must sign.
    async fn open(kind: ProofKind) -> Self {
        let wishes = json!({
            "verifiers": [{ "address": VERIFIER, "kind": kind }],
            "slots": [{ "token": TOKEN, "count": 1, "collateral": "1000000", "honour": "1" }],
        });
        let script = Arc::new(Script::default());
        let service = Service::running(wishes, Bounds::default(), Arc::clone(&script)).await;
        let members = (11..14).map(|n| key(n).address()).collect();
        service.chain.verifiers.lock().unwrap().insert(VERIFIER, Some(Committee { members, threshold: 2 }));
        service.see_chain(9);
        let binary = upload(&service, b"R0BF").await;
        let stdin = upload(&service, b"stdin").await;
        let manifest = ProgramManifest::Risc0 { binary, image_id: IMAGE.parse().unwrap() };
        register_program(&service.ctx, requester(), manifest.clone()).await.unwrap();
        let source = WitnessSource::Guest(GuestInput { stdin, assumptions: vec![] });
        let envelope = TaskInput { program: manifest.id(), source }.to_bytes();
        let input = upload(&service, &envelope).await;
        script.looks.lock().unwrap().clear();
        let ask = ask(manifest.id(), input, kind, VERIFIER);
        Self { service, script, ask, attempts: 0 }
    }

    async fn prover(&self, n: u8, po2: u32, kinds: &[ProofKind]) {
        let id = ProverId { address: key(n).address(), device: "rig".into() };
        let speeds = kinds.iter().map(|kind| (*kind, 100_000.0)).collect();
        let description = ProverDescription {
            cpus: 1,
            memory: segment_memory(po2),
            concurrency: 1,
            speeds,
            asks: [].into(),
            enclaves: vec![],
            unpaid: false,
        };
        let now = self.service.ctx.clock.now();
        self.service.ctx.store.join_prover(&id, &description, now).await.unwrap();
        self.service.ctx.status.heard(&id, now);
    }

    /// Asks, and is refused.
    async fn refused(&mut self) -> (ErrorCode, TaskRecord) {
        let request = BlobId::of(b"request");
        let new = NewTask { request, attempt: self.attempts, payer: requester(), ask: self.ask.clone() };
        self.attempts += 1;
        let task = self.service.ctx.store.create_task(&new, 10, self.service.ctx.clock.now()).await.unwrap();
        self.service.reconcile(&["preflight"]).await;
        let task = self.service.ctx.store.task_by_key(task.key).await.unwrap().unwrap();
        assert_eq!(task.state, TaskState::Refused);
        (task.refusal.clone().unwrap().code, task)
    }

    fn limits(&self) -> Vec<Vec<u32>> {
        self.script.looks.lock().unwrap().iter().map(|look| look.segment_limits.clone()).collect()
    }
}

pub(crate) async fn upload(service: &Service, bytes: &[u8]) -> BlobId {
    let id = service.ctx.blobs.put_bytes(bytes.to_vec().into()).await.unwrap();
    let (size, now) = (bytes.len() as u64, service.ctx.clock.now());
    service.ctx.store.note_upload(requester(), id, size, 1 << 20, now).await.unwrap();
    id
}

#[tokio::test]
async fn an_execution_is_tried_at_the_sizes_that_the_present_machines_can_prove() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    assert_eq!(shop.refused().await.0, ErrorCode::NoProver);
    assert!(shop.limits().is_empty(), "nobody is there: nothing is run");
    shop.prover(2, 14, &[ProofKind::Risc0Composite]).await;
    shop.prover(3, 18, &[ProofKind::Risc0Composite]).await;
    shop.refused().await;
    assert_eq!(shop.limits(), [[18, 17, 16, 14]]);
    // What was tried is known; what new machines bring is tried besides.
    shop.refused().await;
    shop.prover(4, 20, &[ProofKind::Risc0Composite]).await;
    shop.refused().await;
    assert_eq!(shop.limits(), [vec![18, 17, 16, 14], vec![20, 19]]);
    let tried = shop.service.ctx.store.input(shop.ask.input).await.unwrap().unwrap().run.unwrap().segmentations;
    assert_eq!(tried.iter().map(|cut| cut.limit).collect::<Vec<_>>(), [14, 16, 17, 18, 19, 20]);
}

#[tokio::test]
async fn sizes_that_are_too_small_for_a_program_are_known_and_refuse_it_for_as_long_as_nobody_larger_is_there() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    *shop.script.least.lock().unwrap() = 17;
    shop.prover(2, 16, &[ProofKind::Risc0Composite]).await;
    let (code, task) = shop.refused().await;
    assert_eq!(code, ErrorCode::NoProver);
    assert!(task.refusal.unwrap().message.contains("more memory"), "it says what is missing");
    shop.refused().await;
    shop.prover(3, 18, &[ProofKind::Risc0Composite]).await;
    assert_eq!(shop.refused().await.0, ErrorCode::NoCommittee, "it can be proven");
    shop.refused().await;
    assert_eq!(shop.limits(), [vec![16, 15, 14], vec![18, 17]], "nothing is tried twice");
}

#[tokio::test]
async fn a_journal_that_is_another_one_later_is_refused() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    shop.prover(2, 18, &[ProofKind::Risc0Composite]).await;
    assert_eq!(shop.refused().await.0, ErrorCode::NoCommittee);
    shop.script.unsteady.store(true, std::sync::atomic::Ordering::SeqCst);
    shop.prover(3, 20, &[ProofKind::Risc0Composite]).await;
    let (code, task) = shop.refused().await;
    assert_eq!(code, ErrorCode::GuestFailed);
    assert!(task.refusal.unwrap().message.contains("function of the input"), "it says what to do");
}

/// A composite receipt without anything in it, and a Groth16 one: the worker has found them sound.
fn receipt(kind: u32) -> Vec<u8> {
    let (none, digest) = ([0_u8; 8], [0_u8; 32]);
    let inner = match kind {
        // Segments, assumptions, parameters.
        0 => [&none[..], &none, &digest].concat(),
        // Seal, a claim that is only its hash, parameters.
        _ => [&none[..], &1_u32.to_le_bytes(), &digest, &digest].concat(),
    };
    // Journal and parameters.
    [&kind.to_le_bytes()[..], &inner, &none, &digest].concat()
}

#[tokio::test]
async fn what_goes_through_the_recursion_builds_on_succinct_receipts() {
    for (kind, taken) in [(ProofKind::Risc0Composite, true), (ProofKind::Risc0Succinct, false)] {
        let mut shop = Shop::open(kind).await;
        shop.prover(2, 20, &[ProofKind::Risc0Composite, ProofKind::Risc0Succinct]).await;
        for receipt in [receipt(0), receipt(2)] {
            let stdin = upload(&shop.service, b"stdin").await;
            let assumption = upload(&shop.service, &receipt).await;
            let source = WitnessSource::Guest(GuestInput { stdin, assumptions: vec![assumption] });
            let envelope = TaskInput { program: shop.ask.program, source }.to_bytes();
            shop.ask.input = upload(&shop.service, &envelope).await;
            let (code, task) = shop.refused().await;
            if taken {
                assert_eq!(code, ErrorCode::NoCommittee);
                continue;
            }
            assert_eq!(code, ErrorCode::BadInput);
            let message = task.refusal.unwrap().message;
            assert!(message.contains("compress") && message.contains(&assumption.to_string()), "{message}");
        }
    }
}

#[tokio::test]
async fn a_receipt_that_nobody_can_make_is_not_promised() {
    let mut shop = Shop::open(ProofKind::Risc0Groth16).await;
    shop.prover(2, 20, &[ProofKind::Risc0Composite, ProofKind::Risc0Succinct]).await;
    let (code, task) = shop.refused().await;
    assert_eq!(code, ErrorCode::NoProver);
    assert!(task.refusal.unwrap().message.contains("risc0-groth16"), "it says what is missing");
}

#[tokio::test]
async fn a_committee_must_be_there() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    shop.prover(2, 18, &[ProofKind::Risc0Composite]).await;
    let (code, task) = shop.refused().await;
    assert_eq!(code, ErrorCode::NoCommittee);
    let price = task.price.unwrap();
    assert_eq!(price.units.0, 1 << 20, "all segments, and no recursion");
    assert!(price.work > 0 && price.expected_ms > 10_000, "{price:?}");
    for n in [11, 12] {
        let now = shop.service.ctx.clock.now();
        shop.service.ctx.status.member_is_there(VERIFIER, key(n).address(), now);
    }
    // The next thing that is asked for is the target, of which this test's chain knows nothing.
    assert_eq!(shop.refused().await.0, ErrorCode::RpcUnreachable);
    shop.service.clock.advance(61);
    shop.service.see_chain(9);
    shop.prover(2, 18, &[ProofKind::Risc0Composite]).await;
    assert_eq!(shop.refused().await.0, ErrorCode::NoCommittee, "they have not asked for a minute");
}

#[tokio::test]
async fn a_deadline_is_held_against_the_plan() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    shop.prover(2, 18, &[ProofKind::Risc0Composite]).await;
    // A million cycles at a hundred thousand a second.
    shop.ask.proof_window = 10;
    assert_eq!(shop.refused().await.0, ErrorCode::DeadlineTooShort);
    // Four machines do it in a quarter of the time.
    for n in 3..6 {
        shop.prover(n, 18, &[ProofKind::Risc0Composite]).await;
    }
    assert_eq!(shop.refused().await.0, ErrorCode::NoCommittee);
}

#[tokio::test]
async fn a_program_that_has_not_run_yet_is_work_that_is_promised() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    shop.prover(2, 18, &[ProofKind::Risc0Composite]).await;
    // Ten and a half seconds of work, and four until it is delivered.
    shop.ask.proof_window = 15;
    assert_eq!(shop.refused().await.0, ErrorCode::NoCommittee);
    // Another task of more than a second.
    shop.service.guest(ProofKind::Risc0Composite, VERIFIER).await;
    shop.service.reconcile(&["plan"]).await;
    assert_eq!(shop.refused().await.0, ErrorCode::DeadlineTooShort);
    // Its jobs are the same work, which is counted once.
    shop.service.reconcile(&["execute"]).await;
    assert_eq!(shop.refused().await.0, ErrorCode::DeadlineTooShort);
    shop.ask.proof_window = 16;
    assert_eq!(shop.refused().await.0, ErrorCode::NoCommittee);
}

#[tokio::test]
async fn a_journal_that_is_no_question_is_refused() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    shop.prover(2, 18, &[ProofKind::Risc0Composite]).await;
    shop.service.chain.question.store(JOURNAL.len() as u32 + 1, Ordering::Relaxed);
    let (code, task) = shop.refused().await;
    assert_eq!(code, ErrorCode::BadInput);
    let message = task.refusal.unwrap().message;
    assert!(message.contains("21 bytes") && message.contains("first 22"), "{message}");
    shop.service.chain.question.store(JOURNAL.len() as u32, Ordering::Relaxed);
    assert_eq!(shop.refused().await.0, ErrorCode::NoCommittee);
}

#[tokio::test]
async fn a_long_call_is_paid_for_and_one_that_nodes_do_not_take_is_refused() {
    let mut shop = Shop::open(ProofKind::Risc0Composite).await;
    shop.prover(2, 18, &[ProofKind::Risc0Composite]).await;
    let short = shop.refused().await.1.price.unwrap();
    shop.ask.call.prefix = vec![1; 10_000].into();
    let long = shop.refused().await.1.price.unwrap();
    assert!(long.gas > short.gas + short.gas / 4, "{} after {}", long.gas, short.gas);
    shop.ask.call.prefix = vec![1; 60 << 10].into();
    shop.ask.call.suffix = vec![1; 60 << 10].into();
    let (code, task) = shop.refused().await;
    assert_eq!(code, ErrorCode::TooLarge);
    assert!(task.refusal.unwrap().message.contains("at most 120 KiB"));
}
