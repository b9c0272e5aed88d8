//! Bundles and their legs.

use super::*;
use crate::{LeaseEnd, LeaseOutcome, LegRef, NewLeg, StoreError};
use zkpool_protocol::{BundleLeg, bundle::leg_id};

fn sgx() -> ProgramManifest {
    ProgramManifest::Sgx { enclave: B256::repeat_byte(0xe1) }
}

/// The `leg`th leg of a bundle, a circuit's proof or an enclave's word.
fn leg(bundle: &TaskRecord, leg: u32, round: u32, independent: bool) -> NewLeg {
    let mut ask = bundle.ask.clone();
    (ask.program, ask.kind) = match leg {
        0 => (program().id(), ProofKind::Groth16Bn254),
        _ => (sgx().id(), ProofKind::Sgx),
    };
    (ask.input, ask.verifier) = (BlobId::of(b"input"), address(0xb0 + leg as u8));
    let mut quote = quote(&ask, 0, 0x77);
    quote.task.statement = B256::with_last_byte(leg as u8);
    let (id, units) = (leg_id(id(bundle), leg, round), WorkUnits(10));
    let strategy = Strategy::Race { provers: 2 };
    NewLeg { id, leg, round, independent, dissent: round > 0, ask, quote, units, strategy }
}

/// A bundle of two legs that is being proven, and its legs.
async fn bundle(store: &Subject, slot: u32, independent: bool) -> (TaskRecord, Vec<TaskRecord>) {
    let task = quoted(store, slot).await;
    store.advance(&block(10, DAWN, vec![published(&task)]), 3).await.unwrap();
    let legs = (0..2).map(|n| leg(&task, n, 0, independent)).collect();
    store.plan_task(task.key, &Plan::Legs(legs), 4).await.unwrap();
    let task = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((task.state, task.planned, task.leg), (TaskState::Proving, true, None));
    let legs = store.legs_of(task.key).await.unwrap();
    (task, legs)
}

/// Plans a leg: one job.
async fn start(store: &Subject, leg: &TaskRecord) -> JobId {
    let graph = JobGraph::new(vec![Job { kind: leg.ask.kind, ..job(&[]) }]).unwrap();
    store.plan_task(leg.key, &Plan::Complete(graph), 5).await.unwrap();
    JobId { task: id(leg), index: 0 }
}

/// Has a prover do a job.
async fn done(store: &Subject, job: JobId, who: &ProverId) {
    let lease = store.grant_lease(job, who, Grant::sole(1_000), 6).await.unwrap();
    let result = NewResult {
        job,
        token: lease.token,
        prover: who.clone(),
        result: BlobId::of(format!("{job} by {who}").as_bytes()),
        proving_ms: Some(5),
        standing: Standing::default(),
        speed: None,
        pay: None,
    };
    store.complete_job(&result, 7).await.unwrap();
}

async fn states(store: &Subject, bundle: &TaskRecord) -> Vec<TaskState> {
    store.legs_of(bundle.key).await.unwrap().iter().map(|leg| leg.state).collect()
}

/// A program of each kind comes back as it was.
pub async fn enclaves_and_bundles_come_back_whole(store: Subject) {
    catalogued(&store).await;
    let record = |manifest| ProgramRecord {
        manifest,
        verifying_key: vec![],
        measured: Measured { units: WorkUnits(1), memory: 0 },
        public_inputs: 0,
        registered_by: PAYER,
    };
    let leg = |program: ProgramManifest, kind| BundleLeg { program: program.id(), kind };
    let legs = vec![leg(sgx(), ProofKind::Sgx), leg(program(), ProofKind::Groth16Bn254)];
    for manifest in [sgx(), ProgramManifest::Bundle { legs }] {
        for _ in 0..2 {
            store.put_program(&record(manifest.clone()), 1).await.unwrap();
        }
        assert_eq!(store.program(manifest.id()).await.unwrap(), Some(record(manifest)));
    }
}

