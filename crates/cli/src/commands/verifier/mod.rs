//! `zkpool verifier`: a member of a committee that answers for receipts with its stake.

mod evidence;
mod run;
mod status;

use super::{Context, operator::sent};
use crate::{
    chain::{ChainArgs, SendArgs, chain_error, send, sender},
    config::Section,
    error::{CliError, CliResult},
    keys::KeyArgs,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zkpool_bindings::{CommitteeVerifier, IERC20};
use zkpool_chain::{
    Committee, CommitteeView, Key, Member, MemberState, Sender, TxRecord, TxRequest,
    alloy::{primitives::U256, sol_types::SolCall},
};
use zkpool_protocol::Address;

/// `zkpool verifier …`
#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, once")]
pub enum VerifierCommand {
    /// Check receipts for one or more operators, and sign for those that hold, until told to stop
    #[command(long_about = RUN_ABOUT)]
    Run(run::RunArgs),
    /// Put the stake up: from then on this member's signature counts
    Join(JoinArgs),
    /// Resign: the member counts for the contract's notice more, and its stake is held for a while after that
    Leave(LeaveArgs),
    /// Take the stake back, when the contract has held it long enough
    Withdraw(PayoutArgs),
    /// Take what was earned by reporting members that contradicted themselves
    Collect(PayoutArgs),
    /// Show a committee, its members and programs, and where this member stands
    Status(status::StatusArgs),
    /// Report a member that has contradicted itself: it loses its stake, the reporter gets a part
    #[command(long_about = SLASH_ABOUT)]
    Slash(SlashArgs),
}

const RUN_ABOUT: &str = "Check receipts for one or more operators, and sign for those that hold, until told to stop.

Signs in with the key's address and asks over outbound connections only: no port needs to be open. Every receipt is
fetched, must have the hash that is signed, and is verified here against program and journal; the committee's contract is
asked whether it vouches for the program and counts this member. What is signed is on disk first: two journals for one
question, or two claims for one receipt, are never signed, by whomever and however often it is asked, across crashes and
restarts. They would cost the stake. So would a second node with the same key: run one.

SIGINT or SIGTERM: finishes what it is signing. A second signal stops at once; nothing is lost.";

const SLASH_ABOUT: &str = r#"Report a member that has contradicted itself: it loses its stake, the reporter gets a part.

The evidence is a JSON file with two of a member's signatures,
  [{"image_id": "0x…", "journal": "0x…", "receipt": "<sha256>", "signature": "0x…"}, {…}]
for one receipt and two claims, or for one program, one question and two journals. In place of the second signature a
proof of another journal for the same question can stand, if the committee has an arbiter that takes it:
  {"image_id": "0x…", "journal": "0x…", "seal": "0x…"}"#;

/// Settings of `[verifier]`: every key that may stand there.
#[derive(Debug, Clone, Args)]
pub struct AllSettings {
    /// Which committee, whose.
    #[command(flatten)]
    pub common: Common,
    /// Of the node.
    #[command(flatten)]
    pub node: run::Own,
    /// Where it remembers.
    #[command(flatten)]
    pub memory: Memory,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// Settings that every command here needs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where.
    #[command(flatten)]
    pub chain: CommitteeChain,
    /// Whose.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Where the chain is, and which committee.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct CommitteeChain {
    /// JSON-RPC endpoint of the chain, http(s)://…
    #[arg(long, value_name = "URL", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<String>,
    /// EIP-155 id that the endpoint must have; without it, whatever it has
    #[arg(long, value_name = "ID", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Address of the committee: a CommitteeVerifier contract
    #[arg(long, value_name = "ADDRESS", help_heading = "Chain")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub committee: Option<Address>,
}

/// Where a member remembers what it has signed.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Memory {
    /// Directory for what was signed; losing it can cost the stake [default: ~/.local/share/zkpool/verifier]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
}

