//! `zkpool sgx check`.

use super::{SgxChain, section, trust::Trust};
use crate::{
    chain::chain_error,
    commands::Context,
    error::{CliError, CliResult},
    output::table,
};
use clap::Args;
use serde_json::json;
use zkpool_chain::{InstanceState, Registration, SgxView};
use zkpool_protocol::{B256, ErrorCode};
use zkpool_verifiers::sgx::{Attested, Binding, Collateral, Domain, Policy, Root, verify};

/// `zkpool sgx check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Only this program's
    #[arg(long, value_name = "HASH")]
    pub program: Option<B256>,
    /// The block from which on to search: that of the verifier's deployment
    #[arg(long, value_name = "BLOCK", default_value_t = 0)]
    pub from_block: u64,
    /// What is let through.
    #[command(flatten)]
    pub trust: Trust,
    /// Which verifier.
    #[command(flatten)]
    pub chain: SgxChain,
}

/// A registration, and what came of checking it.
struct Checked {
    registration: Registration,
    state: InstanceState,
    outcome: Result<Attested, String>,
}

impl Checked {
    /// Whether it counts, or may yet.
    fn matters(&self) -> bool {
        !matches!(self.state, InstanceState::Unknown | InstanceState::Expired | InstanceState::Revoked)
    }
}

pub(super) async fn run(args: CheckArgs, context: &Context) -> CliResult {
    let section = section(context)?;
    let (view, enclaves) = section.with(&args.chain)?.open().await?;
    let (policy, root) = section.with(&args.trust)?.read(view.chain_id())?;
    let failed = |error| chain_error("read the registrations", error);
    let (_, registrations) = view.registrations(args.from_block).await.map_err(failed)?;
    let mut checked = Vec::new();
    for registration in registrations {
        if args.program.is_some_and(|program| program != registration.program) {
            continue;
        }
        let state = view.state(registration.program, registration.instance).await.map_err(failed)?;
        let outcome = check(&view, &registration, &root, &policy).await?;
        checked.push(Checked { registration, state, outcome });
    }
    let bad = checked.iter().filter(|one| one.outcome.is_err() && one.matters()).count();
    let value = json!({
        "verifier": view.address(),
        "chain_id": view.chain_id(),
        "simulated": enclaves.simulated,
        "stopped": enclaves.stopped,
        "registrations": checked.iter().map(to_json).collect::<Vec<_>>(),
    });
    context.output.result(&value, text(&checked, enclaves.simulated))?;
    if bad > 0 {
        let why = format!("{bad} of {} do not hold, and count or are about to", checked.len());
        let advice =
            "tell the verifier's owner or guardian, who can revoke them, and do not rely on it until they have";
        return Err(CliError::coded("vouch for the registrations", why, ErrorCode::ProofInvalid).advise(advice));
    }
    Ok(())
}

/// Checks one as of its block. The outer error is the endpoint's.
async fn check(
    view: &SgxView,
    registration: &Registration,
    root: &Root,
    policy: &Policy,
) -> CliResult<Result<Attested, String>> {
    let Registration { program, instance, quoted_at, quote, collateral, block, .. } = registration;
    let head = |number: u64| async move {
        let attempt = "read a registration's block";
        let found = view.rpc().block(number).await.map_err(|error| chain_error(attempt, error))?;
        let missing = || CliError::coded(attempt, format!("the endpoint has no block {number}"), ErrorCode::NotFound);
        found.ok_or_else(missing)
    };
    let (quoted_at, registered_at) = (head(*quoted_at).await?, head(*block).await?);
    let domain = Domain { chain_id: view.chain_id(), verifier: view.address() };
    let binding = Binding { domain, program: *program, instance: *instance, block_hash: quoted_at.hash };
    let outcome = Collateral::from_json(collateral)
        .and_then(|collateral| verify(quote, &collateral, root, policy, &binding, registered_at.timestamp));
    Ok(outcome.map_err(|error| error.to_string()))
}

fn to_json(checked: &Checked) -> serde_json::Value {
    let Checked { registration, state, outcome } = checked;
    json!({
        "program": registration.program,
        "instance": registration.instance,
        "state": state,
        "block": registration.block,
        "transaction": registration.transaction,
        "good": outcome.is_ok(),
        "why": outcome.as_ref().err(),
        "mrenclave": outcome.as_ref().ok().map(|attested| attested.report.mrenclave),
        "tcb_status": outcome.as_ref().ok().map(|attested| attested.status),
        "advisories": outcome.as_ref().ok().map(|attested| &attested.advisories),
    })
}

fn text(checked: &[Checked], simulated: bool) -> String {
    let mark = if simulated { "the verifier takes simulated enclaves: nothing here proves anything\n\n" } else { "" };
    if checked.is_empty() {
        return format!("{mark}nothing is registered");
    }
    let mut rows = vec![["instance", "state", "program", "verdict"].map(str::to_owned).to_vec()];
    for Checked { registration, state, outcome } in checked {
        let verdict = match outcome {
            Ok(attested) => format!("good ({})", attested.status),
            Err(why) => format!("BAD: {why}"),
        };
        let program = registration.program.to_string();
        rows.push(vec![registration.instance.to_string(), state.as_str().into(), program, verdict]);
    }
    format!("{mark}{}", table(&rows))
}
