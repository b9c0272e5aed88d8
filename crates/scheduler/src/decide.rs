//! The decision: who gets which job.

use crate::{
    Candidate, Holder, Index, Millis, OpenJob, Rules, Snapshot, Standing, Strategy,
    floor::Floor,
    index::{Open, Share},
    legs::Legs,
    queue::{Queue, Sort, Way},
    snapshot::time,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
};
use zkpool_protocol::{Address, JobId, ProofKind, TaskId};

/// So many jobs at most are promised to busy provers in one decision. Behind that, who can be had now is taken.
const PROMISES: usize = 512;

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
        /// What the prover gets if its result is the one that counts, in wei ([`crate::Deal`]).
        pay: u128,
    },
}

/// Who gets which job: the most urgent first, which is the one with the least time to spare until it must begin for its
/// task to be on time, then the one with the longest way to the task's end. How it is given depends on its task's
/// [`Strategy`].
///
/// **`assign`**: one holder. It is the free prover that has the job done soonest, or one almost as soon that has its
/// inputs. The job waits if a busy prover would have it done clearly sooner and its task is the later for it: the last large
/// segment is not for a slow machine. Waiting ends by itself: only so much is waited ([`Rules::patience`]), a prover that
/// should have been free is expected the later the longer it is not, and as time passes whoever waits becomes the most
/// urgent.
///
/// **`compete`**: the job is open for bids for a while ([`Rules::bidding`]), then the best one has it ([`crate::score`]).
///
/// **`race`**: as many as are free, up to the number that is wanted, the soonest first, each of another owner; those that
/// are missing come when they are free.
///
/// But for a race, a second prover gets a copy of a job only when nobody waits for it, when its owner is another, and
/// - when the only holder falls so far behind that the task would be late, and the copy would be done sooner; or
/// - near the end of a zkVM task, when all its jobs are in somebody's hands, when the task ends sooner for it by a margin.
///
/// No owner works on two legs of a bundle that is to be proven independently.
///
/// This makes an [`Index`] of the snapshot, O((jobs + provers) · log); [`Index::decide`] is for whoever keeps one.
pub fn decide(snapshot: &Snapshot, now: Millis, rules: &Rules) -> Vec<Action> {
    Index::new(snapshot, rules).decide(now)
}

/// One decision.
pub(crate) struct Round<'a> {
    jobs: &'a HashMap<JobId, Open>,
    shares: &'a HashMap<TaskId, Share>,
    queue: &'a Queue,
    late: &'a BTreeSet<(Millis, JobId)>,
    chased: &'a BTreeSet<TaskId>,
    typical: BTreeMap<ProofKind, f64>,
    /// Jobs of which a lease is over.
    taken_back: Vec<&'a OpenJob>,
    tasks: HashMap<TaskId, Progress<'a>>,
    floor: Floor<'a>,
    legs: Legs<'a>,
    promises: usize,
    actions: Vec<Action>,
    now: Millis,
    rules: &'a Rules,
}

/// A task, as far as somebody is at work on it.
#[derive(Default)]
struct Progress<'a> {
    held: BTreeMap<JobId, Held<'a>>,
    /// When it ends, as far as is known yet.
    end: Millis,
    /// How many of its jobs have nobody.
    nobody: usize,
}

/// A job that somebody is at work on.
struct Held<'a> {
    job: &'a OpenJob,
    /// When it should be done.
    end: Millis,
    /// Whose it is, if it can have a copy: it has one holder, and not only just now, and is no race.
    owner: Option<Address>,
}

/// What came of a job that wants a prover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    /// It has one, or one more.
    Yes,
    /// It waits for a busy one.
    Promised,
    /// Nobody is free or will be soon.
    No,
}

