//! Quotes for bundles: whatever would keep the legs apart is found out before anything is promised.

use crate::{
    quoting::upload,
    support::{Service, TOKEN, key},
    work::requester,
    zkvm::{IMAGE, JOURNAL, Script, ask},
};
use serde_json::json;
use std::sync::Arc;
use zkpool_chain::{BundlePolicy, LegPolicy, alloy::primitives::keccak256};
use zkpool_protocol::{
    Address, B256, BlobId, BundleLeg, EnclaveInput, ErrorCode, GuestInput, LegInputs, ProgramManifest, ProofKind,
    Strategy, TaskInput, TaskState, WitnessSource, bundle, zkvm::segment_memory,
};
use zkpool_service::{http::Bounds, ops::programs::register_program};
use zkpool_store::{Ask, NewTask, ProverDescription, ProverId};

const VERIFIER: Address = Address::repeat_byte(0x99);
const ENCLAVE: B256 = B256::repeat_byte(0xe1);
const KIND: ProofKind = ProofKind::Risc0Groth16;
const ZKVM_LEG: Address = Address::repeat_byte(1);
const SGX_LEG: Address = Address::repeat_byte(2);

struct Shop {
    service: Service,
    zkvm: ProgramManifest,
    enclave: ProgramManifest,
    all: ProgramManifest,
    envelopes: Vec<BlobId>,
    ask: Ask,
    attempts: u32,
}

impl Shop {
    /// An operator that signs for a bundle of a wrapped receipt and an enclave's word, which read the same.
    async fn open() -> Self {
        Self::reading(b"stdin", json!([])).await
    }

    /// The enclave reads this; whom the operator trusts.
    async fn reading(enclave: &'static [u8], trusted_payers: serde_json::Value) -> Self {
        let wishes = json!({
            "trusted_payers": trusted_payers,
            "verifiers": [{ "address": VERIFIER, "kind": "bundle" }],
            "slots": [{ "token": TOKEN, "count": 1, "collateral": "1000000", "honour": "1" }],
        });
        let service = Service::running(wishes, Bounds::default(), Arc::new(Script::default())).await;
        service.see_chain(9);
        let binary = upload(&service, b"R0BF").await;
        let zkvm = ProgramManifest::Risc0 { binary, image_id: IMAGE.parse().unwrap() };
        let sgx = ProgramManifest::Sgx { enclave: ENCLAVE };
        let legs =
            vec![BundleLeg { program: zkvm.id(), kind: KIND }, BundleLeg { program: sgx.id(), kind: ProofKind::Sgx }];
        let all = ProgramManifest::Bundle { legs };
        for program in [&zkvm, &sgx, &all] {
            register_program(&service.ctx, requester(), program.clone()).await.unwrap();
        }
        let (stdin, bytes) = (upload(&service, b"stdin").await, upload(&service, enclave).await);
        let guest = WitnessSource::Guest(GuestInput { stdin, assumptions: vec![] });
        let guest = TaskInput { program: zkvm.id(), source: guest }.to_bytes();
        let word = WitnessSource::Enclave(EnclaveInput { input: bytes });
        let word = TaskInput { program: sgx.id(), source: word }.to_bytes();
        let envelopes = vec![upload(&service, &guest).await, upload(&service, &word).await];
        let ask = ask(all.id(), all.id(), ProofKind::Bundle, VERIFIER);
        let mut shop = Self { service, zkvm, enclave: sgx, all, envelopes, ask, attempts: 0 };
        shop.puts(shop.envelopes.clone(), false).await;
        shop.policy(["risc0", "sgx"]);
        let output = bundle::output(JOURNAL);
        shop.states(ZKVM_LEG, shop.zkvm.statement(output));
        shop.states(SGX_LEG, shop.enclave.statement(output));
        shop
    }

    /// The bundle's input.
    async fn puts(&mut self, envelopes: Vec<BlobId>, shared_provers: bool) {
        let source = WitnessSource::Legs(LegInputs { envelopes, shared_provers, early: false });
        self.ask.input = upload(&self.service, &TaskInput { program: self.all.id(), source }.to_bytes()).await;
    }

