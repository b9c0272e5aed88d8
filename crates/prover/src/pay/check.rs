//! Whether a voucher is right: recomputed from the job, the receipt and all that came before.

use super::{DeskError, Holding, Till};
use crate::report::Event;
use zkpool_api::{ClientError, Paid, ReceiptsQuery};
use zkpool_protocol::{
    Address, B256, ErrorCode, JobId, WorkUnits,
    pay::{LeasedJob, Receipt, SignedVoucher, Voucher},
};

/// What an accepted result should earn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) job: JobId,
    pub(crate) fence: u64,
    pub(crate) output: B256,
    pub(crate) units: WorkUnits,
    /// As it was promised with the job: in which token, and how much.
    pub(crate) promised: Option<(Address, u128)>,
}

/// Why no further work is done for an operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Withheld {
    #[error(
        "nothing is set apart for this prover, or less than {min}: the operator sets it apart within minutes of joining"
    )]
    NothingSetApart { min: u128 },
    #[error(
        "tranche {tranche}, in which pay is set apart, is not on chain as this endpoint has it: it was reorganised away, or the endpoint is behind"
    )]
    Vanished { tranche: u64 },
    #[error("the operator has not said what the job earns")]
    NotPromised,
    #[error("the job earns {amount} of {token}, and {left} is set apart and not earned yet")]
    TooLittle { token: Address, amount: u128, left: u128 },
    #[error("the job earns {amount} of {token}, and {asked} is asked for it")]
    BelowAsk { token: Address, amount: u128, asked: u128 },
    #[error("the operator does not say what one ether is worth in {token}, in which the job is paid")]
    NoRate { token: Address },
    #[error("the operator has taken the result and given no voucher for it")]
    NoVoucher,
    #[error("the operator's {what} for the result is {found}, and should be {expected}")]
    Wrong { what: &'static str, expected: String, found: String },
    #[error("cannot keep the voucher: {0}")]
    Disk(String),
    #[error(transparent)]
    Unreachable(ClientError),
    #[error(transparent)]
    Desk(DeskError),
}

impl Withheld {
    /// Whether the operator is at fault, and not the network, a disk or the chain.
    pub(crate) const fn is_the_operators(&self) -> bool {
        matches!(self, Self::NoVoucher | Self::Wrong { .. })
    }

    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::Disk(_) => ErrorCode::Storage,
            Self::Unreachable(error) => error.code(),
            Self::Desk(error) => error.code,
            _ => ErrorCode::Unpaid,
        }
    }
}

fn same<T: PartialEq + ToString>(what: &'static str, expected: T, found: T) -> Result<(), Withheld> {
    if expected == found {
        return Ok(());
    }
    Err(Withheld::Wrong { what, expected: expected.to_string(), found: found.to_string() })
}

impl Till {
    /// Checks what an accepted result was answered with, and keeps it. Tells what was earned.
    pub(crate) async fn take(&self, expected: Expected, paid: Option<Paid>) -> Result<Option<Event>, Withheld> {
        let Some(Paid { receipt, voucher: signed }) = paid else {
            // Unasked for, or nothing was promised.
            let is_owed = expected.promised.is_some_and(|(_, amount)| amount > 0);
            return if self.is_checked() && is_owed { Err(Withheld::NoVoucher) } else { Ok(None) };
        };
        let voucher = signed.voucher;
        let known = || self.holdings().into_iter().find(|holding| holding.tranche == voucher.tranche);
        let holding = match known() {
            Some(holding) => holding,
            None if !self.config.desk.sees_chain() => return Ok(None),
            None => {
                // A tranche that was opened since this agent last looked.
                self.look().await?;
                known().ok_or_else(|| Withheld::Wrong {
                    what: "tranche",
                    expected: "one that is on chain, with this prover in it".into(),
                    found: voucher.tranche.to_string(),
                })?
            }
        };
        let _turn = self.turn.lock().await;
        // What was kept while this one waited.
        let holding = known().unwrap_or(holding);
        if let Err(why) = self.look_through(&expected, &receipt, &signed, &holding).await {
            if why.is_the_operators() {
                self.keep_disputed(signed, holding).await?;
            }
            return Err(why);
        }
        let (token, total) = (holding.token, voucher.amount);
        self.keep(Holding { voucher: Some(signed), vouched_at: Some(crate::unix_now()), ..holding }).await?;
        Ok(Some(Event::Earned { job: expected.job, token, amount: receipt.amount, total }))
    }

    /// Whether an answer is right in all that can be known.
    async fn look_through(
        &self,
        expected: &Expected,
        receipt: &Receipt,
        signed: &SignedVoucher,
        holding: &Holding,
    ) -> Result<(), Withheld> {
        let voucher = &signed.voucher;
        self.check(expected, receipt, voucher, holding)?;
        let signer = signed.signer(&self.ledger).map_err(|_| Withheld::Wrong {
            what: "signature",
            expected: format!("one of {}", holding.signer),
            found: "none that the ledger takes".into(),
        })?;
        same("voucher's signer", holding.signer, signer)?;
        self.check_pays(holding).await?;
        self.link(&holding.vouched(), receipt, voucher).await?;
        match self.is_checked() {
            true => self.check_cut(expected, receipt, voucher.tranche).await,
            false => Ok(()),
        }
    }

