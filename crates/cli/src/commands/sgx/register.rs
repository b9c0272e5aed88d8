//! `zkpool sgx register`.

use super::{
    EnclaveArgs, Party, SgxChain, section,
    trust::{Trust, read},
};
use crate::{
    chain::{SendArgs, chain_error},
    commands::Context,
    error::{CliError, CliResult},
    keys::KeyArgs,
};
use clap::Args;
use serde_json::json;
use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};
use zkpool_bindings::SgxVerifier;
use zkpool_protocol::{B256, ErrorCode};
use zkpool_verifiers::sgx::{Binding, Collateral, Domain, QuoteError, verify};

/// So many blocks below the head is the one that a quote is bound to: not so new that it could be another one soon, and
/// new enough for the contract, which knows 256.
const BELOW_HEAD: u64 = 4;

/// `zkpool sgx register`
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The program, as the verifier names it
    #[arg(long, value_name = "HASH")]
    pub program: B256,
    /// What Intel says about the enclave's platform (JSON, as a PCCS client writes it)
    #[arg(long, value_name = "FILE")]
    pub collateral: PathBuf,
    /// Check everything and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What is let through.
    #[command(flatten)]
    pub trust: Trust,
    /// Which verifier.
    #[command(flatten)]
    pub chain: SgxChain,
    /// Whose.
    #[command(flatten)]
    pub key: KeyArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
    /// Which enclave.
    #[command(flatten)]
    pub enclave: EnclaveArgs,
}

pub(super) async fn run(args: RegisterArgs, context: &Context) -> CliResult {
    let attempt = "register the enclave";
    let refused = |why: String, advice: &str| CliError::coded(attempt, why, ErrorCode::Forbidden).advise(advice);
    let party = Party::open(&args.chain, &args.key, &args.send, context).await?;
    let (view, enclaves) = (&party.view, &party.enclaves);
    let trust = section(context)?.with(&args.trust)?;
    let (policy, root) = trust.read(view.chain_id())?;
    if enclaves.stopped {
        return Err(refused("the verifier was stopped, for good".into(), "deploy another one"));
    }
    let account = party.key.address();
    if enclaves.registrar != Some(account) {
        let why = format!("{account} is not the registrar of verifier {}", view.address());
        return Err(refused(why, "check --key and --verifier; the verifier's owner names the registrar"));
    }
    let simulation = matches!(root, zkpool_verifiers::sgx::Root::Simulated(_));
    if simulation && !enclaves.simulated {
        let why = "the verifier takes real enclaves only, and a simulated root is to be trusted".into();
        return Err(refused(why, "leave --simulated-root away, or use a verifier that was deployed as simulated"));
    }
    let json = read("read the collateral", &args.collateral)?;
    let collateral = Collateral::from_json(&json).map_err(quote_error)?;

    let head = view.rpc().head().await.map_err(|error| chain_error(attempt, error))?;
    let number = head.number.saturating_sub(BELOW_HEAD);
    let block = view.rpc().block(number).await.map_err(|error| chain_error(attempt, error))?;
    let block = block.ok_or_else(|| {
        CliError::coded(attempt, format!("the endpoint has no block {number}"), ErrorCode::RpcUnreachable)
    })?;
    let domain = Domain { chain_id: view.chain_id(), verifier: view.address() };
    let (program, block_hash) = (args.program, block.hash);
    let (instance, quote) = args
        .enclave
        .with(move |enclave, control| Ok((enclave.instance(), enclave.quote(domain, program, block_hash, control)?)))
        .await?;
    if instance.simulated && !simulation {
        let why = "the enclave says itself that it is simulated".into();
        return Err(refused(why, "on a development chain, name the platform's root with --simulated-root"));
    }
    let binding = Binding { domain, program, instance: instance.address, block_hash };
    // By this machine's clock, and by the chain's: whoever rechecks has only that.
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let check = |now| verify(&quote, &collateral, &root, &policy, &binding, now).map_err(quote_error);
    check(clock)?;
    let attested = check(head.timestamp)?;
    let what = json!({
        "instance": instance.address,
        "mrenclave": attested.report.mrenclave,
        "mrsigner": attested.report.mrsigner,
        "product": attested.report.product,
        "svn": attested.report.svn,
        "tcb_status": attested.status,
        "advisories": attested.advisories,
        "evaluation": attested.evaluation,
        "collateral_expires": attested.expires,
        "simulated": attested.simulated,
        "block": number,
    });
    if args.dry_run {
        let text = format!("instance {} checks out: {}", instance.address, attested.status);
        return context.output.result(&what, text);
    }
    let call = SgxVerifier::registerCall {
        quote: quote.into(),
        collateral: collateral.to_json().map_err(quote_error)?.into(),
        blockNumber: number,
        program,
        instance: instance.address,
    };
    let record = party.call(attempt, &call).await?;
    let mut value = what;
    value["transaction"] = json!(record.receipt.as_ref().map(|receipt| receipt.hash));
    let days = |seconds: u64| format!("{:.1} days", seconds as f64 / 86_400.0);
    let marked = if attested.simulated { " (simulated: it proves nothing)" } else { "" };
    let text = format!(
        "registered instance {}{marked}: it counts in {}, for {}",
        instance.address,
        days(enclaves.delay),
        days(enclaves.lifetime)
    );
    context.output.result(&value, text)
}

pub(super) fn quote_error(error: QuoteError) -> CliError {
    let code = error.code();
    CliError::coded("vouch for the enclave", error, code)
}