    fn policy(&self, kinds: [&str; 2]) {
        let leg = |leg, kind: &str| LegPolicy {
            leg,
            verifier: Address::repeat_byte(leg.0[0] | 0xc0),
            kind: keccak256(kind),
            is_proof: kind != "sgx",
        };
        let legs = vec![leg(ZKVM_LEG, kinds[0]), leg(SGX_LEG, kinds[1])];
        let chain = &self.service.chain;
        chain.verifiers.lock().unwrap().extend(legs.iter().map(|leg| (leg.verifier, None)));
        chain.bundles.lock().unwrap().insert(VERIFIER, BundlePolicy { threshold: 2, legs });
    }

    fn states(&self, leg: Address, statement: B256) {
        self.service.chain.leg_statements.lock().unwrap().insert(leg, statement);
    }

    /// A device of an owner.
    async fn prover(&self, owner: u8, device: &str, kinds: &[ProofKind], enclaves: Vec<B256>) {
        let id = ProverId { address: key(owner).address(), device: device.into() };
        let speeds = kinds.iter().map(|kind| (*kind, 1e9)).collect();
        let memory = segment_memory(18);
        let description =
            ProverDescription { cpus: 1, memory, concurrency: 1, speeds, asks: [].into(), enclaves, unpaid: false };
        let now = self.service.ctx.clock.now();
        self.service.ctx.store.join_prover(&id, &description, now).await.unwrap();
        self.service.ctx.status.heard(&id, now);
    }

    async fn zkvm_prover(&self, owner: u8) {
        let kinds = [ProofKind::Risc0Composite, ProofKind::Risc0Succinct, ProofKind::Risc0Groth16];
        self.prover(owner, "rig", &kinds, vec![]).await;
    }

    /// Asks, and is refused.
    async fn refused(&mut self, code: ErrorCode) -> String {
        let request = BlobId::of(b"request");
        let new = NewTask { request, attempt: self.attempts, payer: requester(), ask: self.ask.clone() };
        self.attempts += 1;
        let task = self.service.ctx.store.create_task(&new, 10, self.service.ctx.clock.now()).await.unwrap();
        self.service.reconcile(&["preflight"]).await;
        let task = self.service.ctx.store.task_by_key(task.key).await.unwrap().unwrap();
        assert_eq!(task.state, TaskState::Refused);
        let refusal = task.refusal.unwrap();
        assert_eq!(refusal.code, code, "{}", refusal.message);
        refusal.message
    }

    /// Everything about the bundle is in order: only the chain, which has no balances here, is missing.
    async fn is_agreed(&mut self) {
        self.refused(ErrorCode::RpcUnreachable).await;
    }
}

#[tokio::test]
async fn a_bundle_that_is_in_order_comes_as_far_as_the_chain() {
    let mut shop = Shop::open().await;
    shop.zkvm_prover(2).await;
    shop.prover(3, "rig", &[ProofKind::Sgx], vec![ENCLAVE]).await;
    shop.is_agreed().await;
    let input = shop.service.ctx.store.input(shop.ask.input).await.unwrap().unwrap();
    assert_eq!((input.statement, input.attached), (bundle::output(JOURNAL), shop.envelopes.clone()));
    // What the requester expects is held against what the legs come to.
    shop.ask.statement = Some(bundle::output(JOURNAL));
    shop.is_agreed().await;
    shop.ask.statement = Some(bundle::output(b"another journal"));
    let message = shop.refused(ErrorCode::LegsDisagree).await;
    assert!(message.contains("leg 0"), "{message}");
}

/// What an enclave comes to is known only if a zkVM leg reads the same; or from somebody whose word is taken.
#[tokio::test]
async fn a_payer_is_not_believed_what_an_enclave_comes_to() {
    for (trusted, code) in [(json!([]), ErrorCode::Forbidden), (json!([requester()]), ErrorCode::RpcUnreachable)] {
        let mut shop = Shop::reading(b"something else", trusted).await;
        shop.zkvm_prover(2).await;
        shop.prover(3, "rig", &[ProofKind::Sgx], vec![ENCLAVE]).await;
        let message = shop.refused(code).await;
        assert!(code != ErrorCode::Forbidden || message.contains("trusted_payers"), "{message}");
    }
}

