//! A whole job among liars: provers that return garbage, another segment's receipt, a receipt of another image; honest ones
//! that are killed at random; a member of the committee that signs for another answer. The answer arrives, and each culprit
//! is named.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use futures::future;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use zkpool_api::{
    AttestationRequest, AttestationsQuery, ClaimRequest, ClaimedJob, Client, ClientError, ClientOptions, FailureKind,
    Identity, JoinRequest, KindSpeed, MAX_PROOF, ResultRequest, TaskView,
};
use zkpool_backends::{
    Backend, Control, Limits, ProgramFiles, Step, Work,
    risc0::{Risc0Backend, WorkerCommand},
};
use zkpool_chain::{CommitteeView, Key};
use zkpool_demo::{
    actors::{Actor, Operator, Scenery, start_prover},
    process::Process,
};
use zkpool_demo_zkml::{
    cast::Cast,
    customer::Drawn,
    parties::Application,
    summary::{provers, text},
};
use zkpool_protocol::{Bytes, ErrorCode, JobState, Operation, ProofKind, TaskState};

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(900);
/// Memory of each machine: enough for segments of 2^16 cycles, so that one digit is three of them.
const MEMORY: u64 = 1 << 30;

/// Somebody who speaks to the operator's service itself.
struct Stranger {
    client: Client,
    device: String,
}

impl Stranger {
    fn new(scenery: &Scenery, actor: &Actor, operator: &Operator) -> Self {
        let key = key(actor);
        let identity = Identity::new(actor.address(), move |message: String| {
            let signature = key.sign_message(message.as_bytes());
            async move { signature }
        });
        let options = ClientOptions { chain_id: Some(scenery.stage.domain.chain_id), ..ClientOptions::default() };
        let client = Client::new(&operator.url, identity, options).unwrap();
        Self { client, device: actor.name.replace(' ', "-") }
    }

    /// Says that it proves segments, slowly: nobody is to expect much of it.
    async fn join(&self) {
        let kinds = vec![KindSpeed { kind: ProofKind::Risc0Composite, units_per_second: 400.0 }];
        let device = self.device.clone();
        self.client
            .join(&JoinRequest {
                device,
                cpus: 1,
                memory: MEMORY,
                kinds,
                asks: vec![],
                concurrency: 1,
                enclaves: vec![],
                unpaid: false,
            })
            .await
            .unwrap();
    }

    /// Waits for a segment.
    async fn claims(&self) -> ClaimedJob {
        loop {
            let request = ClaimRequest { device: self.device.clone(), holding: vec![], wait: 20 };
            if let Some(job) = self.client.claim(&request).await.unwrap().job {
                assert_eq!(job.operation, Operation::Prove);
                return job;
            }
        }
    }

    async fn returns(&self, job: &ClaimedJob, result: &[u8]) -> Result<(), ClientError> {
        let request = ResultRequest {
            fence: job.lease.fence,
            proof: Bytes::copy_from_slice(result),
            proving_ms: None,
            signature: None,
        };
        self.client.result(job.id, &request).await.map(drop)
    }

    /// Returns what does not verify.
    async fn lies(&self, job: &ClaimedJob, result: &[u8]) {
        let refused = self.returns(job, result).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ProofInvalid, "{refused}");
    }

    /// Proves what it has claimed.
    async fn proves(&self, zkpool: &Path, dir: &Path, job: &ClaimedJob) -> Vec<u8> {
        let path = dir.join("segment");
        std::fs::write(&path, self.client.download(job.inputs[0], 1 << 24).await.unwrap()).unwrap();
        let program = ProgramFiles { manifest: job.program.clone(), files: Default::default() };
        let work = Work { program, step: Step::Prove { segment: path, claim: job.statement.unwrap() } };
        let command = WorkerCommand { command: vec![zkpool.into(), "prove-worker".into()] };
        let backend = Risc0Backend::new(Limits { memory: MEMORY, ..Limits::default() }, Some(command)).unwrap();
        tokio::task::spawn_blocking(move || backend.prove(&work, &Control::new()).unwrap().result).await.unwrap()
    }

    /// Waits for a receipt that the committee should sign, and signs for another answer.
    async fn signs_for_another_answer(&self, actor: &Actor, committee: &CommitteeView) {
        let query = AttestationsQuery { verifier: committee.address(), wait: 20, after: None };
        let open = loop {
            if let Some(open) = self.client.attestations(&query).await.unwrap().open.pop() {
                break open;
            }
        };
        let mut journal = open.journal.to_vec();
        *journal.last_mut().unwrap() ^= 1;
        let attestation = zkpool_bindings::CommitteeVerifier::Attestation {
            imageId: open.image_id,
            journalDigest: zkpool_protocol::BlobId::of(&journal).into(),
            receiptHash: open.receipt.into(),
        };
        let signature = key(actor).sign_digest(&attestation.digest(&committee.domain())).unwrap();
        let request = AttestationRequest { task: open.task, receipt: open.receipt, signature };
        let refused = self.client.attest(&request).await.unwrap_err();
        assert!(matches!(refused, ClientError::Api { .. }), "{refused}");
    }
}

fn key(actor: &Actor) -> Key {
    Key::from_hex(&actor.secret()).unwrap()
}

/// A prover that works until it is killed, and comes again.
struct Killed<'a> {
    scenery: &'a Scenery,
    operator: &'a Operator,
    actor: Actor,
    process: Option<Process>,
}

