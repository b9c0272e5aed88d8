//! What provers earn: tranches, caps, receipts.

use super::Millis;
use zkpool_protocol::{
    Address, B256, Bytes,
    pay::{Cap, Receipt, TaskPay, Voucher},
};

/// Where a tranche of this operator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrancheStatus {
    /// To be opened: nobody can be paid out of it yet.
    Planned,
    /// On chain.
    Open,
    /// It still pays, also for jobs that were given out before; no job is given out for it any more.
    Closing,
    /// It pays nobody any more.
    Reclaimed,
}

impl TrancheStatus {
    const ALL: [Self; 4] = [Self::Planned, Self::Open, Self::Closing, Self::Reclaimed];

    /// The name in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Reclaimed => "reclaimed",
        }
    }

    /// The status with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A tranche, to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTranche {
    /// Its index on chain, if nobody opens another one before.
    pub index: u64,
    /// What it pays in.
    pub token: Address,
    /// Who signs its vouchers.
    pub signer: Address,
    /// Of the tree of the caps.
    pub root: B256,
    /// The sum of the caps.
    pub total: u128,
    /// In the order of the tree; no prover twice.
    pub caps: Vec<Cap>,
}

/// A tranche of this operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrancheRecord {
    /// Its index on chain.
    pub index: u64,
    /// Where it stands.
    pub status: TrancheStatus,
    /// What it pays in.
    pub token: Address,
    /// Who signs its vouchers.
    pub signer: Address,
    /// Of the tree of the caps.
    pub root: B256,
    /// The sum of the caps.
    pub total: u128,
    /// When it was planned.
    pub planned_at: Millis,
    /// When closing, the second from which on it can be reclaimed.
    pub closes_at: Option<u64>,
}

impl TrancheRecord {
    /// Whether a result that is accepted now can be paid out of it. A tranche that the chain does not know to be closing can
    /// be claimed from for longer than any.
    pub fn pays(&self, now: Millis) -> bool {
        match self.status {
            TrancheStatus::Open => true,
            TrancheStatus::Closing => {
                self.closes_at.is_none_or(|at| at >= now / 1_000 + zkpool_protocol::pay::CLAIMABLE)
            }
            TrancheStatus::Planned | TrancheStatus::Reclaimed => false,
        }
    }
}

/// What one prover may be paid out of one tranche, and what it has earned there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earmark {
    /// The tranche.
    pub tranche: TrancheRecord,
    /// Its place in the tranche's tree.
    pub place: u32,
    /// Whose it is, and how much.
    pub cap: Cap,
    /// What is owed of it.
    pub voucher: Voucher,
}

impl Earmark {
    /// What can still be earned, in the token's smallest unit.
    pub const fn left(&self) -> u128 {
        self.cap.amount.saturating_sub(self.voucher.amount)
    }
}

/// What an accepted result is paid from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultPay {
    /// As it was promised when the job was given out.
    pub pay: TaskPay,
    /// Out of tranches whose vouchers this key signs.
    pub signer: Address,
    /// The prover's, over its result.
    pub signature: Bytes,
    /// Whether its prover counts on it: without a tranche to pay it out of the result is not accepted.
    pub due: bool,
}

/// A receipt, and the voucher after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earning {
    /// The receipt.
    pub receipt: Receipt,
    /// What its prover is owed in this tranche with it.
    pub voucher: Voucher,
    /// The prover's, over its result.
    pub signature: Bytes,
    /// When the result was accepted.
    pub at: Millis,
}
