//! What [`Strategy`] a task is worth, what its jobs earn, and who wins one by bidding.

use crate::{Candidate, Millis, OpenJob, Rules};
use zkpool_protocol::{Address, Strategy, WorkUnits};

/// Parts of a score: a price that is all that may be paid is so many, a time that is all there is as many again.
const WHOLE: u128 = 1_000_000;

/// How a task's jobs are best handed out if nobody has chosen: `assign`, or a race of as many as are worth their work when
/// failing costs so much ([`redundancy`]).
pub fn suited(work: u128, at_stake: u128, miss_bps: u32) -> Strategy {
    match redundancy(work, at_stake, miss_bps) {
        provers if provers > 1 => Strategy::Race { provers },
        _ => Strategy::Assign,
    }
}

/// How many should prove at once what costs `work` each and `at_stake` if all of them fail, when so many of ten thousand
/// leases are missed: the number, at most three, with the least expected cost.
///
/// That one falls behind is seen in time as a rule, and somebody else gets a copy; `miss_bps` is therefore of misses that
/// cannot be made up for any more, not of all.
pub fn redundancy(work: u128, at_stake: u128, miss_bps: u32) -> u32 {
    let miss = u128::from(miss_bps.min(10_000));
    let cost = |provers: u32| {
        let lost = (0..provers).fold(at_stake, |lost, _| lost / 10_000 * miss + lost % 10_000 * miss / 10_000);
        work.saturating_mul(u128::from(provers)).saturating_add(lost)
    };
    (1..=3).min_by_key(|provers| cost(*provers)).unwrap_or(1)
}

/// What a task's jobs are done for, and how they are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deal {
    /// How.
    pub strategy: Strategy,
    /// What this job's work is worth at the pool's price, in wei: what one prover gets at most, but for the winner of a
    /// race.
    pub pay: u128,
}

impl Deal {
    /// What a holder that was not chosen by its bid gets for a result that counts.
    pub fn reward(&self) -> u128 {
        self.pay.saturating_mul(u128::from(self.strategy.holders()))
    }
}

/// An offer to do a job. Lower is better: first whoever is on time, then the sum of price and time, each as a part of what
/// there is, then the lower index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bid {
    pub(crate) score: Score,
    pub(crate) prover: usize,
    pub(crate) owner: Address,
    pub(crate) price: u128,
    pub(crate) takes: Millis,
}

/// How good an offer is; lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    /// Whether it would be late.
    pub late: bool,
    /// Price as a part of [`Deal::pay`] and time as a part of the time there is, both in millionths, added.
    pub parts: u128,
}

/// Who has a job by its bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Award {
    pub(crate) prover: usize,
    pub(crate) takes: Millis,
    pub(crate) pay: u128,
}

/// The score of an offer to do a job at this price in this time.
pub fn score(job: &OpenJob, now: Millis, rules: &Rules, price: u128, takes: Millis) -> Score {
    let time = u128::from(takes) * WHOLE / u128::from(time_left(job, now, rules));
    let price = price.saturating_mul(WHOLE).checked_div(job.deal.pay).unwrap_or_default();
    Score { late: takes > time_left(job, now, rules), parts: time.saturating_add(price) }
}

/// Until the task is late, or, if it is, until it is worth nothing; never nothing.
fn time_left(job: &OpenJob, now: Millis, rules: &Rules) -> Millis {
    let on_time = job.proof_deadline.saturating_sub(job.after).saturating_sub(rules.delivery);
    let end = if on_time > now { on_time } else { job.liability_deadline };
    end.saturating_sub(now).max(1)
}

/// What a prover asks for so much work; all that is paid if it asks nothing in particular, `None` if it asks for more.
pub(crate) fn asked(ask: Option<u128>, units: WorkUnits, pay: u128) -> Option<u128> {
    let Some(ask) = ask else { return Some(pay) };
    let price = ask.saturating_mul(u128::from(units.0)).div_ceil(1_000_000);
    (price <= pay || pay == 0).then_some(price)
}

impl Candidate {
    /// What this prover bids for a job.
    pub(crate) fn bid(&self, prover: usize, job: &OpenJob, now: Millis, rules: &Rules) -> Option<Bid> {
        let takes = self.estimate(job)?;
        let price = asked(self.asks.get(&job.kind).copied(), job.units, job.deal.pay)?;
        Some(Bid { score: score(job, now, rules, price, takes), prover, owner: self.address, price, takes })
    }
}

/// The best bid, and the best of another owner.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bids {
    best: Option<Bid>,
    next: Option<Bid>,
}

impl Bids {
    pub(crate) fn add(&mut self, bid: Bid) {
        match self.best {
            Some(best) if best <= bid => {
                if best.owner != bid.owner && self.next.is_none_or(|next| bid < next) {
                    self.next = Some(bid);
                }
            }
            best => {
                self.next = best.filter(|best| best.owner != bid.owner).or(self.next);
                self.best = Some(bid);
            }
        }
    }

    /// Whether whoever scores this or worse, and has this index or a higher one, would not change the outcome.
    pub(crate) fn settled_at(&self, (score, prover): (Score, usize)) -> bool {
        self.next.is_some_and(|next| (next.score, next.prover) <= (score, prover))
    }

    /// The winner is paid what would make it as good as the runner-up: never less than it asks, never more than the pay.
    pub(crate) fn award(&self, job: &OpenJob, now: Millis, rules: &Rules) -> Option<Award> {
        let best = self.best?;
        let pay = job.deal.pay;
        let rival = self.next.filter(|next| next.score.late == best.score.late).map(|next| next.score.parts);
        let time = score(job, now, rules, 0, best.takes).parts;
        let worth = rival.map_or(pay, |parts| pay.saturating_mul(parts.saturating_sub(time)) / WHOLE);
        Some(Award { prover: best.prover, takes: best.takes, pay: worth.min(pay).max(best.price) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redundancy_is_for_what_costs_far_more_to_lose_than_to_do() {
        assert_eq!(redundancy(100, 0, 500), 1);
        // 1 in 20 fails: a second one is worth it from about 21 times its cost on, a third from 421 times.
        assert_eq!(redundancy(1_000, 20_000, 500), 1);
        assert_eq!(redundancy(1_000, 22_000, 500), 2);
        assert_eq!(redundancy(1_000, 400_000, 500), 2);
        assert_eq!(redundancy(1_000, 430_000, 500), 3);
        assert_eq!(redundancy(1, u128::MAX, 10_000), 1, "what is lost in any case");
        assert_eq!(suited(1_000, 22_000, 500), Strategy::Race { provers: 2 });
        assert_eq!(suited(1_000, 20_000, 500), Strategy::Assign);
    }

    #[test]
    fn the_winner_of_a_race_gets_the_work_of_all() {
        assert_eq!(Deal { strategy: Strategy::Race { provers: 3 }, pay: 7 }.reward(), 21);
    }
}
