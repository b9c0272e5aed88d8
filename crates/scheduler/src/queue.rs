//! Jobs that want a prover, the most urgent first, without being sorted for every decision.

use crate::{Millis, OpenJob, Strategy};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, btree_set},
};
use zkpool_protocol::{JobId, ProofKind, WorkUnits};

/// A sort of job: all that decides who can do it and how long that takes, and in which way it finds somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sort {
    pub(crate) kind: ProofKind,
    pub(crate) memory: u64,
    pub(crate) units: WorkUnits,
    pub(crate) way: Way,
}

/// In which way a job finds somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// It waits for somebody better.
    Waits,
    /// Whoever is free will do.
    Takes,
    /// Whoever is free and does not ask too much.
    Bids,
}

impl Sort {
    pub(crate) fn of(job: &OpenJob) -> Self {
        let way = match job.deal.strategy {
            Strategy::Assign => Way::Waits,
            Strategy::Race { .. } => Way::Takes,
            Strategy::Compete => Way::Bids,
        };
        Self { kind: job.kind, memory: job.memory, units: job.units, way }
    }
}

/// Least time to spare first, then the longest way to the task's end, then whatever has been ready for longest.
///
/// How long the job itself takes is added when sorts are compared: it is the same for all of one sort, so the typical
/// speed can change without anything being sorted anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Urgency {
    spare: i64,
    way: Reverse<u64>,
    ready_at: Millis,
    pub(crate) job: JobId,
}

impl Urgency {
    pub(crate) fn of(job: &OpenJob) -> Self {
        let signed = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
        Self {
            spare: signed(job.proof_deadline).saturating_sub(signed(job.after)),
            way: Reverse(job.after),
            ready_at: job.ready_at,
            job: job.id,
        }
    }

    /// With what the job itself takes.
    pub(crate) fn with(self, takes: Millis) -> Self {
        let signed = i64::try_from(takes).unwrap_or(i64::MAX);
        Self { spare: self.spare.saturating_sub(signed), way: Reverse(self.way.0.saturating_add(takes)), ..self }
    }
}

/// The jobs that want a prover.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    sorts: BTreeMap<Sort, BTreeSet<Urgency>>,
    /// What is paid for those of each sort that is bid for, and how many are paid that.
    pays: BTreeMap<Sort, BTreeMap<u128, usize>>,
    count: usize,
}

impl Queue {
    pub(crate) fn insert(&mut self, job: &OpenJob) {
        let sort = Sort::of(job);
        if !self.sorts.entry(sort).or_default().insert(Urgency::of(job)) {
            return;
        }
        self.count += 1;
        if sort.way == Way::Bids {
            *self.pays.entry(sort).or_default().entry(most(job)).or_default() += 1;
        }
    }

    pub(crate) fn remove(&mut self, job: &OpenJob) {
        let sort = Sort::of(job);
        let Some(jobs) = self.sorts.get_mut(&sort) else { return };
        if !jobs.remove(&Urgency::of(job)) {
            return;
        }
        self.count -= 1;
        if jobs.is_empty() {
            self.sorts.remove(&sort);
            self.pays.remove(&sort);
        } else if let Some(pays) = self.pays.get_mut(&sort)
            && let Some(count) = pays.get_mut(&most(job))
        {
            *count -= 1;
            if *count == 0 {
                pays.remove(&most(job));
            }
        }
    }

    /// The most that is paid for a job of a sort that is bid for.
    pub(crate) fn best_paid(&self, sort: Sort) -> Option<u128> {
        self.pays.get(&sort)?.last_key_value().map(|(pay, _)| *pay)
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// All of them and these, the most urgent first.
    pub(crate) fn in_order<'a>(&'a self, takes: impl Fn(Sort) -> Millis, more: &[&OpenJob]) -> InOrder<'a> {
        let mut rows = Vec::with_capacity(self.sorts.len());
        let mut next = BinaryHeap::with_capacity(self.sorts.len() + more.len());
        for (sort, jobs) in &self.sorts {
            let mut row = Row { sort: *sort, takes: takes(*sort), jobs: jobs.iter() };
            next.extend(row.next(rows.len()));
            rows.push(row);
        }
        for job in more {
            let sort = Sort::of(job);
            next.push(Reverse((Urgency::of(job).with(takes(sort)), usize::MAX)));
        }
        InOrder { rows, next }
    }
}

/// What is paid for a job at most: where no pay is named, anything.
fn most(job: &OpenJob) -> u128 {
    if job.deal.pay == 0 { u128::MAX } else { job.deal.pay }
}

struct Row<'a> {
    sort: Sort,
    takes: Millis,
    jobs: btree_set::Iter<'a, Urgency>,
}

impl Row<'_> {
    fn next(&mut self, place: usize) -> Option<Reverse<(Urgency, usize)>> {
        self.jobs.next().map(|urgency| Reverse((urgency.with(self.takes), place)))
    }
}

/// Jobs in order. Whole sorts can be left out on the way.
pub(crate) struct InOrder<'a> {
    rows: Vec<Row<'a>>,
    next: BinaryHeap<Reverse<(Urgency, usize)>>,
}

impl InOrder<'_> {
    /// The next job of a sort that is not to be left out.
    pub(crate) fn next(&mut self, leave_out: impl Fn(Sort) -> bool) -> Option<JobId> {
        loop {
            let Reverse((urgency, place)) = self.next.pop()?;
            let Some(row) = self.rows.get_mut(place) else { return Some(urgency.job) };
            if leave_out(row.sort) {
                continue;
            }
            self.next.extend(row.next(place));
            return Some(urgency.job);
        }
    }
}
