//! What the requester's commands take.

use crate::{
    chain::{ChainArgs, SendArgs},
    keys::KeyArgs,
    values::{Amount, Span, texts},
};
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zkpool_api::Reach;
use zkpool_protocol::{Address, B256, Bytes, ProgramId, ProofKind, Strategy, TaskId};
use zkpool_requester::{Discovery, Ranking};

/// `zkpool request …`
#[derive(Debug, Subcommand)]
pub enum RequestCommand {
    /// Ask operators for quotes and show them, best first; nothing is paid
    Quote(QuoteArgs),
    /// Publish a signed quote and pay its reward from the pool balance
    Publish(PublishArgs),
    /// The whole road: ask, check, publish, watch until the task has ended
    #[command(long_about = RUN_ABOUT)]
    Run(RunArgs),
    /// Follow a task until it has ended
    Watch(WatchArgs),
    /// Collect refund and liability of a task that was not delivered in time
    Collect(CollectArgs),
    /// Go on with what an earlier run began, without paying twice
    Resume(ResumeArgs),
    /// Show balances in the wallet and in the pool
    Balance(BalanceArgs),
    /// Move tokens from the wallet into the pool
    Deposit(DepositArgs),
    /// Move tokens out of the pool
    Withdraw(WithdrawArgs),
}

const RUN_ABOUT: &str = "The whole road: ask, check, publish, watch until the task has ended.

Uploads the program's parts where an operator lacks them, asks all operators, takes the best quote (by price, record and
time) that is what was asked for and backed on chain, stores it, publishes it, goes on to the next if it cannot be had,
tells the other operators (one of them may take the task over if
it is late) and follows the chain until the task is delivered, or until what is owed can be collected (--collect does
so). Whatever is interrupted goes on with `zkpool request resume`: nothing is
paid twice.

Exits with 0 if the task was delivered, 6 if it ended otherwise.";

/// Settings of `[request]` that every command needs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Whose money.
    #[command(flatten)]
    pub key: KeyArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
    /// Operators and records.
    #[command(flatten)]
    pub own: Own,
    /// Operators that nobody has named.
    #[command(flatten)]
    pub market: Market,
}

/// Settings of `[request]` that no other role has.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Own {
    /// URL of an operator's service; can be repeated
    #[arg(long = "operator", value_name = "URL", value_delimiter = ',')]
    #[serde(default, deserialize_with = "texts::deserialize", skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<String>,
    /// Directory where quotes are stored before they are acted on [default: .zkpool/request]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
    /// Where the reward comes from [default: pool]
    #[arg(long, value_name = "SOURCE", value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay_with: Option<PayWith>,
    /// The router contract, for --pay-with ether or permit
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<Address>,
}

/// How operators are found, and what is known of them.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct Market {
    /// The registry of operators: ask those it holds, too. Whoever is asked gets the input
    #[arg(long, value_name = "ADDRESS", help_heading = "Operators")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<Address>,
    /// Call services of the registry wherever it says, this machine's own network included: for development chains
    #[arg(long, help_heading = "Operators")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registry_anywhere: bool,
    /// Block from which on operators' records are read from the chain: the pool's deployment, or so far back as a record
    /// should count. Without it nobody has a record
    #[arg(long, value_name = "BLOCK", help_heading = "Operators")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records_from: Option<u64>,
    /// What a task that goes wrong costs you beyond what the contract pays, in ten-thousandths of the reward [default: 5000]
    #[arg(long, value_name = "N", help_heading = "Operators")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_bps: Option<u32>,
    /// What a second of waiting costs you, in the reward token's smallest unit [default: 0]
    #[arg(long, value_name = "AMOUNT", help_heading = "Operators")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<Amount>,
}

impl Market {
    /// As the requester takes it.
    pub fn discovery(&self) -> Option<Discovery> {
        let reach = if self.registry_anywhere { Reach::Anywhere } else { Reach::Public };
        self.registry.map(|registry| Discovery { reach, ..Discovery::of(registry) })
    }

