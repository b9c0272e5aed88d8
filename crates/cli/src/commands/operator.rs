//! `zkpool operator`: collateral, slots, signer and provers' pay on chain.

pub mod pay;

use super::Context;
use crate::{
    chain::{ChainArgs, Party, SendArgs, chain_error, shown},
    config::Section,
    error::{CliError, CliResult},
    keys::KeyArgs,
    output::table,
    values::Amount,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zkpool_api::{Client, Reach};
use zkpool_bindings::{IOperatorRegistry, IZKPool};
use zkpool_chain::{
    PoolView, Slot, SlotState, TokenInfo, TxRecord, TxRequest,
    alloy::{primitives::U256, sol_types::SolCall},
    registration,
};
use zkpool_protocol::{Address, ProofKind};

/// `zkpool operator …`
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Move tokens from the wallet into the pool
    Deposit(MoveArgs),
    /// Move tokens out of the pool
    Withdraw(WithdrawArgs),
    /// List slots and what they hold
    Slots(SlotsArgs),
    /// Open a slot with collateral and an honour reserve from the pool balance
    OpenSlot(OpenSlotArgs),
    /// Announce that a slot closes (takes effect after the contract's delay)
    CloseSlot(SlotArgs),
    /// Take collateral and honour reserve out of a closed slot, into the pool balance
    EmptySlot(SlotArgs),
    /// Say which key signs quotes and proves (takes effect after the contract's delay, at once the first time)
    SetSigner(SetSignerArgs),
    /// Stop everything at once: no quote is accepted until a new signer is set
    Freeze(FreezeArgs),
    /// Enter yourself in the registry of operators, or replace what you have said there
    Register(RegisterArgs),
    /// Take yourself out of the registry of operators
    Leave(LeaveArgs),
    /// Say what provers get of each reward (takes effect after the contract's delay, at once before the first signer)
    SetShare(pay::SetShareArgs),
    /// Deposit into the fund that only goes to provers
    Fund(MoveArgs),
    /// Let a key, such as the service's signer, open and close tranches
    AuthorizeTranches(pay::AuthorizeArgs),
    /// List tranches: what is set apart for provers, and what was paid
    Tranches(pay::TranchesArgs),
    /// Announce that a tranche is taken back (after the contract's delay), or take back what is left of it
    CloseTranche(pay::CloseTrancheArgs),
    /// Let a prover in again that your service has put out after misses in a row
    Readmit(pay::ReadmitArgs),
    /// Show balances, signer and slots
    Status(StatusArgs),
}

/// Settings of `[operator]`.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Whose.
    #[command(flatten)]
    pub key: KeyArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
    /// Which token.
    #[command(flatten)]
    pub own: Own,
}

/// Settings of `[operator]` for those who look at an operator.
#[derive(Debug, Clone, Args)]
pub struct AllSettings {
    /// Where, whose, how.
    #[command(flatten)]
    pub common: Common,
    /// Whom to look at.
    #[command(flatten)]
    pub whom: Whom,
}

/// What may stand in the file, though only some commands have a flag for it.
#[derive(Debug, Clone, Args)]
struct EveryKey {
    #[command(flatten)]
    all: AllSettings,
    #[command(flatten)]
    register: Register,
}

/// Settings of `[operator]` that no other role has.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Own {
    /// Token of the slots and amounts
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Address>,
}

/// Which registry.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Register {
    /// The contract with the list of operators
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<Address>,
}

/// The operator that is meant.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Whom {
    /// The operator, if it is not the one of the key
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<Address>,
}

/// An amount into the pool.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// How much (1500000, 1.5ether, 2e6)
    #[arg(value_name = "AMOUNT")]
    pub amount: Amount,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// An amount out of the pool.
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// How much (1500000, 1.5ether, 2e6)
    #[arg(value_name = "AMOUNT")]
    pub amount: Amount,
    /// Who receives it; the operator itself if absent
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Which slots to list.
#[derive(Debug, Args)]
pub struct SlotsArgs {
    /// List slots 0 to N-1; without it, up to the first that was never opened
    #[arg(long, value_name = "N")]
    pub count: Option<u32>,
    /// Settings.
    #[command(flatten)]
    pub all: AllSettings,
}

