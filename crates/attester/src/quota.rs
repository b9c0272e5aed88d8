//! How much one operator can make a member remember.
//!
//! One receipt can be written down in many ways, and each way has a hash of its own. All of them prove one journal, so
//! none contradicts another, and each that is signed for is remembered for ever. Without a bound one operator could fill
//! memory and disk of every member.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// Seconds in which what is new is counted.
const HOUR: u64 = 3600;

/// When each operator's claims of the last hour were signed for the first time: unix seconds, by this machine's clock.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    times: HashMap<String, VecDeque<u64>>,
}

impl Quota {
    /// A claim was signed for the first time.
    pub(crate) fn note(&mut self, operator: &str, at: u64) {
        let times = self.times.entry(operator.to_owned()).or_default();
        times.push_back(at);
        while times.front().is_some_and(|first| first.saturating_add(HOUR) <= at) {
            times.pop_front();
        }
    }

    /// How long the operator must wait for its next new claim, if it has had `most` within the last hour.
    pub(crate) fn wait(&self, operator: &str, now: u64, most: usize) -> Option<Duration> {
        // What a clock that was set back says comes later is not counted: it would bar the operator until then.
        let recent = |at: &u64| *at <= now && now < at.saturating_add(HOUR);
        let mut counted: Vec<_> = self.times.get(operator)?.iter().copied().filter(recent).collect();
        counted.sort_unstable();
        let oldest = counted.len().checked_sub(most.max(1))?;
        let free_at = counted[oldest].saturating_add(HOUR);
        Some(Duration::from_secs(free_at.saturating_sub(now).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_waits_until_an_hour_after_what_is_too_much() {
        let mut quota = Quota::default();
        let seconds = |quota: &Quota, now| quota.wait("a", now, 2).map(|wait| wait.as_secs());
        assert_eq!(seconds(&quota, 1000), None);
        quota.note("a", 1000);
        assert_eq!(seconds(&quota, 1000), None);
        quota.note("a", 1010);
        assert_eq!(quota.wait("b", 1010, 2), None, "another operator's");
        assert_eq!(seconds(&quota, 1010), Some(3590));
        assert_eq!(seconds(&quota, 4599), Some(1));
        assert_eq!(seconds(&quota, 4600), None);
        quota.note("a", 4600);
        assert_eq!(quota.times["a"], [1010, 4600], "what is over is forgotten");
        assert_eq!(seconds(&quota, 4600), Some(10));
        // The clock is set back, and nobody is barred for it.
        assert_eq!(seconds(&quota, 900), None);
    }

    #[test]
    fn nobody_is_barred_for_ever() {
        let mut quota = Quota::default();
        assert_eq!(quota.wait("a", 1000, 0), None);
        quota.note("a", u64::MAX);
        assert_eq!(quota.wait("a", 1000, 0), None);
    }
}
