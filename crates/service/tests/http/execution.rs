//! Programs run to have them proven: segments become jobs as they come, whatever breaks off meanwhile.

use crate::{
    support::{Service, key},
    zkvm::{SEGMENTS, Script},
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use zkpool_protocol::{
    Address, B256, BlobId, JobState, Operation, ProofKind, TaskState,
    zkvm::{Growth, SegmentRef},
};
use zkpool_service::{http::Bounds, reconcile_once};
use zkpool_store::ProverId;

async fn running(script: Script) -> (Service, Arc<Script>) {
    let script = Arc::new(script);
    (Service::running(json!({}), Bounds::default(), Arc::clone(&script)).await, script)
}

#[tokio::test]
async fn segments_become_jobs_and_the_last_job_is_the_services_own() {
    let (service, script) = running(Script::default()).await;
    let guest = service.grown(ProofKind::Risc0Succinct, Address::ZERO).await;
    let task = service.ctx.store.task(guest.id).await.unwrap().unwrap();
    assert_eq!((task.state, task.segment_limit, task.planned), (TaskState::Proving, Some(16), true));
    let jobs = service.ctx.store.jobs_of(guest.key).await.unwrap();
    let proves: Vec<_> = jobs.iter().filter(|job| job.job.operation == Operation::Prove).collect();
    for (job, bytes) in proves.iter().zip(SEGMENTS) {
        assert_eq!(job.job.input, Some(BlobId::of(bytes)));
        assert!(service.ctx.blobs.length(BlobId::of(bytes)).await.unwrap().is_some());
    }
    assert_eq!(proves.iter().map(|job| job.job.units.0).collect::<Vec<_>>(), [1 << 14, 1 << 15, 1 << 16]);
    assert_eq!(jobs.last().unwrap().job.operation, Operation::Seal);
    let request = script.requests.lock().unwrap()[0].clone();
    assert_eq!(request.segment_limit, 16);
    assert!(request.files.contains_key(&guest.stdin));
    assert!(!request.directory.exists(), "nothing is left behind");

    let view = service.get(&format!("/v1/tasks/{}", guest.id), None).await.json();
    assert_eq!(view["execution"], json!({ "segments": 3, "segment_limit": 16, "complete": true }));
    let segments = |operation: &str| -> Vec<Value> {
        let jobs = view["jobs"].as_array().unwrap();
        jobs.iter().filter(|job| job["operation"] == operation).map(|job| job["segment"].clone()).collect()
    };
    assert_eq!(
        (segments("prove"), segments("lift")),
        (vec![json!(0), json!(1), json!(2)], vec![json!(0), json!(1), json!(2)])
    );
    assert_eq!(segments("join"), [Value::Null, Value::Null]);
}

#[tokio::test]
async fn a_run_that_breaks_off_is_begun_anew_and_what_it_left_is_cancelled() {
    let (service, script) = running(Script { break_after: Some(1).into(), ..Script::default() }).await;
    let guest = service.grown(ProofKind::Risc0Composite, Address::ZERO).await;
    assert_eq!(script.requests.lock().unwrap().len(), 2);
    let jobs = service.ctx.store.jobs_of(guest.key).await.unwrap();
    assert_eq!(
        jobs.iter().map(|job| job.job.operation.as_str()).collect::<Vec<_>>(),
        ["prove", "prove", "prove", "prove", "seal"]
    );
    assert_eq!(jobs[0].state, JobState::Cancelled);
    assert_eq!(jobs[4].job.needs, [1, 2, 3]);
    let there = async |bytes: &[u8]| service.ctx.blobs.length(BlobId::of(bytes)).await.unwrap().is_some();
    assert!(!there(b"another segment 0").await, "what it left is no use to anybody");
    assert!(there(SEGMENTS[0]).await);
    let view = service.get(&format!("/v1/tasks/{}", guest.id), None).await.json();
    assert_eq!(view["execution"], json!({ "segments": 3, "segment_limit": 16, "complete": true }));
}

#[tokio::test]
async fn a_program_that_runs_otherwise_than_in_the_preflight_completes_nothing() {
    let (service, _) = running(Script { lies: true, ..Script::default() }).await;
    let guest = service.guest(ProofKind::Risc0Composite, Address::ZERO).await;
    service.reconcile(&["plan"]).await;
    let endless = tokio::time::timeout(Duration::from_secs(1), reconcile_once(&service.ctx, &["execute"])).await;
    assert!(endless.is_err(), "it is tried again");
    assert!(!service.ctx.store.task(guest.id).await.unwrap().unwrap().planned);
}

#[tokio::test]
async fn a_run_that_always_breaks_off_holds_up_no_other() {
    let (service, script) = running(Script::default()).await;
    let broken = service.guest_on(0, ProofKind::Risc0Composite, Address::ZERO).await;
    let other = service.guest_on(1, ProofKind::Risc0Composite, Address::ZERO).await;
    *script.breaks.lock().unwrap() = Some(broken.key);
    service.reconcile(&["plan"]).await;
    let endless = tokio::time::timeout(Duration::from_millis(1_500), reconcile_once(&service.ctx, &["execute"])).await;
    assert!(endless.is_err(), "the other is tried again");
    let planned = async |key| service.ctx.store.task_by_key(key).await.unwrap().unwrap().planned;
    assert!(planned(other.key).await);
    assert!(!planned(broken.key).await);
    let runs: Vec<_> = script.requests.lock().unwrap().iter().map(|request| request.directory.clone()).collect();
    assert_eq!(runs.len(), 3, "once the other, and the broken one again after a pause: {runs:?}");
    assert!(runs[1].ends_with(other.key.to_string()), "{runs:?}");
}

#[tokio::test]
async fn a_run_that_grows_beyond_its_preflight_is_broken_off() {
    let (service, script) = running(Script { more: 30, ..Script::default() }).await;
    let guest = service.guest(ProofKind::Risc0Composite, Address::ZERO).await;
    service.reconcile(&["plan"]).await;
    let endless = tokio::time::timeout(Duration::from_millis(800), reconcile_once(&service.ctx, &["execute"])).await;
    assert!(endless.is_err(), "it is tried again");
    assert_eq!(script.requests.lock().unwrap().len(), 1);
    // Three in the preflight: twice that, and a few.
    assert_eq!(service.ctx.store.jobs_of(guest.key).await.unwrap().len(), 14);
}

#[tokio::test]
async fn of_a_large_task_the_front_is_shown_and_all_is_counted() {
    let (service, _) = running(Script::default()).await;
    let guest = service.guest(ProofKind::Risc0Composite, Address::ZERO).await;
    service.reconcile(&["plan"]).await;
    let mut growth = Growth::new(BlobId::of(b"program"), ProofKind::Risc0Composite, 0);
    let segment = SegmentRef { blob: BlobId::of(b"s"), po2: 14, claim: B256::ZERO };
    let jobs: Vec<_> = (0..2_600).flat_map(|_| growth.segment(&segment)).collect();
    service.ctx.store.extend_task(guest.key, 0, &jobs, false, 1).await.unwrap();
    let view = async || service.get(&format!("/v1/tasks/{}", guest.id), None).await.json();
    let first = view().await;
    assert_eq!(first["job_counts"], json!([{ "state": "ready", "count": 2_600 }]));
    assert_eq!(first["execution"]["segments"], 2_600);
    let shown = |view: &Value| {
        let jobs = view["jobs"].as_array().unwrap();
        (jobs.len(), jobs[0]["index"].clone(), jobs[0]["segment"].clone())
    };
    assert_eq!(shown(&first), (2_000, json!(0), json!(0)));
    // A broken run leaves them, and the new one stands behind them.
    service.ctx.store.abandon_graph(guest.key, 2).await.unwrap();
    let jobs: Vec<_> = (0..2_600).flat_map(|_| growth.segment(&segment)).collect();
    service.ctx.store.extend_task(guest.key, 2_600, &jobs, false, 3).await.unwrap();
    let again = view().await;
    assert_eq!(shown(&again), (2_000, json!(2_100), Value::Null));
    assert_eq!(again["jobs"][500]["segment"], 0);
    assert_eq!(again["execution"]["segments"], 2_600);
    assert_eq!(again["job_counts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_program_whose_task_is_over_is_ended() {
    let script = Script { silent_after: Some(1), ..Script::default() };
    let (service, script) = running(script).await;
    let guest = service.guest(ProofKind::Risc0Composite, Address::ZERO).await;
    service.reconcile(&["plan"]).await;
    let over = async {
        while service.ctx.store.jobs_of(guest.key).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!script.ended.load(Ordering::SeqCst));
        let end = zkpool_store::End::DeliveredOnTime;
        service.says(20, zkpool_store::Fact::Ended { task: guest.id, end }).await;
    };
    let both = async { tokio::join!(service.reconcile(&["execute"]), over) };
    tokio::time::timeout(Duration::from_secs(20), both).await.unwrap();
    assert!(script.ended.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_prover_gets_its_segment_and_a_wrong_result_names_it() {
    let (service, _) = running(Script::default()).await;
    let guest = service.grown(ProofKind::Risc0Composite, Address::ZERO).await;
    let token = service.token(&key(2)).await;
    let lease = service.segment_lease(guest.job(1), 2).await;
    let claim = json!({ "device": "rig", "wait": 0 });
    let job = service.call("POST /v1/jobs/claim", Some(&token), &claim).await.json()["job"].clone();
    assert_eq!((&job["operation"], &job["kind"]), (&json!("prove"), &json!("risc0-composite")));
    assert_eq!(job["inputs"], json!([BlobId::of(SEGMENTS[1])]));
    assert_eq!(job["statement"].as_str().unwrap().chars().last(), Some('1'));
    assert_eq!(job.get("witness"), None);
    let fetch = async |id: BlobId| service.get(&format!("/v1/blobs/{id}"), Some(&token)).await;
    assert_eq!(fetch(BlobId::of(SEGMENTS[1])).await.body.as_ref(), SEGMENTS[1]);
    fetch(BlobId::of(SEGMENTS[0])).await.refused(404, "not_found");
    fetch(guest.stdin).await.refused(404, "not_found");

    let path = format!("POST /v1/jobs/{}/result", guest.job(1));
    let wrong = json!({ "fence": lease.token, "proof": format!("0x{}", "ab".repeat(600_000)) });
    service.call(&path, Some(&token), &wrong).await.refused(422, "proof_invalid");
    let view = service.get(&format!("/v1/tasks/{}", guest.id), None).await.json();
    let job = &view["jobs"][1];
    assert_eq!((&job["state"], &job["failures"][0]["kind"]), (&json!("ready"), &json!("wrong")));
    let culprit: Address = serde_json::from_value(job["failures"][0]["prover"].clone()).unwrap();
    assert_eq!(culprit, key(2).address());
    assert!(job["failures"][0]["reason"].as_str().unwrap().contains("receipt"), "{job}");
    assert_eq!(service.ctx.store.workload().await.unwrap().jobs[1].excluded, [key(2).address()]);
}

#[tokio::test]
async fn whoever_holds_a_job_has_not_become_slower() {
    let (service, _) = running(Script::default()).await;
    let guest = service.grown(ProofKind::Risc0Composite, Address::ZERO).await;
    let token = service.token(&key(2)).await;
    let join = async |speed: f64| {
        let kinds = json!([{ "kind": "risc0-composite", "units_per_second": speed }]);
        let body = json!({ "device": "rig", "cpus": 1, "memory": 1_u64 << 34, "concurrency": 1, "kinds": kinds });
        let joined = service.call("POST /v1/provers/join", Some(&token), &body).await;
        assert_eq!(joined.status, 200, "{joined:?}");
        let id = ProverId { address: key(2).address(), device: "rig".into() };
        service.ctx.store.prover(&id).await.unwrap().unwrap().description.speeds[&ProofKind::Risc0Composite]
    };
    assert_eq!(join(500.0).await, 500.0);
    service.segment_lease(guest.job(1), 2).await;
    assert_eq!(join(1.0).await, 1_000.0, "its lease would last for ever");
}