impl<'a> Round<'a> {
    pub(crate) fn new(index: &'a mut Index, now: Millis) -> Self {
        let Index { rules, provers, jobs, tasks: shares, lines, queue, ends, late, chased, bundles, .. } = index;
        let (provers, jobs): (&'a _, &'a _) = (provers, jobs);
        let mut actions = Vec::new();
        let mut over = BTreeSet::new();
        let mut taken_back: BTreeMap<JobId, &'a OpenJob> = BTreeMap::new();
        for (_, id, place) in ends.range(..(now.saturating_add(1), JobId { task: TaskId::ZERO, index: 0 }, 0)) {
            let Some(job) = jobs.get(id).map(|open| &open.job) else { continue };
            let Some(holder) = job.holders.get(*place) else { continue };
            let prover = holder
                .prover
                .and_then(|prover| Some((prover, provers.get(&prover)?.candidate.standing.after_miss(now, rules))));
            actions.push(Action::Expire { job: *id, token: holder.token, prover });
            over.insert((*id, *place));
            taken_back.insert(*id, job);
        }
        let typical = lines.iter().filter_map(|(kind, line)| Some((*kind, line.typical()?))).collect();
        Self {
            jobs,
            shares,
            queue,
            late,
            chased,
            typical,
            taken_back: taken_back.into_values().collect(),
            tasks: HashMap::new(),
            legs: Legs::new(provers, jobs, bundles, now),
            floor: Floor::new(provers, jobs, lines, over, now),
            promises: 0,
            actions,
            now,
            rules,
        }
    }

    pub(crate) fn decide(mut self) -> Vec<Action> {
        // Without a free place nothing can be given, and what is promised is only for this decision.
        if !self.floor.is_full() {
            self.serve_the_queue();
            self.help_the_late();
            self.help_to_the_end();
        }
        self.floor.restore();
        self.actions
    }

    /// What a job takes at the typical speed.
    fn takes(&self, sort: Sort) -> Millis {
        self.typical.get(&sort.kind).map_or(0, |speed| time(sort.units, *speed))
    }

