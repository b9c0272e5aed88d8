//! A published task with one job, put into the store as the reconcilers would.

use crate::support::{OPERATOR, Service, TOKEN, key};
use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use std::collections::BTreeMap;
use zkpool_protocol::{
    Address, B256, BlobId, Bytes, Call, Job, JobGraph, JobId, Operation, ProgramManifest, ProofKind, Quote,
    SignedQuote, Strategy, Task, TaskId, TaskInput, Terms, U256, WitnessSource, WorkUnits,
};
use zkpool_service::Change;
use zkpool_store::{
    Advance, Ask, End, Fact, Grant, InputRecord, LeaseRecord, Measured, NewTask, Plan, Price, ProgramRecord,
    ProverDescription, ProverId, Said, TaskKey,
};
use zkpool_verifiers::groth16::{Proof, ProofBytes, PublicInputs, VerifyingKey};

/// The requester of every task here.
pub(crate) fn requester() -> Address {
    key(0x51).address()
}

/// A task and what belongs to it.
pub(crate) struct Work {
    pub(crate) id: TaskId,
    pub(crate) key: TaskKey,
    pub(crate) job: JobId,
    pub(crate) request: BlobId,
    pub(crate) program: BlobId,
    pub(crate) zkey: BlobId,
    pub(crate) input: BlobId,
    pub(crate) witness: BlobId,
    /// In nobody's books.
    pub(crate) stray: BlobId,
    /// What the job is to yield.
    pub(crate) proof: Bytes,
}

/// A key whose secrets are known, and with them a proof of whatever: verifying is what is tested here, not proving.
pub(crate) fn key_and_proof(inputs: &[Fr]) -> (VerifyingKey, ProofBytes) {
    let [alpha, beta, gamma, delta, a, b, first] = [3u64, 5, 7, 11, 13, 17, 19].map(Fr::from);
    let g1 = |scalar: Fr| (G1Affine::generator() * scalar).into_affine();
    let g2 = |scalar: Fr| (G2Affine::generator() * scalar).into_affine();
    let weights: Vec<Fr> = (0..inputs.len() as u64).map(|n| Fr::from(23 + n)).collect();
    let points = std::iter::once(first).chain(weights.iter().copied()).map(g1).collect();
    let key = VerifyingKey::new(g1(alpha), g2(beta), g2(gamma), g2(delta), points).unwrap();
    // e(A, B) = e(alpha, beta) e(IC, gamma) e(C, delta)
    let sum: Fr = first + weights.iter().zip(inputs).map(|(weight, input)| *weight * input).sum::<Fr>();
    let c = (a * b - alpha * beta - sum * gamma) * delta.inverse().unwrap();
    let proof = Proof::new(g1(a), g2(b), g1(c)).unwrap();
    (key, ProofBytes { proof, inputs: PublicInputs::new(inputs.to_vec()) })
}

impl Service {
    async fn blob(&self, bytes: &'static [u8]) -> BlobId {
        self.ctx.blobs.put_bytes(Bytes::from_static(bytes).0).await.unwrap()
    }

    /// A task that is being proven: published at block 10, its one job ready.
    pub(crate) async fn work(&self) -> Work {
        self.work_by(Strategy::Assign, 3).await
    }

    /// The same for a reward, its job handed out by a strategy.
    pub(crate) async fn work_by(&self, strategy: Strategy, reward: u128) -> Work {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let (zkey, witness) = (self.blob(b"zkey").await, self.blob(b"witness").await);
        let (input, stray) = (self.blob(b"input").await, self.blob(b"stray").await);
        let manifest = ProgramManifest::Groth16Bn254 { zkey, witness_generator: None };
        let measured = Measured { units: WorkUnits(1000), memory: 1 << 20 };
        let (verifying_key, proof) = key_and_proof(&[Fr::from(42u64)]);
        let program = ProgramRecord {
            manifest: manifest.clone(),
            verifying_key: verifying_key.to_bytes(),
            measured,
            public_inputs: 1,
            registered_by: requester(),
        };
        store.put_program(&program, now).await.unwrap();
        let statement = proof.inputs.statement();
        let record = InputRecord {
            blob: input,
            program: manifest.id(),
            attached: vec![witness],
            measured,
            statement,
            public_inputs: vec![U256::from(42)],
            tried: true,
            run: None,
        };
        store.note_upload(requester(), input, 5, 1 << 20, now).await.unwrap();
        store.put_input(&record, now).await.unwrap();
        let ask = ask(manifest.id(), input);
        let new = NewTask { request: B256::repeat_byte(7).into(), attempt: 0, payer: requester(), ask: ask.clone() };
        let task = store.create_task(&new, 10, now).await.unwrap();
        let mut quote = quote(&ask, statement, now / 1000 + 60);
        quote.terms.reward = reward;
        let id = quote.id(&self.ctx.domain());
        let price = Price { work: 1, gas: 1, premium: 1, units: measured.units, strategy, expected_ms: 1 };
        store.quote_task(task.key, id, &quote, price, 10, now).await.unwrap();
        store.sign_task(task.key, &[1; 65]).await.unwrap();
        self.says(10, Fact::Published { task: id, operator: OPERATOR }).await;
        let job = Job {
            operation: Operation::Single,
            kind: ProofKind::Groth16Bn254,
            program: manifest.id(),
            input: Some(input),
            statement: None,
            units: measured.units,
            memory: measured.memory,
            needs: vec![],
        };
        store.plan_task(task.key, &Plan::Complete(JobGraph::new(vec![job]).unwrap()), now).await.unwrap();
        Work {
            id,
            key: task.key,
            job: JobId { task: id, index: 0 },
            request: new.request,
            program: manifest.id(),
            zkey,
            input,
            witness,
            stray,
            proof: proof.encode().into(),
        }
    }

