//! The application, as a process.

use crate::ground::Ground;
use std::{process::Command, time::Duration};
use zkpool_demo::{
    actors::{Actor, Operator, Scenery, free_address},
    error::{Attempt, Result},
    process::Process,
    stage::ether,
};
use zkpool_protocol::ProofKind;

/// How long a command may take that waits for nothing but blocks.
const SOON: Duration = Duration::from_secs(90);

/// The application: its process, and where its page is.
pub struct Application {
    /// Serves the page.
    pub process: Process,
    /// Where.
    pub url: String,
}

impl Application {
    /// Gives the application money, puts some of it into the pool, and starts it.
    pub async fn start(
        scenery: &Scenery,
        ground: &Ground,
        owner: &Actor,
        operator: &Operator,
        kind: ProofKind,
    ) -> Result<Self> {
        let (stage, token) = (&scenery.stage, scenery.stage.weth.to_string());
        stage.fund(owner.address(), ether(100)).await?;
        // A firm quote is signed only for a payer that has the money.
        scenery.run(owner, &["request", "deposit", "10ether", "--token", &token], SOON).await?;
        let listen = free_address()?;
        let mut command = Command::new(scenery.zkpool.with_file_name("zkpool-digits"));
        command
            .args(["--rpc", stage.anvil.url(), "--chain-id", &stage.domain.chain_id.to_string()])
            .args(["--pool", &stage.domain.pool.to_string(), "--oracle", &ground.oracle.to_string()])
            .args(["--encoder", &ground.encoder.to_string(), "--token", &token, "--operator", &operator.url])
            .args(["--kind", kind.as_str(), "--listen", &listen.to_string(), "--key-env", "OWNER_KEY"])
            // A proof of a few segments, on a machine that does all of it.
            .args(["--proof-window", "3600", "--liability-window", "7200", "--state"])
            .arg(scenery.dir.join("digits"))
            .env("OWNER_KEY", owner.secret());
        let process = Process::start("application", &scenery.dir, command).attempt("starting the application")?;
        let mut application = Self { process, url: format!("http://{listen}") };
        let info = format!("{}/api/info", application.url);
        let look = async || scenery.get(&info).await;
        scenery.wait("the page", SOON, &mut [&mut application.process], look).await?;
        Ok(application)
    }
}