/// What to put into a slot.
#[derive(Debug, Args)]
pub struct OpenSlotArgs {
    /// Index of the slot
    #[arg(value_name = "INDEX")]
    pub index: u32,
    /// Collateral: backs one task's liability, bond, burn and advance
    #[arg(long, value_name = "AMOUNT")]
    pub collateral: Amount,
    /// Honour reserve: pays when the slot's word is broken
    #[arg(long, value_name = "AMOUNT", default_value = "0")]
    pub honour: Amount,
    /// The only requester that the slot serves
    #[arg(long, value_name = "ADDRESS")]
    pub dedicated_to: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Which slot.
#[derive(Debug, Args)]
pub struct SlotArgs {
    /// Index of the slot
    #[arg(value_name = "INDEX")]
    pub index: u32,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Who signs.
#[derive(Debug, Args)]
pub struct SetSignerArgs {
    /// Address of the key that signs
    #[arg(value_name = "ADDRESS")]
    pub signer: Address,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// What to say about oneself.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// Where your service answers, as requesters reach it (https://…)
    #[arg(value_name = "URL")]
    pub url: String,
    /// A kind of proof that you take (groth16-bn254, risc0-composite, …); can be repeated
    #[arg(long = "kind", value_name = "KIND", required = true, value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Which registry.
    #[command(flatten)]
    pub register: Register,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Which registry to leave.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Which registry.
    #[command(flatten)]
    pub register: Register,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// Whom to freeze: the operator of the key, or the one that it signs for.
#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// Settings.
    #[command(flatten)]
    pub all: AllSettings,
}

/// What to show.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Settings.
    #[command(flatten)]
    pub all: AllSettings,
}

impl Common {
    fn section<'a>(&self, context: &'a Context) -> CliResult<Section<'a>> {
        context.settings.section::<EveryKey>("operator")
    }

    async fn party(&self, context: &Context) -> CliResult<(Party, Own)> {
        let section = self.section(context)?;
        let party = Party::from_section(section, &self.chain, &self.key, &self.send, "operator").await?;
        Ok((party, section.with(&self.own)?))
    }
}

impl AllSettings {
    /// Only to look: the operator's address, by --operator or by its key.
    async fn watcher(&self, context: &Context) -> CliResult<(PoolView, Own, Address)> {
        let section = self.common.section(context)?;
        let operator = match section.with(&self.whom)?.operator {
            Some(operator) => operator,
            None => section.with(&self.common.key)?.load(&context.settings, "operator")?.address(),
        };
        Ok((section.with(&self.common.chain)?.view().await?, section.with(&self.common.own)?, operator))
    }
}

impl Register {
    fn address(&self, common: &Common, context: &Context) -> CliResult<Address> {
        common.section(context)?.with(self)?.registry.ok_or_else(|| {
            CliError::config("find the registry of operators", "no registry is set")
                .advise("set --registry ADDRESS, or `registry` in [operator]")
        })
    }
}

impl Own {
    fn token(&self) -> CliResult<Address> {
        self.token.ok_or_else(|| {
            CliError::config("tell which token is meant", "no token is set")
                .advise("set --token ADDRESS, or `token` in [operator]")
        })
    }
}

