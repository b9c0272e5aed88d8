//! The provers during one decision: who is free now, and who will be when.

use crate::{Candidate, Millis, OpenJob};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};
use zkpool_protocol::{Address, ProofKind};

/// The most places of one prover that count.
const PLACES: u32 = 64;
/// Of the busy provers only so many are considered for a job, the fastest at its kind of work: a slower one gains less by
/// being waited for.
const CONSIDERED: usize = 64;

/// Who is free now, and who will be when. What is given or promised is taken into account at once.
pub(crate) struct Floor<'a> {
    provers: &'a [Candidate],
    now: Millis,
    /// How many places are free now.
    free: Vec<u32>,
    /// How many places were given away in this decision.
    given: Vec<usize>,
    /// When the places that are taken should be free.
    taken: Vec<BinaryHeap<Reverse<Millis>>>,
    lines: BTreeMap<ProofKind, Line>,
}

/// Those that do one kind of work.
struct Line {
    /// The prover of each place that was free at first; the fastest first, of equals the one with the fewest jobs.
    places: Vec<usize>,
    /// Where each prover's places are among them.
    own: BTreeMap<usize, Vec<usize>>,
    /// The places that are free, to be found by memory.
    index: Index,
    /// The fastest provers, free or busy.
    fast: Vec<usize>,
}

impl<'a> Floor<'a> {
    /// `held` are the live leases of each prover by when they should end; whoever `missed` gets nothing.
    pub(crate) fn new(
        provers: &'a [Candidate],
        mut held: Vec<Vec<Millis>>,
        missed: &[bool],
        kinds: impl IntoIterator<Item = ProofKind>,
        now: Millis,
    ) -> Self {
        let mut free = vec![0; provers.len()];
        let mut busy = vec![0; provers.len()];
        let mut taken = vec![BinaryHeap::new(); provers.len()];
        for (index, prover) in provers.iter().enumerate().filter(|(index, prover)| prover.is_in(now) && !missed[*index])
        {
            let count = held[index].len();
            busy[index] = count;
            free[index] = prover.waiting.min(prover.concurrency.saturating_sub(count as u32)).min(PLACES);
            // One that has more than it takes by now is free only when those are done.
            held[index].sort_unstable();
            let over = count.saturating_sub(prover.concurrency as usize);
            taken[index] = held[index].drain(over..).map(Reverse).collect();
        }
        let mut floor = Self { provers, now, given: vec![0; provers.len()], free, taken, lines: BTreeMap::new() };
        for kind in kinds {
            if !floor.lines.contains_key(&kind) {
                let line = floor.line(kind, &busy);
                floor.lines.insert(kind, line);
            }
        }
        floor
    }

