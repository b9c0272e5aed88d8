//! `zkpool-digits`: serves the page on which digits are drawn, and pays for the proofs.

use clap::Parser;
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};
use tracing_subscriber::EnvFilter;
use zkpool_chain::{KeySource, Rpc, Secret};
use zkpool_digits::{
    desk::Desk,
    error::DigitsError,
    oracle::Oracle,
    web,
    wish::{Guest, Terms, image_id, model},
};
use zkpool_protocol::{Address, Domain, ProofKind};
use zkpool_requester::{Config, Options, Requester};

/// Which digit is this? Asked on chain, answered with a proof from a pool of machines.
#[derive(Debug, Parser)]
#[command(name = "zkpool-digits", version)]
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
    /// The application's contract (DigitOracle)
    #[arg(long)]
    oracle: Address,
    /// RiscZeroEncoder
    #[arg(long)]
    encoder: Address,
    /// Token of price and liability
    #[arg(long)]
    token: Address,
    /// Operators that are asked for a price
    #[arg(long = "operator", required = true, value_name = "URL")]
    operators: Vec<String>,
    /// Environment variable with the key that pays (64 hex digits)
    #[arg(long, default_value = "DIGITS_KEY", value_name = "NAME")]
    key_env: String,
    /// Where quotes and transactions are remembered
    #[arg(long, default_value = ".zkpool/digits")]
    state: PathBuf,
    /// Where the page is served; whoever reaches it spends the key's money
    #[arg(long, default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// Further host names (with ports) that the page is opened under
    #[arg(long = "host", value_name = "NAME:PORT")]
    hosts: Vec<String>,
    /// The kind of receipt: risc0-composite or risc0-succinct
    #[arg(long, default_value = "risc0-composite", value_parser = kind)]
    kind: ProofKind,
    /// Paid to you if the proof never comes, in wei of the token
    #[arg(long, default_value_t = 100_000_000_000_000_000)]
    liability: u128,
    /// Lost by the operator if it comes late, in wei of the token
    #[arg(long, default_value_t = 10_000_000_000_000_000)]
    bond: u128,
    /// The highest price, in wei of the token
    #[arg(long)]
    max_reward: Option<u128>,
    /// Seconds within which the proof is due
    #[arg(long, default_value_t = 900)]
    proof_window: u32,
    /// Seconds after which nobody can deliver it any more
    #[arg(long, default_value_t = 1800)]
    liability_window: u32,
}

fn kind(text: &str) -> Result<ProofKind, String> {
    match ProofKind::from_name(text) {
        Some(kind @ (ProofKind::Risc0Composite | ProofKind::Risc0Succinct | ProofKind::Risc0Groth16)) => Ok(kind),
        _ => Err("risc0-composite, risc0-succinct or risc0-groth16".into()),
    }
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

async fn serve(args: Args) -> Result<(), DigitsError> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| DigitsError::Io { what, source }
    };
    let guest = Guest::unpack(&args.state)?;
    let domain = Domain { chain_id: args.chain_id, pool: args.pool };
    let rpc = Rpc::connect(&args.rpc, &domain).await?;
    let oracle = Oracle::open(rpc.clone(), args.oracle, image_id(), model()).await?;
    let key = KeySource::Raw(Secret::Env(args.key_env)).load()?;
    let config = Config { rpc, domain, key, state: args.state, operators: args.operators, options: Options::default() };
    let requester = Requester::open(config).await?;
    let token = requester.view().token(args.token).await?;
    let terms = Terms {
        kind: args.kind,
        encoder: args.encoder,
        token: args.token,
        liability: args.liability,
        bond: args.bond,
        max_reward: args.max_reward,
        proof_window: args.proof_window,
        liability_window: args.liability_window,
        call_gas: 500_000,
    };
    let listener = tokio::net::TcpListener::bind(args.listen).await.map_err(io("listening"))?;
    let address = listener.local_addr().map_err(io("listening"))?;
    let mut hosts = args.hosts;
    hosts.extend([address.to_string(), format!("localhost:{}", address.port())]);
    tracing::info!("the page is at http://{address}, paid for by {}", requester.address());
    let desk = Desk::new(requester, oracle, guest, terms, token);
    desk.resume()?;
    let routes = web::routes(desk, hosts);
    // A page that listens for news would hold a graceful end for ever. What is under way is on record.
    tokio::select! {
        served = async { axum::serve(listener, routes).await } => served.map_err(io("serving")),
        () = told_to_stop() => Ok(()),
    }
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
