//! Bundles whose legs disagree, or lose their worth: what is held, what is repeated, and whom it costs.

use crate::{
    bundles::{Bundle, SGX, circuit_proof, enclave_word},
    support::{CHAIN, OPERATOR, Service, key},
};
use alloy::signers::SignerSync;
use zkpool_protocol::{B256, Bytes, ProofKind, TaskState, bundle};
use zkpool_service::reconcile_once;
use zkpool_store::{ProverId, ProverRecord};
use zkpool_verifiers::sgx;

fn lie() -> B256 {
    bundle::output(b"another journal")
}

fn word(output: B256) -> Bytes {
    enclave_word(output, CHAIN, OPERATOR)
}

/// An enclave's word, by an enclave with this key.
fn word_of(output: B256, enclave: u8) -> Bytes {
    let mut proof = sgx::Proof::decode(&word(output)).unwrap();
    let digest = proof.digest(&sgx::Domain { chain_id: CHAIN, verifier: SGX });
    proof.signature = key(enclave).sign_hash_sync(&digest).unwrap().as_bytes();
    proof.encode().to_vec().into()
}

impl Service {
    /// The device that `returns` has the owner use.
    async fn rig(&self, owner: u8) -> ProverRecord {
        let id = ProverId { address: key(owner).address(), device: "rig".into() };
        self.ctx.store.prover(&id).await.unwrap().unwrap()
    }

    async fn metric(&self, line: &str) -> Option<String> {
        let metrics = self.get("/metrics", None).await;
        let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
        metrics.lines().find_map(|found| found.strip_prefix(line).map(|rest| rest.trim().to_owned()))
    }

    /// How often each leg was tried.
    async fn tries(&self, bundle: &Bundle) -> [usize; 3] {
        let legs = self.ctx.store.legs_of(bundle.key).await.unwrap();
        [0, 1, 2].map(|place| legs.iter().filter(|leg| leg.leg.unwrap().leg == place).count())
    }
}

/// The others would be enough for the verifier: but somebody has shown that something is wrong.
#[tokio::test]
async fn what_is_enough_is_not_delivered_while_a_leg_is_in_dispute() {
    let service = Service::start().await;
    let bundle = service.bundle(2, false).await;
    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    service.returns(&bundle, 2, 3, &word(lie())).await;
    service.gather().await;
    // All who have spoken are repeated. The honest ones are soon there again.
    service.returns(&bundle, 0, 4, &circuit_proof(bundle.output)).await;
    service.zkvm_leg(&bundle).await;
    service.clock.advance(590);
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proving, "nobody has said yet that the enclave was wrong");
    assert_eq!(service.tries(&bundle).await, [2, 1, 2]);
    service.returns(&bundle, 2, 5, &word(bundle.output)).await;
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    assert_eq!(service.proof(&bundle).await, service.expected_proof(&bundle, &[0, 1, 2]).await);
}

/// The only owner of a machine for circuits cannot repeat its own proof, and nobody else can.
#[tokio::test]
async fn what_all_agree_on_in_the_end_is_delivered_though_nobody_repeats_it() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    service.zkvm_leg(&bundle).await;
    service.returns(&bundle, 2, 3, &word(lie())).await;
    service.gather().await;
    assert_eq!(service.tries(&bundle).await, [2, 2, 2]);
    service.returns(&bundle, 2, 5, &word(bundle.output)).await;
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proving, "there is time for further voices");
    service.clock.advance(590);
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    assert_eq!(service.proof(&bundle).await, service.expected_proof(&bundle, &[0, 1, 2]).await);
}

/// Proven with what was enough; then a leg that comes late shows something else.
#[tokio::test]
async fn a_proven_bundle_is_not_sent_while_a_leg_is_in_dispute() {
    let service = Service::start().await;
    let bundle = service.bundle(2, false).await;
    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    service.zkvm_leg(&bundle).await;
    service.clock.advance(590);
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    service.returns(&bundle, 2, 3, &word(lie())).await;
    service.see_chain(50);
    reconcile_once(&service.ctx, &["submit"]).await.unwrap();
    assert!(service.chain.sent.lock().unwrap().is_empty());
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    assert_eq!(service.tries(&bundle).await, [2, 2, 2]);
    assert_eq!(service.metric("zkpool_leg_disagreements_total{kind=\"sgx\"}").await.as_deref(), Some("1"));
}