/// Carries the command out.
pub async fn run(command: OperatorCommand, context: &Context) -> CliResult {
    match command {
        OperatorCommand::Deposit(args) => deposit(args, context).await,
        OperatorCommand::Withdraw(args) => withdraw(args, context).await,
        OperatorCommand::Slots(args) => slots(args, context).await,
        OperatorCommand::OpenSlot(args) => open_slot(args, context).await,
        OperatorCommand::CloseSlot(args) => {
            let (party, own) = args.common.party(context).await?;
            let call = IZKPool::closeSlotCall { token: own.token()?, index: args.index };
            sent(context, &party.call(&format!("close slot {}", args.index), &call).await?)
        }
        OperatorCommand::EmptySlot(args) => {
            let (party, own) = args.common.party(context).await?;
            let call = IZKPool::emptySlotCall { token: own.token()?, index: args.index };
            sent(context, &party.call(&format!("empty slot {}", args.index), &call).await?)
        }
        OperatorCommand::SetSigner(args) => {
            let (party, _) = args.common.party(context).await?;
            let call = IZKPool::setSignerCall { signer: args.signer };
            sent(context, &party.call("set the signer", &call).await?)
        }
        OperatorCommand::Freeze(args) => {
            let (party, _) = args.all.common.party(context).await?;
            let whom = args.all.common.section(context)?.with(&args.all.whom)?;
            let operator = whom.operator.unwrap_or(party.key.address());
            sent(context, &party.call("freeze the operator", &IZKPool::freezeCall { operator }).await?)
        }
        OperatorCommand::Register(args) => register(args, context).await,
        OperatorCommand::Leave(args) => {
            let registry = args.register.address(&args.common, context)?;
            let (party, _) = args.common.party(context).await?;
            let data = IOperatorRegistry::unregisterCall {}.abi_encode();
            let attempt = "leave the registry";
            sent(context, &party.send(attempt, TxRequest::call(attempt, registry, data)).await?)
        }
        OperatorCommand::SetShare(args) => pay::set_share(args, context).await,
        OperatorCommand::Fund(args) => pay::fund(args, context).await,
        OperatorCommand::AuthorizeTranches(args) => pay::authorize(args, context).await,
        OperatorCommand::Tranches(args) => pay::tranches(args, context).await,
        OperatorCommand::CloseTranche(args) => pay::close_tranche(args, context).await,
        OperatorCommand::Readmit(args) => pay::readmit(args, context).await,
        OperatorCommand::Status(args) => status(args, context).await,
    }
}

async fn deposit(args: MoveArgs, context: &Context) -> CliResult {
    let (party, own) = args.common.party(context).await?;
    let record = crate::commands::request::deposit_into(&party, own.token()?, args.amount).await?;
    sent(context, &record)
}

async fn register(args: RegisterArgs, context: &Context) -> CliResult {
    let attempt = "enter the registry";
    let registry = args.register.address(&args.common, context)?;
    for kind in &args.kinds {
        if ProofKind::from_name(kind).is_none() {
            let known = ProofKind::ALL.map(ProofKind::as_str).join(", ");
            return Err(CliError::usage(attempt, format!("there is no kind of proof {kind:?}: known are {known}")));
        }
    }
    // What requesters could not use is not worth its gas.
    Client::check_url(&args.url, Reach::Anywhere).map_err(|error| CliError::usage(attempt, error))?;
    if Client::check_url(&args.url, Reach::Public).is_err() {
        context.output.note("requesters call only public https:// addresses, unless they are told otherwise: only a development chain has use for this one");
    }
    let call = registration(&args.url, &args.kinds).map_err(|why| CliError::usage(attempt, why))?;
    let (party, _) = args.common.party(context).await?;
    sent(context, &party.send(attempt, TxRequest::call(attempt, registry, call.abi_encode())).await?)
}

async fn withdraw(args: WithdrawArgs, context: &Context) -> CliResult {
    let (party, own) = args.common.party(context).await?;
    let owner = party.key.address();
    let call = IZKPool::withdrawCall {
        token: own.token()?,
        owner,
        to: args.to.unwrap_or(owner),
        amount: U256::from(args.amount.0),
    };
    sent(context, &party.call("withdraw from the pool", &call).await?)
}

async fn open_slot(args: OpenSlotArgs, context: &Context) -> CliResult {
    let (party, own) = args.common.party(context).await?;
    let call = IZKPool::openSlotCall {
        token: own.token()?,
        index: args.index,
        collateral: args.collateral.0,
        honour: args.honour.0,
        dedicatedTo: args.dedicated_to.unwrap_or_default(),
    };
    sent(context, &party.call(&format!("open slot {}", args.index), &call).await?)
}

/// Listing stops at the first slot that was never opened, or here.
const MAX_LISTED: u32 = 1024;

