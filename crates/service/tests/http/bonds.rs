//! Whom work is given to: who has its bond, and was not put out.

use crate::support::{CHAIN, OPERATOR, Service, TOKEN, key};
use serde_json::{Value, json};
use zkpool_chain::Key;
use zkpool_protocol::{Address, JobState};
use zkpool_service::reconcile_once;
use zkpool_store::{LeaseRecord, ProverId};

const LEDGER: Address = Address::repeat_byte(0x1e);

fn wishes(bond: Value) -> Value {
    json!({
        "dispatch": { "strikes": 1 },
        "pay": {
            "ledger": LEDGER, "share_bps": 5_000, "every": 0, "bond": bond,
            "tranches": [{ "token": TOKEN, "cap": "100", "first_cap": "10", "low": "2", "sweep_above": "5" }],
        },
    })
}

impl Service {
    async fn bonding() -> Self {
        let service = Self::with(wishes(json!({ "token": TOKEN, "amount": "5" })), Default::default()).await;
        service.see_chain(10);
        service
    }

    async fn join_as(&self, prover: u8, device: &str) -> crate::support::Answer {
        let token = self.token(&key(prover)).await;
        let kinds = json!([{ "kind": "groth16-bn254", "units_per_second": 100.0 }]);
        let body = json!({ "device": device, "cpus": 1, "memory": 1 << 30, "kinds": kinds, "concurrency": 1 });
        self.call("POST /v1/provers/join", Some(&token), &body).await
    }

    async fn claim_as(&self, prover: u8) -> crate::support::Answer {
        let token = self.token(&key(prover)).await;
        self.call("POST /v1/jobs/claim", Some(&token), &json!({ "device": "rig", "wait": 0 })).await
    }

