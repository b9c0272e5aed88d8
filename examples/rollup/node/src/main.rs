//! `zkpool-rollup-node`: takes transfers, proposes batches and pays for their proofs.

use clap::Parser;
use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};
use tracing_subscriber::EnvFilter;
use zkpool_chain::{KeySource, Rpc, Secret};
use zkpool_protocol::{Address, Domain, ProofKind};
use zkpool_requester::{Config, Options, Requester};
use zkpool_rollup::{
    Wallet,
    core::{Account, Encoded},
};
use zkpool_rollup_node::{
    bundle::{Files, Terms},
    contract::Contract,
    error::NodeError,
    node::{Node, Setup, demonstration},
    web,
};

/// A small rollup's sequencer: transfers in, batches out, each proven in several ways at once by a pool of machines.
#[derive(Debug, Parser)]
#[command(name = "zkpool-rollup-node", version)]
struct Args {
    /// The chain's JSON-RPC
    #[arg(long, env = "ZKPOOL_RPC")]
    rpc: String,
    /// Its id
    #[arg(long, env = "ZKPOOL_CHAIN_ID")]
    chain_id: u64,
    /// The ZKPool contract
    #[arg(long, env = "ZKPOOL_POOL")]
    pool: Address,
    /// The rollup's contract
    #[arg(long)]
    rollup: Address,
    /// The block that it was made in
    #[arg(long, default_value_t = 0)]
    from_block: u64,
    /// The accounts at the beginning: JSON, a list of {"key": hex, "balance": "…"} by place
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The circuit's proving key, if the contract's verifier asks for its proof
    #[arg(long, value_name = "FILE", requires = "generator")]
    zkey: Option<PathBuf>,
    /// The circuit's witness generator
    #[arg(long, value_name = "FILE", requires = "zkey")]
    generator: Option<PathBuf>,
    /// The kind of receipt that the zkVM leg's verifier takes: risc0-composite, risc0-succinct or risc0-groth16
    #[arg(long, default_value = "risc0-composite", value_parser = receipt)]
    receipt: ProofKind,
    /// Token of price and liability
    #[arg(long)]
    token: Address,
    /// Operators that are asked for a price
    #[arg(long = "operator", required = true, value_name = "URL")]
    operators: Vec<String>,
    /// Environment variable with the sequencer's key (64 hex digits), which pays, too
    #[arg(long, default_value = "SEQUENCER_KEY", value_name = "NAME")]
    key_env: String,
    /// Environment variable with the secret (64 hex digits) that the genesis accounts' keys are made of: this node then
    /// signs for whoever opens its page. For demonstrations alone
    #[arg(long, value_name = "NAME")]
    demonstration_env: Option<String>,
    /// Where quotes and transactions are remembered
    #[arg(long, default_value = ".zkpool/rollup")]
    state: PathBuf,
    /// Where transfers are taken and the page is served
    #[arg(long, default_value = "127.0.0.1:8791")]
    listen: SocketAddr,
    /// Further host names (with ports) that it is reached under
    #[arg(long = "host", value_name = "NAME:PORT")]
    hosts: Vec<String>,
    /// Seconds that a transfer waits for others before its batch is made
    #[arg(long, default_value_t = 5)]
    patience: u64,
    /// Paid to you if a bundle never comes, in wei of the token
    #[arg(long, default_value_t = 100_000_000_000_000_000)]
    liability: u128,
    /// Lost by the operator if it comes late, in wei of the token
    #[arg(long, default_value_t = 10_000_000_000_000_000)]
    bond: u128,
    /// The highest price, in wei of the token
    #[arg(long)]
    max_reward: Option<u128>,
    /// Seconds within which a bundle is due
    #[arg(long, default_value_t = 3600)]
    proof_window: u32,
    /// Seconds after which nobody can deliver it any more
    #[arg(long, default_value_t = 7200)]
    liability_window: u32,
    /// Seconds that an operator may take to answer: it runs the programs first
    #[arg(long, default_value_t = 600)]
    ask_bound: u64,
    /// Let one prover make several legs: cheaper, and worth less
    #[arg(long)]
    shared_provers: bool,
}

