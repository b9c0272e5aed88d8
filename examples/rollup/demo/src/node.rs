//! The rollup's node as a process, and what it says.

use crate::{cast::Cast, told::Told, users::Users};
use alloy::primitives::Address;
use serde_json::Value;
use std::{process::Command, time::Duration};
use zkpool_demo::{
    actors::{Actor, Scenery, free_address},
    error::{Attempt, Result},
    process::Process,
    stage::ether,
};

/// How long a command may take that waits for nothing but blocks.
const SOON: Duration = Duration::from_secs(90);
/// The node hashes a proving key of some hundred MB before it answers.
const START: Duration = Duration::from_secs(300);

/// The node.
pub struct RollupNode {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub url: String,
    /// Its contract.
    pub rollup: Address,
}

impl RollupNode {
    /// Gives the sequencer money, puts some of it into the pool, and starts the node. With `demonstration` it signs for
    /// whoever opens its page.
    pub async fn start(
        scenery: &Scenery,
        cast: &Cast,
        sequencer: &Actor,
        users: &Users,
        demonstration: bool,
    ) -> Result<Self> {
        let (stage, token) = (&scenery.stage, scenery.stage.weth.to_string());
        stage.fund(sequencer.address(), ether(100)).await?;
        // A firm quote is signed only for a payer that has the money.
        scenery.run(sequencer, &["request", "deposit", "10ether", "--token", &token], SOON).await?;
        let listen = free_address()?;
        let mut command = Command::new(scenery.zkpool.with_file_name("zkpool-rollup-node"));
        command
            .args(["--rpc", stage.anvil.url(), "--chain-id", &stage.domain.chain_id.to_string()])
            .args(["--pool", &stage.domain.pool.to_string(), "--rollup", &cast.ground.rollup.to_string()])
            .args(["--token", &token, "--operator", &cast.operator.url, "--listen", &listen.to_string()])
            .args(["--key-env", "SEQUENCER_KEY", "--genesis"])
            .arg(users.write_genesis(&scenery.dir)?)
            .arg("--zkey")
            .arg(&cast.circuit.development_key)
            .arg("--generator")
            .arg(&cast.circuit.circuit.generator)
            .arg("--state")
            .arg(scenery.dir.join("node-state"))
            .env("SEQUENCER_KEY", sequencer.secret());
        if demonstration {
            command.args(["--demonstration-env", "DEMONSTRATION_SECRET"]).env("DEMONSTRATION_SECRET", users.secret());
        }
        let process = Process::start("node", &scenery.dir, command).attempt("starting the rollup's node")?;
        let mut node = Self { process, url: format!("http://{listen}"), rollup: cast.ground.rollup };
        let url = format!("{}/state", node.url);
        let look = async || scenery.get(&url).await;
        scenery.wait("the rollup's node", START, &mut [&mut node.process], look).await?;
        Ok(node)
    }

    /// Everything that it says now.
    pub async fn state(&self, scenery: &Scenery) -> Option<Value> {
        scenery.get(&format!("{}/state", self.url)).await?.json().await.ok()
    }

    /// Waits until a batch has ended; what happens goes to the timeline. Returns the batch's last view. At most `bound`.
    pub async fn finished(
        &mut self,
        scenery: &Scenery,
        batch: u32,
        bound: Duration,
        others: &mut [&mut Process],
        told: &mut Told<'_>,
    ) -> Result<Value> {
        let url = format!("{}/state", self.url);
        let mut processes: Vec<&mut Process> = others.iter_mut().map(|process| &mut **process).collect();
        processes.push(&mut self.process);
        let look = async || {
            let state: Value = scenery.get(&url).await?.json().await.ok()?;
            let view = view_of(&state, batch)?.clone();
            told.news(scenery, &state["policy"], &view);
            (view["ended"] == true).then_some(view)
        };
        scenery.wait(&format!("batch {batch}"), bound, &mut processes, look).await
    }
}

/// What a node's state says of a batch.
pub fn view_of(state: &Value, batch: u32) -> Option<&Value> {
    state["batches"].as_array()?.iter().find(|view| view["batch"] == batch)
}
