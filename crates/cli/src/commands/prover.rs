//! `zkpool prover`: earning with this machine.

pub mod pay;

use super::Context;
use crate::{
    chain::ChainArgs,
    config::Section,
    desk::Desk,
    error::{CliError, CliResult, Exit},
    keys::KeyArgs,
    progress::{JobBars, Step, on_terminal},
    signals,
    values::{Amount, Size, Span, texts},
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};
use zkpool_api::Identity;
use zkpool_backends::{
    Backend, BackendError, Control, Limits,
    sgx::{Enclave, Patience, SgxBackend},
};
use zkpool_chain::Key;
use zkpool_protocol::{Address, B256, ErrorCode, ProofKind};
use zkpool_prover::{Agent, Capacity, LogObserver, Machine, Observer, PayConfig, ProverConfig, ProverError, Stop};

/// `zkpool prover …`
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, once")]
pub enum ProverCommand {
    /// Work for one or more operators until told to stop
    #[command(long_about = RUN_ABOUT)]
    Run(RunArgs),
    /// Measure how fast this machine proves
    Bench(BenchArgs),
    /// Show what is set apart, what was earned, and what was paid
    Earnings(pay::EarningsArgs),
    /// Have vouchers paid, whether or not their operators still exist
    Claim(pay::ClaimArgs),
    /// Put up a bond: what two signatures for one job would cost
    Bond(pay::BondArgs),
    /// Announce that the bond is to be withdrawn, or withdraw it
    Unbond(pay::UnbondArgs),
}

const RUN_ABOUT: &str = "Work for one or more operators until told to stop.

Signs in with the key's address, measures the machine once, then takes jobs over outbound connections only: no port
needs to be open. Every proof is checked here before it is returned; a finished proof is kept on disk until the operator
has it, across crashes and restarts. Outages are waited for, however long they last.

SIGINT or SIGTERM: takes no more jobs and waits for those in hand (--grace), then hands them back. A second signal stops
at once.";

/// What `zkpool prover run` takes.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Whose earnings.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Settings of the agent.
    #[command(flatten)]
    pub own: Own,
    /// What the machine gives.
    #[command(flatten)]
    pub capacity: CapacityArgs,
}

/// What `zkpool prover bench` takes.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// What the machine gives.
    #[command(flatten)]
    pub capacity: CapacityArgs,
}

/// Settings of `[prover]`: the agent.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Own {
    /// URL of an operator's service; can be repeated
    #[arg(long = "operator", value_name = "URL", value_delimiter = ',')]
    #[serde(default, deserialize_with = "texts::deserialize", skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<String>,
    /// JSON-RPC endpoint of the chain, to check and claim what operators pay out of the revenue ledger
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// Work also for operators that have set nothing apart for this prover
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unpaid: bool,
    /// Ask for jobs only with so much set apart and not earned yet, in the token's smallest unit [default: anything]
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_earmark: Option<Amount>,
    /// Claim by itself whenever so much is due, in the token's smallest unit [default: never]
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_above: Option<Amount>,
    /// Refuse operators of another chain
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Refuse operators of another ZKPool contract
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Address>,
    /// Take only this kind of work; can be repeated [default: all that the machine is up to]
    #[arg(long = "kinds", value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<ProofKind>,
    /// What a million work units of a kind cost at least, in wei (in another token what the operator takes that to be): where
    /// provers compete a bid, and no job is taken that pays less; can be repeated [default: what operators pay]
    #[arg(long = "ask", value_name = "KIND=AMOUNT", value_parser = ask)]
    #[serde(default, deserialize_with = "asks", skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// An SGX enclave: the program that it is registered under, and the command that starts its agent; can be repeated
    #[arg(long = "enclave", value_name = "PROGRAM=COMMAND", value_parser = enclave)]
    #[serde(default, deserialize_with = "enclaves", skip_serializing_if = "Vec::is_empty")]
    pub enclaves: Vec<EnclaveCommand>,
    /// Directory for jobs in hand, finished proofs, programs and the benchmark [default: .zkpool/prover]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
    /// Name of this device among those of the same key [default: the host's name]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Disk space for programs [default: 20GiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Size>,
    /// Largest input or program part to accept [default: 2GiB]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_blob: Option<Size>,
    /// Serve Prometheus metrics here, at /metrics [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<SocketAddr>,
    /// How long to wait for jobs in hand when told to stop [default: 60s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Span>,
}