    /// What makes an offer the best.
    pub fn ranking(&self) -> Ranking {
        let usual = Ranking::default();
        Ranking {
            risk_bps: self.risk_bps.unwrap_or(usual.risk_bps),
            second: self.second.map_or(usual.second, |amount| amount.0),
        }
    }
}

/// Where a reward comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayWith {
    /// The pool balance; with --deposit, what is missing is moved from the wallet first
    Pool,
    /// Ether, through the router: for rewards in WETH
    Ether,
    /// An ERC-2612 permit for the router: no approval is left behind
    Permit,
}

/// A kind of receipt of a zkVM program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Receipt {
    /// A STARK for each segment: the quickest; a committee vouches for it
    Composite,
    /// One STARK, by recursion; a committee vouches for it
    Succinct,
    /// Wrapped in Groth16, which the chain itself checks
    Groth16,
}

impl From<Receipt> for ProofKind {
    fn from(receipt: Receipt) -> Self {
        match receipt {
            Receipt::Composite => Self::Risc0Composite,
            Receipt::Succinct => Self::Risc0Succinct,
            Receipt::Groth16 => Self::Risc0Groth16,
        }
    }
}

/// What is to be proven, and on which terms. All of it can stand in `[request]`, too.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(next_help_heading = "Task")]
pub struct Wish {
    /// Registered program; or give its parts (--zkey and --wasm, or --guest)
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["zkey", "wasm", "guest"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramId>,
    /// Proving key of the circuit; uploaded and registered where an operator lacks it
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zkey: Option<PathBuf>,
    /// Witness generator of the circuit
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasm: Option<PathBuf>,
    /// RISC Zero program (.bin, as risc0-build makes it); uploaded and registered where an operator lacks it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["zkey", "wasm"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest: Option<PathBuf>,
    /// Which receipt of the zkVM program the verifier takes [default: composite]
    #[arg(long, value_name = "KIND", value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Named inputs as JSON, as snarkjs takes them
    #[arg(long, value_name = "FILE", conflicts_with = "witness")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<PathBuf>,
    /// Ready witness (.wtns)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<PathBuf>,
    /// Bytes on the zkVM program's standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inputs", "witness"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<PathBuf>,
    /// Receipt (bincode) that the zkVM program builds on with env::verify; can be repeated
    #[arg(long = "assumption", value_name = "FILE")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<PathBuf>,
    /// The contract that receives the proof
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Address>,
    /// Contract that accepts the statement; without it the target alone judges (--target-mode)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "target_mode")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<Address>,
    /// Let the target alone judge; the operator must trust it
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_mode: bool,
    /// Contract that builds the call; without it the call is a template
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder: Option<Address>,
    /// Template: calldata before the proof (selector, then the words before it). Encoder: its data
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_prefix: Option<Bytes>,
    /// Template: calldata after the proof
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_suffix: Option<Bytes>,
    /// Target mode: calldata of a static call that returns true if the target is already satisfied
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done_check: Option<Bytes>,
    /// Gas for the target's call [default: 500000]
    #[arg(long, value_name = "GAS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_gas: Option<u32>,
    /// What must be proven; computed here if the program's parts and the input are given
    #[arg(long, value_name = "HASH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<B256>,
    /// The same as public inputs: a JSON list of decimal numbers (snarkjs' public.json)
    #[arg(long, value_name = "FILE", conflicts_with = "statement")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_inputs: Option<PathBuf>,
    /// The same as the journal of the zkVM program given with --guest: a file with its bytes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["statement", "public_inputs"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<PathBuf>,
    /// Believe the operator's word on what the input proves
    #[arg(long, conflicts_with_all = ["statement", "public_inputs", "journal"])]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_statement: bool,
    /// Token of reward and liability
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Address>,
    /// Token of the liability, if it is another
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liability_token: Option<Address>,
    /// Yours if the task is never delivered
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liability: Option<Amount>,
    /// Lost by the operator if the delivery is late [default: 0]
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bond: Option<Amount>,
    /// Destroyed if the task is never delivered [default: 0]
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn: Option<Amount>,
    /// Pay no more than this
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_reward: Option<Amount>,
    /// Pay no more than this in advance
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_advance: Option<Amount>,
    /// Take no quote whose breach would cost the operator less than this [default: 0]
    #[arg(long, value_name = "AMOUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_honour: Option<Amount>,
    /// How the work is handed out, and priced: assign (each job to one prover), compete (to the best bid) or race:N (each to
    /// N at once, 2 to 8, all of whom are paid for) [default: as the operator thinks best]
    #[arg(long, value_name = "STRATEGY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// On time means within this time from publication [default: 10m]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_window: Option<Span>,
    /// After this time from publication the task can be collected [default: twice the proof window]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liability_window: Option<Span>,
    /// Who receives refund and liability [default: the key's address]
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<Address>,
    /// Makes otherwise equal tasks different; the same text gives the same quote
    #[arg(long, value_name = "TEXT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// Settings of `[request]`: every key that may stand there.
#[derive(Debug, Clone, Args)]
pub struct AllSettings {
    /// Where, whose, how.
    #[command(flatten)]
    pub common: Common,
    /// What.
    #[command(flatten)]
    pub wish: Wish,
}

/// `zkpool request quote`
#[derive(Debug, Args)]
pub struct QuoteArgs {
    /// Settings.
    #[command(flatten)]
    pub all: AllSettings,
    /// Write the best quote to this file, for `zkpool request publish`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `zkpool request run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Settings.
    #[command(flatten)]
    pub all: AllSettings,
    /// Move the reward from the wallet into the pool first, if the pool balance does not cover it
    #[arg(long)]
    pub deposit: bool,
    /// If the task is not delivered in time, wait for the end of the liability window and collect
    #[arg(long)]
    pub collect: bool,
    /// Publish and end, without watching
    #[arg(long, conflicts_with = "collect")]
    pub no_watch: bool,
}

/// `zkpool request publish`
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// File with the signed quote, as `zkpool request quote --out` wrote it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
    /// Move the reward from the wallet into the pool first, if the pool balance does not cover it
    #[arg(long)]
    pub deposit: bool,
    /// Publish even if the contract says that the quote is not backed: the operator then pays its honour
    #[arg(long)]
    pub unbacked: bool,
}

/// `zkpool request watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The task's id (0x…)
    #[arg(value_name = "TASK")]
    pub task: TaskId,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
    /// Give up after this time [default: until the liability window has ended]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Span>,
}

