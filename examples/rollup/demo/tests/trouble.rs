//! A batch between two liars: one returns a circuit's proof that is sound but of another batch, the other an enclave's
//! signature for another. Each leg by itself is valid; the bundle is held, nothing is sent, nobody is paid. Then honest
//! provers come, the legs are repeated, and the batch is final.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use alloy::{
    primitives::{B256, Bytes},
    sol,
    sol_types::{SolCall, SolType, sol_data},
};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use zkpool_api::{ClaimRequest, Client, ClientOptions, Identity, JoinRequest, KindSpeed, ResultRequest, TaskView};
use zkpool_bindings::IZKPool;
use zkpool_chain::Key;
use zkpool_demo::{
    actors::{Actor, Operator, Scenery},
    chainlog,
    process::Process,
};
use zkpool_demo_rollup::{
    cast::{Cast, Plot, circuit},
    node::{RollupNode, view_of},
    summary::text,
    told::{Names, Told},
    users::Users,
};
use zkpool_protocol::{ProofKind, TaskId};

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(900);
/// For so long a held bundle is looked at: several blocks, and several rounds of the service's own.
const HELD: Duration = Duration::from_secs(6);

sol! {
    struct LegProof {
        uint8 leg;
        bytes proof;
    }
}

/// Somebody who says to prove one kind, and returns what somebody else once made for something else.
struct Liar {
    client: Client,
    device: String,
    kind: ProofKind,
}

impl Liar {
    fn new(scenery: &Scenery, actor: &Actor, operator: &Operator, kind: ProofKind) -> Self {
        let key = Key::from_hex(&actor.secret()).unwrap();
        let identity = Identity::new(actor.address(), move |message: String| {
            let signature = key.sign_message(message.as_bytes());
            async move { signature }
        });
        let options = ClientOptions { chain_id: Some(scenery.stage.domain.chain_id), ..ClientOptions::default() };
        let client = Client::new(&operator.url, identity, options).unwrap();
        Self { client, device: actor.name.replace(' ', "-"), kind }
    }

    async fn join(&self, enclave: B256) {
        let kinds = vec![KindSpeed { kind: self.kind, units_per_second: 1_000_000.0 }];
        let enclaves = if self.kind == ProofKind::Sgx { vec![enclave] } else { vec![] };
        let (device, memory) = (self.device.clone(), 16 << 30);
        self.client
            .join(&JoinRequest {
                device,
                cpus: 1,
                memory,
                kinds,
                asks: vec![],
                concurrency: 1,
                enclaves,
                unpaid: false,
            })
            .await
            .unwrap();
    }

    /// Waits for a job and returns this. It is sound, so it is taken.
    async fn lies(&self, proof: &Bytes) {
        let job = loop {
            let request = ClaimRequest { device: self.device.clone(), holding: vec![], wait: 20 };
            if let Some(job) = self.client.claim(&request).await.unwrap().job {
                break job;
            }
        };
        let request = ResultRequest { fence: job.lease.fence, proof: proof.clone(), proving_ms: None, signature: None };
        self.client.result(job.id, &request).await.unwrap();
    }
}

/// The legs' proofs of a bundle that was delivered: anybody can read them on the chain.
async fn delivered_legs(scenery: &Scenery, task: TaskId) -> Vec<Bytes> {
    let entries = chainlog::of(&scenery.stage, task).await.unwrap();
    let delivery = entries.iter().find(|entry| entry.name == "prove").unwrap().tx;
    let transaction: Value = scenery.stage.anvil.request("eth_getTransactionByHash", json!([delivery])).await.unwrap();
    let input: Bytes = serde_json::from_value(transaction["input"].clone()).unwrap();
    let proof = IZKPool::proveCall::abi_decode(&input).unwrap().proof;
    let legs = sol_data::Array::<LegProof>::abi_decode(&proof).unwrap();
    legs.into_iter().map(|leg| leg.proof).collect()
}

async fn task(operator: &Operator, view: &Value) -> TaskView {
    let client = Client::anonymous(&operator.url, ClientOptions::default()).unwrap();
    client.task(text(&view["task"]).parse().unwrap()).await.unwrap()
}