#[tokio::test]
async fn input_program_and_verifier_must_agree_on_the_legs() {
    let mut shop = Shop::open().await;
    shop.zkvm_prover(2).await;
    shop.prover(3, "rig", &[ProofKind::Sgx], vec![ENCLAVE]).await;
    let both = shop.envelopes.clone();
    shop.puts(both[..1].to_vec(), false).await;
    assert!(shop.refused(ErrorCode::BadInput).await.contains("1 envelopes"));
    shop.puts(vec![both[1], both[0]], false).await;
    shop.refused(ErrorCode::BadInput).await;
    shop.puts(vec![both[0], BlobId::of(b"not here")], false).await;
    shop.refused(ErrorCode::UnknownInput).await;
    shop.puts(both, false).await;
    // The leg on chain holds another image, or another enclave's name.
    for leg in [ZKVM_LEG, SGX_LEG] {
        let right = shop.service.chain.leg_statements.lock().unwrap()[&leg];
        shop.states(leg, B256::repeat_byte(7));
        assert!(shop.refused(ErrorCode::VerifierNotAllowed).await.contains("another program"));
        shop.states(leg, right);
    }
    // What a verifier is never changes: these are others.
    let mut shop = Shop::open().await;
    shop.policy(["sgx", "risc0"]);
    assert!(shop.refused(ErrorCode::VerifierNotAllowed).await.contains("another kind"));
    let mut shop = Shop::open().await;
    shop.service.chain.bundles.lock().unwrap().clear();
    assert!(shop.refused(ErrorCode::VerifierNotAllowed).await.contains("takes no bundles"));
}

#[tokio::test]
async fn there_must_be_an_owner_for_each_leg() {
    let mut shop = Shop::open().await;
    shop.zkvm_prover(2).await;
    assert!(shop.refused(ErrorCode::NoProver).await.contains("sgx"), "nobody has an enclave");
    shop.prover(3, "other", &[ProofKind::Sgx], vec![B256::ZERO]).await;
    shop.refused(ErrorCode::NoProver).await;
    // Another device of the same owner is no other owner.
    shop.prover(2, "enclave", &[ProofKind::Sgx], vec![ENCLAVE]).await;
    assert!(shop.refused(ErrorCode::NoProver).await.contains("different owners"));
    shop.puts(shop.envelopes.clone(), true).await;
    shop.is_agreed().await;
    shop.puts(shop.envelopes.clone(), false).await;
    shop.prover(4, "rig", &[ProofKind::Sgx], vec![ENCLAVE]).await;
    shop.is_agreed().await;
}

#[tokio::test]
async fn a_race_takes_owners_for_each_leg() {
    let mut shop = Shop::open().await;
    shop.ask.strategy = Some(Strategy::Race { provers: 2 });
    shop.zkvm_prover(2).await;
    shop.prover(3, "rig", &[ProofKind::Sgx], vec![ENCLAVE]).await;
    assert!(shop.refused(ErrorCode::NoProver).await.contains("2 different owners for each leg"));
    shop.zkvm_prover(4).await;
    shop.prover(2, "enclave", &[ProofKind::Sgx], vec![ENCLAVE]).await;
    assert!(shop.refused(ErrorCode::NoProver).await.contains("present 1 could"), "no owner has two legs");
    shop.puts(shop.envelopes.clone(), true).await;
    shop.is_agreed().await;
    shop.puts(shop.envelopes.clone(), false).await;
    shop.prover(5, "rig", &[ProofKind::Sgx], vec![ENCLAVE]).await;
    shop.is_agreed().await;
}

#[tokio::test]
async fn bundles_that_would_count_something_twice_are_no_programs() {
    let shop = Shop::open().await;
    let leg = |program: &ProgramManifest, kind| BundleLeg { program: program.id(), kind };
    let (zkvm, sgx) = (leg(&shop.zkvm, KIND), leg(&shop.enclave, ProofKind::Sgx));
    let again = leg(&shop.zkvm, ProofKind::Risc0Composite);
    let cases = [
        (vec![], ErrorCode::BadRequest),
        (vec![zkvm], ErrorCode::BadRequest),
        (vec![zkvm, sgx, again], ErrorCode::BadRequest),
        (vec![zkvm, leg(&shop.enclave, KIND)], ErrorCode::BadRequest),
        (vec![zkvm, leg(&shop.all, ProofKind::Bundle)], ErrorCode::BadRequest),
        (vec![zkvm, BundleLeg { program: BlobId::of(b"nobody's"), kind: ProofKind::Sgx }], ErrorCode::UnknownProgram),
    ];
    for (legs, code) in cases {
        let made = register_program(&shop.service.ctx, requester(), ProgramManifest::Bundle { legs }).await;
        assert_eq!(made.unwrap_err().code, code);
    }
}