    fn line(&self, kind: ProofKind, busy: &[usize]) -> Line {
        let there = |index: &usize| self.free[*index] > 0 || !self.taken[*index].is_empty();
        let speeds = (0..self.provers.len()).filter(there);
        let mut able: Vec<(f64, usize)> =
            speeds.filter_map(|index| Some((self.provers[index].speed(kind)?, index))).collect();
        able.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let fast = able.iter().take(CONSIDERED).map(|(_, index)| *index).collect();
        let each = able.iter().flat_map(|(speed, index)| {
            (0..self.free[*index] as usize).map(move |n| (*speed, busy[*index] + n, *index))
        });
        let mut places: Vec<(f64, usize, usize)> = each.collect();
        places.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let places: Vec<usize> = places.into_iter().map(|(.., index)| index).collect();
        let mut own: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, prover) in places.iter().enumerate() {
            own.entry(*prover).or_default().push(place);
        }
        let index = Index::new(places.iter().map(|prover| self.provers[*prover].memory));
        Line { places, own, index, fast }
    }

    /// The free prover that would have the job done soonest, and how long it takes; none of these owners.
    pub(crate) fn soonest(&self, job: &OpenJob, not: &[Address]) -> Option<(usize, Millis)> {
        let line = self.lines.get(&job.kind)?;
        let mut from = 0;
        while let Some(place) = line.index.first(from, job.memory) {
            let prover = line.places[place];
            if may(&self.provers[prover], job, not)
                && let Some(takes) = self.provers[prover].estimate(job)
            {
                return Some((prover, takes));
            }
            from = place + 1;
        }
        None
    }

    /// Of the free provers that have the job's inputs, the one that would have it done soonest; none of these owners.
    pub(crate) fn nearest(&self, job: &OpenJob, not: &[Address]) -> Option<(usize, Millis)> {
        let able = job.near.iter().filter_map(|&index| {
            let prover = self.provers.get(index).filter(|prover| self.free[index] > 0 && may(prover, job, not))?;
            Some((index, prover.estimate(job)?))
        });
        able.min_by_key(|(index, takes)| (*takes, *index))
    }

    /// The busy prover that would have the job done soonest if it did it next, and when; none of these owners, and only one
    /// that should be free within `patience`.
    pub(crate) fn soonest_later(&self, job: &OpenJob, not: &[Address], patience: Millis) -> Option<(usize, Millis)> {
        let fast = self.lines.get(&job.kind)?.fast.iter().filter_map(|&index| {
            let Reverse(at) = *self.taken[index].peek()?;
            let able = at.saturating_sub(self.now) <= patience && may(&self.provers[index], job, not);
            let takes = self.provers[index].estimate(job).filter(|_| able)?;
            Some((index, at.max(self.now).saturating_add(takes)))
        });
        fast.min_by_key(|(index, end)| (*end, *index))
    }

    /// A place that is free goes to a job that ends then.
    pub(crate) fn give(&mut self, prover: usize, end: Millis) {
        self.free[prover] = self.free[prover].saturating_sub(1);
        for line in self.lines.values_mut() {
            if let Some(place) = line.own.get(&prover).and_then(|own| own.get(self.given[prover])) {
                line.index.remove(*place);
            }
        }
        self.given[prover] += 1;
        self.taken[prover].push(Reverse(end));
    }

    /// The place of a busy prover that is free next is promised to a job that ends then.
    pub(crate) fn promise(&mut self, prover: usize, end: Millis) {
        self.taken[prover].pop();
        self.taken[prover].push(Reverse(end));
    }
}

/// Whether the job may go to this prover's owner.
fn may(prover: &Candidate, job: &OpenJob, not: &[Address]) -> bool {
    !job.barred.contains(&prover.address) && !not.contains(&prover.address)
}

/// A row of places, of which the first with enough memory is found, and any removed, in logarithmic time: a tree of maxima
/// in an array, leaves last. Nothing left is 0, otherwise it is the memory and one.
struct Index {
    tree: Vec<u64>,
}

impl Index {
    fn new(memory: impl ExactSizeIterator<Item = u64>) -> Self {
        let leaves = memory.len().next_power_of_two();
        let mut tree = vec![0; 2 * leaves];
        for (place, memory) in memory.enumerate() {
            tree[leaves + place] = memory.saturating_add(1);
        }
        for node in (1..leaves).rev() {
            tree[node] = tree[2 * node].max(tree[2 * node + 1]);
        }
        Self { tree }
    }

    /// The first place from there on with so much memory.
    fn first(&self, from: usize, memory: u64) -> Option<usize> {
        let (leaves, need) = (self.tree.len() / 2, memory.saturating_add(1));
        let mut node = (from < leaves).then_some(leaves + from)?;
        while self.tree[node] < need {
            // To the right: up as long as it is a right child, then over to the sibling.
            while node % 2 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node += 1;
        }
        while node < leaves {
            node *= 2;
            if self.tree[node] < need {
                node += 1;
            }
        }
        Some(node - leaves)
    }

    fn remove(&mut self, place: usize) {
        let mut node = self.tree.len() / 2 + place;
        self.tree[node] = 0;
        while node > 1 {
            node /= 2;
            self.tree[node] = self.tree[2 * node].max(self.tree[2 * node + 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_finds_what_a_walk_finds() {
        for count in 0..19_usize {
            let memory: Vec<u64> = (0..count as u64).map(|n| n * 7 % 11).collect();
            let mut index = Index::new(memory.iter().copied());
            let mut left: Vec<Option<u64>> = memory.into_iter().map(Some).collect();
            for gone in 0..=count {
                for (from, need) in (0..=count).flat_map(|from| (0..12).map(move |need| (from, need))) {
                    let walk = (from..count).find(|place| left[*place].is_some_and(|memory| memory >= need));
                    assert_eq!(index.first(from, need), walk, "{left:?} from {from} for {need}");
                }
                if let Some(place) = (gone < count).then(|| gone * 19 % count) {
                    index.remove(place);
                    left[place] = None;
                }
            }
        }
    }
}
