//! How long to wait before trying again.

use rand::Rng;
use std::time::Duration;

/// Exponential backoff with jitter: a crowd of provers that lost the same operator does not come back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first wait.
    pub first: Duration,
    /// Upper bound of every wait.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), max: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// Starts counting.
    pub fn start(self) -> Attempts {
        Attempts { backoff: self, failures: 0 }
    }

    /// Upper bound of the wait after so many failures in a row.
    fn bound(self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(self.max)
    }
}

/// Failures in a row.
#[derive(Debug, Clone)]
pub struct Attempts {
    backoff: Backoff,
    failures: u32,
}

impl Attempts {
    /// Counts a failure; returns how long to wait: between half of the bound and the bound.
    pub fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let bound = self.backoff.bound(self.failures);
        bound.mul_f64(rand::thread_rng().gen_range(0.5..=1.0))
    }

    /// A success: the next failure is the first again. Returns how many failures came before.
    pub fn succeeded(&mut self) -> u32 {
        std::mem::take(&mut self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_start_again_after_a_success() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(2) };
        let mut attempts = backoff.start();
        for bound in [100, 200, 400, 800, 1600, 2000, 2000] {
            let wait = attempts.failed();
            assert!(wait <= Duration::from_millis(bound) && wait >= Duration::from_millis(bound / 2), "{wait:?}");
        }
        for _ in 0..100 {
            assert!(attempts.failed() <= backoff.max, "weeks of outage do not overflow");
        }
        assert_eq!(attempts.succeeded(), 107);
        assert!(attempts.failed() <= backoff.first);
    }
}
