//! How long the way from a job to its task's end is.

use crate::{
    Candidate, Millis,
    snapshot::{time, usable},
};
use std::collections::BTreeMap;
use zkpool_protocol::{Job, ProofKind, WorkUnits};

/// The pool's typical speed at each kind of work: the median of its provers'.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Typical {
    speeds: BTreeMap<ProofKind, f64>,
}

impl Typical {
    /// Of these provers.
    pub fn of<'a>(provers: impl IntoIterator<Item = &'a Candidate>) -> Self {
        let mut by_kind: BTreeMap<ProofKind, Vec<f64>> = BTreeMap::new();
        for prover in provers {
            for (kind, speed) in &prover.speeds {
                by_kind.entry(*kind).or_default().extend(usable(Some(speed)));
            }
        }
        let median = |(kind, mut speeds): (ProofKind, Vec<f64>)| {
            let middle = speeds.len() / 2;
            (!speeds.is_empty()).then(|| (kind, *speeds.select_nth_unstable_by(middle, f64::total_cmp).1))
        };
        Self { speeds: by_kind.into_iter().filter_map(median).collect() }
    }

    /// How long so much work of a kind takes; nothing if nobody does that kind.
    pub fn time(&self, kind: ProofKind, units: WorkUnits) -> Millis {
        self.speeds.get(&kind).map_or(0, |speed| time(units, *speed))
    }
}

/// For each job, how long the longest way from its own end to its task's end takes at typical speeds.
///
/// `jobs` are those of one task that are not done, by index in the task's graph, in rising order. The graph may still
/// grow: what has not been appended is not counted. Linear in jobs and edges (times the logarithm of the jobs), so that it
/// can be had anew for every decision.
pub fn after<'a>(jobs: &[(u32, &'a Job)], typical: &Typical) -> Vec<Millis> {
    let mut after = vec![0; jobs.len()];
    // An edge points back, so whatever needs a job has been seen before the job itself.
    for (place, (_, job)) in jobs.iter().enumerate().rev() {
        let way = typical.time(job.kind, job.units).saturating_add(after[place]);
        for needs in &job.needs {
            // What is done is not among them.
            if let Ok(needed) = jobs.binary_search_by_key(needs, |(index, _): &(u32, &'a Job)| *index) {
                after[needed] = way.max(after[needed]);
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Standing;
    use zkpool_protocol::{Address, B256, BlobId, zkvm::Growth, zkvm::SegmentRef};

    fn prover(composite: f64, succinct: f64) -> Candidate {
        Candidate {
            present: true,
            enclaves: vec![],
            asks: BTreeMap::new(),
            address: Address::ZERO,
            waiting: 1,
            concurrency: 1,
            memory: 1 << 40,
            speeds: [(ProofKind::Risc0Composite, composite), (ProofKind::Risc0Succinct, succinct)].into(),
            standing: Standing::default(),
        }
    }

    #[test]
    fn typical_is_the_middle_and_nonsense_does_not_count() {
        let odd = [prover(1.0, f64::NAN), prover(5.0, 0.0), prover(900.0, -1.0)];
        let typical = Typical::of(&odd);
        assert_eq!(typical.time(ProofKind::Risc0Composite, WorkUnits(10)), 2_000);
        assert_eq!(typical.time(ProofKind::Risc0Succinct, WorkUnits(10)), 0);
    }

    #[test]
    fn the_way_to_the_end_goes_over_the_tree() {
        let mut growth = Growth::new(BlobId::of(b"p"), ProofKind::Risc0Succinct, 0);
        let segment = SegmentRef { blob: BlobId::of(b"s"), po2: 18, claim: B256::ZERO };
        let mut jobs: Vec<Job> = (0..3).flat_map(|_| growth.segment(&segment)).collect();
        jobs.extend(growth.finish(&[]));
        // 0 prove, 1 lift, 2 prove, 3 lift, 4 join(1, 3), 5 prove, 6 lift, 7 join(4, 6), 8 seal; a step takes 1 s.
        let typical = Typical::of(&[prover(1e9, 100_000.0)]);
        let open: Vec<(u32, &Job)> = (0..).zip(&jobs).collect();
        assert_eq!(after(&open, &typical), [3_000, 2_000, 3_000, 2_000, 1_000, 2_000, 1_000, 0, 0]);
        // What is done is left out, and changes nothing for the rest.
        assert_eq!(after(&open[4..], &typical), [1_000, 2_000, 1_000, 0, 0]);
    }
}
