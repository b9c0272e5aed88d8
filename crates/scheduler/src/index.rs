//! What a decision is made from, kept up to date: a change costs a few logarithms, and nothing is sorted anew.

use crate::{
    Action, Candidate, Holder, Millis, OpenJob, Rules, Snapshot, Strategy,
    decide::{Round, lease_end, may_be_behind},
    line::{Line, Seat, ask},
    queue::Queue,
    snapshot::usable,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use zkpool_protocol::{JobId, ProofKind, TaskId};

/// The most places of one prover that count.
const PLACES: u32 = 64;

/// Something has changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A prover is there, or is not any more as it was. Its leases stay.
    Prover {
        /// Its index. One that has left does not leave its index to another.
        prover: usize,
        /// What it is now.
        candidate: Candidate,
    },
    /// It asks for so many jobs now.
    Waiting {
        /// Its index.
        prover: usize,
        /// How many.
        waiting: u32,
    },
    /// It has left. What it holds ends in its time.
    Left {
        /// Its index.
        prover: usize,
    },
    /// A job is open, or is not as it was, its holders included.
    Job(OpenJob),
    /// It was given to a prover, which asks for one job less now.
    Leased {
        /// The job.
        job: JobId,
        /// The lease.
        holder: Holder,
    },
    /// Its holder has given a sign of life.
    Renewed {
        /// The job.
        job: JobId,
        /// The lease's fencing token.
        token: u64,
        /// When it ends now.
        expires_at: Millis,
        /// How far the holder is, 0 to 1.
        progress: f64,
    },
    /// The lease is over, without a result.
    Ended {
        /// The job.
        job: JobId,
        /// The lease's fencing token.
        token: u64,
        /// Whether its holder never gets this job again: it gave it up, or its result was wrong.
        barred: bool,
    },
    /// Nobody is to work on it any more: its result is there, from whomever and however late, or its task is over.
    Closed {
        /// The job.
        job: JobId,
    },
}

/// Jobs and provers, from which decisions are made. The same content gives the same decisions, whatever way it came about.
#[derive(Clone, Debug, Default)]
pub struct Index {
    pub(crate) rules: Rules,
    pub(crate) provers: BTreeMap<usize, Member>,
    pub(crate) jobs: HashMap<JobId, Open>,
    pub(crate) tasks: HashMap<TaskId, Share>,
    pub(crate) lines: BTreeMap<ProofKind, Line>,
    pub(crate) queue: Queue,
    /// Leases, by when they end; the last is the place among the job's holders.
    pub(crate) ends: BTreeSet<(Millis, JobId, usize)>,
    /// Jobs with one holder, by when it might have fallen behind.
    pub(crate) late: BTreeSet<(Millis, JobId)>,
    /// Tasks of which somebody holds a zkVM job.
    pub(crate) chased: BTreeSet<TaskId>,
    /// The open jobs of each bundle whose legs are to be independent.
    pub(crate) bundles: BTreeMap<TaskId, BTreeSet<JobId>>,
    /// What changes by itself, and when.
    wakes: BTreeSet<(Millis, Wake)>,
    /// As far as which it has changed.
    now: Millis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Prover(usize),
    Job(JobId),
}

/// A prover.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) candidate: Candidate,
    /// Jobs that it holds, once for each lease.
    pub(crate) holds: Vec<JobId>,
    /// How many places are free: none while it is out.
    pub(crate) free: u32,
    /// When its exclusion ends.
    wake: Option<Millis>,
}

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) job: OpenJob,
    /// Whether it is in the queue.
    pub(crate) queued: bool,
    /// When that changes by itself.
    wake: Option<Millis>,
}

/// What is open of a task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Share {
    /// Jobs that somebody holds.
    pub(crate) held: BTreeSet<u32>,
    /// How many of them are of a zkVM.
    zkvm: usize,
    /// How many jobs nobody holds.
    pub(crate) nobody: usize,
}