/// `zkpool request collect`
#[derive(Debug, Args)]
pub struct CollectArgs {
    /// The task's id (0x…); all that can be collected if absent
    #[arg(value_name = "TASK")]
    pub task: Option<TaskId>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
    /// Wait until it can be collected
    #[arg(long)]
    pub wait: bool,
}

/// `zkpool request resume`
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Settings.
    #[command(flatten)]
    pub common: Common,
    /// Collect what was not delivered in time, waiting for it if needed
    #[arg(long)]
    pub collect: bool,
}

/// Which token.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct TokenArgs {
    /// The token
    #[arg(long, value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Address>,
}

/// `zkpool request balance`
#[derive(Debug, Args)]
pub struct BalanceArgs {
    /// Which token.
    #[command(flatten)]
    pub token: TokenArgs,
    /// Whose, to look at it without its key
    #[arg(long, value_name = "ADDRESS")]
    pub account: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// `zkpool request deposit`
#[derive(Debug, Args)]
pub struct DepositArgs {
    /// How much (1500000, 1.5ether, 2e6)
    #[arg(value_name = "AMOUNT")]
    pub amount: Amount,
    /// Which token.
    #[command(flatten)]
    pub token: TokenArgs,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// `zkpool request withdraw`
#[derive(Debug, Args)]
pub struct WithdrawArgs {
    /// How much (1500000, 1.5ether, 2e6)
    #[arg(value_name = "AMOUNT")]
    pub amount: Amount,
    /// Which token.
    #[command(flatten)]
    pub token: TokenArgs,
    /// Who receives it; the key's address if absent
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}
