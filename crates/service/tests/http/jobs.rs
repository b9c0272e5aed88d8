//! Jobs: only the holder of the lease, with the right token, says anything about one.

use crate::support::{Answer, Service, key};
use serde_json::{Value, json};
use zkpool_protocol::TaskId;

async fn post(service: &Service, token: &str, path: &str, body: Value) -> Answer {
    service.call(&format!("POST /v1/{path}"), Some(token), &body).await
}

fn claim() -> Value {
    json!({ "device": "rig", "wait": 0 })
}

#[tokio::test]
async fn a_prover_joins_claims_and_gives_up() {
    let service = Service::start().await;
    let work = service.work().await;
    let token = service.token(&key(2)).await;
    post(&service, &token, "jobs/claim", claim()).await.refused(403, "forbidden");
    let join = json!({
        "device": "rig", "cpus": 2, "memory": 1 << 30, "concurrency": 1,
        "kinds": [{ "kind": "groth16-bn254", "units_per_second": 1000.0 }],
    });
    let joined = post(&service, &token, "provers/join", join).await;
    assert_eq!((joined.status.as_u16(), &joined.json()["prover"]), (200, &json!(key(2).address())));
    assert_eq!(post(&service, &token, "jobs/claim", claim()).await.json(), json!({ "job": null }));
    let lease = service.lease(&work, key(2).address()).await;
    let job = post(&service, &token, "jobs/claim", claim()).await.json()["job"].clone();
    assert_eq!(job["id"], json!(work.job.to_string()));
    assert_eq!(job["lease"]["fence"], json!(lease.token));
    assert_eq!((&job["inputs"], &job["witness"]), (&json!([work.input]), &json!(work.witness)));
    let path = |action: &str| format!("jobs/{}/{action}", work.job);
    let beat = json!({ "fence": lease.token, "stage": "proving", "progress": 0.5 });
    let renewed = post(&service, &token, &path("heartbeat"), beat).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let view = service.get(&format!("/v1/tasks/{}", work.id), None).await.json();
    assert_eq!((&view["jobs"][0]["progress"], &view["jobs"][0]["stage"]), (&json!(0.5), &json!("proving")));
    let fail = json!({ "fence": lease.token, "code": "internal", "message": "out of memory" });
    let failed = post(&service, &token, &path("fail"), fail.clone()).await;
    assert_eq!((failed.status.as_u16(), failed.json()), (200, json!({ "job": "ready" })));
    assert_eq!(post(&service, &token, "provers/leave", json!({ "device": "rig" })).await.status, 204);
}

#[tokio::test]
async fn nobody_speaks_for_somebody_elses_job() {
    let service = Service::start().await;
    let work = service.work().await;
    let (holder, thief) = (service.token(&key(2)).await, service.token(&key(3)).await);
    let fence = service.lease(&work, key(2).address()).await.token;
    let body = |action: &str, fence: u64| match action {
        "heartbeat" => json!({ "fence": fence, "stage": "", "progress": 0.1 }),
        "result" => json!({ "fence": fence, "proof": "0x00" }),
        _ => json!({ "fence": fence, "code": "internal", "message": "" }),
    };
    for action in ["heartbeat", "result", "fail"] {
        let path = format!("jobs/{}/{action}", work.job);
        // The right token in the wrong hands, and the wrong one in the right hands.
        for (who, fence) in [(&thief, fence), (&holder, fence + 1), (&holder, 0)] {
            let answer = post(&service, who, &path, body(action, fence)).await;
            answer.refused(409, "lease_lost");
        }
        let nothing = format!("jobs/{:#x}-0/{action}", TaskId::ZERO);
        post(&service, &holder, &nothing, body(action, 1)).await.refused(404, "not_found");
        let no_index = format!("jobs/{:#x}-7/{action}", work.id);
        post(&service, &holder, &no_index, body(action, 1)).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn a_result_that_is_no_proof_is_refused_and_costs_the_lease() {
    let service = Service::start().await;
    let work = service.work().await;
    let token = service.token(&key(2)).await;
    let fence = service.lease(&work, key(2).address()).await.token;
    let path = format!("jobs/{}/result", work.job);
    let wrong = post(&service, &token, &path, json!({ "fence": fence, "proof": "0x00" })).await;
    wrong.refused(422, "proof_invalid");
    let again = post(&service, &token, &path, json!({ "fence": fence, "proof": "0x00" })).await;
    again.refused(409, "lease_lost");
}

#[tokio::test]
async fn a_proof_is_taken_and_taken_again() {
    let service = Service::start().await;
    let work = service.work().await;
    let token = service.token(&key(2)).await;
    let fence = service.lease(&work, key(2).address()).await.token;
    let path = format!("jobs/{}/result", work.job);
    let body = json!({ "fence": fence, "proof": work.proof, "proving_ms": 12 });
    for _ in 0..2 {
        let taken = post(&service, &token, &path, body.clone()).await;
        assert_eq!(
            (taken.status.as_u16(), taken.json()),
            (200, json!({ "job": "done", "task": "proven" })),
            "{taken:?}"
        );
    }
    let beat = json!({ "fence": fence, "stage": "", "progress": 1.0 });
    let late = post(&service, &token, &format!("jobs/{}/heartbeat", work.job), beat).await;
    assert!(late.json()["cancelled"].is_string(), "{late:?}");
    let fail = json!({ "fence": fence, "code": "internal", "message": "" });
    let undone = post(&service, &token, &format!("jobs/{}/fail", work.job), fail).await;
    undone.refused(409, "lease_lost");
    assert_eq!(service.get(&format!("/v1/tasks/{}", work.id), None).await.json()["state"], "proven");
}