fn receipt(text: &str) -> Result<ProofKind, String> {
    let kind = ProofKind::from_name(text).filter(|kind| kind.is_risc0());
    kind.ok_or_else(|| "risc0-composite, risc0-succinct or risc0-groth16".into())
}

/// An account at the beginning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Genesis {
    key: String,
    balance: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match serve(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<(), NodeError> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| NodeError::Io { what, source }
    };
    let genesis = genesis(&args.genesis)?;
    let wallets = args.demonstration_env.as_deref().map(wallets).transpose()?;
    let domain = Domain { chain_id: args.chain_id, pool: args.pool };
    let rpc = Rpc::connect(&args.rpc, &domain).await?;
    let contract = Contract::new(rpc.clone(), args.rollup, args.from_block);
    let key = KeySource::Raw(Secret::Env(args.key_env)).load()?;
    // Its records are its own; the guest lies beside them.
    let files =
        Files { zkey: args.zkey, generator: args.generator, dir: args.state.join("programs"), receipt: args.receipt };
    let options = Options { ask_bound: Duration::from_secs(args.ask_bound), ..Options::default() };
    let config = Config { rpc, domain, key, state: args.state, operators: args.operators, options };
    let requester = Requester::open(config).await?;
    let terms = Terms {
        token: args.token,
        liability: args.liability,
        bond: args.bond,
        max_reward: args.max_reward,
        proof_window: args.proof_window,
        liability_window: args.liability_window,
        call_gas: 1_500_000,
        shared_provers: args.shared_provers,
    };
    let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(io("listening"))?;
    let address = listener.local_addr().map_err(io("listening"))?;
    let mut hosts = args.hosts;
    hosts.extend([address.to_string(), format!("localhost:{}", address.port())]);
    tracing::info!("transfers are taken at http://{address}, proofs are paid for by {}", requester.address());
    let patience = Duration::from_secs(args.patience);
    let node = Node::open(Setup { requester, contract, genesis, files, terms, patience, wallets }).await?;
    let routes = web::routes(node.clone(), hosts);
    // A page that listens for news would hold a graceful end for ever. What is under way is on record, or on the chain.
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => served.map_err(io("serving")),
        ended = node.run() => ended,
        () = told_to_stop() => Ok(()),
    }
}

fn genesis(path: &PathBuf) -> Result<Vec<Account>, NodeError> {
    let bad = |reason: String| NodeError::Io {
        what: format!("reading the accounts in {}", path.display()),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason),
    };
    let text = std::fs::read(path).map_err(|source| NodeError::Io { what: path.display().to_string(), source })?;
    let accounts: Vec<Genesis> = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    let account = |(place, Genesis { key, balance }): (usize, Genesis)| {
        let mut encoded: Encoded = [0; 32];
        hex::decode_to_slice(key.strip_prefix("0x").unwrap_or(&key), &mut encoded)
            .map_err(|_| bad(format!("the key of account {place} is not 32 bytes in hex")))?;
        let balance = balance.parse().map_err(|_| bad(format!("the balance of account {place} is no number")))?;
        Ok(Account { key: encoded, balance, nonce: 0 })
    };
    accounts.into_iter().enumerate().map(account).collect()
}

/// The owners of a demonstration's accounts.
fn wallets(variable: &str) -> Result<Vec<Wallet>, NodeError> {
    let mut secret = [0; 32];
    let told = std::env::var(variable).unwrap_or_default();
    hex::decode_to_slice(told.trim_start_matches("0x"), &mut secret).map_err(|_| NodeError::Io {
        what: format!("reading the secret in {variable}"),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not 32 bytes in hex"),
    })?;
    Ok(demonstration(&secret))
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => () }
        }
        _ => std::future::pending().await,
    }
}
