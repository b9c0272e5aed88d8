//! `zkpool deploy`: the contracts, on test chains.

pub mod args;
mod artifacts;
mod create2;

pub use args::DeployCommand;

use super::Context;
use crate::error::{CliError, CliResult};
use alloy::{
    primitives::{Address, U256, address},
    sol_types::SolValue,
};
use args::{CommitteeArgs, ContractArgs, Groth16Args, PoolArgs, SemaphoreArgs};
use create2::Deployer;
use serde_json::json;
use std::fs::File;
use zkpool_bindings::CommitteeVerifier::Program;
use zkpool_verifiers::groth16::VerifyingKey;

/// Where Permit2 is on public chains.
const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");

/// Carries the command out.
pub async fn run(command: DeployCommand, context: &Context) -> CliResult {
    let addresses = match command {
        DeployCommand::Pool(args) => pool(args, context).await?,
        DeployCommand::Groth16Verifier(args) => groth16(args, context).await?,
        DeployCommand::SemaphoreAdapter(args) => semaphore_adapter(args, context).await?,
        DeployCommand::SemaphoreEncoder(args) => {
            let encoder = Deployer::open(&args.common, context).await?.deploy("SemaphoreEncoder", &[]).await?;
            json!({ "encoder": encoder })
        }
        DeployCommand::Committee(args) => committee(args, context).await?,
        DeployCommand::Contract(args) => contract(args, context).await?,
    };
    context.output.data(&addresses)
}

async fn pool(args: PoolArgs, context: &Context) -> CliResult<serde_json::Value> {
    let mut deployer = Deployer::open(&args.common, context).await?;
    let ledger = deployer.deploy("RevenueLedger", &[]).await?;
    let pool = deployer.deploy("ZKPool", &ledger.abi_encode()).await?;
    let Some(weth) = args.weth else { return Ok(json!({ "pool": pool, "ledger": ledger })) };
    let arguments = (pool, weth, args.permit2.unwrap_or(PERMIT2)).abi_encode_params();
    let router = deployer.deploy("Router", &arguments).await?;
    Ok(json!({ "pool": pool, "ledger": ledger, "router": router }))
}

async fn groth16(args: Groth16Args, context: &Context) -> CliResult<serde_json::Value> {
    let attempt = || format!("read the verifying key of {}", args.zkey.display());
    let file = File::open(&args.zkey).map_err(|error| CliError::file(attempt(), error))?;
    let key = VerifyingKey::from_zkey(file).map_err(|error| CliError::coded(attempt(), &error, error.code()))?;
    let arguments = constructor_arguments(&key);
    let verifier = Deployer::open(&args.common, context).await?.deploy("Groth16Verifier", &arguments).await?;
    Ok(json!({ "verifier": verifier, "key_hash": key.evm_key_hash(), "public_inputs": key.inputs() }))
}

/// `abi.encode(Key)`.
fn constructor_arguments(key: &VerifyingKey) -> Vec<u8> {
    /// alpha, beta, gamma, delta.
    const FIXED_WORDS: usize = 14;
    let words = key.evm_words();
    let (fixed, ic) = words.split_at(FIXED_WORDS.min(words.len()));
    let number = |value: usize| U256::from(value).to_be_bytes::<32>();
    let mut encoded = number(32).to_vec();
    encoded.extend(fixed.iter().flatten());
    encoded.extend(number((FIXED_WORDS + 1) * 32));
    encoded.extend(number(ic.len() / 2));
    encoded.extend(ic.iter().flatten());
    encoded
}

async fn semaphore_adapter(args: SemaphoreArgs, context: &Context) -> CliResult<serde_json::Value> {
    let arguments = (args.verifier, U256::from(args.depth)).abi_encode_params();
    let adapter = Deployer::open(&args.common, context).await?.deploy("SemaphoreVerifierAdapter", &arguments).await?;
    Ok(json!({ "verifier": adapter }))
}

async fn committee(args: CommitteeArgs, context: &Context) -> CliResult<serde_json::Value> {
    let attempt = "make a committee";
    let mut members = args.members;
    members.sort_unstable();
    let count = members.len();
    members.dedup();
    if members.len() < count {
        return Err(CliError::usage(attempt, "a member is named twice"));
    }
    let threshold = args.threshold as usize;
    if threshold > count || 2 * threshold <= count {
        let why = format!("{threshold} of {count} is no threshold: it must be more than half, and at most all");
        return Err(CliError::usage(attempt, why));
    }
    let programs: Vec<_> = args
        .programs
        .iter()
        .map(|program| Program { imageId: program.image_id, questionBytes: program.question_bytes })
        .collect();
    let arbiter = args.arbiter.unwrap_or_default();
    let arguments = (members.clone(), U256::from(threshold), args.token, args.stake.0, programs, arbiter);
    let at = Deployer::open(&args.common, context)
        .await?
        .deploy("CommitteeVerifier", &arguments.abi_encode_params())
        .await?;
    Ok(json!({ "committee": at, "members": members, "threshold": threshold }))
}

async fn contract(args: ContractArgs, context: &Context) -> CliResult<serde_json::Value> {
    let mut deployer = Deployer::open(&args.common, context).await?;
    for text in &args.libraries {
        let parts = text.split_once('=').and_then(|(name, at)| Some((name, at.parse().ok()?)));
        let Some((name, at)) = parts else {
            return Err(CliError::usage("read --library", format!("{text:?} is not NAME=ADDRESS")));
        };
        deployer.link(name, at);
    }
    let address = deployer.deploy_with(&args.name, |artifact| artifact.encode(&args.arguments)).await?;
    Ok(json!({ "contract": address }))
}