/// Each word that differs is one alarm, the last one included; after three repetitions people have to look.
#[tokio::test]
async fn every_word_that_differs_is_one_alarm_and_not_repeated_for_ever() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    for round in 0..4 {
        assert_eq!(service.tries(&bundle).await[2], round + 1);
        service.returns(&bundle, 2, 10 + round as u8, &word_of(lie(), 0xe0 + round as u8)).await;
        for _ in 0..3 {
            service.gather().await;
        }
        let alarms = service.metric("zkpool_leg_disagreements_total{kind=\"sgx\"}").await;
        assert_eq!(alarms.as_deref(), Some((round + 1).to_string().as_str()));
    }
    assert_eq!(service.tries(&bundle).await, [2, 1, 4]);
    assert_eq!(service.state(&bundle).await, TaskState::Proving);
}

/// Evidence, most likely against who made it.
#[tokio::test]
async fn a_word_that_differs_is_a_miss_and_no_measure_of_speed() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    assert_eq!(service.returns(&bundle, 2, 3, &word(lie())).await.status, 200);
    let liar = service.rig(3).await;
    assert_eq!(liar.standing.misses, 1);
    assert_eq!(liar.description.speeds[&ProofKind::Sgx], 100.0, "as it said when it joined");
    assert_eq!(service.metric("zkpool_misses_total{reason=\"dissent\"}").await.as_deref(), Some("1"));
    let bundle = Service::start().await;
    let service = bundle;
    let bundle = service.bundle(3, false).await;
    service.returns(&bundle, 2, 3, &word(bundle.output)).await;
    let honest = service.rig(3).await;
    assert_eq!(honest.standing.misses, 0);
    assert_ne!(honest.description.speeds[&ProofKind::Sgx], 100.0);
}

/// While the enclaves' verifier is halted nobody is blamed, and nothing is made anew that would be refused as well.
#[tokio::test]
async fn a_halted_verifier_costs_no_prover_anything() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    service.see_chain(20);
    let said = word(bundle.output);
    service.chain.stale.lock().unwrap().insert(said.clone());
    service.chain.halted.lock().unwrap().insert(SGX);
    service.returns(&bundle, 2, 3, &said).await.refused(503, "no_capacity");
    assert_eq!(service.rig(3).await.standing.misses, 0);
    service.chain.stale.lock().unwrap().clear();
    let lease = service.ctx.store.held_by(&service.rig(3).await.id).await.unwrap().remove(0);
    let token = service.token(&key(3)).await;
    let again = serde_json::json!({ "fence": lease.token, "proof": said });
    let route = format!("POST /v1/jobs/{}/result", lease.job);
    assert_eq!(service.call(&route, Some(&token), &again).await.status, 200, "the lease is still there");

    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    service.zkvm_leg(&bundle).await;
    service.chain.stale.lock().unwrap().insert(said);
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proving);
    assert_eq!(service.tries(&bundle).await, [1, 1, 1], "another one's would not be taken either");
    service.chain.halted.lock().unwrap().clear();
    service.gather().await;
    assert_eq!(service.tries(&bundle).await, [1, 1, 2]);
}

/// It is due, and what is left satisfies the policy.
#[tokio::test]
async fn a_leg_that_has_lost_its_worth_does_not_hold_up_what_is_enough_without_it() {
    let service = Service::start().await;
    let bundle = service.bundle(2, false).await;
    let said = word(bundle.output);
    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    service.returns(&bundle, 2, 3, &said).await;
    service.zkvm_leg(&bundle).await;
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    let proof = service.proof(&bundle).await;
    service.chain.stale.lock().unwrap().extend([said, proof]);
    service.see_chain(50);
    let _ = reconcile_once(&service.ctx, &["submit"]).await;
    assert_eq!(service.chain.sent.lock().unwrap().len(), 1);
    assert_eq!(service.proof(&bundle).await, service.expected_proof(&bundle, &[0, 1]).await);
}