/// A leg is published when its bundle is planned, shares its deadlines, and nothing on chain is said of it; its bundle's
/// version grows with it.
pub async fn legs_are_tasks_that_share_their_bundles_time(store: Subject) {
    let (task, legs) = bundle(&store, 1, true).await;
    assert_eq!(legs.len(), 2);
    for (n, leg) in (0u32..).zip(&legs) {
        let of = leg.leg.unwrap();
        assert_eq!((of.bundle, of.leg, of.round, of.independent), (task.key, n, 0, true));
        assert_eq!((leg.role, leg.state, leg.own_slot), (Role::Leg, TaskState::Published, None));
        assert_eq!(leg.quote.as_ref().unwrap().1.task.statement, B256::with_last_byte(n as u8));
        assert_eq!(leg.chain.proof_deadline, task.chain.proof_deadline);
        assert_eq!(leg.price.unwrap().units, WorkUnits(10));
    }
    let moved = Fact::Deadlines { task: id(&task), proof: DAWN + 500, liability: DAWN + 600 };
    store.advance(&block(11, DAWN + 1, vec![moved]), 5).await.unwrap();
    for leg in store.legs_of(task.key).await.unwrap() {
        assert_eq!((leg.chain.proof_deadline, leg.chain.liability_deadline), (DAWN + 500, DAWN + 600));
    }
    let before = store.task_by_key(task.key).await.unwrap().unwrap().version;
    start(&store, &legs[0]).await;
    assert!(store.task_by_key(task.key).await.unwrap().unwrap().version > before, "who watches the bundle sees it");
    assert_eq!(store.slots_taken(TOKEN, 0).await.unwrap(), [1], "a leg takes up no slot");
    let states = [TaskState::Published, TaskState::Proving];
    assert_eq!(store.tasks_in(&states).await.unwrap().len(), 1, "the chain knows the bundle alone");
    assert_eq!(store.work_in(&states).await.unwrap().len(), 3);
}

/// The bundle's proof is put together once, and what is delivered with it counts as delivered.
pub async fn a_bundle_is_proven_and_delivered_with_its_legs(store: Subject) {
    let (task, legs) = bundle(&store, 1, true).await;
    for (n, leg) in (1..).zip(&legs) {
        let job = start(&store, leg).await;
        done(&store, job, &joined(&store, n).await).await;
    }
    assert_eq!(states(&store, &task).await, [TaskState::Proven; 2]);
    assert_eq!(state(&store, &task).await, TaskState::Proving, "the service puts it together");
    let proof = BlobId::of(b"both");
    assert_eq!(store.prove_bundle(task.key, proof, 8).await.unwrap(), TaskState::Proven);
    assert!(matches!(store.prove_bundle(task.key, proof, 9).await, Err(StoreError::Moved { .. })));
    assert_eq!(store.task_by_key(task.key).await.unwrap().unwrap().proof, Some(proof));
    store.advance(&block(12, DAWN + 2, vec![ended(&task, End::DeliveredOnTime)]), 10).await.unwrap();
    assert_eq!(states(&store, &task).await, [TaskState::Delivered; 2]);
    // A reorganisation takes it back.
    store.advance(&rewind(11, DAWN + 1), 11).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proven);
    assert_eq!(states(&store, &task).await, [TaskState::Proven; 2]);
}

/// Whose bundle is over is worked on by nobody; and goes on where it was when the chain takes back what ended it.
pub async fn legs_end_and_go_on_with_their_bundle(store: Subject) {
    let (task, legs) = bundle(&store, 1, true).await;
    let job = start(&store, &legs[0]).await;
    let who = joined(&store, 1).await;
    store.grant_lease(job, &who, Grant::sole(1_000), 6).await.unwrap();
    // The publication is taken back: nobody works for nothing.
    store.advance(&rewind(9, DAWN), 7).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Quoted);
    assert_eq!(states(&store, &task).await, [TaskState::Released; 2]);
    assert!(store.workload().await.unwrap().jobs.is_empty());
    assert!(store.held_by(&who).await.unwrap().is_empty());
    store.advance(&block(10, DAWN + 5, vec![published(&task)]), 8).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proving);
    assert_eq!(states(&store, &task).await, [TaskState::Proving, TaskState::Published]);
    let leg = store.task_by_key(legs[1].key).await.unwrap().unwrap();
    let deadline = store.task_by_key(task.key).await.unwrap().unwrap().chain.proof_deadline;
    assert_eq!(leg.chain.proof_deadline, deadline, "the new publication's");
    assert_eq!(store.workload().await.unwrap().jobs.len(), 1);
    // Too late: the liability window is over.
    store.advance(&block(20, DAWN + 1_000, vec![]), 9).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Missed);
    assert_eq!(states(&store, &task).await, [TaskState::Released; 2]);
}

