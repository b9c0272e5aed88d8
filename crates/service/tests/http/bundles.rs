//! Bundles: their legs are made by different owners, compared before anything is sent, and put together.

use crate::{
    support::{CHAIN, OPERATOR, Service, key},
    work::{key_and_proof, quote, requester},
    zkvm::{Guest, IMAGE, JOURNAL, ask},
};
use alloy::signers::SignerSync;
use ark_bn254::Fr;
use ark_ff::{BigInteger256, PrimeField};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::atomic::Ordering};
use zkpool_bindings::bundle_proof;
use zkpool_chain::{BundlePolicy, LegPolicy, alloy::primitives::keccak256};
use zkpool_protocol::{
    Address, B256, BlobId, BundleLeg, Bytes, EnclaveInput, JobId, LegInputs, ProgramManifest, ProofKind, Strategy,
    TaskId, TaskInput, TaskState, U256, WitnessSource, WorkUnits, bundle,
};
use zkpool_service::reconcile_once;
use zkpool_store::{
    Fact, Grant, InputRecord, Measured, NewTask, Price, ProgramRecord, ProverDescription, ProverId, TaskRecord,
};
use zkpool_verifiers::sgx;

pub(crate) const VERIFIER: Address = Address::repeat_byte(0xb0);
pub(crate) const CIRCUIT: Address = Address::repeat_byte(0xb1);
pub(crate) const ZKVM: Address = Address::repeat_byte(0xb2);
pub(crate) const SGX: Address = Address::repeat_byte(0xb3);
const ENCLAVE: B256 = B256::repeat_byte(0xe1);

/// A bundle that was published.
pub(crate) struct Bundle {
    pub(crate) id: TaskId,
    pub(crate) key: i64,
    pub(crate) output: B256,
}

fn halves(output: B256) -> Vec<Fr> {
    let field = |word: U256| Fr::from_bigint(BigInteger256::new(word.into_limbs())).unwrap();
    bundle::halves(output).map(field).to_vec()
}

/// A circuit's proof that the output is this one. It verifies.
pub(crate) fn circuit_proof(output: B256) -> Bytes {
    key_and_proof(&halves(output)).1.encode().into()
}

/// An enclave's word that the output is this one.
pub(crate) fn enclave_word(output: B256, chain_id: u64, payee: Address) -> Bytes {
    let mut proof = sgx::Proof { program: ENCLAVE, output, payee, signature: [0; 65] };
    let digest = proof.digest(&sgx::Domain { chain_id, verifier: SGX });
    proof.signature = key(0xee).sign_hash_sync(&digest).unwrap().as_bytes();
    proof.encode().to_vec().into()
}

impl Service {
    async fn put(&self, bytes: Vec<u8>) -> BlobId {
        let (id, size) = (BlobId::of(&bytes), bytes.len() as u64);
        self.ctx.blobs.put_bytes(bytes.into()).await.unwrap();
        self.ctx.store.note_upload(requester(), id, size, 1 << 30, self.ctx.clock.now()).await.unwrap();
        id
    }