    /// Gives those who have nobody, or not enough, what they want, in order.
    fn serve_the_queue(&mut self) {
        let is_queued = |job: &&OpenJob| self.jobs.get(&job.id).is_some_and(|open| open.queued);
        let short = |job: &&'a OpenJob| {
            let wanted = job.deal.strategy.holders() as usize;
            self.floor.live(job).len() < wanted && job.liability_deadline > self.now
        };
        let more: Vec<&OpenJob> = self.taken_back.iter().copied().filter(|job| !is_queued(job)).filter(short).collect();
        let queue = self.queue;
        let typical = std::mem::take(&mut self.typical);
        let takes = |sort: Sort| typical.get(&sort.kind).map_or(0, |speed| time(sort.units, *speed));
        let mut order = queue.in_order(takes, &more);
        // From how much memory on nobody is free or will be soon, for those who wait and those who do not.
        let mut hopeless: BTreeMap<(ProofKind, Way), u64> = BTreeMap::new();
        // For the best paid of which whoever is free asks too much.
        let mut unpaid: BTreeSet<Sort> = BTreeSet::new();
        while !self.floor.is_full() {
            let next = order.next(|sort| {
                unpaid.contains(&sort)
                    || hopeless.get(&(sort.kind, sort.way)).is_some_and(|least| *least <= sort.memory)
            });
            let Some(job) = next.and_then(|id| self.jobs.get(&id)).map(|open| &open.job) else { break };
            let particular = !job.barred.is_empty() || job.enclave.is_some() || job.leg.is_some();
            if self.serve(job) == Served::No && !particular && self.floor.live(job).is_empty() {
                // From here on there are only fewer. That nobody does it for what it is paid says nothing of others.
                let sort = Sort::of(job);
                if sort.way != Way::Bids || !self.floor.is_worth(sort, 0) {
                    let least = hopeless.entry((sort.kind, sort.way)).or_insert(sort.memory);
                    *least = sort.memory.min(*least);
                } else if !self.queue.best_paid(sort).is_some_and(|pay| self.floor.is_worth(sort, pay)) {
                    unpaid.insert(sort);
                }
            }
        }
        self.typical = typical;
    }

    fn serve(&mut self, job: &'a OpenJob) -> Served {
        let holders = self.floor.live(job);
        let mut not = self.legs.not(job);
        not.extend(holders.iter().map(|holder| holder.owner));
        match job.deal.strategy {
            Strategy::Assign => self.assign(job, &not),
            Strategy::Compete => match self.floor.best_bid(job, &not, self.rules) {
                Some(award) => {
                    self.lease(job, award.prover, award.takes, award.pay);
                    Served::Yes
                }
                None => Served::No,
            },
            Strategy::Race { .. } => {
                let missing = (job.deal.strategy.holders() as usize).saturating_sub(holders.len());
                let mut served = Served::No;
                for _ in 0..missing {
                    let Some((prover, takes)) = self.floor.soonest(job, &not) else { break };
                    not.extend(self.floor.candidate(prover).map(|prover| prover.address));
                    self.lease(job, prover, takes, job.deal.reward());
                    served = Served::Yes;
                }
                served
            }
        }
    }

    /// Gives a job its only holder.
    fn assign(&mut self, job: &'a OpenJob, not: &[Address]) -> Served {
        let soonest = self.floor.soonest(job, not);
        let patience = self.rules.patience;
        let later = if self.promises < PROMISES { self.floor.soonest_later(job, not, patience) } else { None };
        if let Some((prover, end)) = later {
            let better = soonest.is_none_or(|(_, takes)| {
                let now_done = self.now.saturating_add(takes);
                end.saturating_add(self.margin(takes)) <= now_done
                    && now_done.saturating_add(job.after) > self.task(job.id.task).end
            });
            if better {
                // What comes after it sees that this prover is spoken for.
                self.promises += 1;
                self.floor.promise(prover, end);
                self.extend(job, end);
                return Served::Promised;
            }
        }
        let Some((prover, takes)) = soonest else { return Served::No };
        let near = self.floor.nearest(job, not).filter(|(_, near)| *near <= takes.saturating_add(self.rules.near));
        let (prover, takes) = near.unwrap_or((prover, takes));
        self.lease(job, prover, takes, job.deal.pay);
        Served::Yes
    }

    /// Copies of the jobs whose only holder makes their task late.
    fn help_the_late(&mut self) {
        if self.floor.is_full() {
            return;
        }
        let might = self.late.range(..(self.now.saturating_add(1), JobId { task: TaskId::ZERO, index: 0 }));
        let jobs = might.filter_map(|(_, id)| self.jobs.get(id)).map(|open| &open.job);
        let one = |job: &&OpenJob| job.deal.strategy.holders() == 1;
        let behind: BTreeMap<JobId, &OpenJob> =
            jobs.chain(self.taken_back.iter().copied().filter(one)).map(|job| (job.id, job)).collect();
        let is_late = |job: &&&'a OpenJob| {
            let end = self.floor.end(job).filter(|_| self.floor.live(job).len() == 1);
            end.is_some_and(|end| {
                end.saturating_add(job.after).saturating_add(self.rules.delivery) > job.proof_deadline
            })
        };
        let mut behind: Vec<&'a OpenJob> = behind.values().filter(is_late).copied().collect();
        behind.sort_by_cached_key(|job| crate::queue::Urgency::of(job).with(self.takes(Sort::of(job))));
        for job in behind {
            self.task(job.id.task);
            let Some(mut task) = self.tasks.remove(&job.id.task) else { continue };
            if let Some(held) = task.held.get_mut(&job.id) {
                self.copy(held, false);
            }
            self.tasks.insert(job.id.task, task);
            if self.floor.is_full() {
                break;
            }
        }
    }

    /// Copies of the jobs that zkVM tasks end with, the last first, as long as each makes its task end sooner: what the
    /// others are late by matters only as long as they are the last.
    fn help_to_the_end(&mut self) {
        for id in self.chased {
            if self.floor.is_full() {
                return;
            }
            self.task(*id);
            if let Some(task) = self.tasks.remove(id).filter(|task| task.nobody == 0) {
                self.overtake(task);
            }
        }
    }

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

    /// Gives a job a second holder, if one would be done sooner than the first. False if not.
    fn copy(&mut self, held: &mut Held<'a>, by_a_margin: bool) -> bool {
        let Some(owner) = held.owner.filter(|_| held.job.liability_deadline > self.now) else { return false };
        // A copy on the same owner's machine would likely share its fate.
        let mut not = self.legs.not(held.job);
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
        self.grant(held.job, prover, takes, held.job.deal.pay);
        (held.end, held.owner) = (end, None);
        true
    }

    /// Gives a job to a prover, and notes when it should be done.
    fn lease(&mut self, job: &'a OpenJob, prover: usize, takes: Millis, pay: u128) {
        let is_first = !self.task(job.id.task).held.contains_key(&job.id);
        self.grant(job, prover, takes, pay);
        let end = self.now.saturating_add(takes);
        self.extend(job, end);
        let task = self.task(job.id.task);
        task.nobody -= usize::from(is_first);
        let held = task.held.entry(job.id).or_insert(Held { job, end, owner: None });
        (held.end, held.owner) = (held.end.min(end), None);
    }

    fn grant(&mut self, job: &'a OpenJob, prover: usize, takes: Millis, pay: u128) {
        self.floor.give(prover, self.now.saturating_add(takes));
        if let Some(candidate) = self.floor.candidate(prover) {
            self.legs.given(job, candidate.address);
        }
        let length = takes.saturating_mul(2).clamp(self.rules.min_lease, self.rules.max_lease);
        self.actions.push(Action::Lease { job: job.id, prover, until: self.now.saturating_add(length), pay });
    }

    /// The task ends when this job has, at the earliest.
    fn extend(&mut self, job: &OpenJob, end: Millis) {
        let task = self.task(job.id.task);
        task.end = task.end.max(end.saturating_add(job.after));
    }

    /// A task as it was when the decision began, and with what has been given since.
    fn task(&mut self, id: TaskId) -> &mut Progress<'a> {
        let (jobs, floor, shares) = (self.jobs, &self.floor, self.shares);
        self.tasks.entry(id).or_insert_with(|| {
            let mut task = Progress::default();
            let Some(share) = shares.get(&id) else { return task };
            task.nobody = share.nobody;
            for index in &share.held {
                let Some(Open { job, .. }) = jobs.get(&JobId { task: id, index: *index }) else { continue };
                let Some(end) = floor.end(job) else {
                    task.nobody += 1;
                    continue;
                };
                let owner = match floor.live(job)[..] {
                    [holder] if job.deal.strategy.holders() == 1 => Some(holder.owner),
                    _ => None,
                };
                task.end = task.end.max(end.saturating_add(job.after));
                task.held.insert(job.id, Held { job, end, owner });
            }
            task
        })
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
///
/// Where provers compete, time was a part of the bid: twice what it should take is all that there is.
pub fn ends_at(snapshot: &Snapshot, job: &OpenJob, holder: &Holder, rules: &Rules) -> Millis {
    lease_end(holder.prover.and_then(|index| snapshot.provers.get(index)), job, holder, rules)
}

