//! How a prover stands: misses exclude it, for longer each time.

use crate::{Millis, Rules};
use zkpool_protocol::WorkUnits;

/// How a prover stands after hits and misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Misses in a row.
    pub misses: u32,
    /// Gets no job before.
    pub excluded_until: Millis,
    /// How long the last exclusion was; the next one is twice as long.
    pub window: Millis,
    /// Too many misses in a row: gets no job until it bonds anew, or its operator lets it in.
    pub out: bool,
}

impl Standing {
    /// After a result that was late, wrong, or never came.
    #[must_use]
    pub fn after_miss(self, now: Millis, rules: &Rules) -> Self {
        let misses = self.misses.saturating_add(1);
        let window = if self.window == 0 { rules.exclusion } else { self.window.saturating_mul(2) };
        Self { misses, window, excluded_until: now.saturating_add(window), out: self.out || misses >= rules.strikes }
    }

    /// After an accepted result: a clean slate. Who is out stays out: else one of several jobs in hand, done in time, would
    /// undo what the others have led to.
    #[must_use]
    pub fn after_hit(self) -> Self {
        Self { out: self.out, ..Self::default() }
    }

    /// After a result that came when its lease had ended, and was used all the same: it is no miss in a row with others any
    /// more, but what is to be sat out stays, and so does the length of the next exclusion.
    #[must_use]
    pub fn after_late(self) -> Self {
        Self { misses: self.misses.saturating_sub(1), out: false, ..self }
    }

    /// After bonding anew, or being let in: it is in, but what it had to sit out stays, and so does the length of the next
    /// exclusion.
    #[must_use]
    pub fn after_bond(self) -> Self {
        Self { misses: 0, out: false, ..self }
    }
}

/// A prover's speed after a job of `units` took `millis`: mostly what was known, so that one odd job does not decide.
pub fn observed_speed(known: Option<f64>, units: WorkUnits, millis: Millis) -> f64 {
    let seen = units.0 as f64 * 1_000.0 / millis.max(1) as f64;
    known.map_or(seen, |known| 0.8 * known + 0.2 * seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions_double_and_the_third_miss_puts_it_out() {
        let rules = Rules::default();
        let first = Standing::default().after_miss(0, &rules);
        assert_eq!((first.excluded_until, first.out), (60_000, false));
        let second = first.after_miss(100_000, &rules);
        assert_eq!((second.excluded_until, second.out), (220_000, false));
        let third = second.after_miss(300_000, &rules);
        assert!(third.out);
        assert_eq!(third.after_hit(), Standing { out: true, ..Standing::default() }, "one hit does not let it in");
        assert!(third.after_hit().after_miss(900_000, &rules).out);
        let back = third.after_bond();
        assert_eq!(back, Standing { misses: 0, out: false, ..third });
        assert_eq!(back.after_miss(1_000_000, &rules).window, 480_000);
        assert_eq!(second.after_hit(), Standing::default());
        let late = third.after_late();
        assert_eq!((late.out, late.misses, late.excluded_until), (false, 2, third.excluded_until));
    }

    #[test]
    fn speed_follows_what_is_delivered() {
        assert_eq!(observed_speed(None, WorkUnits(500), 1_000), 500.0);
        assert_eq!(observed_speed(Some(1_000.0), WorkUnits(500), 1_000), 900.0);
        assert!(observed_speed(None, WorkUnits(1), 0).is_finite());
    }
}