    /// What tells of a quote that was published with another operator, whose input is here.
    pub(crate) async fn told(&self) -> serde_json::Value {
        let work = self.work().await;
        let manifest = ProgramManifest::Groth16Bn254 { zkey: work.zkey, witness_generator: None };
        let envelope = TaskInput { program: manifest.id(), source: WitnessSource::Witness(work.witness) }.to_bytes();
        let (input, size) = (BlobId::of(&envelope), envelope.len() as u64);
        self.ctx.blobs.put_bytes(envelope.into()).await.unwrap();
        self.ctx.store.note_upload(requester(), input, size, 1 << 20, self.ctx.clock.now()).await.unwrap();
        let mut quote = quote(&ask(manifest.id(), input), B256::repeat_byte(9), self.ctx.clock.now() / 1000);
        quote.terms.operator = Address::repeat_byte(0x77);
        let signed = SignedQuote { quote, signature: vec![1; 65].into() };
        serde_json::json!({ "quote": signed, "call": Call::default() })
    }

    /// The chain says something in a block, and whoever listens hears of it.
    pub(crate) async fn says(&self, block: u64, fact: Fact) {
        let now = self.ctx.clock.now();
        let time = now / 1000;
        let facts = vec![Said { block, time, fact }];
        let step = Advance { cursor: vec![1], rewind_to: None, facts, head: (block, time), settled_time: time };
        for key in self.ctx.store.advance(&step, now).await.unwrap().changed {
            self.ctx.changes.announce(Change::Task(key));
        }
    }

    /// The task is delivered.
    pub(crate) async fn deliver(&self, work: &Work) {
        self.says(20, Fact::Ended { task: work.id, end: End::DeliveredOnTime }).await;
    }

    /// A prover that has joined, and that the dispatcher has given the job.
    pub(crate) async fn lease(&self, work: &Work, prover: Address) -> LeaseRecord {
        let (store, now) = (&self.ctx.store, self.ctx.clock.now());
        let prover = ProverId { address: prover, device: "rig".into() };
        let speeds = BTreeMap::from([(ProofKind::Groth16Bn254, 100.0)]);
        let description = ProverDescription {
            cpus: 1,
            memory: 1 << 30,
            concurrency: 1,
            speeds,
            asks: [].into(),
            enclaves: vec![],
            unpaid: false,
        };
        store.join_prover(&prover, &description, now).await.unwrap();
        let lease = store.grant_lease(work.job, &prover, Grant::sole(now + 60_000), now).await.unwrap();
        self.ctx.changes.announce(Change::Leases);
        self.ctx.changes.announce(Change::Job(work.key, work.job));
        lease
    }
}

fn ask(program: BlobId, input: BlobId) -> Ask {
    Ask {
        program,
        kind: ProofKind::Groth16Bn254,
        input,
        statement: None,
        requester: requester(),
        target: Address::repeat_byte(4),
        encoder: Address::ZERO,
        verifier: Address::repeat_byte(5),
        call: Call::default(),
        call_gas: 100_000,
        proof_window: 600,
        liability_window: 1_200,
        reward_token: TOKEN,
        max_reward: None,
        liability_token: TOKEN,
        liability: 10,
        bond: 1,
        burn: 0,
        strategy: None,
    }
}

pub(crate) fn quote(ask: &Ask, statement: B256, valid_until: u64) -> Quote {
    Quote {
        terms: Terms {
            requester: ask.requester,
            operator: OPERATOR,
            target: ask.target,
            encoder: ask.encoder,
            verifier: ask.verifier,
            call_gas: ask.call_gas,
            proof_window: ask.proof_window,
            liability_window: ask.liability_window,
            valid_until,
            reward_token: ask.reward_token,
            reward: 3,
            advance: 0,
            liability_token: ask.liability_token,
            liability: ask.liability,
            bond: ask.bond,
            burn: ask.burn,
            honour: 0,
        },
        task: Task {
            slot: 0,
            statement,
            call_hash: ask.call.hash(),
            input_hash: ask.input.into(),
            salt: B256::repeat_byte(6),
        },
    }
}