/// Waits until every leg of a batch has been said, by liars all.
async fn held(scenery: &Scenery, node: &mut RollupNode, service: &mut Process, batch: u32) -> Value {
    let url = format!("{}/state", node.url);
    let look = async || {
        let state: Value = scenery.get(&url).await?.json().await.ok()?;
        let view = view_of(&state, batch)?.clone();
        let lied = |leg: &Value| leg["tries"][0]["agrees"] == false;
        let all = view["legs"].as_array()?.iter().filter(|leg| lied(leg)).count() == 2;
        (all && view["stage"] == "held").then_some(view)
    };
    scenery.wait("the bundle to be held", PATIENCE, &mut [&mut node.process, service], look).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_with_lying_legs_is_held_and_repaired_by_others() {
    let zkpool = Path::new(env!("CARGO_BIN_EXE_zkpool-demo-rollup")).with_file_name("zkpool");
    let temporary = tempfile::tempdir().unwrap();
    let scenery = Scenery::set(zkpool, temporary.path()).await.unwrap();
    let mut users = Users::new().unwrap();
    let sequencer = Actor::new("sequencer");
    // Without the zkVM, whose leg would take minutes and show nothing more.
    let circuit = circuit(&scenery).await.unwrap();
    let plot = Plot { circuit, users: &users, sequencer: &sequencer, zkvm: false };
    let mut cast = Cast::gather(&scenery, plot).await.unwrap();
    let [snark, enclave, liar, other] =
        ["circuit prover", "enclave prover", "lying circuit", "lying enclave"].map(Actor::new);
    let names = Names::of([&snark, &enclave, &liar, &other]);
    let registered = cast.register_enclave(&scenery, &enclave).await.unwrap();
    let honest = |cast: &Cast| {
        [cast.start_circuit(&scenery, &snark).unwrap(), cast.start_enclave(&scenery, &enclave, &registered).unwrap()]
    };

    // A batch without trouble: its legs are what the liars have to offer.
    let provers = honest(&cast);
    cast.operator.ready(&scenery, &mut cast.service, 2).await.unwrap();
    let mut node = RollupNode::start(&scenery, &cast, &sequencer, &users, false).await.unwrap();
    users.send(&scenery, &node).await.unwrap();
    let mut told = Told::new(&names);
    let first = node.finished(&scenery, 0, PATIENCE, &mut [&mut cast.service], &mut told).await.unwrap();
    assert_eq!(first["stage"], "final", "{first}");
    for prover in provers {
        prover.stop(Duration::from_secs(60)).unwrap();
    }
    let legs = delivered_legs(&scenery, text(&first["task"]).parse().unwrap()).await;

    let liars = [(&liar, ProofKind::Groth16Bn254), (&other, ProofKind::Sgx)]
        .map(|(actor, kind)| Liar::new(&scenery, actor, &cast.operator, kind));
    for liar in &liars {
        liar.join(cast.ground.enclave).await;
    }
    users.send(&scenery, &node).await.unwrap();
    tokio::join!(liars[0].lies(&legs[0]), liars[1].lies(&legs[1]));
    let view = held(&scenery, &mut node, &mut cast.service, 1).await;
    tokio::time::sleep(HELD).await;
    let while_held = task(&cast.operator, &view).await;
    assert!(while_held.txs.iter().all(|tx| tx.purpose == "publish"), "nothing is sent: {:?}", while_held.txs);
    assert_eq!(cast.ground.root(&scenery.stage).await.unwrap().1, 1, "the second batch is not final");
    assert_eq!(view["soft"].as_array().unwrap().len(), 0, "no leg that differs is sent early");

    let _provers = honest(&cast);
    let second = node.finished(&scenery, 1, PATIENCE, &mut [&mut cast.service], &mut told).await.unwrap();
    assert_eq!(second["stage"], "final", "{second}");
    for (leg, (liar, honest)) in second["legs"]
        .as_array()
        .unwrap()
        .iter()
        .zip([("lying circuit", "circuit prover"), ("lying enclave", "enclave prover")])
    {
        let tries = leg["tries"].as_array().unwrap();
        let last = tries.last().unwrap();
        assert_eq!((names.all(&tries[0]["provers"]), &tries[0]["agrees"]), (vec![liar.to_owned()], &false.into()));
        assert_eq!((names.all(&last["provers"]), &last["agrees"]), (vec![honest.to_owned()], &true.into()));
    }
    assert_eq!(cast.ground.root(&scenery.stage).await.unwrap(), (users.root(), 2));
}
