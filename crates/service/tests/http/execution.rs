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
use zkpool_protocol::{Address, BlobId, JobState, Operation, ProofKind, TaskState};
use zkpool_service::{http::Bounds, reconcile_once};

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
