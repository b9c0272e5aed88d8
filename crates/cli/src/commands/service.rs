//! `zkpool service`: the operator's service.

use super::Context;
use crate::{
    error::{CliError, CliResult, Exit},
    keys::load_named,
    signals,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::{net::SocketAddr, path::PathBuf};
use tokio_util::sync::CancellationToken;
use zkpool_protocol::{Address, ErrorCode};
use zkpool_service::{Config, OpError, OperatorKeys};

/// `zkpool service …`
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Run the service until told to stop
    #[command(long_about = RUN_ABOUT)]
    Run(ServiceArgs),
    /// Check the configuration and print it with its defaults filled in
    CheckConfig(ServiceArgs),
}

const RUN_ABOUT: &str = "Run the service until told to stop.

Configured by the section [service] of the configuration. Required: tokens, data, operator, keys.signer, and, there or
at the top of the file, rpc, chain_id and pool. Keys are named as --key names them elsewhere (env:NAME, file:PATH,
keystore:PATH, mnemonic:NAME, or an entry [key.NAME]):

    rpc = \"http://127.0.0.1:8545\"
    chain_id = 31337
    pool = \"0x…\"

    [service]
    operator = \"0x…\"
    data = \"data\"
    listen = \"127.0.0.1:8700\"
    keys = { signer = \"env:SIGNER_KEY\", owner = \"env:OWNER_KEY\" }
    [[service.tokens]]
    address = \"0x…\"
    per_ether = \"1000000000000000000\"
    [[service.slots]]
    token = \"0x…\"
    count = 4
    collateral = \"1000000000000000000\"
    honour = \"10000000000000000\"
    [[service.verifiers]]
    address = \"0x…\"
    kind = \"groth16-bn254\"

Killing it at any moment and starting it again is normal operation. SIGINT or SIGTERM stop it in an orderly way.";

/// The few settings that are flags, too; the rest is in the file.
#[derive(Debug, Clone, Args, Serialize)]
pub struct ServiceArgs {
    /// JSON-RPC endpoint of the chain, http(s)://…
    #[arg(long, value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// EIP-155 id of the chain
    #[arg(long, value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Address of the ZKPool contract
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Address>,
    /// Where HTTP is served
    #[arg(long, value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Directory of the database and the blobs
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
}

/// Carries the command out.
pub async fn run(command: ServiceCommand, context: &Context) -> CliResult {
    match command {
        ServiceCommand::Run(args) => serve(&args, context).await,
        ServiceCommand::CheckConfig(args) => {
            let config = config(&args, context)?;
            let keys = keys(&config, context)?;
            context.output.note(format!("the configuration is sound; signer {}", keys.signer.address()));
            context.output.data(&config)
        }
    }
}

/// The service's configuration: flags over environment over file.
fn config(args: &ServiceArgs, context: &Context) -> CliResult<Config> {
    let mut config: Config = context.settings.whole_section("service", args)?;
    config.check().map_err(|error| {
        CliError::config("use the configuration for `service`", &error)
            .advise("correct it in [service] of the configuration")
    })?;
    // As the file says it, wherever the command is run.
    if args.data.is_none() {
        config.data = context.settings.base().join(&config.data);
    }
    Ok(config)
}

fn keys(config: &Config, context: &Context) -> CliResult<OperatorKeys> {
    let signer = load_named(&config.keys.signer, &context.settings, "operator's signer")?;
    let owner = config.keys.owner.as_ref().map(|owner| load_named(owner, &context.settings, "operator")).transpose()?;
    if let Some(owner) = &owner
        && owner.address() != config.operator
    {
        let why = format!("keys.owner is the key of {}, but operator is {}", owner.address(), config.operator);
        return Err(
            CliError::config("use the operator's key", why).advise("correct `operator` or `keys.owner` in [service]")
        );
    }
    Ok(OperatorKeys { signer, owner })
}

/// Serves until a signal comes; a second one does not wait for what is under way.
async fn serve(args: &ServiceArgs, context: &Context) -> CliResult {
    let config = config(args, context)?;
    let keys = keys(&config, context)?;
    let (stop, at_once) = (CancellationToken::new(), CancellationToken::new());
    let signals = tokio::spawn(signals::each({
        let (stop, at_once) = (stop.clone(), at_once.clone());
        move || if stop.is_cancelled() { at_once.cancel() } else { stop.cancel() }
    }));
    let done = tokio::select! {
        done = zkpool_service::run(config, keys, stop) => done.map_err(failed),
        () = at_once.cancelled() => {
            Err(CliError::new("stop in an orderly way", "interrupted again", "interrupted", Exit::Interrupted)
                .advise("nothing is lost: start the service again"))
        }
    };
    signals.abort();
    done
}

fn failed(error: OpError) -> CliError {
    let advice = match error.code {
        ErrorCode::RpcUnreachable => "check `rpc` and that the node runs",
        ErrorCode::WrongChain => "check `rpc`, `chain_id` and `pool`; a database belongs to one operator on one chain",
        ErrorCode::DatabaseInUse => "stop the other service, or give this one a `data` directory of its own",
        ErrorCode::Storage => "make room on the disk, or check the rights on the `data` directory",
        ErrorCode::BadRequest => {
            return CliError::new("run the service", &error, error.code.as_str(), Exit::Config)
                .advise("correct [service] in the configuration; `zkpool service check-config` tries it");
        }
        _ => return CliError::coded("run the service", &error, error.code),
    };
    CliError::coded("run the service", error.chain(), error.code).advise(advice)
}