    /// A bundle of a circuit's proof, a wrapped receipt and an enclave's word, published at block 10; its target is to be
    /// sent them `early`, or not.
    pub(crate) async fn bundle(&self, threshold: u32, early: bool) -> Bundle {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let output = bundle::output(JOURNAL);
        // The zkVM's program and input, as they are for a task of its own.
        let guest = self.guest_on(7, ProofKind::Risc0Groth16, ZKVM).await;
        let zkvm = store.task(guest.id).await.unwrap().unwrap();
        store.move_task(guest.key, TaskState::Published, TaskState::Released, None, now).await.unwrap();
        let circuit = ProgramManifest::Groth16Bn254 { zkey: self.put(b"zkey".to_vec()).await, witness_generator: None };
        let enclave = ProgramManifest::Sgx { enclave: ENCLAVE };
        let legs = vec![
            BundleLeg { program: circuit.id(), kind: ProofKind::Groth16Bn254 },
            BundleLeg { program: zkvm.ask.program, kind: ProofKind::Risc0Groth16 },
            BundleLeg { program: enclave.id(), kind: ProofKind::Sgx },
        ];
        let all = ProgramManifest::Bundle { legs };
        let measured = Measured { units: WorkUnits(1_000), memory: 1 << 20 };
        for (manifest, verifying_key) in [
            (circuit.clone(), key_and_proof(&halves(output)).0.to_bytes()),
            (enclave.clone(), vec![]),
            (all.clone(), vec![]),
        ] {
            let record =
                ProgramRecord { manifest, verifying_key, measured, public_inputs: 0, registered_by: requester() };
            store.put_program(&record, now).await.unwrap();
        }
        let witness = self.put(b"witness".to_vec()).await;
        let bytes = self.put(b"what the enclave reads".to_vec()).await;
        let envelope = |program: BlobId, source| TaskInput { program, source }.to_bytes();
        let circuit_input = self.put(envelope(circuit.id(), WitnessSource::Witness(witness))).await;
        let enclave_input = EnclaveInput { input: bytes };
        let enclave_input = self.put(envelope(enclave.id(), WitnessSource::Enclave(enclave_input))).await;
        let envelopes = vec![circuit_input, zkvm.ask.input, enclave_input];
        let inputs = LegInputs { envelopes: envelopes.clone(), shared_provers: false, early };
        let input = self.put(envelope(all.id(), WitnessSource::Legs(inputs))).await;
        let looked_at = |blob, program: &ProgramManifest, attached, statement| InputRecord {
            blob,
            program: program.id(),
            attached,
            measured,
            statement,
            public_inputs: vec![],
            tried: true,
            run: None,
        };
        for record in [
            looked_at(circuit_input, &circuit, vec![witness], circuit.statement(output)),
            looked_at(enclave_input, &enclave, vec![bytes], enclave.statement(output)),
            looked_at(input, &all, envelopes, output),
        ] {
            store.put_input(&record, now).await.unwrap();
        }
        let leg = |leg: u8, verifier, kind: &str| LegPolicy {
            leg: Address::repeat_byte(leg),
            verifier,
            kind: keccak256(kind),
            is_proof: kind != "sgx",
        };
        let legs = vec![leg(1, CIRCUIT, "groth16-bn254"), leg(2, ZKVM, "risc0"), leg(3, SGX, "sgx")];
        self.chain.bundles.lock().unwrap().insert(VERIFIER, BundlePolicy { threshold, legs });
        for verifier in [VERIFIER, CIRCUIT, ZKVM, SGX] {
            self.chain.verifiers.lock().unwrap().insert(verifier, None);
        }
        let ask = ask(all.id(), input, ProofKind::Bundle, VERIFIER);
        let new = NewTask { request: B256::repeat_byte(0xbb).into(), attempt: 0, payer: requester(), ask: ask.clone() };
        let task = store.create_task(&new, 10, now).await.unwrap();
        let quote = quote(&ask, output, now / 1000 + 60);
        let id = quote.id(&self.ctx.domain());
        let price =
            Price { work: 1, gas: 1, premium: 1, units: WorkUnits(1), strategy: Strategy::Assign, expected_ms: 1 };
        store.quote_task(task.key, id, &quote, price, 10, now).await.unwrap();
        store.sign_task(task.key, &[1; 65]).await.unwrap();
        self.see_chain(10);
        self.says(10, Fact::Published { task: id, operator: OPERATOR }).await;
        reconcile_once(&self.ctx, &["plan", "execute"]).await.unwrap();
        Bundle { id, key: task.key, output }
    }

    /// The last try of a leg.
    pub(crate) async fn leg(&self, bundle: &Bundle, leg: u32) -> TaskRecord {
        let legs = self.ctx.store.legs_of(bundle.key).await.unwrap();
        legs.into_iter().rfind(|task| task.leg.unwrap().leg == leg).unwrap()
    }

