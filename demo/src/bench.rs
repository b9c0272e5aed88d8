//! What the service itself costs: quotes and tasks through real HTTP, SQLite and anvil, with a prover that answers at
//! once because it has the proof already. That prover is a fixture of this benchmark, not a mode of the product: it
//! returns one valid proof, made beforehand, for tasks that all have the same input.

use alloy::{
    network::EthereumWallet,
    primitives::{Address, Bytes, U256},
    providers::{DynProvider, Provider, ProviderBuilder},
    sol_types::SolCall,
};
use clap::Parser;
use serde::Serialize;
use std::{
    collections::HashMap,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};
use zkpool_api::{
    ClaimRequest, Client, ClientOptions, Identity, JoinRequest, KindSpeed, QuoteRequest, QuoteStatus, ResultRequest,
};
use zkpool_bindings::{IERC20, IZKPool};
use zkpool_demo::{
    actors::{Actor, Character, Operator, Scenery, Trusted},
    chainlog,
    error::{Attempt, DemoError, Result},
    process::Process,
    report::Timeline,
    semaphore::{Circuit, OnChain, Signal},
    stage::{Stage, ether},
};
use zkpool_protocol::{Call, ProofKind, SignedQuote, TaskId, TaskInput, WitnessSource};

/// Measures quotes per second, tasks per second, and the service's own time per task.
#[derive(Debug, Parser)]
#[command(name = "zkpool-bench", version)]
struct Args {
    /// Tasks at once
    #[arg(long, default_value_t = 100)]
    tasks: u32,
    /// Tasks one after the other
    #[arg(long, default_value_t = 10)]
    single: u32,
    /// The zkpool binary (default: the one beside this program)
    #[arg(long, value_name = "FILE")]
    zkpool: Option<PathBuf>,
    /// Keep data and logs in this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The figures.
#[derive(Debug, Serialize)]
struct Figures {
    /// Firm quotes per second, one client, all asked at once.
    quotes_per_second: f64,
    /// Milliseconds from the publication's transaction being sent to the delivery being in a block, one task at a time.
    single_ms: Spread,
    /// The same with all tasks at once.
    at_once_ms: Spread,
    /// Tasks delivered per second, all at once.
    tasks_per_second: f64,
    /// How many at once.
    tasks: u32,
}

#[derive(Debug, Serialize)]
struct Spread {
    min: u64,
    median: u64,
    p95: u64,
    max: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(figures) => match serde_json::to_string_pretty(&figures) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("the benchmark failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<Figures> {
    let temporary = tempfile::tempdir().attempt("making a directory")?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir).attempt("making a directory")?;
    let zkpool = match &args.zkpool {
        Some(path) => path.clone(),
        None => std::env::current_exe().attempt("finding this program")?.with_file_name("zkpool"),
    };
    let circuit = Circuit::find(&zkpool)?;
    let stage = Stage::set().await?;
    let semaphore = OnChain::deploy(&stage).await?;
    let scenery = Scenery { zkpool, dir, stage, timeline: Timeline::begin(), http: zkpool_demo::run::http()? };
    let member = circuit.member(&scenery.dir)?;
    let group = semaphore.group(&scenery.stage, &member).await?;
    let (signal, proof) = circuit.proven_signal(&scenery.dir, &member, group)?;

    let requester = Actor::new("requester");
    let slots = args.tasks + args.single + 8;
    let (kind, program) = (ProofKind::Groth16Bn254, circuit.manifest.id());
    let trusted = [Trusted { verifier: semaphore.verifier, kind, program }];
    let operator = Operator::new(&scenery, &Character { slots, ..Character::plain("operator") }, &trusted)?;
    for party in [&operator.owner, &requester] {
        scenery.stage.fund(party.address(), ether(10_000)).await?;
    }
    let hot = scenery.stage.anvil.set_ether(operator.hot.address(), ether(1_000)).await;
    hot.attempt("funding a signer")?;
    let mut service = operator.serve(&scenery)?;
    let bench = Bench::new(&scenery, &operator, requester, (&circuit, semaphore.verifier), signal).await?;
    let provers = bench.instant_provers(&operator.url, proof, 16).await?;
    operator.ready(&scenery, &mut service, 1).await?;

