//! What a node tells its owner.

use crate::Refusal;
use std::time::Duration;
use zkpool_protocol::{Address, BlobId, ErrorCode, TaskId};

/// Something happened. Never holds a key, a journal or a receipt.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The committee was found, and the key is a member's.
    Ready {
        /// The committee.
        committee: Address,
        /// The key's address.
        member: Address,
        /// How many members there are.
        members: usize,
        /// How many must sign.
        threshold: u32,
        /// How many claims were signed by earlier runs.
        pledges: usize,
    },
    /// The chain does not answer: nothing is signed.
    ChainTrouble {
        /// What is wrong.
        error: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The member does not count at the moment: it has not joined, or has left. Nothing is signed.
    NotLive {
        /// When it is looked at again.
        retry_in: Duration,
    },
    /// An operator cannot be asked, or does not take a signature.
    OperatorTrouble {
        /// Its URL.
        operator: String,
        /// What is wrong and what to do.
        error: String,
        /// Stable name.
        code: ErrorCode,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// This machine fails, most likely its disk: nothing is signed.
    LocalTrouble {
        /// What is wrong.
        error: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The operator has the member's signature.
    Signed {
        /// Who asked.
        operator: String,
        /// For which task.
        task: TaskId,
        /// For which receipt.
        receipt: BlobId,
        /// How many members have signed.
        signatures: u32,
        /// How many must.
        threshold: u32,
    },
    /// The operator has had as many new claims signed as one may within an hour: this one is left for later.
    TooMany {
        /// Who asked.
        operator: String,
        /// For which task.
        task: TaskId,
        /// For which receipt.
        receipt: BlobId,
        /// So many may be.
        per_hour: usize,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// The member does not sign.
    Refused {
        /// Who asked.
        operator: String,
        /// For which task.
        task: TaskId,
        /// For which receipt.
        receipt: BlobId,
        /// Why.
        refusal: Refusal,
    },
}

/// Hears of events. Called from within the node: must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn on(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Observer for F {
    fn on(&self, event: &Event) {
        self(event);
    }
}

/// Writes events as log lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogObserver;

impl Observer for LogObserver {
    fn on(&self, event: &Event) {
        match event {
            Event::Ready { committee, member, members, threshold, pledges } => {
                tracing::info!(%committee, %member, members, threshold, pledges, "ready; waiting for receipts");
            }
            Event::ChainTrouble { error, retry_in } => {
                tracing::warn!(
                    retry_in_ms = millis(*retry_in),
                    "nothing is signed, the chain cannot be asked: {error}"
                );
            }
            Event::NotLive { retry_in } => tracing::warn!(
                retry_in_ms = millis(*retry_in),
                "nothing is signed, this member does not count at present: `zkpool verifier join` puts its stake up"
            ),
            Event::OperatorTrouble { operator, error, code, retry_in } => {
                tracing::warn!(operator, %code, retry_in_ms = millis(*retry_in), "{error}");
            }
            Event::LocalTrouble { error, retry_in } => {
                tracing::error!(retry_in_ms = millis(*retry_in), "nothing is signed: {error}");
            }
            Event::Signed { operator, task, receipt, signatures, threshold } => {
                tracing::info!(task.id = %task, %receipt, operator, signatures, threshold, "signed");
            }
            Event::TooMany { operator, task, receipt, per_hour, retry_in } => tracing::warn!(
                task.id = %task, %receipt, operator, retry_in_ms = millis(*retry_in),
                "not signed for now: this operator has had {per_hour} new claims signed within an hour, and may not have \
                 more (the number is a setting)"
            ),
            Event::Refused { operator, task, receipt, refusal } => {
                tracing::warn!(task.id = %task, %receipt, operator, code = %refusal.code(), "not signed: {refusal}");
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