impl Memory {
    /// Always the same, wherever the command is started from, unless it is named otherwise.
    fn dir(&self) -> CliResult<PathBuf> {
        let attempt = "find the directory for what was signed";
        if let Some(dir) = &self.state {
            return std::path::absolute(dir).map_err(|error| CliError::file(attempt, error));
        }
        let whole = |dir: &PathBuf| dir.is_absolute();
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(whole);
        let data = data.or_else(|| std::env::home_dir().filter(whole).map(|home| home.join(".local/share")));
        data.map(|data| data.join("zkpool").join("verifier")).ok_or_else(|| {
            CliError::config(attempt, "this user has no home directory")
                .advise("set --state DIR, or `state` in [verifier]")
        })
    }
}

/// `zkpool verifier join`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Where the node will remember.
    #[command(flatten)]
    pub memory: Memory,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// `zkpool verifier leave`
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Settings.
    #[command(flatten)]
    pub common: Common,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// `zkpool verifier withdraw`, `zkpool verifier collect`
#[derive(Debug, Args)]
pub struct PayoutArgs {
    /// Who receives it; the member itself if absent
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// `zkpool verifier slash`
#[derive(Debug, Args)]
pub struct SlashArgs {
    /// JSON file with two contradicting pieces of evidence
    #[arg(value_name = "FILE")]
    pub evidence: PathBuf,
    /// Settings. The key is the reporter's.
    #[command(flatten)]
    pub common: Common,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
}

/// Carries the command out.
pub async fn run(command: VerifierCommand, context: &Context) -> CliResult {
    match command {
        VerifierCommand::Run(args) => run::run(args, context).await,
        VerifierCommand::Join(args) => join(args, context).await,
        VerifierCommand::Leave(args) => {
            let party = Party::open(&args.common, &args.send, context).await?;
            party.expect(MemberState::Staked, "leave the committee").await?;
            sent(context, &party.call("leave the committee", &CommitteeVerifier::resignCall {}).await?)
        }
        VerifierCommand::Withdraw(args) => {
            let party = Party::open(&args.common, &args.send, context).await?;
            let attempt = "take the stake back";
            let member = party.expect(MemberState::Staked, attempt).await?;
            if member.leaves_at.is_none() {
                let error =
                    CliError::coded(attempt, "this member has not resigned", zkpool_protocol::ErrorCode::Forbidden);
                return Err(
                    error.advise("`zkpool verifier leave` first; the contract then holds the stake for a while")
                );
            }
            let to = args.to.unwrap_or(party.key.address());
            sent(context, &party.call(attempt, &CommitteeVerifier::withdrawCall { to }).await?)
        }
        VerifierCommand::Collect(args) => {
            let party = Party::open(&args.common, &args.send, context).await?;
            let to = args.to.unwrap_or(party.key.address());
            sent(
                context,
                &party.call("collect what reporting has earned", &CommitteeVerifier::collectCall { to }).await?,
            )
        }
        VerifierCommand::Status(args) => status::run(args, context).await,
        VerifierCommand::Slash(args) => evidence::slash(args, context).await,
    }
}

async fn join(args: JoinArgs, context: &Context) -> CliResult {
    let party = Party::open(&args.common, &args.send, context).await?;
    party.expect(MemberState::Absent, "join the committee").await?;
    let memory = section(context)?.with(&args.memory)?.dir()?;
    let (dir, new) = zkpool_attester::begin(&memory, party.view.chain_id(), party.view.address(), party.key.address())
        .map_err(run::failed)?;
    if new {
        context.output.note(format!(
            "what this member signs will be remembered in {}: run the node there (--state), and keep it. If the key has \
             signed for this committee before, do not run it without what was remembered then",
            dir.display()
        ));
    }
    party.approve().await?;
    sent(context, &party.call("join the committee", &CommitteeVerifier::joinCall {}).await?)
}

fn section(context: &Context) -> CliResult<Section<'_>> {
    context.settings.section::<AllSettings>("verifier")
}