/// Settings of `[prover]`: what the machine gives.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct CapacityArgs {
    /// Jobs at once [default: one per 8 processor threads and 4 GiB, at least one]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<usize>,
    /// Processor threads of each job [default: an equal share of all]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Memory of all jobs together [default: 70% of the machine's]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
}

/// An enclave, and how it is started: in words that are separated by spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnclaveCommand {
    /// As its verifier knows the program.
    program: B256,
    /// The program that starts it, and its arguments.
    command: Vec<String>,
}

impl Serialize for EnclaveCommand {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}={}", self.program, self.command.join(" ")))
    }
}

fn enclave(text: &str) -> Result<EnclaveCommand, String> {
    let parts = text.split_once('=').and_then(|(program, command)| Some((program.parse().ok()?, command)));
    let (program, command) = parts.ok_or("PROGRAM=COMMAND, with PROGRAM a 0x-prefixed word of 32 bytes")?;
    let command: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
    if command.is_empty() {
        return Err("a command that starts the enclave's agent comes after `=`".into());
    }
    Ok(EnclaveCommand { program, command })
}

/// In a settings file a list, in the environment one of them.
fn enclaves<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<EnclaveCommand>, D::Error> {
    let all: Vec<String> = texts::deserialize(deserializer)?;
    all.iter().map(|text| enclave(text).map_err(serde::de::Error::custom)).collect()
}

/// What is asked for a kind of work: for a million units, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    kind: ProofKind,
    wei: u128,
}

impl Serialize for Ask {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}={}", self.kind, self.wei))
    }
}

fn ask(text: &str) -> Result<Ask, String> {
    let (name, amount) = text.split_once('=').ok_or("KIND=AMOUNT, for example groth16-bn254=300000gwei")?;
    let amount: Amount = amount.parse().map_err(|error: crate::values::ValueError| error.to_string())?;
    if amount.0 == 0 {
        return Err("what is asked is above zero: leave out what you do not ask".into());
    }
    Ok(Ask { kind: kind(name)?, wei: amount.0 })
}

/// In a settings file a list, in the environment one of them.
fn asks<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Ask>, D::Error> {
    let all: Vec<String> = texts::deserialize(deserializer)?;
    all.iter().map(|text| ask(text).map_err(serde::de::Error::custom)).collect()
}

/// A kind of work by its name.
fn kind(name: &str) -> Result<ProofKind, String> {
    let names = || ProofKind::ALL.map(ProofKind::as_str).join(", ");
    ProofKind::from_name(name).ok_or_else(|| format!("one of {}", names()))
}

/// Where the agent keeps its things.
const DEFAULT_STATE: &str = ".zkpool/prover";

/// Carries the command out.
pub async fn run(command: ProverCommand, context: &Context) -> CliResult {
    match command {
        ProverCommand::Run(args) => work(args, context).await,
        ProverCommand::Bench(args) => bench(args, context).await,
        ProverCommand::Earnings(args) => pay::earnings(args, context).await,
        ProverCommand::Claim(args) => pay::claim(args, context).await,
        ProverCommand::Bond(args) => pay::bond(args, context).await,
        ProverCommand::Unbond(args) => pay::unbond(args, context).await,
    }
}

fn section(context: &Context) -> CliResult<Section<'_>> {
    context.settings.section::<RunArgs>("prover")
}

fn capacity(args: &CapacityArgs, context: &Context) -> CliResult<Capacity> {
    let args = section(context)?.with(args)?;
    Ok(Capacity::fit(&Machine::detect(), args.jobs, args.threads, args.memory.map(|memory| memory.0)))
}