impl Killed<'_> {
    fn comes(&mut self) {
        self.process = Some(start_prover(self.scenery, &self.actor, self.operator, &["--memory", "1GiB"]).unwrap());
    }

    fn is_killed(&mut self) {
        self.process.take().unwrap().kill().unwrap();
    }
}

async fn task(operator: &Operator, id: &str) -> TaskView {
    let client = Client::anonymous(&operator.url, ClientOptions::default()).unwrap();
    client.task(id.parse().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_arrives_among_liars_and_the_killed_and_each_culprit_is_named() {
    let zkpool = Path::new(env!("CARGO_BIN_EXE_zkpool-demo-zkml")).with_file_name("zkpool");
    let temporary = tempfile::tempdir().unwrap();
    let scenery = Scenery::set(zkpool.clone(), temporary.path()).await.unwrap();
    let mut cast = Cast::gather(&scenery, ProofKind::Risc0Composite).await.unwrap();
    let _honest_members = cast.attest(&scenery, &cast.members[..2]).unwrap();

    let liars = ["garbage", "another segment", "another image"].map(Actor::new);
    let [garbage, segment, image] = liars.each_ref().map(|liar| Stranger::new(&scenery, liar, &cast.operator));
    for liar in [&garbage, &segment, &image] {
        liar.join().await;
    }
    cast.operator.ready(&scenery, &mut cast.service, 3).await.unwrap();
    let owner = Actor::new("application");
    let kind = ProofKind::Risc0Composite;
    let mut application = Application::start(&scenery, &cast.ground, &owner, &cast.operator, kind).await.unwrap();
    let mut rng = StdRng::from_entropy();
    let drawn = Drawn::afresh(1, &mut rng);

    let trouble = async {
        // Each of them has one of the three segments.
        let jobs = [garbage.claims().await, segment.claims().await, image.claims().await];
        let noise: Vec<u8> = (0..200_000).map(|_| rng.r#gen()).collect();
        garbage.lies(&jobs[0], &noise).await;
        assert!(noise.len() < MAX_PROOF);
        // A real receipt of a segment of another program.
        let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../crates/verifiers/tests/risc0/data");
        image.lies(&jobs[2], &std::fs::read(fixture.join("first.prove")).unwrap()).await;
        // This one does its first job well, and returns the same for its second.
        let proven = segment.proves(&zkpool, temporary.path(), &jobs[1]).await;
        segment.returns(&jobs[1], &proven).await.unwrap();
        let next = segment.claims().await;
        segment.lies(&next, &proven).await;

        let mut workers = ["prover 1", "prover 2"].map(|name| Killed {
            scenery: &scenery,
            operator: &cast.operator,
            actor: Actor::new(name),
            process: None,
        });
        workers.iter_mut().for_each(Killed::comes);
        for turn in 0..3 {
            tokio::time::sleep(Duration::from_secs(rng.gen_range(5..15))).await;
            workers[turn % 2].is_killed();
            workers[turn % 2].comes();
        }
        future::pending::<()>().await;
    };
    let committee = CommitteeView::new(scenery.stage.anvil.rpc(), scenery.stage.domain.chain_id, cast.ground.committee);
    let liar = &cast.members[2];
    let third = Stranger::new(&scenery, liar, &cast.operator);
    let lie = third.signs_for_another_answer(liar, &committee);
    let asked = async {
        let (asked, ()) = future::join(application.ask(&scenery, &drawn, PATIENCE, &mut [], &mut |_| {}), lie).await;
        asked.unwrap()
    };
    let asked = tokio::select! {
        asked = asked => asked,
        () = trouble => unreachable!("it goes on until the answer is there"),
    };

    assert_eq!(asked.view["stage"], "delivered", "{}", asked.view["error"]);
    let question: Value = asked.view["question"].clone();
    let classes = cast.ground.classes(&scenery.stage, text(&question).parse().unwrap()).await.unwrap();
    assert_eq!(classes, drawn.classes());
    let task = task(&cast.operator, &text(&asked.view["task"])).await;
    assert_eq!(task.state, TaskState::Delivered);
    let proves: Vec<_> = task.jobs.iter().filter(|job| job.operation == Operation::Prove).collect();
    assert!(proves.len() >= 3 && proves.iter().all(|job| job.state == JobState::Done && job.prover.is_some()));
    let wrong: Vec<_> = proves
        .iter()
        .flat_map(|job| &job.failures)
        .filter(|failure| failure.kind == FailureKind::Wrong)
        .map(|failure| (failure.prover, failure.reason.clone().unwrap()))
        .collect();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    for (liar, word) in liars.iter().zip(["receipt", "claim", "claim"]) {
        let named = wrong.iter().find(|(prover, _)| *prover == liar.address());
        assert!(named.is_some_and(|(_, reason)| reason.contains(word)), "{}: {wrong:?}", liar.name);
    }
    let seal = task.seal.unwrap();
    assert_eq!((seal.liars, seal.signers.len()), (vec![liar.address()], 2));
    // What the second liar did well is its own.
    let work = provers(&asked.view);
    let of = |actor: &Actor| work.get(&actor.address().to_string().to_lowercase()).copied().unwrap_or_default();
    assert_eq!([of(&liars[0]), of(&liars[1]), of(&liars[2])], [0, 1, 0], "{work:?}");
}