impl CommitteeChain {
    /// The committee, which may not be there. With a chain's id nobody is asked yet: whoever reads finds out whether the
    /// endpoint is of this chain, and a node can wait for one that is away.
    async fn view(&self) -> CliResult<CommitteeView> {
        let committee = self.committee.ok_or_else(|| {
            CliError::config("find the committee", "no committee is set")
                .advise("set --committee ADDRESS, or `committee` in [verifier]")
        })?;
        let chain = ChainArgs { rpc: self.rpc.clone(), chain_id: self.chain_id, pool: None };
        let (rpc, chain_id) = match self.chain_id {
            Some(chain_id) => (chain.unasked()?, chain_id),
            None => chain.endpoint().await?,
        };
        Ok(CommitteeView::new(rpc, chain_id, committee))
    }

    /// The committee, checked to be there.
    async fn committee(&self) -> CliResult<(CommitteeView, Committee)> {
        let view = self.view().await?;
        let committee = view.committee().await.map_err(missing)?;
        Ok((view, committee))
    }
}

fn missing(error: zkpool_chain::ChainError) -> CliError {
    let absent = matches!(error, zkpool_chain::ChainError::NoContract { .. });
    let error = chain_error("find the committee", error);
    if absent { error.advise("check --committee and --rpc: a CommitteeVerifier contract must be there") } else { error }
}

/// Somebody who sends transactions to a committee.
struct Party {
    view: CommitteeView,
    committee: Committee,
    key: Key,
    sender: Sender,
}

impl Party {
    async fn open(common: &Common, how: &SendArgs, context: &Context) -> CliResult<Self> {
        let section = section(context)?;
        let key = section.with(&common.key)?.load(&context.settings, "verifier")?;
        let (view, committee) = section.with(&common.chain)?.committee().await?;
        let sender = sender(view.rpc().clone(), view.chain_id(), &key, &section.with(how)?);
        Ok(Self { view, committee, key, sender })
    }

    /// Where this party stands, if that is what the command takes.
    async fn expect(&self, state: MemberState, attempt: &str) -> CliResult<Member> {
        let member = self.view.member(self.key.address()).await.map_err(|e| chain_error(attempt, e))?;
        if member.state == state {
            return Ok(member);
        }
        let (account, committee) = (self.key.address(), self.view.address());
        let (why, advice) = match member.state {
            MemberState::Stranger => (
                format!("{account} is no member of {committee}, whose members never change"),
                "check --key and --committee; another set of members is another contract",
            ),
            MemberState::Absent => {
                (format!("{account} has no stake in {committee}"), "`zkpool verifier join` puts it up")
            }
            MemberState::Staked => (format!("{account} has joined {committee} already"), "nothing needs to be done"),
            MemberState::Slashed => (
                format!("{account} was slashed: it never counts again in {committee}"),
                "take part in another committee, with another key",
            ),
        };
        Err(CliError::coded(attempt, why, zkpool_protocol::ErrorCode::Forbidden).advise(advice))
    }

    /// Makes sure that the committee may take the stake from this party's wallet.
    async fn approve(&self) -> CliResult {
        let attempt = format!("approve the committee for token {}", self.committee.token);
        let (token, spender) = (self.committee.token, self.view.address());
        let contract = IERC20::new(token, self.view.rpc().provider());
        let allowed = contract
            .allowance(self.key.address(), spender)
            .call()
            .await
            .map_err(|error| CliError::coded(&attempt, error, zkpool_protocol::ErrorCode::RpcUnreachable))?;
        if allowed >= U256::from(self.committee.stake) {
            return Ok(());
        }
        let approve = |value| TxRequest::call("approve", token, IERC20::approveCall { spender, value }.abi_encode());
        // Some tokens refuse to change an allowance that is not zero.
        if !allowed.is_zero() {
            send(&self.sender, &attempt, approve(U256::ZERO)).await?;
        }
        send(&self.sender, &attempt, approve(U256::from(self.committee.stake))).await.map(drop)
    }

    async fn call(&self, attempt: &str, call: &impl SolCall) -> CliResult<TxRecord> {
        send(&self.sender, attempt, TxRequest::call(attempt, self.view.address(), call.abi_encode())).await
    }
}
