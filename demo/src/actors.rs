//! The parties: keys of their own, made afresh, and the processes that act for them.

use crate::{
    error::{Attempt, DemoError, Result},
    process::Process,
    report::Timeline,
    stage::Stage,
};
use alloy::{
    primitives::{Address, hex},
    signers::local::PrivateKeySigner,
};
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokio::io::{AsyncBufReadExt, BufReader};
use zkpool_protocol::{ProgramId, ProofKind};

/// Somebody with a key.
#[derive(Clone)]
pub struct Actor {
    /// What the timeline calls it.
    pub name: String,
    /// Its key.
    pub signer: PrivateKeySigner,
}

impl Actor {
    /// With a fresh key.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), signer: PrivateKeySigner::random() }
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// The key in hex, for a child's environment.
    pub fn secret(&self) -> String {
        hex::encode(self.signer.to_bytes())
    }
}

/// Where everything of one run is.
pub struct Scenery {
    /// The `zkpool` binary.
    pub zkpool: PathBuf,
    /// Keys never are in it; data, states and logs are.
    pub dir: PathBuf,
    /// The chain.
    pub stage: Stage,
    /// The account of what happens.
    pub timeline: Timeline,
    /// For all calls: making one reads the machine's certificates, which takes tens of milliseconds.
    pub http: reqwest::Client,
}

/// An operator: a cold key that owns, a hot one that signs, and a service.
pub struct Operator {
    /// Owns slots and earnings.
    pub owner: Actor,
    /// Signs quotes and proves.
    pub hot: Actor,
    /// Where its service listens.
    pub url: String,
    slots: u32,
    config: PathBuf,
}

/// A verifier that operators sign for.
pub struct Trusted {
    /// Its contract.
    pub verifier: Address,
    /// The kind of proof that it takes.
    pub kind: ProofKind,
    /// The program that it takes them of.
    pub program: ProgramId,
}

/// What makes one operator different from another.
pub struct Character {
    /// What it calls itself.
    pub name: &'static str,
    /// For a million constraints, in wei.
    pub wei_per_million_units: u64,
    /// In hundredths of a percent of what is at stake.
    pub premium_bps: u32,
    /// Slots of each token.
    pub slots: u32,
    /// Whose word it takes for what an enclave comes to.
    pub trusted_payers: Vec<Address>,
}

impl Character {
    /// Nothing special.
    pub const fn plain(name: &'static str) -> Self {
        let trusted_payers = Vec::new();
        Self { name, wei_per_million_units: 2_000_000_000_000_000, premium_bps: 50, slots: SLOTS, trusted_payers }
    }
}

/// Slots of each token that an operator has.
pub const SLOTS: u32 = 4;
/// Collateral of a slot, in wei.
pub const COLLATERAL: u64 = 5_000_000_000_000_000_000;
/// Honour reserve of a slot, in wei.
pub const HONOUR: u64 = 100_000_000_000_000_000;

impl Operator {
    /// Writes its configuration.
    pub fn new(scenery: &Scenery, character: &Character, trusted: &[Trusted]) -> Result<Self> {
        let owner = Actor::new(character.name);
        let hot = Actor::new(character.name);
        let listen = free_address()?;
        let dir = scenery.dir.join(character.name.replace(' ', "-"));
        fs::create_dir_all(&dir).attempt(format!("making {}", dir.display()))?;
        let stage = &scenery.stage;
        let programs: Vec<_> = trusted.iter().map(|trusted| format!("\"{}\"", trusted.program)).collect();
        let payers: Vec<_> = character.trusted_payers.iter().map(|payer| format!("\"{payer}\"")).collect();
        let verifiers: String = trusted
            .iter()
            .map(|Trusted { verifier, kind, program }| {
                format!("[[service.verifiers]]\naddress = \"{verifier}\"\nkind = \"{kind}\"\nprogram = \"{program}\"\n")
            })
            .collect();
        let count = character.slots;
        let slots = |token: Address| {
            format!(
                "[[service.tokens]]\naddress = \"{token}\"\nper_ether = \"1000000000000000000\"\n\
                 [[service.slots]]\ntoken = \"{token}\"\ncount = {count}\ncollateral = \"{COLLATERAL}\"\nhonour = \"{HONOUR}\"\n"
            )
        };
        let text = format!(
            "rpc = \"{rpc}\"\nchain_id = {chain}\npool = \"{pool}\"\n\n\
             [service]\noperator = \"{operator}\"\ndata = \"{data}\"\nlisten = \"{listen}\"\n\
             keys = {{ signer = \"env:SIGNER_KEY\", owner = \"env:OWNER_KEY\" }}\n\
             trusted_programs = [{programs}]\ntrusted_payers = [{payers}]\n\
             {weth}{token}{verifiers}\
             [service.pricing]\nwei_per_million_units = \"{units}\"\npremium_bps = {premium}\n\
             [service.quotes]\nvalidity = 60\nlive_per_payer = 256\n[service.limits]\nrequests_per_second = 5000\n\
             [service.dispatch]\nmin_lease = 5\n\
             [service.preflight]\ntimeout = 600\n\
             [service.chain]\npoll_ms = 200\nconfirmations = 1\n",
            rpc = stage.anvil.url(),
            chain = stage.domain.chain_id,
            pool = stage.domain.pool,
            operator = owner.address(),
            data = dir.join("data").display(),
            weth = slots(stage.weth),
            token = slots(stage.token),
            programs = programs.join(", "),
            payers = payers.join(", "),
            units = character.wei_per_million_units,
            premium = character.premium_bps,
        );
        let config = dir.join("zkpool.toml");
        fs::write(&config, text).attempt(format!("writing {}", config.display()))?;
        Ok(Self { owner, hot, url: format!("http://{listen}"), slots: count, config })
    }