    let result = bench.measure(args, &mut service).await;
    for prover in provers {
        prover.abort();
    }
    service.stop(Duration::from_secs(60)).attempt("stopping the service")?;
    result
}

struct Bench<'a> {
    scenery: &'a Scenery,
    client: Client,
    requester: Actor,
    request: QuoteRequest,
    chain: DynProvider,
}

impl<'a> Bench<'a> {
    async fn new(
        scenery: &'a Scenery,
        operator: &Operator,
        requester: Actor,
        (circuit, verifier): (&Circuit, Address),
        signal: Signal,
    ) -> Result<Self> {
        let what = "preparing the requester";
        let stage = &scenery.stage;
        let url = stage.anvil.url().parse().attempt(what)?;
        let wallet = EthereumWallet::from(requester.signer.clone());
        let chain = ProviderBuilder::new().wallet(wallet).connect_http(url);
        let token = IERC20::new(stage.token, &chain);
        let approval = token.approve(stage.domain.pool, U256::MAX).send().await.attempt(what)?;
        approval.get_receipt().await.attempt(what)?;

        let client = client(&operator.url, &requester)?;
        scenery.wait("the service", Duration::from_secs(60), &mut [], async || client.info().await.ok()).await?;
        for path in [&circuit.zkey, &circuit.wasm] {
            client.upload_file(path).await.attempt(what)?;
        }
        let program = client.register_program(&circuit.manifest).await.attempt(what)?.id;
        let inputs = std::fs::read(&signal.inputs).attempt(what)?;
        let source = WitnessSource::Inputs(serde_json::from_slice(&inputs).attempt(what)?);
        let input = client.upload(TaskInput { program, source }.to_bytes()).await.attempt(what)?.id;
        // Any call succeeds on this target: what a target costs is not measured here.
        let prefix = IERC20::approveCall { spender: Address::ZERO, value: U256::from(1) }.abi_encode().into();
        let request = QuoteRequest {
            kind: ProofKind::Groth16Bn254,
            program,
            input,
            payer: requester.address(),
            requester: None,
            target: stage.token,
            encoder: None,
            verifier: Some(verifier),
            call: Call { prefix, ..Call::default() },
            call_gas: 100_000,
            reward_token: stage.token,
            liability_token: stage.token,
            proof_window: 600,
            liability_window: 1_200,
            liability: 1_000_000_000_000_000_000,
            bond: 0,
            burn: 0,
            max_reward: None,
            statement: Some(signal.statement),
            strategy: None,
            reference: String::new(),
        };
        Ok(Self { scenery, client, requester, request, chain: chain.erased() })
    }

    /// Provers that return the one proof as soon as they have a lease.
    async fn instant_provers(&self, url: &str, proof: Bytes, count: u32) -> Result<Vec<tokio::task::JoinHandle<()>>> {
        let owner = Actor::new("prover");
        let client = client(url, &owner)?;
        let mut running = Vec::new();
        for n in 0..count {
            let device = format!("instant-{n}");
            let kinds = vec![KindSpeed { kind: ProofKind::Groth16Bn254, units_per_second: 1e9 }];
            let join = JoinRequest {
                device: device.clone(),
                cpus: 1,
                memory: 8 << 30,
                kinds,
                asks: vec![],
                concurrency: 1,
                enclaves: vec![],
                unpaid: false,
            };
            client.join(&join).await.attempt("joining as a prover")?;
            let (client, proof) = (client.clone(), proof.clone());
            running.push(tokio::spawn(async move {
                loop {
                    let claim = ClaimRequest { device: device.clone(), holding: vec![], wait: 20 };
                    let Ok(reply) = client.claim(&claim).await else {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    };
                    if let Some(job) = reply.job {
                        let result = ResultRequest {
                            fence: job.lease.fence,
                            proof: proof.clone(),
                            proving_ms: Some(0),
                            signature: None,
                        };
                        if let Err(error) = client.result(job.id, &result).await {
                            eprintln!("a result was refused: {error}");
                        }
                    }
                }
            }));
        }
        Ok(running)
    }

