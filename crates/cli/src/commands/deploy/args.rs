//! What `zkpool deploy` takes.

use crate::{
    chain::{ChainArgs, SendArgs},
    keys::KeyArgs,
    values::Amount,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use zkpool_protocol::{Address, B256};

/// `zkpool deploy …`
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Contracts are created through the usual CREATE2 deployer, so the same code and arguments have the \
same address on every chain, and deploying twice changes nothing. Prints the addresses as JSON."
)]
pub enum DeployCommand {
    /// The ZKPool contract with its revenue ledger, and its router if --weth is given
    Pool(PoolArgs),
    /// A Groth16 verifier for a circuit's proving key
    Groth16Verifier(Groth16Args),
    /// The adapter that makes Semaphore's own verifier one of the pool's
    SemaphoreAdapter(SemaphoreArgs),
    /// The encoder that builds calls of Semaphore.validateProof
    SemaphoreEncoder(PlainArgs),
    /// A committee: staked members that answer for RISC Zero receipts
    Committee(CommitteeArgs),
    /// Any contract of the artifacts, with constructor arguments
    Contract(ContractArgs),
}

/// Settings that every deployment needs.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where.
    #[command(flatten)]
    pub chain: ChainArgs,
    /// Who pays.
    #[command(flatten)]
    pub key: KeyArgs,
    /// How.
    #[command(flatten)]
    pub send: SendArgs,
    /// forge's output directory
    #[arg(long, value_name = "DIR", default_value = "contracts/out", help_heading = "Deployment")]
    pub artifacts: PathBuf,
    /// Salt of the CREATE2 address
    #[arg(long, value_name = "HASH", default_value_t, help_heading = "Deployment", hide_default_value = true)]
    pub salt: B256,
}

/// `zkpool deploy pool`
#[derive(Debug, Args)]
pub struct PoolArgs {
    /// Wrapped ether: deploys the router, too
    #[arg(long, value_name = "ADDRESS")]
    pub weth: Option<Address>,
    /// Permit2, for the router [default: its address on public chains]
    #[arg(long, value_name = "ADDRESS", requires = "weth")]
    pub permit2: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// `zkpool deploy groth16-verifier`
#[derive(Debug, Args)]
pub struct Groth16Args {
    /// The circuit's proving key (snarkjs .zkey)
    #[arg(long, value_name = "FILE")]
    pub zkey: PathBuf,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// `zkpool deploy semaphore-adapter`
#[derive(Debug, Args)]
pub struct SemaphoreArgs {
    /// Semaphore's verifier contract
    #[arg(long, value_name = "ADDRESS")]
    pub verifier: Address,
    /// Depth of the trees whose key is used
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub depth: u32,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// A contract without constructor arguments.
#[derive(Debug, Args)]
pub struct PlainArgs {
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// `zkpool deploy committee`
#[derive(Debug, Args)]
pub struct CommitteeArgs {
    /// A member's address; can be repeated, in any order
    #[arg(long = "member", value_name = "ADDRESS", required = true, value_delimiter = ',')]
    pub members: Vec<Address>,
    /// How many members must sign; more than half of them
    #[arg(long, value_name = "N")]
    pub threshold: u32,
    /// Token of the stakes
    #[arg(long, value_name = "ADDRESS")]
    pub token: Address,
    /// What each member puts up (1500000, 1.5ether, 2e6)
    #[arg(long, value_name = "AMOUNT")]
    pub stake: Amount,
    /// A program that the committee vouches for: its image id, and how many of the first bytes of its journal are the
    /// question; can be repeated
    #[arg(long = "program", value_name = "IMAGE:BYTES", required = true, value_delimiter = ',')]
    pub programs: Vec<Vouched>,
    /// A verifier of proofs, whose word overrules a member's
    #[arg(long, value_name = "ADDRESS")]
    pub arbiter: Option<Address>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}

/// A program that a committee vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vouched {
    /// Its image id.
    pub image_id: B256,
    /// So many bytes, the first of the journal, are the question.
    pub question_bytes: u32,
}

impl std::str::FromStr for Vouched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(':').and_then(|(image, bytes)| Some((image.parse().ok()?, bytes.parse().ok()?)));
        match parts {
            Some((image_id, question_bytes)) if question_bytes > 0 => Ok(Self { image_id, question_bytes }),
            _ => Err("write the image id (0x and 64 hex digits), a colon, and how many bytes the question has".into()),
        }
    }
}

/// `zkpool deploy contract`
#[derive(Debug, Args)]
pub struct ContractArgs {
    /// Name of the contract, as in the artifacts (Name or File.sol:Name)
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Constructor arguments, in order (the constructor sees the CREATE2 deployer as its caller)
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
    /// Address of a library that the code is linked with, as Name=ADDRESS; can be repeated
    #[arg(long = "library", value_name = "NAME=ADDRESS")]
    pub libraries: Vec<String>,
    /// Settings.
    #[command(flatten)]
    pub common: Common,
}
