//! The decision: who gets which job.

use crate::{Candidate, Holder, Millis, OpenJob, Rules, Snapshot, Standing, Typical, floor::Floor, legs::Legs};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};
use zkpool_protocol::{Address, JobId, TaskId};

/// What is to be done. Each action stands for itself; whoever carries it out checks that it still fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The lease is over: take the job back.
    Expire {
        /// The job.
        job: JobId,
        /// The lease's fencing token.
        token: u64,
        /// Who held it, and how it stands now; absent if it has left.
        prover: Option<(usize, Standing)>,
    },
    /// Give the job to a prover.
    Lease {
        /// The job.
        job: JobId,
        /// Index in [`Snapshot::provers`].
        prover: usize,
        /// When the lease ends without a sign of life.
        until: Millis,
    },
}

/// One holder for every job (`assign`), the most urgent first: least time to spare until the job must begin for its task
/// to be on time, then the longest way to the task's end.
///
/// Each goes to the free prover that has it done soonest, or to one almost as soon that has its inputs. It waits if a
/// busy prover would have it done clearly sooner and its task is the later for it: the last large segment is not for a
/// slow machine. Waiting ends by itself: only so much is waited ([`Rules::patience`]), a prover that should have been free
/// is expected the later the longer it is not, and as time passes whoever waits becomes the most urgent.
///
/// A second prover gets a copy of a job only when nobody waits for it, when its owner is another, and
/// - when the only holder falls so far behind that the task would be late, and the copy would be done sooner; or
/// - near the end of a zkVM task, when all its jobs are in somebody's hands, when the task ends sooner for it by a margin.
///
/// No owner works on two legs of a bundle that is to be proven independently.
///
/// O((jobs + provers) · log) and a bounded number of busy provers for each job.
pub fn decide(snapshot: &Snapshot, now: Millis, rules: &Rules) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut missed = vec![false; snapshot.provers.len()];
    let mut held = vec![Vec::new(); snapshot.provers.len()];
    let mut tasks: BTreeMap<TaskId, Progress<'_>> = BTreeMap::new();
    let mut wanting: Vec<&OpenJob> = Vec::new();
    let mut behind: Vec<&OpenJob> = Vec::new();
    for job in &snapshot.jobs {
        let (over, live): (Vec<&Holder>, Vec<&Holder>) =
            job.holders.iter().partition(|holder| ends_at(snapshot, job, holder, rules) <= now);
        for holder in over {
            let prover = holder.prover.and_then(|index| {
                // A prover that has just missed gets nothing new in the same breath.
                *missed.get_mut(index)? = true;
                Some((index, snapshot.provers.get(index)?.standing.after_miss(now, rules)))
            });
            actions.push(Action::Expire { job: job.id, token: holder.token, prover });
        }
        let task = tasks.entry(job.id.task).or_default();
        let Some(end) = live.iter().map(|holder| expected_end(snapshot, job, holder, now)).min() else {
            wanting.push(job);
            continue;
        };
        for prover in live.iter().filter_map(|holder| holder.prover) {
            if let Some(places) = held.get_mut(prover) {
                places.push(end);
            }
        }
        task.end = task.end.max(end.saturating_add(job.after));
        let owner = match live[..] {
            [holder] => Some(holder.owner),
            _ => None,
        };
        task.held.insert(job.id, Held { job, end, owner });
        if owner.is_some() && end.saturating_add(job.after).saturating_add(rules.delivery) > job.proof_deadline {
            behind.push(job);
        }
    }
    let kinds = snapshot.jobs.iter().map(|job| job.kind);
    let floor = Floor::new(&snapshot.provers, held, &missed, kinds, now);
    let typical = Typical::of(&snapshot.provers);
    let urgency = |job: &&OpenJob| {
        let way = typical.time(job.kind, job.units).saturating_add(job.after);
        (job.proof_deadline.saturating_sub(way), Reverse(way), job.ready_at, job.id)
    };
    let legs = Legs::new(&snapshot.provers, &snapshot.jobs, now);
    let mut giving = Giving { provers: &snapshot.provers, floor, legs, actions, now, rules };

    wanting.sort_by_cached_key(urgency);
    let mut unserved = BTreeSet::new();
    for job in wanting {
        let task = tasks.entry(job.id.task).or_default();
        if !giving.first(job, task) {
            unserved.insert(job.id.task);
        }
    }
    behind.sort_by_cached_key(urgency);
    for job in behind {
        if let Some(held) = tasks.get_mut(&job.id.task).and_then(|task| task.held.get_mut(&job.id)) {
            giving.copy(held, false);
        }
    }
    for (_, task) in tasks.into_iter().filter(|(id, _)| !unserved.contains(id)) {
        giving.overtake(task);
    }
    giving.actions
}

/// A task, as far as somebody is at work on it.
#[derive(Default)]
struct Progress<'a> {
    held: BTreeMap<JobId, Held<'a>>,
    /// When it ends, as far as is known yet.
    end: Millis,
}

/// A job that somebody is at work on.
struct Held<'a> {
    job: &'a OpenJob,
    /// When it should be done.
    end: Millis,
    /// Whose it is, if it can have a copy: it has one holder, and not only just now.
    owner: Option<Address>,
}

/// What is given out, and to whom.
struct Giving<'a> {
    provers: &'a [Candidate],
    floor: Floor<'a>,
    legs: Legs<'a>,
    actions: Vec<Action>,
    now: Millis,
    rules: &'a Rules,
}