async fn work(args: RunArgs, context: &Context) -> CliResult {
    let section = section(context)?;
    let own = section.with(&args.own)?;
    let key = section.with(&args.key)?.load(&context.settings, "prover")?;
    let capacity = capacity(&args.capacity, context)?;
    let state = own.state.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_STATE));
    let device = own.device.clone().unwrap_or_else(|| Machine::detect().device_name());
    let mut config = ProverConfig::new(own.operators.clone(), state, device, capacity);
    (config.chain_id, config.pool) = (own.chain_id, own.pool);
    config.kinds = own.kinds.clone();
    config.asks = own.asks.iter().map(|ask| (ask.kind, ask.wei)).collect();
    config.cache_bytes = own.cache.map_or(ProverConfig::CACHE_BYTES, |size| size.0);
    config.max_blob_bytes = own.max_blob.map_or(ProverConfig::MAX_BLOB_BYTES, |size| size.0);
    config.pay = Some(pay_config(&own, &key)?);
    config.metrics = own.metrics;
    config.grace = own.grace.map_or(ProverConfig::GRACE, |time| time.0);

    let observer: Arc<dyn Observer> = if on_terminal() { Arc::new(JobBars::default()) } else { Arc::new(LogObserver) };
    let stop = Stop::new();
    let share = config.memory_per_job();
    let mut backends = backends(share)?;
    if let Some(sgx) = start(&own.enclaves).await? {
        config.enclaves = sgx.programs();
        backends.push(Arc::new(sgx));
    }
    let agent = Agent::open(config, identity(&key), backends, observer, stop.clone()).map_err(failed)?;
    let signals = tokio::spawn(signals::each(move || stop.signal()));
    let done = agent.run().await.map_err(failed);
    signals.abort();
    done
}

/// How the owner wants to be paid.
fn pay_config(own: &Own, key: &Key) -> CliResult<PayConfig> {
    let args = ChainArgs { rpc: own.rpc.clone(), chain_id: own.chain_id, pool: own.pool };
    let chain = if own.rpc.is_some() { Some(args.unasked()?) } else { None };
    Ok(PayConfig {
        desk: Arc::new(Desk::new(key.clone(), chain)),
        unpaid: own.unpaid,
        min_left: own.min_earmark.map_or(0, |amount| amount.0),
        claim_above: own.claim_above.map(|amount| amount.0),
    })
}

async fn bench(args: BenchArgs, context: &Context) -> CliResult {
    let capacity = capacity(&args.capacity, context)?;
    let step = Step::begin("measuring this machine");
    let share = capacity.memory / capacity.jobs.max(1) as u64;
    let speeds = zkpool_prover::benchmark(capacity, backends(share)?).await.map_err(failed)?;
    step.end();
    let machine = Machine::detect();
    let value = serde_json::json!({
        "processor": machine.processor,
        "cpus": machine.cpus,
        "memory": machine.memory,
        "jobs": capacity.jobs,
        "threads": capacity.threads,
        "units_per_second": speeds.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
    });
    let lines: Vec<_> = speeds.iter().map(|(kind, speed)| format!("{kind}: {speed:.0} units/s")).collect();
    let text = format!("{} job(s) at once, {} thread(s) each\n{}", capacity.jobs, capacity.threads, lines.join("\n"));
    context.output.result(&value, text)
}

/// Starts the enclaves, if there are any. That takes seconds each.
async fn start(commands: &[EnclaveCommand]) -> CliResult<Option<SgxBackend>> {
    let mut enclaves = BTreeMap::new();
    for EnclaveCommand { program, command } in commands {
        let step = Step::begin(&format!("starting the enclave of {program}"));
        let words = command.iter().map(Into::into).collect();
        let started =
            tokio::task::spawn_blocking(move || Enclave::start(words, Patience::default(), &Control::new())).await;
        let failed = |error: BackendError| CliError::coded("start an enclave", error.report(), error.code());
        let enclave = match started {
            Ok(started) => started.map_err(failed)?,
            Err(error) => return Err(CliError::coded("start an enclave", &error, ErrorCode::Internal)),
        };
        step.end();
        let instance = enclave.instance();
        let simulated = if instance.simulated { ", SIMULATED: it proves nothing about any hardware" } else { "" };
        tracing::info!(%program, instance = %instance.address, "an enclave runs{simulated}");
        enclaves.insert(*program, enclave);
    }
    Ok((!enclaves.is_empty()).then(|| SgxBackend::new(enclaves)))
}