    /// Starts its service.
    pub fn serve(&self, scenery: &Scenery) -> Result<Process> {
        let mut command = Command::new(&scenery.zkpool);
        command.args(["service", "run", "--config"]).arg(&self.config);
        command.env("SIGNER_KEY", self.hot.secret()).env("OWNER_KEY", self.owner.secret());
        Process::start(&self.owner.name.replace(' ', "-"), &scenery.dir, command).attempt("starting a service")
    }

    /// Waits until its service answers, `provers` are present and the slots are open.
    pub async fn ready(&self, scenery: &Scenery, process: &mut Process, provers: u32) -> Result<()> {
        let stage = &scenery.stage;
        let look = async || {
            for token in [stage.weth, stage.token] {
                let slot = stage.view().slot(self.owner.address(), token, self.slots - 1).await.ok()?;
                (slot.closes_at.is_none() && slot.collateral > 0).then_some(())?;
            }
            let metrics = scenery.get(&format!("{}/metrics", self.url)).await?.text().await.ok()?;
            let present = metrics.lines().find_map(|line| line.strip_prefix("zkpool_provers ")?.parse::<f64>().ok())?;
            (present >= f64::from(provers)).then_some(())
        };
        let what = format!("{} to be ready", self.owner.name);
        scenery.wait(&what, Duration::from_secs(120), &mut [process], look).await
    }
}

/// Starts a prover agent for one operator; `options` are further options of `zkpool prover run`.
pub fn start_prover(scenery: &Scenery, prover: &Actor, operator: &Operator, options: &[&str]) -> Result<Process> {
    let name = prover.name.replace(' ', "-");
    let mut command = Command::new(&scenery.zkpool);
    command
        .args(["prover", "run", "--key", "env:PROVER_KEY", "--jobs", "1", "--operator", &operator.url])
        .args(["--device", &name, "--state"])
        .arg(scenery.dir.join(&name))
        .args(options)
        .env("PROVER_KEY", prover.secret());
    Process::start(&name, &scenery.dir, command).attempt("starting a prover")
}

/// How a command of a party ended.
pub struct Ran {
    /// What it wrote on standard output, if that is JSON.
    pub value: Value,
    /// Its exit status.
    pub code: i32,
}

impl Scenery {
    /// Runs `zkpool … --json` for `actor`, whose key goes along in the environment; what it says on the way goes to the
    /// timeline. At most `bound`.
    pub async fn run(&self, actor: &Actor, args: &[&str], bound: Duration) -> Result<Ran> {
        let what = format!("{}: zkpool {}", actor.name, args[..args.len().min(2)].join(" "));
        // What comes after `--` is another program's.
        let (own, others) = args.split_at(args.iter().position(|arg| *arg == "--").unwrap_or(args.len()));
        let mut child = tokio::process::Command::new(&self.zkpool)
            .args(own)
            .arg("--json")
            .args(["--key", "env:ACTOR_KEY"])
            .args(others)
            .env("ACTOR_KEY", actor.secret())
            .env("ZKPOOL_RPC", self.stage.anvil.url())
            .env("ZKPOOL_POOL", self.stage.domain.pool.to_string())
            .env("ZKPOOL_CHAIN_ID", self.stage.domain.chain_id.to_string())
            .env("ZKPOOL_REQUEST__STATE", self.dir.join(actor.name.replace(' ', "-")))
            .env("RUST_LOG", "warn")
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .attempt(&what)?;
        let mut lines = BufReader::new(child.stderr.take().attempt(&what)?).lines();
        let (timeline, name) = (self.timeline, actor.name.clone());
        let telling = tokio::spawn(async move {
            let mut last = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                timeline.say(&name, &line);
                last = line;
            }
            last
        });
        let output = tokio::time::timeout(bound, child.wait_with_output())
            .await
            .map_err(|_| DemoError::new(&what, format!("it did not end within {bound:?}")))?
            .attempt(&what)?;
        let last = telling.await.unwrap_or_default();
        let text = String::from_utf8_lossy(&output.stdout);
        let code = output.status.code().unwrap_or(-1);
        if code != 0 && code != 6 {
            return Err(DemoError::new(what, format!("exit status {code}: {last} {text}")));
        }
        Ok(Ran { value: serde_json::from_str(&text).unwrap_or(Value::Null), code })
    }

    /// What a process of the scene answers, if it is there and answers with success.
    pub async fn get(&self, url: &str) -> Option<reqwest::Response> {
        self.http.get(url).send().await.ok()?.error_for_status().ok()
    }

    /// Waits until `check` gives something, looking ten times a second; the processes must stay alive.
    pub async fn wait<T>(
        &self,
        what: &str,
        bound: Duration,
        processes: &mut [&mut Process],
        mut check: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T> {
        let start = Instant::now();
        while start.elapsed() < bound {
            if let Some(value) = check().await {
                return Ok(value);
            }
            for process in processes.iter_mut() {
                process.check().attempt(format!("waiting for {what}"))?;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let tails: Vec<_> = processes.iter().map(|p| format!("--- {}:\n{}", p.name(), p.tail())).collect();
        Err(DemoError::new(format!("waiting for {what}"), format!("not within {bound:?}\n{}", tails.join("\n"))))
    }
}

/// An address on this machine at which nothing listens yet.
pub fn free_address() -> Result<std::net::SocketAddr> {
    let what = "finding a free port";
    TcpListener::bind("127.0.0.1:0").attempt(what)?.local_addr().attempt(what)
}

/// `path` as a command-line argument.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().attempt("using a path that is not UTF-8")
}
