//! What a sender must not forget.
//!
//! ```text
//!                       ┌──────── reorganised out ────────┐
//!                       ▼                                 │
//!  Queued ──signed──▶ Sent ──receipt──▶ Mined ──enough confirmations──▶ Succeeded
//!    │                  │                 └───────────────────────────▶ Failed
//!    │                  └─ nonce taken by a foreign transaction ─▶ Queued
//!    └─ refused before it was sent, or too late ─▶ Failed ──retry──▶ Queued
//! ```

mod dir;
mod memory;

pub use dir::{DirJournal, write_durably};
pub use memory::MemoryJournal;

use crate::{JournalError, Urgency};
use alloy::primitives::{Address, B256, Bytes, U256};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;
use zkpool_protocol::ErrorCode;

/// Durable memory of one or more senders.
///
/// A method returns only when its effect would survive a crash. One sender writes at a time.
#[async_trait]
pub trait TxJournal: Send + Sync + 'static {
    /// Stores `record` unless there is one with its purpose; returns what is stored then.
    async fn insert(&self, record: TxRecord) -> Result<TxRecord, JournalError>;
    /// Replaces the record of this purpose.
    async fn save(&self, record: &TxRecord) -> Result<(), JournalError>;
    /// The record of this purpose.
    async fn get(&self, purpose: &str) -> Result<Option<TxRecord>, JournalError>;
    /// All records of `from` that are not final, in the order of [`TxRecord::order`].
    async fn open(&self, from: Address) -> Result<Vec<TxRecord>, JournalError>;
    /// The highest nonce that any record of `from` holds, final ones included.
    async fn highest_nonce(&self, from: Address) -> Result<Option<u64>, JournalError>;
    /// The record of `from` that holds this nonce, final or not.
    async fn at_nonce(&self, from: Address, nonce: u64) -> Result<Option<TxRecord>, JournalError>;
}

/// One transaction that somebody wanted, and all that became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxRecord {
    /// What it is for: `"prove:0x…"`. Unique in a journal.
    pub purpose: String,
    /// Place in the queue, ascending: microseconds since 1970 when it was enqueued.
    pub order: u64,
    /// Who sends.
    pub from: Address,
    /// Who is called.
    pub to: Address,
    /// Ether sent along, in wei.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Gas limit: the caller's, or the estimate with its margin once it is signed.
    pub gas: Option<u64>,
    /// How it is in a hurry.
    pub urgency: Urgency,
    /// Chain time in seconds after which it is pointless: not signed any more, replaced by nothing if it is in flight.
    pub not_after: Option<u64>,
    /// Held from the moment it is signed.
    pub nonce: Option<u64>,
    /// Everything ever signed for it, oldest first. Recorded before it is sent.
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub state: TxState,
    /// How it was mined, from [`TxState::Mined`] on.
    pub receipt: Option<Receipt>,
    /// Why it failed, or is going to once its revert is confirmed.
    pub failure: Option<Failure>,
    /// The last complaint of the endpoint about it; not final.
    pub complaint: Option<String>,
}

/// Something signed and recorded, perhaps sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Transaction hash.
    pub hash: B256,
    /// Its nonce.
    pub nonce: u64,
    /// The signed transaction (EIP-2718).
    pub raw: Bytes,
    /// Wei per gas, base fee and tip together, at most.
    pub max_fee: u128,
    /// Tip, wei per gas, at most.
    pub priority_fee: u128,
    /// The sender's clock, seconds since 1970.
    pub signed_at: u64,
    /// A transfer of nothing to oneself that only uses the nonce up.
    pub cancels: bool,
}

/// How a transaction was mined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which attempt.
    pub hash: B256,
    /// Block number.
    pub block: u64,
    /// Block hash.
    pub block_hash: B256,
    /// Whether it succeeded.
    pub success: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Wei per gas paid.
    pub gas_price: u128,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TxState {
    /// Wanted; nothing is signed.
    Queued,
    /// Signed and recorded; perhaps in the mempool, perhaps lost.
    Sent,
    /// In a block that can still be reorganised.
    Mined,
    /// Succeeded for good.
    Succeeded,
    /// Failed for good: never sent, or reverted, or cancelled.
    Failed,
}

/// Why a transaction failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// In words.
    pub reason: String,
    /// The error's name in the ABI, if it reverted with one that is known.
    pub error: Option<String>,
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureKind {
    /// Would have reverted; never sent.
    Refused,
    /// The account cannot pay for it; never sent.
    Unfunded,
    /// Too late; never mined.
    Expired,
    /// Mined and reverted.
    Reverted,
}

impl TxState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Sent, Self::Mined, Self::Succeeded, Self::Failed];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Mined => "mined",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the sender has nothing more to do with it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

impl FailureKind {
    /// The code that describes it best.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Unfunded => ErrorCode::Unfunded,
            Self::Expired => ErrorCode::TimedOut,
            Self::Refused | Self::Reverted => ErrorCode::TransactionFailed,
        }
    }
}

impl TxRecord {
    /// Whether anything was ever signed for it. If not, it cannot have cost anything.
    pub fn was_signed(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// The newest attempt at the nonce that it holds.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| Some(attempt.nonce) == self.nonce)
    }
}

impl fmt::Display for TxState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