    /// A prover is given the leg's one job and returns this.
    pub(crate) async fn returns(&self, bundle: &Bundle, leg: u32, prover: u8, proof: &Bytes) -> crate::support::Answer {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let task = self.leg(bundle, leg).await;
        let signer = key(prover);
        let prover = ProverId { address: signer.address(), device: "rig".into() };
        let speeds = BTreeMap::from([(task.ask.kind, 100.0)]);
        let description = ProverDescription {
            cpus: 1,
            memory: 1 << 30,
            concurrency: 1,
            speeds,
            asks: [].into(),
            enclaves: vec![ENCLAVE],
            unpaid: false,
        };
        store.join_prover(&prover, &description, now).await.unwrap();
        let job = JobId { task: task.id().unwrap(), index: 0 };
        let lease = store.grant_lease(job, &prover, Grant::sole(now + 60_000), now).await.unwrap();
        let token = self.token(&signer).await;
        let body = json!({ "fence": lease.token, "proof": proof });
        self.call(&format!("POST /v1/jobs/{job}/result"), Some(&token), &body).await
    }

    /// The zkVM's leg is proven and sealed; the wrapped receipt is the published one.
    pub(crate) async fn zkvm_leg(&self, bundle: &Bundle) {
        let task = self.leg(bundle, 1).await;
        let stdin = BlobId::of(b"stdin");
        let guest = Guest { id: task.id().unwrap(), key: task.key, image: IMAGE.parse().unwrap(), stdin };
        self.all_proven(&guest).await;
        reconcile_once(&self.ctx, &["seal"]).await.unwrap();
        assert_eq!(self.leg(bundle, 1).await.state, TaskState::Proven);
    }

    pub(crate) async fn gather(&self) {
        reconcile_once(&self.ctx, &["gather"]).await.unwrap();
        // Legs that are to be repeated get their jobs.
        reconcile_once(&self.ctx, &["plan", "execute"]).await.unwrap();
    }

    pub(crate) async fn state(&self, bundle: &Bundle) -> TaskState {
        self.ctx.store.task_by_key(bundle.key).await.unwrap().unwrap().state
    }

    pub(crate) async fn view(&self, bundle: &Bundle) -> Value {
        self.get(&format!("/v1/tasks/{}", bundle.id), None).await.json()
    }

    pub(crate) async fn proof(&self, bundle: &Bundle) -> Bytes {
        let blob = self.ctx.store.task_by_key(bundle.key).await.unwrap().unwrap().proof.unwrap();
        self.ctx.blobs.read(blob, 1 << 20).await.unwrap().unwrap().into()
    }

    /// What every leg came to in the end, as one proof.
    pub(crate) async fn expected_proof(&self, bundle: &Bundle, legs: &[u32]) -> Bytes {
        let mut proofs = Vec::new();
        for leg in legs {
            let blob = self.leg(bundle, *leg).await.proof.unwrap();
            let proof: Bytes = self.ctx.blobs.read(blob, 1 << 20).await.unwrap().unwrap().into();
            proofs.push((*leg as u8, proof));
        }
        bundle_proof(proofs)
    }
}

#[tokio::test]
async fn legs_that_agree_are_delivered_together() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    assert_eq!(service.view(&bundle).await["legs"].as_array().unwrap().len(), 3);
    let snark = circuit_proof(bundle.output);
    assert_eq!(service.returns(&bundle, 0, 1, &snark).await.status, 200);
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proving, "two are missing");
    let word = enclave_word(bundle.output, CHAIN, OPERATOR);
    assert_eq!(service.returns(&bundle, 2, 3, &word).await.status, 200);
    service.zkvm_leg(&bundle).await;
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    let proof = service.proof(&bundle).await;
    assert_eq!(proof, service.expected_proof(&bundle, &[0, 1, 2]).await);
    assert!(service.chain.shown.lock().unwrap().contains(&proof), "it was tried on the bundle's verifier");
    let view = service.view(&bundle).await;
    for (place, kind) in ["groth16-bn254", "risc0-groth16", "sgx"].iter().enumerate() {
        let leg = &view["legs"][place];
        assert_eq!((leg["kind"].as_str(), leg["agrees"].as_bool()), (Some(*kind), Some(true)), "{leg}");
        assert!(leg["shows"].is_null() && leg["proven_at_ms"].is_u64(), "{leg}");
    }
    let provers: Vec<_> = (0..3).map(|place| view["legs"][place]["provers"].clone()).collect();
    assert!(provers.iter().enumerate().all(|(i, p)| provers[..i].iter().all(|other| other != p)), "{provers:?}");
}

