//! What to offer for a transaction's gas (EIP-1559).

use crate::{ChainError, Head, Rpc, Urgency};
use alloy::{eips::BlockNumberOrTag, providers::Provider};

/// How fees are chosen.
#[derive(Clone, Debug)]
pub struct FeePolicy {
    /// Never offer more than this per gas, in wei.
    pub max_fee: u128,
    /// Never offer a smaller tip than this per gas, in wei.
    pub min_tip: u128,
    /// Bump a transaction that is not mined after this many seconds.
    pub bump_after: u64,
    /// With a deadline near, bump as soon as this.
    pub bump_after_urgent: u64,
    /// This many seconds before its deadline a transaction is urgent.
    pub urgent_within: u64,
}

impl Default for FeePolicy {
    fn default() -> Self {
        Self { max_fee: 500_000_000_000, min_tip: 1_000_000, bump_after: 45, bump_after_urgent: 12, urgent_within: 180 }
    }
}

/// What is offered per gas, in wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) max_fee: u128,
    pub(crate) tip: u128,
}

/// The state of the fee market.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    /// Of the next block.
    pub(crate) base_fee: u128,
    /// Tips that were paid: in the middle, and high.
    tips: [u128; 2],
}

/// Of recent blocks' tips, in percent.
const PERCENTILES: [f64; 2] = [50.0, 90.0];
const BLOCKS: u64 = 10;

impl Market {
    pub(crate) async fn read(rpc: &Rpc, head: &Head) -> Result<Self, ChainError> {
        let history = rpc.provider().get_fee_history(BLOCKS, BlockNumberOrTag::Latest, &PERCENTILES).await;
        let history = match history.map_err(|error| ChainError::rpc("read the fee history", error)) {
            Ok(history) => history,
            // Not every endpoint offers it: the base fee is in the block, and a raised tip finds its height by bumps.
            Err(ChainError::Refused { .. }) => return Ok(Self { base_fee: head.base_fee, tips: [0, 0] }),
            Err(error) => return Err(error),
        };
        let column = |i: usize| {
            let mut tips: Vec<u128> =
                history.reward.iter().flatten().filter_map(|block| block.get(i).copied()).collect();
            tips.sort_unstable();
            tips.get(tips.len() / 2).copied().unwrap_or_default()
        };
        let base_fee = history.base_fee_per_gas.last().copied().unwrap_or(head.base_fee).max(head.base_fee);
        Ok(Self { base_fee, tips: [column(0), column(1)] })
    }
}

impl FeePolicy {
    /// Whether `urgency`'s deadline is near at chain time `now`.
    fn is_urgent(&self, urgency: Urgency, now: u64) -> bool {
        matches!(urgency, Urgency::By(deadline) if deadline.saturating_sub(now) <= self.urgent_within)
    }

    /// For a first attempt: twice the base fee, so that it stays valid for six full blocks.
    pub(crate) fn first(&self, market: &Market, urgency: Urgency, now: u64) -> Fees {
        let tip = market.tips[usize::from(self.is_urgent(urgency, now))].max(self.min_tip).min(self.max_fee);
        Fees { max_fee: (market.base_fee.saturating_mul(2).saturating_add(tip)).min(self.max_fee), tip }
    }

    /// For a replacement of `last`: what the market asks, and at least an eighth more of both, as nodes demand a tenth.
    /// `None`: the limit does not allow it.
    pub(crate) fn raised(&self, last: Fees, market: &Market, urgency: Urgency, now: u64) -> Option<Fees> {
        let asked = self.first(market, urgency, now);
        let eighth_more = |fee: u128| fee.saturating_add(fee.div_ceil(8)).saturating_add(1);
        let tip = eighth_more(last.tip).max(asked.tip);
        let max_fee = eighth_more(last.max_fee).max(asked.max_fee).max(tip);
        if max_fee > self.max_fee {
            // The last step up to the limit counts if nodes would take it.
            let tenth_more = |fee: u128| fee.saturating_add(fee.div_ceil(10));
            let tip = tip.min(self.max_fee);
            return (self.max_fee >= tenth_more(last.max_fee) && tip >= tenth_more(last.tip))
                .then_some(Fees { max_fee: self.max_fee, tip });
        }
        Some(Fees { max_fee, tip })
    }

    /// Seconds after which an attempt that is not mined is raised.
    pub(crate) fn patience(&self, urgency: Urgency, now: u64) -> u64 {
        match urgency {
            Urgency::Normal => self.bump_after,
            // An eighth of what is left: at least eight raises, of more than 2.5 times in all, before it is too late.
            Urgency::By(deadline) => {
                (deadline.saturating_sub(now) / 8).clamp(self.bump_after_urgent.min(self.bump_after), self.bump_after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKET: Market = Market { base_fee: 100, tips: [10, 40] };

    fn policy() -> FeePolicy {
        FeePolicy { max_fee: 1_000, min_tip: 1, bump_after: 45, bump_after_urgent: 12, urgent_within: 180 }
    }

    #[test]
    fn a_near_deadline_pays_a_higher_tip_and_has_less_patience() {
        let policy = policy();
        assert_eq!(policy.first(&MARKET, Urgency::Normal, 0), Fees { max_fee: 210, tip: 10 });
        assert_eq!(policy.first(&MARKET, Urgency::By(1_000), 0), Fees { max_fee: 210, tip: 10 });
        assert_eq!(policy.first(&MARKET, Urgency::By(1_000), 820), Fees { max_fee: 240, tip: 40 });
        assert_eq!(policy.patience(Urgency::Normal, 0), 45);
        assert_eq!(policy.patience(Urgency::By(1_000), 0), 45);
        assert_eq!(policy.patience(Urgency::By(1_000), 800), 25);
        assert_eq!(policy.patience(Urgency::By(1_000), 999), 12);
        assert_eq!(policy.patience(Urgency::By(1_000), 2_000), 12);
    }

    #[test]
    fn a_replacement_raises_both_fees_enough_for_nodes_to_take_it() {
        let policy = policy();
        let mut fees = policy.first(&MARKET, Urgency::Normal, 0);
        let mut raises = 0;
        while let Some(next) = policy.raised(fees, &MARKET, Urgency::Normal, 0) {
            assert!(next.max_fee * 10 >= fees.max_fee * 11 && next.tip * 10 >= fees.tip * 11, "{fees:?} {next:?}");
            assert!(next.max_fee <= policy.max_fee && next.tip <= next.max_fee);
            fees = next;
            raises += 1;
            assert!(raises < 100);
        }
        assert!(raises > 5);
        assert!(fees.max_fee * 11 > policy.max_fee * 10, "stops only near the limit: {fees:?}");
    }

    #[test]
    fn a_replacement_follows_a_market_that_jumped() {
        let policy = policy();
        let jumped = Market { base_fee: 400, tips: [10, 40] };
        let raised = policy.raised(Fees { max_fee: 210, tip: 10 }, &jumped, Urgency::Normal, 0).unwrap();
        assert!(raised.max_fee >= 810);
    }
}