    /// A tranche may have been announced to close while the job was in hand; what matters is that it still pays.
    async fn check_pays(&self, holding: &Holding) -> Result<(), Withheld> {
        if holding.open || !self.config.desk.sees_chain() {
            return Ok(());
        }
        let found = self.config.desk.tranche(&self.ledger, self.operator, holding.tranche).await?;
        let pays = found.is_some_and(|found| found.pays());
        same(
            "tranche's state",
            "one that pays for a good while",
            if pays { "one that pays for a good while" } else { "closed" },
        )
    }

    /// What is not right is not worked on for, but it is money if it is over more than what is there, and signed.
    async fn keep_disputed(&self, signed: SignedVoucher, holding: Holding) -> Result<(), Withheld> {
        let Voucher { operator, tranche, prover, amount, .. } = signed.voucher;
        let is_ours = (operator, tranche, prover) == (self.operator, holding.tranche, self.prover);
        let best = holding.best().map_or(0, |best| best.voucher.amount);
        if is_ours && amount > best && signed.signer(&self.ledger).ok() == Some(holding.signer) {
            self.keep(Holding { disputed: Some(signed), ..holding }).await?;
        }
        Ok(())
    }

    /// Receipt and voucher by themselves.
    fn check(&self, job: &Expected, receipt: &Receipt, voucher: &Voucher, holding: &Holding) -> Result<(), Withheld> {
        let JobId { task, index } = job.job;
        same("receipt's job", LeasedJob { task, index, fence: job.fence }.id(), receipt.job().id())?;
        same("receipt's prover", self.prover, receipt.prover)?;
        same("receipt's output", job.output, receipt.output)?;
        same("receipt's size", job.units.0, receipt.units)?;
        same("voucher's operator", self.operator, voucher.operator)?;
        same("voucher's prover", self.prover, voucher.prover)?;
        same("voucher's head", receipt.hash(), voucher.head)?;
        let before = voucher.amount.checked_sub(receipt.amount);
        let before = before.ok_or_else(|| Withheld::Wrong {
            what: "voucher's amount",
            expected: format!("at least {}", receipt.amount),
            found: voucher.amount.to_string(),
        })?;
        let (token, amount) = job.promised.unwrap_or((holding.token, 0));
        same("tranche's token", token, holding.token)?;
        // What was promised, as far as the cap goes.
        same("receipt's amount", amount.min(holding.cap.saturating_sub(before)), receipt.amount)
    }

    /// A receipt that is cut to what is left of its tranche is one that no other tranche had enough for: an operator could
    /// open tiny ones otherwise. What another device of this key has earned meanwhile is asked for.
    async fn check_cut(&self, job: &Expected, receipt: &Receipt, tranche: u64) -> Result<(), Withheld> {
        let Some((token, amount)) = job.promised.filter(|(_, amount)| receipt.amount < *amount) else { return Ok(()) };
        for other in self.holdings() {
            if !other.open || other.token != token || other.tranche == tranche || other.left() < amount {
                continue;
            }
            let known = other.vouched();
            let query = ReceiptsQuery { tranche: other.tranche, after: known.count };
            let count = self.client.receipts(self.prover, &query).await?.count;
            let now = self.walk(known, count).await?;
            if other.cap.saturating_sub(now.amount) >= amount {
                return same("receipt's amount", amount, receipt.amount);
            }
        }
        Ok(())
    }

    /// That the receipt stands in one chain with the last that is known. Receipts between the two are another device's of
    /// the same key, or were answered in another order: they are asked for.
    async fn link(&self, known: &Voucher, receipt: &Receipt, voucher: &Voucher) -> Result<(), Withheld> {
        let wrong = |expected: &Voucher| Withheld::Wrong {
            what: "chain of receipts",
            expected: format!("{} of {} after {}", expected.amount, expected.count, expected.head),
            found: format!("{} of {} after {}", voucher.amount, voucher.count, receipt.previous),
        };
        if voucher.count > known.count {
            let before = self.walk(*known, voucher.count - 1).await?;
            return if before.after(receipt) == Some(*voucher) { Ok(()) } else { Err(wrong(&before)) };
        }
        let after = self.walk(*voucher, known.count).await?;
        if after == *known { Ok(()) } else { Err(wrong(&after)) }
    }

    /// The voucher that follows from `from` with all receipts up to number `count`.
    async fn walk(&self, from: Voucher, count: u64) -> Result<Voucher, Withheld> {
        let mut at = from;
        while at.count < count {
            let query = ReceiptsQuery { tranche: at.tranche, after: at.count };
            let found = self.client.receipts(self.prover, &query).await?.receipts;
            let wrong = |before: &Voucher, found: String| Withheld::Wrong {
                what: "chain of receipts",
                expected: format!("one that follows {}", before.head),
                found,
            };
            if found.is_empty() {
                return Err(wrong(&at, "none".into()));
            }
            for next in found {
                if at.count == count {
                    break;
                }
                at = at.after(&next.receipt).ok_or_else(|| wrong(&at, next.receipt.hash().to_string()))?;
            }
        }
        Ok(at)
    }
}