    /// The job is given up, which is one miss too many here.
    async fn miss(&self, prover: u8, lease: &LeaseRecord) {
        let token = self.token(&key(prover)).await;
        let body = json!({ "fence": lease.token, "code": "internal", "message": "" });
        let answer = self.call(&format!("POST /v1/jobs/{}/fail", lease.job), Some(&token), &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn no_work_is_given_without_the_bond_that_is_asked_for() {
    let service = Service::bonding().await;
    let info = service.get("/v1/info", None).await.json();
    assert_eq!(info["pay"]["bond"], json!({ "token": TOKEN, "amount": "5" }));
    let who = key(1).address();
    for (has, missing) in [(0, 5), (4, 1)] {
        service.ledger.bond(who, has);
        let why = service.join_as(1, "rig").await.refused(403, "unbonded");
        let words = [format!("bond at least 5 of token {TOKEN} in the revenue ledger {LEDGER}"), format!("has {has}")];
        let command = format!("`zkpool prover bond {missing} --token {TOKEN}`");
        assert!(words.iter().all(|words| why.contains(words)) && why.contains(&command), "{why}");
    }
    service.claim_as(1).await.refused(403, "forbidden");
    service.ledger.bond(who, 5);
    assert_eq!(service.join_as(1, "rig").await.status, 200);
    assert_eq!(service.claim_as(1).await.json(), json!({ "job": null }));

    // It is looked at again, but not all the time.
    let looks = service.ledger.books().looks;
    reconcile_once(&service.ctx, &["pay"]).await.unwrap();
    assert_eq!(service.ledger.books().looks, looks);
    // Leaving is not denied, but whoever is about to gets no job, and no money is set apart for it.
    let work = service.work().await;
    service.ledger.books().bonds.get_mut(&who).unwrap().bond.leaves_at = Some(1_900_000_000);
    service.clock.advance(61);
    service.ledger.books().fund = 100;
    assert_eq!(service.settle_pay().await, ["share"]);
    let rig = ProverId { address: who, device: "rig".into() };
    let waiting = service.ctx.status.wait(&rig, zkpool_service::Clock::now(service.clock.as_ref()));
    reconcile_once(&service.ctx, &["dispatch"]).await.unwrap();
    assert_eq!(service.ctx.store.job(work.job).await.unwrap().unwrap().state, JobState::Ready);
    let why = service.claim_as(1).await.refused(403, "unbonded");
    assert!(why.contains("announced for withdrawal at 1900000000"), "{why}");
    assert_eq!(service.join_as(1, "rig").await.refused(403, "unbonded"), why);
    // It stays after all: without joining again it is back a minute later, and the claim that waits is served.
    service.ledger.bond(who, 6);
    service.clock.advance(61);
    assert_eq!(service.settle_pay().await, ["tranche"]);
    reconcile_once(&service.ctx, &["dispatch"]).await.unwrap();
    assert_eq!(service.ctx.store.job(work.job).await.unwrap().unwrap().state, JobState::Leased);
    drop(waiting);

    service.ledger.books().bonds.get_mut(&who).unwrap().slashed = true;
    assert!(service.join_as(1, "rig").await.refused(403, "unbonded").contains("slashed"));
}

#[tokio::test]
async fn who_was_put_out_is_in_again_with_a_larger_bond_and_not_by_another_name() {
    let service = Service::bonding().await;
    let who = key(1).address();
    service.ledger.bond(who, 7);
    let work = service.work().await;
    let lease = service.lease(&work, who).await;
    service.miss(1, &lease).await;
    reconcile_once(&service.ctx, &["pay"]).await.unwrap();
    let refused = async |device: &str, needed: u128| {
        let why = service.join_as(1, device).await.refused(403, "unbonded");
        assert!(why.contains("put out") && why.contains(&format!("bond at least {needed} of")), "{why}");
    };
    // What it had in excess does not count again, nor what it has taken out and put in again, nor a little more.
    for bond in [7, 0, 7, 11] {
        service.ledger.bond(who, bond);
        refused("rig", 12).await;
        refused("another", 12).await;
        service.claim_as(1).await.refused(403, "unbonded");
    }
    assert!(service.ctx.store.outing(who).await.unwrap().out);
    service.ledger.bond(who, 12);
    let joined = service.join_as(1, "rig").await;
    assert!(
        joined.status == 200 && joined.json()["excluded_until_ms"].is_u64(),
        "what it has to sit out stays: {joined:?}"
    );
    service.claim_as(1).await.refused(403, "excluded");

    // From then on it has to have that much, and each time it is more.
    service.clock.advance(61);
    assert_eq!(service.claim_as(1).await.status, 200);
    service.ledger.bond(who, 11);
    let why = service.join_as(1, "rig").await.refused(403, "unbonded");
    assert!(why.contains("bond at least 12 of") && !why.contains("put out"), "{why}");
    service.ledger.bond(who, 12);
    let rig = ProverId { address: who, device: "rig".into() };
    let now = zkpool_service::Clock::now(service.clock.as_ref());
    let lease =
        service.ctx.store.grant_lease(work.job, &rig, zkpool_store::Grant::sole(now + 60_000), now).await.unwrap();
    service.miss(1, &lease).await;
    refused("rig", 17).await;
    // Without a word of its own it is in again soon after it has bonded.
    service.ledger.bond(who, 17);
    service.clock.advance(200);
    reconcile_once(&service.ctx, &["pay"]).await.unwrap();
    assert_eq!(service.claim_as(1).await.status, 200);

    // The operator can let it in, too: then it has to have what everybody has.
    let lease =
        service.ctx.store.grant_lease(work.job, &rig, zkpool_store::Grant::sole(now + 900_000), now).await.unwrap();
    service.miss(1, &lease).await;
    refused("rig", 22).await;
    service.readmit_by(8, who).await.refused(403, "forbidden");
    *service.chain.key.lock().unwrap() = Some(Key::from_hex(&"08".repeat(32)).unwrap());
    assert_eq!(service.readmit_by(8, who).await.status, 204);
    service.ledger.bond(who, 5);
    assert_eq!(service.join_as(1, "rig").await.status, 200);
}

impl Service {
    async fn readmit_by(&self, by: u8, prover: Address) -> crate::support::Answer {
        let token = self.token(&key(by)).await;
        self.call(&format!("POST /v1/provers/{prover}/readmit"), Some(&token), &Value::Null).await
    }
}

#[tokio::test]
async fn without_a_bond_only_the_operator_lets_in_who_was_put_out() {
    for wishes in [json!({ "dispatch": { "strikes": 1 } }), wishes(Value::Null)] {
        let service = Service::with(wishes, Default::default()).await;
        *service.chain.key.lock().unwrap() = Some(Key::from_hex(&"08".repeat(32)).unwrap());
        service.see_chain(10);
        let (work, who) = (service.work().await, key(1).address());
        assert_eq!(service.join_as(1, "rig").await.status, 200);
        let lease = service.lease(&work, who).await;
        service.readmit_by(8, who).await.refused(404, "not_found");
        service.miss(1, &lease).await;
        service.clock.advance(3_600);
        for device in ["rig", "another"] {
            let why = service.join_as(1, device).await.refused(403, "excluded");
            assert!(why.contains(&format!("`zkpool operator readmit {who}`")) && why.contains(&OPERATOR.to_string()));
        }
        service.claim_as(1).await.refused(403, "excluded");
        assert_eq!(service.join_as(2, "rig").await.status, 200, "a new address is a new prover");
        service.readmit_by(1, who).await.refused(403, "forbidden");
        service.call(&format!("POST /v1/provers/{who}/readmit"), None, &Value::Null).await.refused(401, "unauthorized");
        assert_eq!(service.readmit_by(8, who).await.status, 204);
        assert_eq!(service.join_as(1, "rig").await.status, 200);
        assert_eq!(service.claim_as(1).await.status, 200);
    }
}

#[test]
fn a_bond_names_its_token_and_an_amount() {
    for bond in [json!({ "token": TOKEN, "amount": "0" }), json!({ "token": Address::ZERO, "amount": "1" })] {
        let mut config = json!({
            "rpc": "http://127.0.0.1:1", "chain_id": CHAIN, "pool": Address::repeat_byte(1), "operator": OPERATOR,
            "keys": { "signer": "test" }, "data": "unused",
            "tokens": [{ "address": TOKEN, "per_ether": "1" }],
        });
        config["pay"] = wishes(bond)["pay"].clone();
        let config: zkpool_service::Config = serde_json::from_value(config).unwrap();
        assert!(config.check().unwrap_err().to_string().contains("pay.bond"));
    }
}