/// The same for a holder that is this prover, or has left.
pub(crate) fn lease_end(prover: Option<&Candidate>, job: &OpenJob, holder: &Holder, rules: &Rules) -> Millis {
    let Some(prover) = prover else { return holder.expires_at };
    // One that says by now that it cannot do the job at all is given no more than anybody.
    let takes = prover.estimate(job).unwrap_or_default();
    let left = job.proof_deadline.saturating_sub(job.after).saturating_sub(holder.granted_at);
    let least = (left / 4).max(rules.min_lease.saturating_mul(2)).min(rules.stalled_floor);
    let most = takes.saturating_mul(rules.stalled).min(left / 2).max(takes.saturating_mul(4)).max(least);
    let bid = takes.saturating_mul(2).max(rules.min_lease.saturating_mul(2));
    let most = if job.deal.strategy == Strategy::Compete { most.min(bid) } else { most };
    holder.expires_at.min(holder.granted_at.saturating_add(most))
}

/// When the holder will be done, by what is known of it or, if it reports progress, by its own speed so far.
///
/// One that should be done and is not is expected to be as late again as it is already, however far it says that it is by
/// twice the time: nobody is waited for without end.
pub(crate) fn expected_end(prover: Option<&Candidate>, job: &OpenJob, holder: &Holder, now: Millis) -> Millis {
    let known = prover.and_then(|prover| prover.estimate(job));
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

/// Before this, a job's only holder has certainly not fallen behind: [`expected_end`] is no later than its task allows. What
/// is behind later is found out by asking.
pub(crate) fn may_be_behind(prover: Option<&Candidate>, job: &OpenJob, holder: &Holder, rules: &Rules) -> Millis {
    let due = job.proof_deadline.saturating_sub(job.after).saturating_sub(rules.delivery);
    let known = prover.and_then(|prover| prover.estimate(job));
    let after = |times: u64| known.map(|takes| holder.granted_at.saturating_add(takes.saturating_mul(times)));
    if holder.progress <= 0.0 {
        return match after(1) {
            Some(end) if end <= due => end.midpoint(due),
            _ => 0,
        };
    }
    let progress = holder.progress.min(1.0);
    let by_progress = due as f64 * progress + holder.granted_at as f64 * (1.0 - progress);
    let by_progress = (by_progress as Millis).saturating_sub(2);
    let by_time = after(2).map_or(due, |end| end.midpoint(due));
    by_progress.min(by_time).min(due)
}
