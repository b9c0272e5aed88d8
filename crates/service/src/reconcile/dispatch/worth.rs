//! What jobs pay, and whom that is too little for.

use crate::Context;
use std::collections::{BTreeMap, HashMap};
use zkpool_protocol::{
    Address, Job, ProofKind, Strategy, TaskId,
    pay::{self, ETHER, TaskPay},
};
use zkpool_scheduler::Deal;
use zkpool_store::{ProverRecord, WorkItem, Workload};

/// What a job pays whoever returns its result. Bids are in wei, pay is in the task's reward token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Worth {
    /// In which token and how much, by its task, if it is paid out of tranches.
    pub(crate) pay: Option<(Address, u128)>,
    /// The same in wei; where provers are paid outside, what its work is worth at the pool's price.
    pub(crate) wei: u128,
    strategy: Strategy,
    per_ether: u128,
}

impl Worth {
    fn of(ctx: &Context, item: &WorkItem, pay: Option<&TaskPay>) -> Self {
        let (units, strategy) = (item.job.job.units, item.strategy);
        let per_ether = ctx.config.token(item.reward_token).map_or(ETHER, |token| token.per_ether);
        let pay = pay.map(|pay| (pay.token, pay.amount(units)));
        let wei = match pay {
            Some((_, amount)) => pay::in_wei(amount, per_ether),
            None => {
                let once = pay::asked(ctx.config.pricing.wei_per_million_units, units, ETHER);
                once.saturating_mul(strategy.holders().into())
            }
        };
        Self { pay, wei, strategy, per_ether }
    }

    /// What each job of a workload pays.
    pub(crate) fn all(ctx: &Context, workload: &Workload, pays: &HashMap<TaskId, TaskPay>) -> Vec<Self> {
        workload.jobs.iter().map(|item| Self::of(ctx, item, pays.get(&item.job.id.task))).collect()
    }

    /// As the scheduler takes it. The winner of a race gets the work of all; so much is in its task's reward.
    pub(crate) fn deal(&self) -> Deal {
        Deal { strategy: self.strategy, pay: self.wei / u128::from(self.strategy.holders()) }
    }

    /// What a lease keeps, if it was given for so many wei: where provers compete what came of the bids, and all of it
    /// otherwise. Rounded up, so that it is not below what was asked.
    pub(crate) fn granted(&self, wei: u128) -> Option<u128> {
        let (_, amount) = self.pay?;
        match self.strategy {
            Strategy::Compete if wei < self.wei => Some(pay::in_token(wei, self.per_ether).min(amount)),
            _ => Some(amount),
        }
    }
}

/// What each owner asks for each kind of work, on whichever of its devices it asks most.
#[derive(Debug, Default)]
struct Asks(BTreeMap<ProofKind, BTreeMap<Address, u128>>);

impl Asks {
    fn of(provers: &[ProverRecord]) -> Self {
        let mut all = Self::default();
        for prover in provers {
            for (kind, ask) in &prover.description.asks {
                let most = all.0.entry(*kind).or_default().entry(prover.id.address).or_default();
                *most = (*most).max(*ask);
            }
        }
        all
    }

    /// The owners for whom a job pays too little.
    fn dear(&self, job: &Job, worth: &Worth) -> impl Iterator<Item = Address> {
        let asked = self.0.get(&job.kind).into_iter().flatten();
        asked.filter(move |(_, ask)| pay::asked(**ask, job.units, ETHER) > worth.wei).map(|(owner, _)| *owner)
    }
}

/// Keeps jobs from owners who ask for more than they pay: they would be given up.
pub(crate) fn bar_dear(workload: &mut Workload, worth: &[Worth]) {
    let asks = Asks::of(&workload.provers);
    for (item, worth) in workload.jobs.iter_mut().zip(worth) {
        item.excluded.extend(asks.dear(&item.job.job, worth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_lease_keeps_is_neither_below_what_was_asked_nor_above_what_the_task_pays() {
        // A token with six decimals, at three thousand for one ether.
        let per_ether = 3_000_000_000;
        for (amount, strategy) in [(1_000_000, Strategy::Compete), (7, Strategy::Compete), (7, Strategy::Assign)] {
            let wei = pay::in_wei(amount, per_ether);
            let worth = Worth { pay: Some((Address::ZERO, amount)), wei, strategy, per_ether };
            assert_eq!(worth.granted(wei), Some(amount));
            for part in [0, 1, 2, 3] {
                let bid = wei / 3 * part;
                let kept = worth.granted(bid).unwrap();
                assert!(kept <= amount && pay::in_wei(kept, per_ether) >= bid.min(wei), "{kept} for {bid}");
                assert!(strategy == Strategy::Compete || kept == amount);
            }
        }
        let outside = Worth { pay: None, wei: 5, strategy: Strategy::Compete, per_ether };
        assert_eq!(outside.granted(3), None);
    }

    #[test]
    fn a_race_is_not_paid_more_than_its_reward_has() {
        let strategy = Strategy::Race { provers: 3 };
        let worth = Worth { pay: Some((Address::ZERO, 100)), wei: 100, strategy, per_ether: ETHER };
        assert_eq!((worth.deal().pay, worth.deal().reward(), worth.granted(99)), (33, 99, Some(100)));
    }
}