/// Neither the dispatcher's list nor a lease lets an owner have a hand in two legs.
pub async fn nobody_works_on_two_legs(store: Subject) {
    let (task, legs) = bundle(&store, 1, true).await;
    let (first, second) = (start(&store, &legs[0]).await, start(&store, &legs[1]).await);
    let (a, b) = (joined(&store, 1).await, joined(&store, 2).await);
    store.grant_lease(first, &a, Grant::sole(1_000), 6).await.unwrap();
    let work = store.workload().await.unwrap().jobs;
    let of = |job: JobId| work.iter().find(|item| item.job.id == job).unwrap();
    assert_eq!(of(second).excluded, [a.address]);
    assert!(of(first).excluded.is_empty());
    assert_eq!(of(second).leg, Some(LegRef { bundle: id(&task), leg: 1, independent: true }));
    let same_owner = ProverId { device: "another".into(), ..a.clone() };
    let refused = store.grant_lease(second, &same_owner, Grant::sole(1_000), 6).await;
    assert!(matches!(refused, Err(StoreError::Moved { .. })), "{refused:?}");
    store.grant_lease(second, &b, Grant::sole(1_000), 6).await.unwrap();
}

/// Unless the requester allows it.
pub async fn legs_may_share_a_prover_if_that_is_allowed(store: Subject) {
    let (_, legs) = bundle(&store, 1, false).await;
    let who = joined(&store, 1).await;
    for leg in &legs {
        let job = start(&store, leg).await;
        store.grant_lease(job, &who, Grant::sole(1_000), 6).await.unwrap();
    }
    assert!(store.workload().await.unwrap().jobs.iter().all(|item| item.excluded.is_empty()));
}

/// A leg that is repeated goes to somebody else, and what was said before is kept.
pub async fn a_leg_is_repeated_by_somebody_else(store: Subject) {
    let (task, legs) = bundle(&store, 1, true).await;
    let job = start(&store, &legs[1]).await;
    let (a, b) = (joined(&store, 1).await, joined(&store, 2).await);
    done(&store, job, &a).await;
    let before = store.task_by_key(legs[1].key).await.unwrap().unwrap();
    assert_eq!(before.state, TaskState::Proven);
    let skipped = store.repeat_legs(task.key, &[(leg(&task, 1, 2, true), "disagrees")], 8).await;
    assert!(matches!(skipped, Err(StoreError::Moved { .. })), "{skipped:?}");
    store.repeat_legs(task.key, &[(leg(&task, 1, 1, true), "disagrees")], 8).await.unwrap();
    let twice = store.repeat_legs(task.key, &[(leg(&task, 1, 1, true), "disagrees")], 8).await;
    assert!(matches!(twice, Err(StoreError::Moved { .. })), "{twice:?}");
    let all = store.legs_of(task.key).await.unwrap();
    assert_eq!(all.iter().map(|l| l.leg.unwrap().round).collect::<Vec<_>>(), [0, 0, 1]);
    assert_eq!((all[1].state, all[1].proof), (TaskState::Released, before.proof), "evidence");
    assert_eq!(all[2].state, TaskState::Published);
    let again = start(&store, &all[2]).await;
    assert!(matches!(store.grant_lease(again, &a, Grant::sole(1_000), 9).await, Err(StoreError::Moved { .. })));
    store.grant_lease(again, &b, Grant::sole(1_000), 9).await.unwrap();
    // Only the last try of it comes back with its bundle.
    store.advance(&rewind(9, DAWN), 10).await.unwrap();
    store.advance(&block(10, DAWN + 5, vec![published(&task)]), 11).await.unwrap();
    assert_eq!(states(&store, &task).await, [TaskState::Published, TaskState::Released, TaskState::Proving]);
}