/// In each leg: a proof that is sound, of something else. Nothing is sent, and another prover repairs it.
#[tokio::test]
async fn a_lie_in_any_leg_holds_the_bundle_until_another_prover_has_repeated_it() {
    let other = bundle::output(b"another journal");
    for liar in [0, 2] {
        let service = Service::start().await;
        let bundle = service.bundle(3, false).await;
        let proof = |leg, output| if leg == 0 { circuit_proof(output) } else { enclave_word(output, CHAIN, OPERATOR) };
        let honest = 2 - liar;
        assert_eq!(service.returns(&bundle, honest, 6, &proof(honest, bundle.output)).await.status, 200);
        assert_eq!(
            service.returns(&bundle, liar, 5, &proof(liar, other)).await.status,
            200,
            "sound, as far as it goes"
        );
        service.zkvm_leg(&bundle).await;
        service.gather().await;
        assert_eq!(service.state(&bundle).await, TaskState::Proving, "held");
        assert!(service.chain.sent.lock().unwrap().is_empty(), "a disagreement costs no gas");
        let metrics = service.get("/metrics", None).await;
        let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
        assert!(metrics.contains("zkpool_leg_disagreements_total"), "the alarm");

        // All who have spoken are repeated; what they said is kept.
        let view = service.view(&bundle).await;
        let legs = view["legs"].as_array().unwrap();
        assert_eq!(legs.len(), 6, "{view}");
        let odd = legs.iter().find(|leg| leg["agrees"] == false).unwrap();
        assert_eq!((odd["leg"].as_u64(), odd["round"].as_u64()), (Some(liar.into()), Some(0)));
        assert_eq!(odd["shows"], json!(other));
        assert_eq!(odd["provers"], json!([key(5).address()]), "the culprit is named");
        // Neither the liar nor whoever has a hand in another leg may repeat it.
        let (store, now) = (&service.ctx.store, service.ctx.clock.now());
        let job = JobId { task: service.leg(&bundle, liar).await.id().unwrap(), index: 0 };
        for barred in [6, 5] {
            let prover = ProverId { address: key(barred).address(), device: "rig".into() };
            assert!(store.grant_lease(job, &prover, Grant::sole(now + 60_000), now).await.is_err(), "{barred}");
        }
        assert_eq!(service.returns(&bundle, liar, 8, &proof(liar, bundle.output)).await.status, 200);
        assert_eq!(service.returns(&bundle, honest, 9, &proof(honest, bundle.output)).await.status, 200);
        service.gather().await;
        assert_eq!(service.state(&bundle).await, TaskState::Proving, "the zkVM's has not been repeated yet");
        service.zkvm_leg(&bundle).await;
        service.gather().await;
        assert_eq!(service.state(&bundle).await, TaskState::Proven);
        assert_eq!(service.proof(&bundle).await, service.expected_proof(&bundle, &[0, 1, 2]).await);
    }
}

#[tokio::test]
async fn an_enclaves_word_for_somebody_else_is_no_result() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    let words = [
        (enclave_word(bundle.output, CHAIN, Address::repeat_byte(9)), "payee"),
        (Bytes::from_static(b"garbage"), "149 bytes"),
        (circuit_proof(bundle.output), "149 bytes"),
    ];
    for (n, (word, why)) in (1u8..).zip(words) {
        let message = service.returns(&bundle, 2, n, &word).await.refused(422, "proof_invalid");
        assert!(message.contains(why), "{message}");
    }
    // Signed for another chain it is another key's, which no contract knows.
    let word = enclave_word(bundle.output, CHAIN + 1, OPERATOR);
    service.chain.stale.lock().unwrap().insert(word.clone());
    let message = service.returns(&bundle, 2, 7, &word).await.refused(422, "proof_invalid");
    assert!(message.contains("not registered"), "{message}");
    assert_eq!(service.leg(&bundle, 2).await.state, TaskState::Proving);
}

