//! `zkpool verifier status`.

use super::{Common, section};
use crate::{
    chain::{chain_error, shown},
    commands::Context,
    error::CliResult,
    output::table,
};
use clap::Args;
use serde_json::json;
use zkpool_bindings::IERC20;
use zkpool_chain::{CommitteeProgram, CommitteeView, Member, MemberState, TokenInfo};
use zkpool_protocol::Address;

/// What to show.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which member is meant, if it is not the one of the key
    #[arg(long, value_name = "ADDRESS")]
    pub member: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

pub(super) async fn run(args: StatusArgs, context: &Context) -> CliResult {
    let section = section(context)?;
    let key = section.with(&args.common.key)?;
    // A look at a committee needs no key.
    let own = match (args.member, &key.key) {
        (Some(member), _) => Some(member),
        (None, Some(_)) => Some(key.load(&context.settings, "verifier")?.address()),
        (None, None) => None,
    };
    let (view, committee) = section.with(&args.common.chain)?.committee().await?;
    let failed = |e| chain_error("read the committee", e);
    let mut members = Vec::new();
    for account in &committee.members {
        members.push((*account, view.member(*account).await.map_err(failed)?));
    }
    let live = members.iter().filter(|(_, member)| member.live).count();
    let token = token(&view, committee.token).await;
    // Not every endpoint searches the whole chain.
    let programs = view.programs().await.ok();
    let mine = match own {
        Some(account) => {
            let member = view.member(account).await.map_err(failed)?;
            Some((account, member, view.reward(account).await.map_err(failed)?))
        }
        None => None,
    };

    let value = json!({
        "committee": view.address(),
        "chain_id": view.chain_id(),
        "threshold": committee.threshold,
        "live": live,
        "halted": live < committee.threshold as usize,
        "token": committee.token,
        "stake": committee.stake.to_string(),
        "arbiter": committee.arbiter,
        "members": members.iter().map(|(account, member)| member_json(*account, member)).collect::<Vec<_>>(),
        "programs": programs,
        "own": mine.as_ref().map(|(account, member, reward)| {
            let mut value = member_json(*account, member);
            value["reward"] = reward.to_string().into();
            value
        }),
    });
    let halted = if live < committee.threshold as usize { ": it is halted" } else { "" };
    let mut text = format!(
        "committee  {}\nthreshold  {} of {} members; {live} live{halted}\nstake      {}\narbiter    {}\n\n{}\n\n{}",
        view.address(),
        committee.threshold,
        members.len(),
        shown(committee.stake, &token),
        committee.arbiter.map_or("none".to_owned(), |arbiter| arbiter.to_string()),
        member_rows(&members, &token),
        program_rows(programs.as_deref()),
    );
    if let Some((account, member, reward)) = &mine {
        text += &format!("\n\nown        {account}: {}", standing(member));
        if !reward.is_zero() {
            text += &format!("\nreward     {}, to be collected", shown(reward, &token));
        }
    }
    context.output.result(&value, text)
}

/// The token as it describes itself, or nearly so: it may be any contract.
async fn token(view: &CommitteeView, address: Address) -> TokenInfo {
    let contract = IERC20::new(address, view.rpc().provider());
    let symbol = contract.symbol().call().await.unwrap_or_default();
    let symbol: String = symbol.chars().filter(|c| !c.is_control()).take(32).collect();
    match contract.decimals().call().await {
        Ok(decimals) => TokenInfo { address, symbol, decimals },
        Err(_) => TokenInfo { address, symbol: format!("units of {address}"), decimals: 0 },
    }
}

fn member_json(account: Address, member: &Member) -> serde_json::Value {
    json!({
        "member": account,
        "state": member.state,
        "live": member.live,
        "leaves_at": member.leaves_at,
        "stake": member.stake.to_string(),
    })
}

fn member_rows(members: &[(Address, Member)], token: &TokenInfo) -> String {
    let mut rows = vec![["member", "stake", "standing"].map(str::to_owned).to_vec()];
    for (account, member) in members {
        rows.push(vec![account.to_string(), shown(member.stake, token), standing(member)]);
    }
    table(&rows)
}

fn program_rows(programs: Option<&[CommitteeProgram]>) -> String {
    let Some(programs) = programs else {
        return "programs: the endpoint does not search so many blocks for them".into();
    };
    let mut rows = vec![["program", "question"].map(str::to_owned).to_vec()];
    for program in programs {
        rows.push(vec![program.image_id.to_string(), format!("{} bytes", program.question_bytes)]);
    }
    table(&rows)
}

fn standing(member: &Member) -> String {
    match (member.state, member.leaves_at) {
        (MemberState::Stranger, _) => "not a member".into(),
        (MemberState::Absent, _) => "has not joined, or has left".into(),
        (MemberState::Slashed, _) => "slashed".into(),
        (MemberState::Staked, None) => "live".into(),
        (MemberState::Staked, Some(at)) if member.live => format!("live, leaves at {at}"),
        (MemberState::Staked, Some(at)) => format!("left at {at}, stake still there"),
    }
}