impl Index {
    /// With nothing in it.
    pub fn empty(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Of all that is in a snapshot.
    pub fn new(snapshot: &Snapshot, rules: &Rules) -> Self {
        let mut index = Self::empty(*rules);
        for (prover, candidate) in snapshot.provers.iter().enumerate() {
            index.apply(Event::Prover { prover, candidate: candidate.clone() });
        }
        for job in &snapshot.jobs {
            index.apply(Event::Job(job.clone()));
        }
        index
    }

    /// What is to be done now. Nothing is taken as done: what was carried out comes back as events.
    ///
    /// Asked with an earlier time than before, it answers all the same, in time linear in all that there is.
    pub fn decide(&mut self, now: Millis) -> Vec<Action> {
        self.advance(now);
        Round::new(self, now).decide()
    }

    /// When the next lease ends, the next exclusion is over, or the next bids are opened: until then, and if nothing
    /// happens, only who has fallen behind can make a difference.
    pub fn wakes_at(&self) -> Option<Millis> {
        let end = self.ends.first().map(|(at, ..)| *at);
        end.into_iter().chain(self.wakes.first().map(|(at, _)| *at)).min()
    }

    /// How many jobs want a prover.
    pub const fn queued(&self) -> usize {
        self.queue.len()
    }

    /// A job that is open.
    pub fn job(&self, id: JobId) -> Option<&OpenJob> {
        self.jobs.get(&id).map(|open| &open.job)
    }

    /// A prover that is there.
    pub fn prover(&self, prover: usize) -> Option<&Candidate> {
        self.provers.get(&prover).map(|member| &member.candidate)
    }

    /// Takes a change in. What concerns a job or a prover that is not there changes nothing.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Prover { prover, candidate } => self.change_prover(prover, Some(candidate)),
            Event::Left { prover } => self.change_prover(prover, None),
            Event::Waiting { prover, waiting } => self.reseat(prover, |member| member.candidate.waiting = waiting),
            Event::Job(job) => {
                self.take_job(job.id);
                self.put_job(job);
            }
            Event::Closed { job } => {
                self.take_job(job);
            }
            Event::Leased { job, holder } => {
                self.change_job(job, |job| job.holders.push(holder));
                if let Some(prover) = holder.prover {
                    self.reseat(prover, |member| {
                        member.candidate.waiting = member.candidate.waiting.saturating_sub(1);
                    });
                }
            }
            Event::Renewed { job, token, expires_at, progress } => self.change_job(job, |job| {
                for holder in job.holders.iter_mut().filter(|holder| holder.token == token) {
                    (holder.expires_at, holder.progress) = (expires_at, progress);
                }
            }),
            Event::Ended { job, token, barred } => self.change_job(job, |job| {
                let ended = job.holders.iter().filter(|holder| holder.token == token && barred);
                job.barred.extend(ended.map(|holder| holder.owner));
                job.holders.retain(|holder| holder.token != token);
            }),
        }
    }

    /// Brings what changes by itself up to this time.
    fn advance(&mut self, now: Millis) {
        let back = now < self.now;
        self.now = now;
        if back {
            self.provers.keys().copied().collect::<Vec<_>>().into_iter().for_each(|prover| self.reseat(prover, |_| ()));
            self.jobs.keys().copied().collect::<Vec<_>>().into_iter().for_each(|job| self.change_job(job, |_| ()));
            return;
        }
        // Whatever is woken has its next time after `now`, or none.
        while let Some((_, wake)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            match wake {
                Wake::Prover(prover) => self.reseat(prover, |_| ()),
                Wake::Job(job) => self.change_job(job, |_| ()),
            }
        }
    }

    fn change_job(&mut self, id: JobId, change: impl FnOnce(&mut OpenJob)) {
        if let Some(mut job) = self.take_job(id) {
            change(&mut job);
            self.put_job(job);
        }
    }

    /// Takes a job out, and all that follows from it.
    fn take_job(&mut self, id: JobId) -> Option<OpenJob> {
        let Open { job, queued, wake } = self.jobs.remove(&id)?;
        if queued {
            self.queue.remove(&job);
        }
        if let Some(at) = wake {
            self.wakes.remove(&(at, Wake::Job(id)));
        }
        for (place, holder) in job.holders.iter().enumerate() {
            let prover = self.member(holder);
            self.ends.remove(&(lease_end(prover, &job, holder, &self.rules), id, place));
        }
        if let Some(at) = self.behind_at(&job) {
            self.late.remove(&(at, id));
        }
        for prover in job.holders.iter().filter_map(|holder| holder.prover) {
            self.reseat(prover, |member| {
                if let Some(place) = member.holds.iter().position(|held| *held == id) {
                    member.holds.swap_remove(place);
                }
            });
        }
        if let Some(share) = self.tasks.get_mut(&id.task) {
            if share.held.remove(&id.index) {
                share.zkvm -= usize::from(job.kind.is_risc0());
            } else {
                share.nobody -= 1;
            }
            if share.zkvm == 0 {
                self.chased.remove(&id.task);
            }
            if share.held.is_empty() && share.nobody == 0 {
                self.tasks.remove(&id.task);
            }
        }
        if let Some(of) = job.leg
            && let Some(jobs) = self.bundles.get_mut(&of.bundle)
        {
            jobs.remove(&id);
            if jobs.is_empty() {
                self.bundles.remove(&of.bundle);
            }
        }
        Some(job)
    }

    fn put_job(&mut self, job: OpenJob) {
        let id = job.id;
        for (place, holder) in job.holders.iter().enumerate() {
            let prover = self.member(holder);
            self.ends.insert((lease_end(prover, &job, holder, &self.rules), id, place));
        }
        if let Some(at) = self.behind_at(&job) {
            self.late.insert((at, id));
        }
        for prover in job.holders.iter().filter_map(|holder| holder.prover) {
            self.reseat(prover, |member| member.holds.push(id));
        }
        let share = self.tasks.entry(id.task).or_default();
        if job.holders.is_empty() {
            share.nobody += 1;
        } else {
            share.held.insert(id.index);
            share.zkvm += usize::from(job.kind.is_risc0());
            if share.zkvm > 0 {
                self.chased.insert(id.task);
            }
        }
        if let Some(of) = job.leg {
            self.bundles.entry(of.bundle).or_default().insert(id);
        }
        let short = job.holders.len() < job.deal.strategy.holders() as usize;
        let opens = match job.deal.strategy {
            Strategy::Compete => job.ready_at.saturating_add(self.rules.bidding),
            _ => 0,
        };
        let queued = short && opens <= self.now && self.now < job.liability_deadline;
        let wake = [opens, job.liability_deadline].into_iter().find(|at| short && *at > self.now);
        if queued {
            self.queue.insert(&job);
        }
        if let Some(at) = wake {
            self.wakes.insert((at, Wake::Job(id)));
        }
        self.jobs.insert(id, Open { job, queued, wake });
    }

    fn member(&self, holder: &Holder) -> Option<&Candidate> {
        self.prover(holder.prover?)
    }

    fn behind_at(&self, job: &OpenJob) -> Option<Millis> {
        match &job.holders[..] {
            [holder] if job.deal.strategy.holders() == 1 => {
                Some(may_be_behind(self.member(holder), job, holder, &self.rules))
            }
            _ => None,
        }
    }

    /// A prover is as this says, or not there any more. Its jobs are taken out and put back: what follows for them depends
    /// on its speed.
    fn change_prover(&mut self, prover: usize, candidate: Option<Candidate>) {
        let known = self.provers.get(&prover);
        let held: BTreeSet<JobId> = known.into_iter().flat_map(|member| member.holds.iter().copied()).collect();
        let mut jobs: Vec<OpenJob> = held.into_iter().filter_map(|job| self.take_job(job)).collect();
        if let Some(member) = self.provers.remove(&prover) {
            self.unseat(prover, &member);
            for (kind, speed) in speeds(&member.candidate) {
                if let Some(line) = self.lines.get_mut(&kind) {
                    line.remove(speed, prover);
                    if line.is_empty() {
                        self.lines.remove(&kind);
                    }
                }
            }
        }
        if let Some(candidate) = candidate {
            for (kind, speed) in speeds(&candidate) {
                self.lines.entry(kind).or_default().insert(speed, prover);
            }
            let mut member = Member { candidate, holds: vec![], free: 0, wake: None };
            self.seat(prover, &mut member);
            self.provers.insert(prover, member);
        } else {
            let holders = jobs.iter_mut().flat_map(|job| job.holders.iter_mut());
            holders.filter(|holder| holder.prover == Some(prover)).for_each(|holder| holder.prover = None);
        }
        jobs.into_iter().for_each(|job| self.put_job(job));
    }

    /// Changes what a prover does at the moment, which its speed is not part of.
    fn reseat(&mut self, prover: usize, change: impl FnOnce(&mut Member)) {
        if let Some(mut member) = self.provers.remove(&prover) {
            self.unseat(prover, &member);
            change(&mut member);
            self.seat(prover, &mut member);
            self.provers.insert(prover, member);
        }
    }

    fn seat(&mut self, prover: usize, member: &mut Member) {
        let Candidate { standing, waiting, concurrency, .. } = &member.candidate;
        let is_in = member.candidate.is_in(self.now);
        let held = u32::try_from(member.holds.len()).unwrap_or(u32::MAX);
        member.free = if is_in { (*waiting).min(concurrency.saturating_sub(held)).min(PLACES) } else { 0 };
        member.wake = Some(standing.excluded_until).filter(|until| *until > self.now);
        if let Some(at) = member.wake {
            self.wakes.insert((at, Wake::Prover(prover)));
        }
        if member.free > 0 {
            member.seats(prover, 0).for_each(|(kind, seat)| {
                if let Some(line) = self.lines.get_mut(&kind) {
                    line.seat(seat, member.candidate.memory, ask(member.candidate.asks.get(&kind)));
                }
            });
        }
    }

    fn unseat(&mut self, prover: usize, member: &Member) {
        if let Some(at) = member.wake {
            self.wakes.remove(&(at, Wake::Prover(prover)));
        }
        if member.free > 0 {
            member.seats(prover, 0).for_each(|(kind, seat)| {
                if let Some(line) = self.lines.get_mut(&kind) {
                    line.unseat(seat, member.candidate.memory, ask(member.candidate.asks.get(&kind)));
                }
            });
        }
    }
}

impl Member {
    /// Its seat for each kind of work that it does, with so many jobs more than it holds.
    pub(crate) fn seats(&self, prover: usize, more: u32) -> impl Iterator<Item = (ProofKind, Seat)> {
        let load = u32::try_from(self.holds.len()).unwrap_or(u32::MAX).saturating_add(more);
        speeds(&self.candidate).map(move |(kind, speed)| (kind, Seat::new(speed, load, prover)))
    }
}

fn speeds(candidate: &Candidate) -> impl Iterator<Item = (ProofKind, f64)> {
    candidate.speeds.iter().filter_map(|(kind, speed)| Some((*kind, usable(Some(speed))?)))
}