/// A process that dies in between must not leave one leg repeated and the other not.
pub async fn legs_are_repeated_together_or_not_at_all(store: Subject) {
    let (task, _) = bundle(&store, 1, true).await;
    let tries = [(leg(&task, 0, 1, true), "disagrees"), (leg(&task, 1, 2, true), "disagrees")];
    let skipped = store.repeat_legs(task.key, &tries, 8).await;
    assert!(matches!(skipped, Err(StoreError::Moved { .. })), "{skipped:?}");
    assert_eq!(states(&store, &task).await, [TaskState::Published; 2]);
    let tries = [(leg(&task, 0, 1, true), "disagrees"), (leg(&task, 1, 1, true), "disagrees")];
    store.repeat_legs(task.key, &tries, 8).await.unwrap();
    let (old, new) = (TaskState::Released, TaskState::Published);
    assert_eq!(states(&store, &task).await, [old, new, old, new]);
}

/// An enclave that was revoked says nothing against its owner, who may have another; a disagreement does.
pub async fn who_made_a_leg_that_lost_its_worth_may_make_it_again(store: Subject) {
    let (task, legs) = bundle(&store, 1, true).await;
    let (a, b) = (joined(&store, 1).await, joined(&store, 2).await);
    let job = start(&store, &legs[1]).await;
    done(&store, job, &a).await;
    let lost = NewLeg { dissent: false, ..leg(&task, 1, 1, true) };
    store.repeat_legs(task.key, &[(lost, "revoked")], 8).await.unwrap();
    let job = start(&store, &store.legs_of(task.key).await.unwrap()[2]).await;
    done(&store, job, &a).await;
    store.repeat_legs(task.key, &[(leg(&task, 1, 2, true), "disagrees")], 8).await.unwrap();
    let lost = NewLeg { dissent: false, ..leg(&task, 1, 3, true) };
    store.repeat_legs(task.key, &[(lost, "revoked")], 8).await.unwrap();
    let last = store.legs_of(task.key).await.unwrap().pop().unwrap();
    assert_eq!(last.leg.map(|leg| (leg.round, leg.dissent)), Some((3, false)));
    let job = start(&store, &last).await;
    let refused = store.grant_lease(job, &a, Grant::sole(1_000), 9).await;
    assert!(matches!(refused, Err(StoreError::Moved { .. })), "before the disagreement: {refused:?}");
    assert_eq!(store.workload().await.unwrap().jobs[0].excluded, [a.address]);
    store.grant_lease(job, &b, Grant::sole(1_000), 9).await.unwrap();
}

/// Whose lease had lapsed, and who was given another leg meanwhile, has no say in the first one any more.
pub async fn a_late_result_gives_nobody_a_second_leg(store: Subject) {
    let (_, legs) = bundle(&store, 1, true).await;
    let who = joined(&store, 1).await;
    let (first, second) = (start(&store, &legs[0]).await, start(&store, &legs[1]).await);
    let lease = store.grant_lease(first, &who, Grant::sole(1_000), 6).await.unwrap();
    let expired = LeaseOutcome { end: LeaseEnd::Expired, note: None, standing: None };
    store.end_lease(first, lease.token, &expired, 7).await.unwrap();
    store.grant_lease(second, &who, Grant::sole(1_000), 8).await.unwrap();
    let late = NewResult {
        job: first,
        token: lease.token,
        prover: who,
        result: BlobId::of(b"late"),
        proving_ms: None,
        standing: Standing::default(),
        speed: None,
        pay: None,
    };
    assert!(matches!(store.complete_job(&late, 9).await, Err(StoreError::LeaseLost)));
}