    async fn measure(&self, args: &Args, service: &mut Process) -> Result<Figures> {
        // The first quote of an input has its preflight; the others are what is measured.
        self.quote("first").await?;
        let mut single = Vec::new();
        for n in 0..args.single {
            let quote = self.quote(&format!("single-{n}")).await?;
            single.extend(self.deliver(&[quote], service).await?.0);
        }
        let start = Instant::now();
        let quotes = futures_join((0..args.tasks).map(|n| self.quote(format!("many-{n}").leak()))).await?;
        let quoting = start.elapsed();
        let (at_once, all) = self.deliver(&quotes, service).await?;
        Ok(Figures {
            quotes_per_second: f64::from(args.tasks) / quoting.as_secs_f64(),
            single_ms: Spread::of(single)?,
            at_once_ms: Spread::of(at_once)?,
            tasks_per_second: f64::from(args.tasks) / all.as_secs_f64(),
            tasks: args.tasks,
        })
    }

    async fn quote(&self, reference: &str) -> Result<(TaskId, SignedQuote)> {
        let request = QuoteRequest { reference: reference.to_owned(), ..self.request.clone() };
        let reply = self.client.quote_within(&request, Duration::from_secs(60)).await.attempt("asking for a quote")?;
        match (reply.status, reply.task, reply.quote) {
            (QuoteStatus::Quoted, Some(task), Some(quote)) => Ok((task, quote)),
            (status, ..) => {
                let why = reply.error.map_or_else(String::new, |error| error.message);
                Err(DemoError::new("asking for a quote", format!("{status:?}: {why}")))
            }
        }
    }

    /// Publishes all of them and waits for their deliveries; milliseconds of each, and the time of all.
    async fn deliver(&self, quotes: &[(TaskId, SignedQuote)], service: &mut Process) -> Result<(Vec<u64>, Duration)> {
        let what = "publishing";
        let pool = IZKPool::new(self.scenery.stage.domain.pool, &self.chain);
        let start = Instant::now();
        let mut open = HashMap::new();
        for (task, quote) in quotes {
            open.insert(*task, Instant::now());
            let call = pool.publish((&quote.quote).into(), quote.signature.clone()).gas(500_000);
            let _pending = call.from(self.requester.address()).send().await.attempt(what)?;
        }
        let mut times = Vec::new();
        let look = async || {
            for task in chainlog::delivered(&self.scenery.stage).await.ok()? {
                if let Some(began) = open.remove(&task) {
                    times.push(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
                }
            }
            open.is_empty().then_some(())
        };
        let bound = Duration::from_secs(300);
        self.scenery.wait("the deliveries", bound, &mut [service], look).await?;
        Ok((times, start.elapsed()))
    }
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Result<Self> {
        values.sort_unstable();
        let at = |share: usize| values.get((values.len().saturating_sub(1)) * share / 100).copied();
        let all = (at(0), at(50), at(95), at(100));
        let (Some(min), Some(median), Some(p95), Some(max)) = all else {
            return Err(DemoError::new("measuring", "there is nothing"));
        };
        Ok(Self { min, median, p95, max })
    }
}

async fn futures_join<T, F: Future<Output = Result<T>>>(futures: impl Iterator<Item = F>) -> Result<Vec<T>> {
    futures::future::join_all(futures).await.into_iter().collect()
}

fn client(url: &str, actor: &Actor) -> Result<Client> {
    let signer = actor.signer.clone();
    let identity = Identity::new(actor.address(), move |message: String| {
        let signer = signer.clone();
        async move {
            use alloy::signers::Signer;
            signer.sign_message(message.as_bytes()).await.map(|signature| signature.as_bytes().to_vec().into())
        }
    });
    Client::new(url, identity, ClientOptions::default()).attempt("connecting to the service")
}