impl<'a> Giving<'a> {
    /// Gives a job its first holder. False if it has to wait.
    fn first(&mut self, job: &'a OpenJob, task: &mut Progress<'a>) -> bool {
        if job.liability_deadline <= self.now {
            return false;
        }
        let not = self.legs.not(job);
        let soonest = self.floor.soonest(job, &not);
        if let Some((prover, end)) = self.floor.soonest_later(job, &not, self.rules.patience) {
            let better = soonest.is_none_or(|(_, takes)| {
                let now_done = self.now.saturating_add(takes);
                let delays = now_done.saturating_add(job.after) > task.end;
                delays && end.saturating_add(self.margin(takes)) <= now_done
            });
            if better {
                // What comes after it sees that this prover is spoken for.
                self.floor.promise(prover, end);
                task.end = task.end.max(end.saturating_add(job.after));
                return false;
            }
        }
        let Some((prover, takes)) = soonest else { return false };
        let near = self.floor.nearest(job, &not).filter(|(_, near)| *near <= takes.saturating_add(self.rules.near));
        let (prover, takes) = near.unwrap_or((prover, takes));
        let end = self.lease(job, prover, takes);
        task.end = task.end.max(end.saturating_add(job.after));
        task.held.insert(job.id, Held { job, end, owner: None });
        true
    }

    /// Gives a job a second holder, if one would be done sooner than the first. False if not.
    fn copy(&mut self, held: &mut Held<'a>, by_a_margin: bool) -> bool {
        let Some(owner) = held.owner.filter(|_| held.job.liability_deadline > self.now) else { return false };
        // A copy on the same owner's machine would likely share its fate.
        let mut not = self.legs.not(held.job).to_vec();
        not.push(owner);
        let Some((prover, takes)) = self.floor.soonest(held.job, &not) else { return false };
        let (end, margin) = (self.now.saturating_add(takes), if by_a_margin { self.margin(takes) } else { 1 });
        if end.saturating_add(margin) > held.end {
            return false;
        }
        // As with a first holder: a fast one that is free soon is worth waiting for.
        let later = self.floor.soonest_later(held.job, &not, self.rules.patience);
        if by_a_margin && later.is_some_and(|(_, later)| later.saturating_add(margin) <= end) {
            return false;
        }
        held.end = self.lease(held.job, prover, takes);
        held.owner = None;
        true
    }

    /// Copies of the jobs that a zkVM task ends with, the last first, as long as each makes it end sooner: what the
    /// others are late by matters only as long as they are the last.
    fn overtake(&mut self, mut task: Progress<'a>) {
        let finish = |held: &Held<'_>| (held.end.saturating_add(held.job.after), Reverse(held.job.id));
        let mut last: BinaryHeap<_> = task.held.values().map(finish).collect();
        while let Some((_, Reverse(id))) = last.pop() {
            let Some(held) = task.held.get_mut(&id).filter(|held| held.job.kind.is_risc0()) else { return };
            if !self.copy(held, true) {
                return;
            }
            last.push(finish(held));
        }
    }

    /// When the prover will be done.
    fn lease(&mut self, job: &OpenJob, prover: usize, takes: Millis) -> Millis {
        let end = self.now.saturating_add(takes);
        self.floor.give(prover, end);
        self.legs.given(job, self.provers[prover].address);
        let length = takes.saturating_mul(2).clamp(self.rules.min_lease, self.rules.max_lease);
        self.actions.push(Action::Lease { job: job.id, prover, until: self.now.saturating_add(length) });
        end
    }

    /// What must be saved for it to be worth while, with a job that takes so long.
    fn margin(&self, takes: Millis) -> Millis {
        self.rules.gain.max((takes / 100).saturating_mul(self.rules.gain_percent))
    }
}

/// When a lease ends: by its own time, or, however often it is renewed, when the job has been held for far longer than it
/// should take ([`Rules::stalled`]).
///
/// Who only holds jobs must not use up a task's time: that a job may take at least [`Rules::stalled_floor`] holds only up
/// to a quarter of the time that there was, and more than four times what it should take only up to half of it.
pub fn ends_at(snapshot: &Snapshot, job: &OpenJob, holder: &Holder, rules: &Rules) -> Millis {
    let Some(prover) = holder.prover.and_then(|index| snapshot.provers.get(index)) else { return holder.expires_at };
    // One that says by now that it cannot do the job at all is given no more than anybody.
    let takes = prover.estimate(job).unwrap_or_default();
    let left = job.proof_deadline.saturating_sub(job.after).saturating_sub(holder.granted_at);
    let least = (left / 4).max(rules.min_lease.saturating_mul(2)).min(rules.stalled_floor);
    let most = takes.saturating_mul(rules.stalled).min(left / 2).max(takes.saturating_mul(4)).max(least);
    holder.expires_at.min(holder.granted_at.saturating_add(most))
}

/// When the holder will be done, by what is known of it or, if it reports progress, by its own speed so far.
///
/// One that should be done and is not is expected to be as late again as it is already, however far it says that it is by
/// twice the time: nobody is waited for without end.
fn expected_end(snapshot: &Snapshot, job: &OpenJob, holder: &Holder, now: Millis) -> Millis {
    let known = holder.prover.and_then(|index| snapshot.provers.get(index)?.estimate(job));
    let after = |times: u64| {
        let due = known.map_or(Millis::MAX, |takes| holder.granted_at.saturating_add(takes.saturating_mul(times)));
        (due, now.saturating_add(now.saturating_sub(due)))
    };
    if holder.progress <= 0.0 {
        let (due, late) = after(1);
        return due.max(late);
    }
    let spent = now.saturating_sub(holder.granted_at) as f64;
    let left = spent * (1.0 - holder.progress.min(1.0)) / holder.progress;
    now.saturating_add(left.ceil() as Millis).max(after(2).1)
}
