//! The provers during one decision: who is free now, and who will be when.

use crate::{
    Candidate, Holder, Millis, OpenJob, Rules,
    decide::expected_end,
    index::{Member, Open},
    line::{Line, Taken, ask},
    queue::Sort,
    strategy::{Award, asked},
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};
use zkpool_protocol::{Address, JobId, ProofKind};

/// Of the busy provers only so many are considered for a job, the fastest at its kind of work: a slower one gains less by
/// being waited for.
const CONSIDERED: usize = 64;

/// Who is free now, and who will be when. What is given or promised is taken into account at once; in the end everything
/// is as it was before ([`Floor::restore`]).
pub(crate) struct Floor<'a> {
    provers: &'a BTreeMap<usize, Member>,
    jobs: &'a HashMap<JobId, Open>,
    lines: &'a mut BTreeMap<ProofKind, Line>,
    /// How many places of each prover were given away in this decision.
    given: BTreeMap<usize, u32>,
    /// Who gets nothing, having just missed.
    missed: BTreeSet<usize>,
    /// Leases that are over: the job, and the place among its holders.
    over: BTreeSet<(JobId, usize)>,
    /// When the places that are taken should be free, of those that somebody has asked about.
    taken: HashMap<usize, Taken>,
    /// The fastest provers, free or busy, at the kinds of work that somebody has asked about, the fastest first.
    fast: BTreeMap<ProofKind, Vec<Fast<'a>>>,
    now: Millis,
}

struct Fast<'a> {
    prover: usize,
    candidate: &'a Candidate,
    /// When the first of its places that are taken should be free.
    at: Option<Millis>,
}

impl<'a> Floor<'a> {
    /// With the leases that are `over`; whoever held one gets nothing.
    pub(crate) fn new(
        provers: &'a BTreeMap<usize, Member>,
        jobs: &'a HashMap<JobId, Open>,
        lines: &'a mut BTreeMap<ProofKind, Line>,
        over: BTreeSet<(JobId, usize)>,
        now: Millis,
    ) -> Self {
        let holder = |(job, place): &(JobId, usize)| jobs.get(job)?.job.holders.get(*place)?.prover;
        let missed = over.iter().filter_map(holder).collect();
        let (given, taken, fast) = Default::default();
        let mut floor = Self { provers, jobs, lines, given, missed, over, taken, fast, now };
        for prover in floor.missed.clone() {
            floor.unseat(prover);
        }
        floor
    }

    /// Puts everything back.
    pub(crate) fn restore(mut self) {
        let given: Vec<usize> = self.given.keys().copied().collect();
        for prover in given {
            self.unseat(prover);
            self.given.remove(&prover);
            self.seat(prover);
        }
        for prover in std::mem::take(&mut self.missed) {
            self.seat(prover);
        }
    }

    /// Whether nobody at all is free.
    pub(crate) fn is_full(&self) -> bool {
        self.lines.values().all(Line::is_full)
    }

