//! Independence: no owner works on two legs of one bundle.
//!
//! What is proven in several ways is worth more than what is proven once only as long as nobody has a hand in two of them.
//! It is not enough to keep each owner to one leg: the one who could prove the last leg must not be used up by the first.

use crate::{
    Millis, OpenJob,
    index::{Member, Open},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use zkpool_protocol::{Address, JobId, TaskId};

/// With so many owners who could do it a leg never runs out of them: the other legs take fewer.
const MANY: usize = zkpool_protocol::bundle::MAX_LEGS + 1;

/// The legs that are being worked on or are to be, and by whom; of the bundles that have been asked about.
pub(crate) struct Legs<'a> {
    provers: &'a BTreeMap<usize, Member>,
    jobs: &'a HashMap<JobId, Open>,
    open: &'a BTreeMap<TaskId, BTreeSet<JobId>>,
    now: Millis,
    bundles: BTreeMap<TaskId, BTreeMap<u32, Leg<'a>>>,
    /// What `not` has said of a leg, whose jobs can be many; until somebody is given a job of its bundle.
    said: BTreeMap<(TaskId, u32), Vec<Address>>,
}

struct Leg<'a> {
    /// One of its jobs: who can do this one can do the leg.
    job: &'a OpenJob,
    /// Who is at work on it.
    owners: BTreeSet<Address>,
}

impl<'a> Legs<'a> {
    /// `open` are the jobs of each bundle.
    pub(crate) fn new(
        provers: &'a BTreeMap<usize, Member>,
        jobs: &'a HashMap<JobId, Open>,
        open: &'a BTreeMap<TaskId, BTreeSet<JobId>>,
        now: Millis,
    ) -> Self {
        Self { provers, jobs, open, now, bundles: BTreeMap::new(), said: BTreeMap::new() }
    }

    fn bundle(&mut self, id: TaskId) -> &mut BTreeMap<u32, Leg<'a>> {
        let (jobs, open) = (self.jobs, self.open);
        self.bundles.entry(id).or_insert_with(|| {
            let mut legs = BTreeMap::new();
            let ids = open.get(&id).into_iter().flatten();
            for job in ids.filter_map(|id| jobs.get(id)).map(|open| &open.job) {
                let Some(of) = job.leg else { continue };
                let leg = legs.entry(of.leg).or_insert_with(|| Leg { job, owners: BTreeSet::new() });
                // The largest job is the one that is hardest to find somebody for.
                if job.memory > leg.job.memory {
                    leg.job = job;
                }
                leg.owners.extend(job.holders.iter().map(|holder| holder.owner));
            }
            legs
        })
    }

    /// Notes that an owner was given a job.
    pub(crate) fn given(&mut self, job: &OpenJob, owner: Address) {
        if let Some(of) = job.leg
            && let Some(leg) = self.bundle(of.bundle).get_mut(&of.leg)
            && leg.owners.insert(owner)
        {
            self.said.retain(|(bundle, _), _| *bundle != of.bundle);
        }
    }

    /// Who must not get this job: those at work on another leg of its bundle, and those without whom another leg, on which
    /// nobody is at work yet, could find nobody of its own.
    pub(crate) fn not(&mut self, job: &OpenJob) -> Vec<Address> {
        let Some(of) = job.leg else { return vec![] };
        if let Some(said) = self.said.get(&(of.bundle, of.leg)) {
            return said.clone();
        }
        self.bundle(of.bundle);
        let Some(bundle) = self.bundles.get(&of.bundle) else { return vec![] };
        let not = self.not_of(of.leg, bundle);
        self.said.insert((of.bundle, of.leg), not.clone());
        not
    }

    fn not_of(&self, of: u32, bundle: &BTreeMap<u32, Leg<'a>>) -> Vec<Address> {
        let others = bundle.iter().filter(|(leg, _)| **leg != of).map(|(_, leg)| leg);
        let mut not: Vec<Address> = others.clone().flat_map(|leg| leg.owners.iter().copied()).collect();
        let taken: BTreeSet<Address> = bundle.values().flat_map(|leg| leg.owners.iter().copied()).collect();
        let waiting = others.filter(|leg| leg.owners.is_empty());
        // An owner at work on this leg is no choice for another one any more.
        let able: Vec<Vec<Address>> = waiting.map(|leg| self.able(leg.job, &taken)).collect();
        let scarce: Vec<&[Address]> = able.iter().map(Vec::as_slice).filter(|owners| owners.len() < MANY).collect();
        let own = bundle.get(&of).filter(|leg| leg.owners.is_empty()).map(|leg| self.able(leg.job, &taken));
        let all: Vec<&[Address]> = scarce.iter().copied().chain(own.as_deref()).collect();
        if !each_has_one_of_its_own(&all, None) {
            // Somebody is missing in any case: what can be done is done.
            return not;
        }
        let critical: BTreeSet<Address> = scarce.iter().flat_map(|owners| owners.iter().copied()).collect();
        not.extend(critical.into_iter().filter(|owner| !each_has_one_of_its_own(&scarce, Some(*owner))));
        not
    }

    /// The owners, but for those `taken`, who could do a job, or enough of them.
    fn able(&self, job: &OpenJob, taken: &BTreeSet<Address>) -> Vec<Address> {
        let mut owners = BTreeSet::new();
        for prover in self.provers.values().map(|member| &member.candidate) {
            let fits = prover.present && prover.is_in(self.now) && prover.estimate(job).is_some();
            if fits && !taken.contains(&prover.address) && !job.barred.contains(&prover.address) {
                owners.insert(prover.address);
                if owners.len() == MANY {
                    break;
                }
            }
        }
        owners.into_iter().collect()
    }
}

/// Whether each leg can have an owner of its own among those who could do it; without one of them, if one is named.
///
/// A bipartite matching by augmenting paths (Kuhn): the sets are few and small.
pub fn each_has_one_of_its_own(legs: &[&[Address]], without: Option<Address>) -> bool {
    let mut holder: BTreeMap<Address, usize> = BTreeMap::new();
    (0..legs.len()).all(|leg| find(legs, without, leg, &mut holder, &mut BTreeSet::new()))
}

fn find(
    legs: &[&[Address]],
    without: Option<Address>,
    leg: usize,
    holder: &mut BTreeMap<Address, usize>,
    tried: &mut BTreeSet<Address>,
) -> bool {
    for owner in legs[leg].iter().copied().filter(|owner| Some(*owner) != without) {
        if !tried.insert(owner) {
            continue;
        }
        let held_by = holder.get(&owner).copied();
        if held_by.is_none_or(|other| find(legs, without, other, holder, tried)) {
            holder.insert(owner, leg);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_has_one_of_its_own_or_not() {
        let [a, b, c] = [1, 2, 3].map(Address::with_last_byte);
        let fits = |legs: &[&[Address]], without| each_has_one_of_its_own(legs, without);
        assert!(fits(&[], None));
        assert!(fits(&[&[a, b], &[a]], None), "the first makes room for the second");
        assert!(!fits(&[&[a], &[a]], None));
        assert!(!fits(&[&[a, b], &[a, b], &[a, b]], None));
        assert!(fits(&[&[a, b], &[a, b], &[a, b, c]], None));
        assert!(!fits(&[&[a, b], &[a, b], &[a, b, c]], Some(c)));
        assert!(!fits(&[&[a]], Some(a)));
    }
}