/// Between proof and delivery an enclave is revoked: its leg is made anew, by another one.
#[tokio::test]
async fn a_leg_that_loses_its_worth_is_made_anew() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    let word = enclave_word(bundle.output, CHAIN, OPERATOR);
    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    service.returns(&bundle, 2, 3, &word).await;
    service.zkvm_leg(&bundle).await;
    service.gather().await;
    let proof = service.proof(&bundle).await;
    service.chain.stale.lock().unwrap().extend([word, proof.clone()]);
    // Deep enough to be revealed.
    service.see_chain(50);
    let _ = reconcile_once(&service.ctx, &["submit"]).await;
    assert!(service.chain.sent.lock().unwrap().is_empty(), "not what the contract would refuse");
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    let leg = service.leg(&bundle, 2).await;
    assert_eq!((leg.leg.unwrap().round, leg.state), (1, TaskState::Published));
    reconcile_once(&service.ctx, &["plan"]).await.unwrap();
    let mut fresh = sgx::Proof::decode(&enclave_word(bundle.output, CHAIN, OPERATOR)).unwrap();
    let digest = fresh.digest(&sgx::Domain { chain_id: CHAIN, verifier: SGX });
    fresh.signature = key(0xef).sign_hash_sync(&digest).unwrap().as_bytes();
    let fresh: Bytes = fresh.encode().to_vec().into();
    assert_eq!(service.returns(&bundle, 2, 8, &fresh).await.status, 200);
    let _ = reconcile_once(&service.ctx, &["submit"]).await;
    assert_eq!(service.chain.sent.lock().unwrap().len(), 1, "the new one goes out");
    assert_ne!(service.proof(&bundle).await, proof);
    assert_eq!(service.proof(&bundle).await, service.expected_proof(&bundle, &[0, 1, 2]).await);
}

/// Where fewer legs will do, all are waited for, as long as there is time.
#[tokio::test]
async fn what_is_enough_is_delivered_when_time_runs_short() {
    let service = Service::start().await;
    let bundle = service.bundle(2, false).await;
    service.returns(&bundle, 0, 1, &circuit_proof(bundle.output)).await;
    service.returns(&bundle, 2, 3, &enclave_word(bundle.output, CHAIN, OPERATOR)).await;
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proving, "there is time for the third");
    service.clock.advance(590);
    service.gather().await;
    assert_eq!(service.state(&bundle).await, TaskState::Proven);
    assert_eq!(service.proof(&bundle).await, service.expected_proof(&bundle, &[0, 2]).await);
    assert_eq!(service.leg(&bundle, 1).await.state, TaskState::Proving, "kept, in case it is needed");
}

#[tokio::test]
async fn a_target_that_takes_legs_gets_them_early_once_and_only_in_their_window() {
    let service = Service::start().await;
    let bundle = service.bundle(3, true).await;
    let now = service.ctx.clock.now() / 1_000;
    service.returns(&bundle, 2, 3, &enclave_word(bundle.output, CHAIN, OPERATOR)).await;
    service.see_chain(50);
    for window in [None, Some((now + 100, now + 200)), Some((now - 100, now))] {
        *service.chain.leg_window.lock().unwrap() = window;
        service.gather().await;
        assert!(service.chain.sent.lock().unwrap().is_empty(), "{window:?}");
    }
    *service.chain.leg_window.lock().unwrap() = Some((now - 1, now + 500));
    service.chain.burns.store(1_000_000, Ordering::Relaxed);
    service.gather().await;
    assert!(service.chain.sent.lock().unwrap().is_empty(), "more than was quoted for");
    service.chain.burns.store(500_000, Ordering::Relaxed);
    let _ = reconcile_once(&service.ctx, &["gather"]).await;
    let sent = service.chain.sent.lock().unwrap().clone();
    assert_eq!(sent, [format!("leg:{}:2", bundle.id)], "whichever try of it it is");
    assert_eq!(service.state(&bundle).await, TaskState::Proving);
}

#[tokio::test]
async fn a_target_is_sent_no_leg_that_its_requester_has_not_asked_for() {
    let service = Service::start().await;
    let bundle = service.bundle(3, false).await;
    let now = service.ctx.clock.now() / 1_000;
    service.returns(&bundle, 2, 3, &enclave_word(bundle.output, CHAIN, OPERATOR)).await;
    service.see_chain(50);
    *service.chain.leg_window.lock().unwrap() = Some((now - 1, now + 500));
    service.gather().await;
    assert!(service.chain.sent.lock().unwrap().is_empty());
}
