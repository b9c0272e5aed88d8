//! `zkpool sgx`: instances of programs in SGX enclaves, registered and rechecked.

mod check;
mod register;
mod trust;

use super::{Context, operator::sent};
use crate::{
    chain::{ChainArgs, SendArgs, chain_error, send, sender},
    config::Section,
    error::{CliError, CliResult},
    keys::KeyArgs,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{ffi::OsString, time::Duration};
use zkpool_backends::{
    BackendError, Control,
    sgx::{Enclave, Patience},
};
use zkpool_bindings::SgxVerifier;
use zkpool_chain::{Enclaves, Key, SgxView, TxRecord, TxRequest, alloy::sol_types::SolCall};
use zkpool_protocol::{Address, ErrorCode};

/// `zkpool sgx …`
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, once")]
pub enum SgxCommand {
    /// Start an enclave and show who it is: its key's address, its measurement
    Instance(InstanceArgs),
    /// Check an enclave's quote and register its key with a verifier, as its registrar
    #[command(long_about = REGISTER_ABOUT)]
    Register(register::RegisterArgs),
    /// Check every registration of a verifier again, as anyone can
    #[command(long_about = CHECK_ABOUT)]
    Check(check::CheckArgs),
    /// Take an instance out, for good, as the verifier's owner or guardian
    Revoke(RevokeArgs),
}

const REGISTER_ABOUT: &str = "Check an enclave's quote and register its key with a verifier, as its registrar.

Starts the enclave, asks it for a quote that is bound to chain, verifier, program, instance and a recent block, and
checks here what the contract cannot: that Intel vouches for the platform, by the collateral, and that the policy
lets platform and enclave through. Then quote and collateral are published with the registration, so that anyone can
do the same (`zkpool sgx check`) before it counts.

The registrar's word is all that stands between a forged quote and an instance that is believed: register only what
runs on machines whose owners are known, and only builds that were reproduced.";

const CHECK_ABOUT: &str = "Check every registration of a verifier again, as anyone can.

Reads what the registrar published, and checks each quote against its collateral as of the registration's time, by a
policy of your own. Says of each whether it holds; fails (status 5) if one that counts, or is about to, does not
hold. What to do then: tell the verifier's owner or guardian, who can revoke it at once, and do not rely on the
verifier until they have.";

/// Settings of `[sgx]`: every key that may stand there.
#[derive(Debug, Clone, Args)]
pub struct AllSettings {
    /// Which verifier.
    #[command(flatten)]
    pub chain: SgxChain,
    /// What is let through.
    #[command(flatten)]
    pub trust: trust::Trust,
    /// Whose.
    #[command(flatten)]
    pub key: KeyArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// Where the chain is, and which verifier.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct SgxChain {
    /// JSON-RPC endpoint of the chain, http(s)://…
    #[arg(long, value_name = "URL", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// EIP-155 id that the endpoint must have; without it, whatever it has
    #[arg(long, value_name = "ID", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Address of the verifier: an SgxVerifier contract
    #[arg(long, value_name = "ADDRESS", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<Address>,
}

/// How an enclave is started.
#[derive(Debug, Clone, Args)]
pub struct EnclaveArgs {
    /// Seconds that the enclave may take to start, and then to quote
    #[arg(long, value_name = "SECONDS", default_value_t = 120, help_heading = "Enclave")]
    pub patience: u64,
    /// The command that starts the enclave's agent, after `--`: for example gramine-sgx PROGRAM
    #[arg(last = true, required = true, value_name = "COMMAND", help_heading = "Enclave")]
    pub command: Vec<OsString>,
}

/// `zkpool sgx instance`
#[derive(Debug, Args)]
pub struct InstanceArgs {
    /// Which enclave.
    #[command(flatten)]
    pub enclave: EnclaveArgs,
}

/// `zkpool sgx revoke`
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The address of the instance's key
    #[arg(long, value_name = "ADDRESS")]
    pub instance: Address,
    /// Which verifier.
    #[command(flatten)]
    pub chain: SgxChain,
    /// Whose.
    #[command(flatten)]
    pub key: KeyArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// Carries the command out.
pub async fn run(command: SgxCommand, context: &Context) -> CliResult {
    match command {
        SgxCommand::Instance(args) => instance(args, context).await,
        SgxCommand::Register(args) => register::run(args, context).await,
        SgxCommand::Check(args) => check::run(args, context).await,
        SgxCommand::Revoke(args) => revoke(args, context).await,
    }
}

async fn instance(args: InstanceArgs, context: &Context) -> CliResult {
    let instance = args.enclave.with(|enclave, _| Ok(enclave.instance())).await?;
    let value = json!({
        "instance": instance.address,
        "mrenclave": instance.mrenclave,
        "simulated": instance.simulated,
    });
    let mrenclave = instance.mrenclave.map_or("its quote tells".to_owned(), |measurement| measurement.to_string());
    let platform = if instance.simulated { "simulated: what it says proves nothing" } else { "SGX, by its own word" };
    let text = format!("instance   {}\nmrenclave  {mrenclave}\nplatform   {platform}", instance.address);
    context.output.result(&value, text)
}

async fn revoke(args: RevokeArgs, context: &Context) -> CliResult {
    let attempt = "revoke the instance";
    let party = Party::open(&args.chain, &args.key, &args.send, context).await?;
    let account = party.key.address();
    if party.enclaves.owner != account && party.enclaves.guardian != Some(account) {
        let why = format!("{account} is neither the owner nor the guardian of verifier {}", party.view.address());
        return Err(CliError::coded(attempt, why, ErrorCode::Forbidden).advise("check --key and --verifier"));
    }
    sent(context, &party.call(attempt, &SgxVerifier::revokeCall { instance: args.instance }).await?)
}

fn section(context: &Context) -> CliResult<Section<'_>> {
    context.settings.section::<AllSettings>("sgx")
}

