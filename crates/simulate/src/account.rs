//! What it came to.

use serde::Serialize;
use zkpool_scheduler::Millis;

/// The figures of a run. Money in wei.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Proofs that were delivered, on time or late.
    pub delivered: u32,
    /// Those on time, as a part of all that was asked for.
    pub on_time: f64,
    /// What was never delivered, as a part of all that was asked for.
    pub defaulted: f64,
    /// What it costs to make a proof, wherever it arises: provers' work, in vain or not, and what the operator loses for
    /// what is late.
    pub cost_per_proof: f64,
    /// Of that, provers' work.
    pub work_per_proof: f64,
    /// Of that, what the operator loses.
    pub penalty_per_proof: f64,
    /// What the requester pays, without gas.
    pub price_per_proof: f64,
    /// What provers are paid.
    pub paid_per_proof: f64,
    /// What the operator keeps of the price, after provers' pay and penalties.
    pub kept_per_proof: f64,
    /// How much of the provers' time was worked.
    pub utilisation: f64,
    /// How much of that went into results that did not count.
    pub wasted: f64,
    /// From asking to delivering: half are quicker, in milliseconds.
    pub latency_p50: Millis,
    /// 95 % are quicker.
    pub latency_p95: Millis,
    /// What honest provers were paid an hour.
    pub income: Spread,
    /// What honest provers were paid an hour beyond what working cost them.
    pub profit: Spread,
    /// The Gini coefficient of honest provers' speeds: that of income if it followed speed alone.
    pub gini_of_speed: f64,
    /// What liars were paid, as a part of all that was paid.
    pub paid_to_liars: f64,
    /// Leases that were given.
    pub leases: u64,
    /// How often provers missed.
    pub misses: u64,
    /// How often a late result was used.
    pub late_results: u64,
    /// Decisions that were made.
    pub decisions: u64,
    /// How long it lasted, in milliseconds of its own time.
    pub lasted: Millis,
}

/// How something is spread over provers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// 0 if all have the same, 1 if one has everything.
    pub gini: f64,
    /// A tenth has less.
    pub p10: f64,
    /// Half has less.
    pub p50: f64,
    /// A tenth has more.
    pub p90: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = (values.len().saturating_sub(1) as f64 * part).round() as usize;
            values.get(place).copied().unwrap_or_default()
        };
        Self { gini: gini(&values), p10: at(0.1), p50: at(0.5), p90: at(0.9) }
    }
}

/// Of values in rising order. Losses count as nothing.
pub(crate) fn gini(sorted: &[f64]) -> f64 {
    let (count, positive) = (sorted.len() as f64, || sorted.iter().map(|value| value.max(0.0)));
    let all: f64 = positive().sum();
    if all <= 0.0 {
        return 0.0;
    }
    let ranked: f64 = positive().enumerate().map(|(rank, value)| (rank as f64 + 1.0) * value).sum();
    (2.0 * ranked / (count * all) - (count + 1.0) / count).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gini_knows_equality_and_one_who_has_everything() {
        assert!(gini(&[3.0; 10]).abs() < 1e-9);
        let mut one = vec![0.0; 99];
        one.push(5.0);
        assert!((gini(&one) - 0.99).abs() < 1e-9);
        assert_eq!(gini(&[]), 0.0);
        let spread = Spread::of((0..=100).rev().map(f64::from).collect());
        assert_eq!((spread.p10, spread.p50, spread.p90), (10.0, 50.0, 90.0));
    }
}
