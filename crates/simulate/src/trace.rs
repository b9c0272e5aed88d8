//! Demand: when jobs come, and how large they are.

use crate::{Trace, rng::Rng};
use zkpool_scheduler::Millis;

/// Work units of the smallest job: ten seconds for a prover of median speed.
pub(crate) const BASE_UNITS: u64 = 10_000;
/// Sizes as powers of two of the smallest, and their weights.
const ORDINARY: [f64; 3] = [0.5, 0.3, 0.2];
/// How often each size comes where they are heavy-tailed: a Pareto distribution with exponent 1.2.
const TAIL: f64 = 1.2;
const TAIL_SIZES: usize = 11;
/// What a burst and the time between two last on average.
const BURST: f64 = 120_000.0;

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) at: Millis,
    /// Its size: a power of two of [`BASE_UNITS`].
    pub(crate) size: u8,
}

impl Arrival {
    pub(crate) const fn units(&self) -> u64 {
        BASE_UNITS << self.size
    }
}

/// So many jobs, at a pool that does so many work units a second at full load.
pub(crate) fn arrivals(trace: Trace, jobs: u32, units_per_second: f64, seed: u64) -> Vec<Arrival> {
    let weights = weights(trace);
    let all: f64 = weights.iter().sum();
    let mean: f64 = (0..).zip(&weights).map(|(size, weight)| f64::from(1_u32 << size) * weight / all).sum();
    // Milliseconds between two.
    let gap = mean * BASE_UNITS as f64 * 1_000.0 / units_per_second;
    let end = gap * f64::from(jobs);
    let mut rng = Rng::new(seed, [1, 0]);
    let mut shape = Shape { rng: Rng::new(seed, [1, 1]), high: false, until: 0.0 };
    let mut at = 0.0;
    let mut next = || {
        at += gap * rng.exponential() / shape.rate(trace, at, end);
        Arrival { at: at as Millis, size: rng.weighted(&weights) as u8 }
    };
    (0..jobs).map(|_| next()).collect()
}

fn weights(trace: Trace) -> Vec<f64> {
    match trace {
        Trace::Heavy => (0..TAIL_SIZES).map(|size| (-(size as f64) * TAIL * std::f64::consts::LN_2).exp()).collect(),
        _ => ORDINARY.to_vec(),
    }
}

struct Shape {
    rng: Rng,
    high: bool,
    until: f64,
}

impl Shape {
    /// How much comes now; 1 on average.
    fn rate(&mut self, trace: Trace, at: f64, end: f64) -> f64 {
        match trace {
            Trace::Steady | Trace::Heavy => 1.0,
            Trace::Flash if (0.4..0.45).contains(&(at / end)) => 10.0 / 1.45,
            Trace::Flash => 1.0 / 1.45,
            Trace::Bursty => {
                while at >= self.until {
                    self.high = !self.high;
                    self.until += BURST * self.rng.exponential() * if self.high { 1.0 } else { 4.0 };
                }
                if self.high { 4.0 } else { 0.25 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_is_as_large_as_was_asked_and_the_same_each_time() {
        for trace in [Trace::Steady, Trace::Bursty, Trace::Flash, Trace::Heavy] {
            let all = arrivals(trace, 50_000, 100_000.0, 7);
            assert_eq!(all, arrivals(trace, 50_000, 100_000.0, 7));
            assert!(all.is_sorted_by_key(|arrival| arrival.at));
            let units: u64 = all.iter().map(Arrival::units).sum();
            let rate = units as f64 * 1_000.0 / all.last().map_or(1.0, |last| last.at as f64);
            assert!((rate / 100_000.0 - 1.0).abs() < 0.12, "{trace:?} {rate}");
        }
    }
}