/// What this binary can prove, within a job's share of the memory.
fn backends(share: u64) -> CliResult<Vec<Arc<dyn Backend>>> {
    let usual = Limits::default();
    let limits = Limits {
        memory: share,
        proving_key: usual.proving_key.min(share),
        generator_memory: usual.generator_memory.min(share / 2),
        cache: usual.cache.min(share / 2),
        ..usual
    };
    let failed = |error: BackendError| CliError::coded("make ready to prove", &error, error.code());
    zkpool_backends::backends(limits).map(|all| all.into_iter().map(Arc::from).collect()).map_err(failed)
}

/// A key that signs in.
pub fn identity(key: &Key) -> Identity {
    let key = key.clone();
    Identity::new(key.address(), move |message: String| {
        let signature = key.sign_message(message.as_bytes());
        async move { signature }
    })
}

fn failed(error: ProverError) -> CliError {
    let attempt = "work as a prover";
    let settings = |advice: &str| CliError::new(attempt, &error, error.code().as_str(), Exit::Config).advise(advice);
    let advice = match &error {
        ProverError::NoOperator => {
            return settings("set --operator URL, `operators` in [prover], or ZKPOOL_PROVER__OPERATORS");
        }
        ProverError::NotHere(_) => return settings("correct --kinds, or `kinds` in [prover]"),
        ProverError::DeviceName(_) => return settings("set --device, or `device` in [prover]"),
        ProverError::Metrics { .. } => return settings("set --metrics, or `metrics` in [prover], to a free address"),
        ProverError::Url(_) => return settings("correct --operator, or `operators` in [prover]"),
        ProverError::Refused { .. } | ProverError::WrongPool { .. } => {
            "check the operator's URL, --chain-id and --pool; ask the operator if it refuses your address"
        }
        ProverError::CannotCheckPay { .. } => {
            return settings("set --rpc URL, `rpc` in the configuration or ZKPOOL_RPC; or --unpaid");
        }
        ProverError::PaidOutside { .. } => {
            return settings("ask the operator; or --unpaid, if you agree with it on pay outside of the chain");
        }
        ProverError::WrongLedger { .. } => "do not work for this operator, or check --pool",
        ProverError::Withheld { .. } => {
            "ask the operator; `zkpool prover claim` collects what it has vouched for. The agent asks again when it starts"
        }
        ProverError::State { .. } => "choose another directory with --state, or make room on the disk",
        ProverError::StateInUse(_) => "one agent per directory: use --state for a second one",
        _ => return CliError::coded(attempt, &error, error.code()),
    };
    CliError::coded(attempt, &error, error.code()).advise(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_written_by_kind() {
        let one = ask("groth16-bn254=300000gwei").unwrap();
        assert_eq!((one.kind, one.wei), (ProofKind::Groth16Bn254, 300_000_000_000_000));
        let bad =
            [("groth16-bn254", "KIND=AMOUNT"), ("x=1", "one of"), ("sgx=0", "above zero"), ("sgx=x", "no amount")];
        for (text, why) in bad {
            let error = ask(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let own: Own = serde_json::from_value(serde_json::json!({ "asks": ["sgx=5", "groth16-bn254=7wei"] })).unwrap();
        assert_eq!(own.asks[1], Ask { kind: ProofKind::Groth16Bn254, wei: 7 });
        // As it goes back through the settings.
        assert_eq!(serde_json::to_value(&own).unwrap()["asks"], serde_json::json!(["sgx=5", "groth16-bn254=7"]));
    }
}