    /// A prover that is there.
    pub(crate) fn candidate(&self, prover: usize) -> Option<&'a Candidate> {
        self.provers.get(&prover).map(|member| &member.candidate)
    }

    /// The holders of a job whose leases are not over.
    pub(crate) fn live(&self, job: &'a OpenJob) -> Vec<&'a Holder> {
        let holders = job.holders.iter().enumerate();
        holders.filter(|(place, _)| !self.over.contains(&(job.id, *place))).map(|(_, holder)| holder).collect()
    }

    /// When a job that somebody holds should be done.
    pub(crate) fn end(&self, job: &'a OpenJob) -> Option<Millis> {
        let ends = self.live(job).into_iter().map(|holder| {
            let prover = holder.prover.and_then(|prover| self.candidate(prover));
            expected_end(prover, job, holder, self.now)
        });
        ends.min()
    }

    /// The free prover that would have the job done soonest, and how long it takes; none of these owners.
    pub(crate) fn soonest(&self, job: &OpenJob, not: &[Address]) -> Option<(usize, Millis)> {
        self.lines.get(&job.kind)?.seats(job.memory).find_map(|seat| {
            let prover = self.candidate(seat.prover).filter(|prover| may(prover, job, not))?;
            Some((seat.prover, prover.estimate(job)?))
        })
    }

    /// Of the free provers that have the job's inputs, the one that would have it done soonest; none of these owners.
    pub(crate) fn nearest(&self, job: &OpenJob, not: &[Address]) -> Option<(usize, Millis)> {
        let able = job.near.iter().filter_map(|&index| {
            let prover = self.candidate(index).filter(|prover| self.free(index) > 0 && may(prover, job, not))?;
            Some((index, prover.estimate(job)?))
        });
        able.min_by_key(|(index, takes)| (*takes, *index))
    }

    /// The busy prover that would have the job done soonest if it did it next, and when; none of these owners, and only one
    /// that should be free within `patience`.
    pub(crate) fn soonest_later(
        &mut self,
        job: &OpenJob,
        not: &[Address],
        patience: Millis,
    ) -> Option<(usize, Millis)> {
        self.look_at_the_fastest(job.kind);
        let mut best: Option<(Millis, usize)> = None;
        for Fast { prover, candidate, at } in self.fast.get(&job.kind)? {
            let Some(takes) = candidate.takes(job) else { continue };
            // Whoever comes after this one is no faster.
            if best.is_some_and(|(end, _)| self.now.saturating_add(takes) > end) {
                break;
            }
            let at = at.filter(|at| at.saturating_sub(self.now) <= patience);
            if let Some(at) = at.filter(|_| may(candidate, job, not) && candidate.estimate(job).is_some()) {
                let one = (at.max(self.now).saturating_add(takes), *prover);
                best = Some(best.map_or(one, |best| best.min(one)));
            }
        }
        best.map(|(end, prover)| (prover, end))
    }

    /// The best bid of a free prover, and what it is paid; none of these owners.
    pub(crate) fn best_bid(&mut self, job: &OpenJob, not: &[Address], rules: &Rules) -> Option<Award> {
        let (provers, now) = (self.provers, self.now);
        let bid = |prover: usize| {
            let candidate = provers.get(&prover).map(|member| &member.candidate);
            candidate.filter(|candidate| may(candidate, job, not))?.bid(prover, job, now, rules)
        };
        self.lines.get_mut(&job.kind)?.bidders().bids(job, now, rules, bid).award(job, now, rules)
    }

    /// Whether anybody who is free and has so much memory does so much work for this.
    pub(crate) fn is_worth(&mut self, sort: Sort, pay: u128) -> bool {
        let least = self.lines.get_mut(&sort.kind).and_then(|line| line.bidders().least(sort.memory));
        least.is_some_and(|(none, ask)| asked((!none).then_some(ask), sort.units, pay).is_some())
    }

    /// A place that is free goes to a job that ends then.
    pub(crate) fn give(&mut self, prover: usize, end: Millis) {
        self.unseat(prover);
        *self.given.entry(prover).or_default() += 1;
        self.seat(prover);
        self.taken(prover).push(Reverse(end));
        self.note(prover);
    }

    /// The place of a busy prover that is free next is promised to a job that ends then.
    pub(crate) fn promise(&mut self, prover: usize, end: Millis) {
        let taken = self.taken(prover);
        taken.pop();
        taken.push(Reverse(end));
        self.note(prover);
    }

    /// When its next place is free has changed.
    fn note(&mut self, prover: usize) {
        let at = self.taken(prover).peek().map(|Reverse(at)| *at);
        let one = self.fast.values_mut().flatten().filter(|fast| fast.prover == prover);
        one.for_each(|fast| fast.at = at);
    }

    fn free(&self, prover: usize) -> u32 {
        if self.missed.contains(&prover) {
            return 0;
        }
        let free = self.provers.get(&prover).map_or(0, |member| member.free);
        free.saturating_sub(self.given.get(&prover).copied().unwrap_or_default())
    }

    fn seat(&mut self, prover: usize) {
        if self.free(prover) > 0 {
            self.each_seat(prover, Line::seat);
        }
    }

    fn unseat(&mut self, prover: usize) {
        self.each_seat(prover, Line::unseat);
    }

    fn each_seat(&mut self, prover: usize, change: impl Fn(&mut Line, crate::line::Seat, u64, crate::line::Ask)) {
        let Some(member) = self.provers.get(&prover) else { return };
        for (kind, seat) in member.seats(prover, self.given.get(&prover).copied().unwrap_or_default()) {
            if let Some(line) = self.lines.get_mut(&kind) {
                change(line, seat, member.candidate.memory, ask(member.candidate.asks.get(&kind)));
            }
        }
    }

    /// Those that are free or will be, of the fastest, as it was before anything was given.
    fn look_at_the_fastest(&mut self, kind: ProofKind) {
        if self.fast.contains_key(&kind) {
            return;
        }
        let Some(line) = self.lines.get(&kind) else { return };
        let there = |prover: &usize| {
            let member = self.provers.get(prover)?;
            let holds = !member.holds.is_empty() && member.candidate.concurrency > 0;
            let is_in = member.candidate.is_in(self.now) && !self.missed.contains(prover);
            (is_in && (member.free > 0 || holds)).then_some(*prover)
        };
        let fast: Vec<usize> = line.fastest().filter_map(|prover| there(&prover)).take(CONSIDERED).collect();
        let fast = fast.into_iter().filter_map(|prover| {
            let at = self.taken(prover).peek().map(|Reverse(at)| *at);
            Some(Fast { prover, candidate: self.candidate(prover)?, at })
        });
        let fast = fast.collect();
        self.fast.insert(kind, fast);
    }

    /// When a prover's places should be free.
    fn taken(&mut self, prover: usize) -> &mut Taken {
        if !self.taken.contains_key(&prover) {
            let taken = self.holds_until(prover);
            self.taken.insert(prover, taken);
        }
        self.taken.entry(prover).or_default()
    }

    fn holds_until(&self, prover: usize) -> Taken {
        let Some(member) = self.provers.get(&prover).filter(|_| !self.missed.contains(&prover)) else {
            return Taken::new();
        };
        let held = member.holds.iter().filter_map(|job| self.jobs.get(job));
        let mut ends: Vec<Millis> = held.filter_map(|open| self.end(&open.job)).collect();
        // One that has more than it takes by now is free only when those are done.
        ends.sort_unstable();
        let over = ends.len().saturating_sub(member.candidate.concurrency as usize);
        ends.drain(over..).map(Reverse).collect()
    }
}

/// Whether the job may go to this prover's owner.
fn may(prover: &Candidate, job: &OpenJob, not: &[Address]) -> bool {
    !job.barred.contains(&prover.address) && !not.contains(&prover.address)
}