impl EnclaveArgs {
    /// Starts the enclave, does something with it, and ends it. All within bounds of time.
    async fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Enclave, &Control) -> Result<T, BackendError> + Send + 'static,
    ) -> CliResult<T> {
        let attempt = "ask the enclave";
        let bound = Duration::from_secs(self.patience);
        let patience = Patience { start: bound, quote: bound, ..Patience::default() };
        let command = self.command.clone();
        let work = tokio::task::spawn_blocking(move || {
            let control = Control::new();
            what(&Enclave::start(command, patience, &control)?, &control)
        });
        match work.await {
            Ok(done) => done.map_err(|error| CliError::coded(attempt, error.report(), error.code())),
            Err(error) => Err(CliError::coded(attempt, error, ErrorCode::Internal)),
        }
    }
}

impl SgxChain {
    /// The verifier, checked to be there.
    async fn open(&self) -> CliResult<(SgxView, Enclaves)> {
        let attempt = "find the verifier";
        let verifier = self.verifier.ok_or_else(|| {
            CliError::config(attempt, "no verifier is set").advise("set --verifier ADDRESS, or `verifier` in [sgx]")
        })?;
        let chain = ChainArgs { rpc: self.rpc.clone(), chain_id: self.chain_id, pool: None };
        let (rpc, chain_id) = chain.endpoint().await?;
        let view = SgxView::new(rpc, chain_id, verifier);
        let enclaves = view.enclaves().await.map_err(|error| {
            let absent = matches!(error, zkpool_chain::ChainError::NoContract { .. });
            let error = chain_error(attempt, error);
            if absent {
                error.advise("check --verifier and --rpc: an SgxVerifier contract must be there")
            } else {
                error
            }
        })?;
        Ok((view, enclaves))
    }
}

/// Somebody who sends transactions to a verifier.
struct Party {
    view: SgxView,
    enclaves: Enclaves,
    key: Key,
    sender: zkpool_chain::Sender,
}

impl Party {
    async fn open(chain: &SgxChain, key: &KeyArgs, how: &SendArgs, context: &Context) -> CliResult<Self> {
        let section = section(context)?;
        let key = section.with(key)?.load(&context.settings, "registrar")?;
        let (view, enclaves) = section.with(chain)?.open().await?;
        let sender = sender(view.rpc().clone(), view.chain_id(), &key, &section.with(how)?);
        Ok(Self { view, enclaves, key, sender })
    }

    async fn call(&self, attempt: &str, call: &impl SolCall) -> CliResult<TxRecord> {
        send(&self.sender, attempt, TxRequest::call(attempt, self.view.address(), call.abi_encode())).await
    }
}
