//! The command line.

use crate::{
    commands::{
        audit::AuditArgs, completions::CompletionsArgs, deploy::DeployCommand, key::KeyCommand,
        operator::OperatorCommand, operators::OperatorsArgs, program::ProgramCommand, prover::ProverCommand,
        quote::QuoteCommand, request::RequestCommand, service::ServiceCommand, sgx::SgxCommand,
        verifier::VerifierCommand,
    },
    logging::LogFormat,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use zkpool_simulate::SimulateArgs;

const AFTER: &str = "\
Settings
  A setting can be given as a flag, in the environment, or in a file; the first of these wins. The file is TOML, named
  with --config, or zkpool.toml in the current directory if that exists. `rpc`, `chain_id` and `pool` stand at its top
  (ZKPOOL_RPC, …); all others in the section of their role: [service], [operator], [prover], [verifier], [sgx], [request]
  (`jobs` in [prover] is ZKPOOL_PROVER__JOBS is --jobs). Keys that several roles share are entries [key.NAME].

Secrets
  are never given on the command line. --key says where a key is kept.

Exit status
  0    success
  1    failed for another reason than those below
  2    the command line makes no sense, or holds a secret
  3    configuration, key or a named file
  4    somebody cannot be reached, or a wait reached its bound: trying again later can help
  5    refused: by the operator, the chain, or a check of what they said
  6    the task ended otherwise than delivered
  130  interrupted

Logs go to standard error; RUST_LOG filters them (for example RUST_LOG=zkpool=debug).";

/// ZKPool: an open proving pool. Buy proofs at a firm price with a firm deadline, or earn by making them.
#[derive(Debug, Parser)]
#[command(name = "zkpool", version, after_long_help = AFTER, max_term_width = 120, subcommand_required = true)]
pub struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What applies to every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file (TOML); zkpool.toml if that exists
    #[arg(long, value_name = "FILE", global = true, env = "ZKPOOL_CONFIG", help_heading = "Global")]
    pub config: Option<PathBuf>,
    /// Print the result (and an error) as JSON
    #[arg(long, global = true, help_heading = "Global")]
    pub json: bool,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", global = true, value_enum, default_value_t, help_heading = "Global")]
    pub log_format: LogFormat,
}

/// The subcommands, by role.
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, once")]
pub enum Command {
    /// Run an operator's service: quotes, provers, submission
    #[command(subcommand)]
    Service(ServiceCommand),
    /// An operator's collateral, slots and signer on chain
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// List the operators of the registry, with what they have done
    Operators(OperatorsArgs),
    /// Earn by generating proofs on this machine
    #[command(subcommand)]
    Prover(ProverCommand),
    /// Answer for receipts with a stake, as a member of a committee
    #[command(subcommand)]
    Verifier(VerifierCommand),
    /// Instances of programs in SGX enclaves: register them, check what was registered
    #[command(subcommand)]
    Sgx(SgxCommand),
    /// Programs (circuits): look at them, register them with operators
    #[command(subcommand)]
    Program(ProgramCommand),
    /// Buy proofs: ask, publish, watch, collect
    #[command(subcommand)]
    Request(RequestCommand),
    /// Deploy the contracts on a test chain, from forge's artifacts
    #[command(subcommand)]
    Deploy(DeployCommand),
    /// Look at signed quotes
    #[command(subcommand)]
    Quote(QuoteCommand),
    /// Recompute an operator's books: share, receipts, vouchers, claims
    Audit(AuditArgs),
    /// Make keystore files and show addresses
    #[command(subcommand)]
    Key(KeyCommand),
    /// Play a pool through, with the real scheduler and prices over made-up demand and provers
    Simulate(SimulateArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Look at a foreign program and input within bounds (started by the service)
    #[command(hide = true)]
    PreflightWorker,
    /// Run a foreign zkVM program within bounds (started by the service)
    #[command(hide = true)]
    ExecuteWorker,
    /// Do one step of a zkVM task (started by the prover)
    #[command(hide = true)]
    ProveWorker,
}