async fn read_slots(
    view: &PoolView,
    operator: Address,
    token: Address,
    count: Option<u32>,
) -> CliResult<Vec<(u32, Slot)>> {
    let mut found = Vec::new();
    for index in 0..count.unwrap_or(MAX_LISTED) {
        let slot = view.slot(operator, token, index).await.map_err(|e| chain_error(format!("read slot {index}"), e))?;
        if count.is_none() && slot.closes_at == Some(0) {
            break;
        }
        found.push((index, slot));
    }
    Ok(found)
}

fn slot_rows(slots: &[(u32, Slot)], token: &TokenInfo) -> String {
    let heading = ["slot", "state", "collateral", "honour", "busy until", "closes", "dedicated to"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for (index, slot) in slots {
        let closes = match slot.closes_at {
            None => "never".into(),
            Some(0) => "not open".into(),
            Some(at) => at.to_string(),
        };
        rows.push(vec![
            index.to_string(),
            state_name(slot.state).into(),
            shown(slot.collateral, token),
            shown(slot.honour_reserve, token),
            slot.busy_until.to_string(),
            closes,
            slot.dedicated_to.map_or("anyone".into(), |requester| requester.to_string()),
        ]);
    }
    table(&rows)
}

const fn state_name(state: SlotState) -> &'static str {
    match state {
        SlotState::Idle => "idle",
        SlotState::Active => "active",
        SlotState::Reserved => "reserved",
        SlotState::Rescuing => "rescuing",
    }
}

fn slots_json(slots: &[(u32, Slot)]) -> Vec<serde_json::Value> {
    slots.iter().map(|(index, slot)| json!({ "index": index, "slot": slot })).collect()
}

async fn slots(args: SlotsArgs, context: &Context) -> CliResult {
    let (view, own, operator) = args.all.watcher(context).await?;
    let token = own.token()?;
    let found = read_slots(&view, operator, token, args.count).await?;
    let info = view.token(token).await.map_err(|e| chain_error("read the token", e))?;
    context.output.result(&slots_json(&found), slot_rows(&found, &info))
}

async fn status(args: StatusArgs, context: &Context) -> CliResult {
    let (view, own, operator) = args.all.watcher(context).await?;
    let failed = |e| chain_error("read the operator's state", e);
    let signer = view.signer_of(operator).await.map_err(failed)?;
    let ether = view.rpc().ether(operator).await.map_err(failed)?;
    let coin = TokenInfo { address: Address::ZERO, symbol: "ether".into(), decimals: 18 };
    let mut value = json!({
        "operator": operator,
        "ether": ether.to_string(),
        "signer": signer.signer,
        "next_signer": signer.next.map(|(signer, at)| json!({ "signer": signer, "at": at })),
        "frozen": signer.frozen,
    });
    let signing = match (signer.frozen, signer.signer) {
        (true, _) => "frozen".to_owned(),
        (false, None) => "none: set one with `zkpool operator set-signer`".into(),
        (false, Some(address)) => address.to_string(),
    };
    let mut text = format!("operator     {operator}\nether        {}\nsigner       {signing}", shown(ether, &coin));
    if let Some((next, at)) = signer.next {
        text += &format!("\nnext signer  {next} from {at}");
    }
    if let Some(token) = own.token {
        let info = view.token(token).await.map_err(failed)?;
        let wallet = view.token_balance(token, operator).await.map_err(failed)?;
        let pool = view.balance(token, operator).await.map_err(failed)?;
        let found = read_slots(&view, operator, token, None).await?;
        text += &format!(
            "\nwallet       {}\npool         {}\n\n{}",
            shown(wallet, &info),
            shown(pool, &info),
            slot_rows(&found, &info)
        );
        value["token"] = json!({ "address": token, "wallet": wallet.to_string(), "pool": pool.to_string() });
        value["slots"] = slots_json(&found).into();
    }
    context.output.result(&value, text)
}

/// What is shown of a transaction that has been included.
pub fn sent(context: &Context, record: &TxRecord) -> CliResult {
    let (hash, gas) = record.receipt.as_ref().map_or((None, 0), |receipt| (Some(receipt.hash), receipt.gas_used));
    let shown = hash.map(|hash| hash.to_string()).unwrap_or_default();
    context.output.result(&json!({ "transaction": hash, "gas": gas }), format!("done: transaction {shown}, {gas} gas"))
}
