//! A pool played through: from event to event, with the real scheduler asked in between.

use crate::{
    Choice, Figures, Scenario, Spread,
    account::gini,
    trace::{Arrival, arrivals},
    world::{Character, Fate, KIND, MEDIAN_SPEED, Prover, UNIT_PRICE, memory, provers},
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};
use zkpool_protocol::{JobId, TaskId, WorkUnits};
use zkpool_scheduler::{
    Action, Deal, Event, Holder, Index, Millis, OpenJob, PriceInput, Rules, Strategy, observed_speed, price, suited,
};

/// The scheduler is asked at most so often, in milliseconds: what happens in between is taken together.
const TICK: Millis = 250;
/// And at least so often while something is open: who has fallen behind is seen by looking.
const LOOK: Millis = 2_000;
/// A machine that broke off is back after so long.
const DOWN: Millis = 120_000;
/// A prover that is out bonds anew after so long.
const BOND: Millis = 900_000;
/// Of the work's price, so many of ten thousand go to provers; the rest is the operator's.
const SHARE: u128 = 9_000;
/// What is added to the price when everybody is busy, in hundredths of a percent.
const SURCHARGE: u32 = 5_000;
/// For putting money at stake, in hundredths of a percent.
const PREMIUM: u32 = 50;
/// A bond is a quarter of the liability. Half of it is lost by delivering late, all of it with the liability by never
/// delivering.
const BOND_PART: f64 = 0.25;
/// A task can be proven until so many times its proof window.
const LIABLE: u64 = 3;
/// What a failed lease costs where nobody races, as a part of what is at stake: nearly always somebody makes up for it, or the
/// result is late and only half of the bond is lost. For `suited`; measured with a sweep over the penalty.
const UNMENDED: f64 = 0.015;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// A lease comes to its fate.
    Fate(usize),
    /// A prover has stopped, and can take something else.
    Free(usize),
    /// It bonds anew.
    Bonds(usize),
    /// A job cannot be delivered any more.
    Over(u32),
}

struct Lease {
    job: u32,
    prover: usize,
    at: Millis,
    pay: u128,
    fate: Fate,
    /// Its prover has stopped, or will not be listened to.
    gone: bool,
    expired: bool,
}

struct Task {
    price: u128,
    bond: f64,
    /// The liability and the bond.
    at_stake: f64,
    leases: Vec<usize>,
}

/// What was earned and spent so far.
#[derive(Default)]
struct Books {
    cost: Vec<f64>,
    paid: Vec<u128>,
    worked: f64,
    useful: f64,
    lost: f64,
    price: u128,
    latencies: Vec<Millis>,
    on_time: u32,
    defaulted: u32,
    figures: Figures,
}

struct Pool<'a> {
    scenario: &'a Scenario,
    choice: Choice,
    rules: Rules,
    arrivals: Vec<Arrival>,
    provers: Vec<Prover>,
    index: Index,
    next: BinaryHeap<Reverse<(Millis, Next)>>,
    leases: Vec<Lease>,
    open: HashMap<u32, Task>,
    busy: usize,
    books: Books,
    now: Millis,
}

/// Plays a scenario through with a strategy.
pub fn run(scenario: &Scenario, choice: Choice) -> Figures {
    let provers = provers(scenario);
    let honest = provers.iter().filter(|prover| prover.character == Character::Honest);
    let speed: f64 = honest.map(|prover| prover.speed).sum();
    let arrivals = arrivals(scenario.trace, scenario.jobs, speed * scenario.load, scenario.seed);
    let rules = Rules::default();
    let mut index = Index::empty(rules);
    for (prover, one) in provers.iter().enumerate() {
        index.apply(Event::Prover { prover, candidate: one.known.clone() });
    }
    let count = provers.len();
    let books = Books { cost: vec![0.0; count], paid: vec![0; count], ..Books::default() };
    let (next, leases, open) = Default::default();
    let mut pool =
        Pool { scenario, choice, rules, arrivals, provers, index, next, leases, open, busy: 0, books, now: 0 };
    pool.play();
    pool.close()
}

impl Pool<'_> {
    fn play(&mut self) {
        let mut coming = 0;
        let mut asked_at = 0;
        let mut changed = false;
        loop {
            let arrival = self.arrivals.get(coming).map(|arrival| arrival.at);
            let event = self.next.peek().map(|Reverse((at, _))| *at);
            let Some(happens) = arrival.into_iter().chain(event).min() else { break };
            if arrival.is_none() && self.open.is_empty() {
                break;
            }
            // The scheduler is asked when something has changed, when a lease ends, and now and then.
            let look = asked_at + if changed { TICK } else { LOOK };
            let wake = self.index.wakes_at().map_or(look, |at| at.clamp(asked_at + TICK, look.max(asked_at + TICK)));
            let asks = if self.open.is_empty() && !changed { Millis::MAX } else { look.min(wake) };
            if asks <= happens {
                self.now = asks.max(self.now);
                (asked_at, changed) = (self.now, false);
                self.decide();
                continue;
            }
            self.now = happens.max(self.now);
            changed |= arrival == Some(happens) || !self.is_stale();
            if arrival == Some(happens) {
                self.arrive(coming as u32);
                coming += 1;
            } else if let Some(Reverse((_, next))) = self.next.pop() {
                match next {
                    Next::Fate(lease) => self.fate(lease),
                    Next::Free(prover) => self.index.apply(Event::Waiting { prover, waiting: 1 }),
                    Next::Bonds(prover) => {
                        let known = &mut self.provers[prover].known;
                        known.standing = known.standing.after_bond();
                        self.tell(prover);
                    }
                    Next::Over(job) => self.over(job),
                }
            }
        }
    }

    /// Whether what happens next concerns nobody any more.
    fn is_stale(&self) -> bool {
        match self.next.peek() {
            Some(Reverse((_, Next::Fate(lease)))) => self.leases[*lease].gone,
            Some(Reverse((_, Next::Over(job)))) => !self.open.contains_key(job),
            _ => false,
        }
    }

    fn arrive(&mut self, job: u32) {
        let arrival = self.arrivals[job as usize];
        let units = WorkUnits(arrival.units());
        let typical = arrival.units() as f64 * 1_000.0 / MEDIAN_SPEED;
        let window = (typical * self.scenario.slack) as Millis + self.rules.delivery;
        let load = (self.busy * 10_000 / self.provers.len()) as u32;
        let alone = price(&self.priced(units, load, Strategy::Assign, 0));
        let liability = alone.work as f64 * self.scenario.penalty;
        let bond = liability * BOND_PART;
        let at_stake = liability + bond;
        let strategy = match self.choice {
            Choice::One(strategy) => strategy,
            Choice::Suited => {
                let unmended = (self.scenario.failures * UNMENDED * 10_000.0) as u32;
                suited(alone.work, at_stake as u128, unmended)
            }
        };
        let price = price(&self.priced(units, load, strategy, at_stake as u128));
        let deal = Deal { strategy, pay: alone.work * SHARE / 10_000 };
        let over = self.now + window * LIABLE;
        self.open.insert(job, Task { price: price.total(), bond, at_stake, leases: vec![] });
        self.next.push(Reverse((over, Next::Over(job))));
        self.index.apply(Event::Job(OpenJob {
            id: id(job),
            kind: KIND,
            units,
            memory: memory(arrival.size),
            ready_at: self.now,
            proof_deadline: self.now + window,
            liability_deadline: over,
            after: 0,
            near: vec![],
            holders: vec![],
            barred: vec![],
            enclave: None,
            leg: None,
            deal,
        }));
    }

    fn priced(&self, units: WorkUnits, load: u32, strategy: Strategy, at_stake: u128) -> PriceInput {
        PriceInput {
            units,
            wei_per_million_units: UNIT_PRICE,
            load_bps: SURCHARGE,
            load,
            gas: 0,
            gas_price: 0,
            at_stake,
            premium_bps: PREMIUM,
            strategy,
        }
    }

    fn decide(&mut self) {
        self.books.figures.decisions += 1;
        for action in self.index.decide(self.now) {
            match action {
                Action::Expire { job, token, prover } => {
                    self.index.apply(Event::Ended { job, token, barred: false });
                    self.leases[token as usize].expired = true;
                    if let Some((prover, standing)) = prover {
                        self.miss(prover, standing);
                    }
                }
                Action::Lease { job, prover, until, pay } => self.lease(job.index, prover, until, pay),
            }
        }
    }

    fn lease(&mut self, job: u32, prover: usize, until: Millis, pay: u128) {
        let units = self.arrivals[job as usize].units();
        let fate = self.provers[prover].fate(self.scenario, prover, job, units);
        let (Fate::Done(after) | Fate::Silent(after) | Fate::Crash(after) | Fate::Wrong(after)) = fate;
        let token = self.leases.len();
        self.leases.push(Lease { job, prover, at: self.now, pay, fate, gone: false, expired: false });
        if let Some(task) = self.open.get_mut(&job) {
            task.leases.push(token);
        }
        self.next.push(Reverse((self.now + after, Next::Fate(token))));
        self.busy += 1;
        self.books.figures.leases += 1;
        // Whoever is heard of renews its lease in time: only what the scheduler itself ends is ended then.
        let heard = matches!(fate, Fate::Done(_) | Fate::Wrong(_));
        let holder = Holder {
            prover: Some(prover),
            owner: self.provers[prover].known.address,
            token: token as u64,
            granted_at: self.now,
            expires_at: if heard { Millis::MAX } else { until },
            progress: 0.0,
        };
        self.index.apply(Event::Leased { job: id(job), holder });
    }

    fn fate(&mut self, token: usize) {
        let Lease { job, prover, at, pay, fate, gone, expired } = self.leases[token];
        if gone {
            return;
        }
        self.stop(token, self.now, if matches!(fate, Fate::Crash(_)) { DOWN } else { 0 });
        let (Fate::Done(_) | Fate::Silent(_), true) = (fate, self.open.contains_key(&job)) else {
            if matches!(fate, Fate::Wrong(_)) && !expired && self.open.contains_key(&job) {
                self.index.apply(Event::Ended { job: id(job), token: token as u64, barred: true });
                let standing = self.provers[prover].known.standing.after_miss(self.now, &self.rules);
                self.miss(prover, standing);
            }
            return;
        };
        // The first valid result counts, however late.
        let units = WorkUnits(self.arrivals[job as usize].units());
        let known = &mut self.provers[prover].known;
        let took = self.now - at;
        let speed = observed_speed(known.speeds.get(&KIND).copied(), units, took);
        known.speeds.insert(KIND, speed);
        known.standing = if expired { known.standing.after_late() } else { known.standing.after_hit() };
        self.tell(prover);
        self.books.paid[prover] += pay;
        self.books.useful += took as f64;
        self.books.figures.late_results += u64::from(expired);
        self.delivered(job);
    }

    fn delivered(&mut self, job: u32) {
        let at = self.now + self.rules.delivery;
        let deadline = self.index.job(id(job)).map_or(0, |open| open.proof_deadline);
        let Some(task) = self.open.remove(&job) else { return };
        self.index.apply(Event::Closed { job: id(job) });
        self.books.figures.delivered += 1;
        self.books.price += task.price;
        self.books.latencies.push(at - self.arrivals[job as usize].at);
        if at <= deadline {
            self.books.on_time += 1;
        } else {
            self.books.lost += task.bond / 2.0;
        }
        self.cancel(&task);
    }

    fn over(&mut self, job: u32) {
        let Some(task) = self.open.remove(&job) else { return };
        self.index.apply(Event::Closed { job: id(job) });
        self.books.defaulted += 1;
        self.books.lost += task.at_stake;
        self.cancel(&task);
    }

    /// Whoever still works on it hears so at its next sign of life.
    fn cancel(&mut self, task: &Task) {
        for token in &task.leases {
            let lease = &self.leases[*token];
            let (Fate::Done(after) | Fate::Wrong(after)) = lease.fate else { continue };
            if !lease.gone && !lease.expired {
                let beat = self.rules.min_lease / 3;
                let at = self.now + beat - (self.now - lease.at) % beat;
                self.stop(*token, at.min(lease.at + after).max(self.now), 0);
            }
        }
    }

    /// A prover stops at a time, and is back so long after it.
    fn stop(&mut self, token: usize, at: Millis, back: Millis) {
        let lease = &mut self.leases[token];
        lease.gone = true;
        let (prover, worked) = (lease.prover, at.saturating_sub(lease.at) as f64);
        self.books.worked += worked;
        self.books.cost[prover] += worked * self.provers[prover].cost;
        self.busy -= 1;
        self.next.push(Reverse((at + back, Next::Free(prover))));
    }

    fn miss(&mut self, prover: usize, standing: zkpool_scheduler::Standing) {
        self.books.figures.misses += 1;
        self.provers[prover].known.standing = standing;
        if standing.out {
            self.next.push(Reverse((self.now + BOND, Next::Bonds(prover))));
        }
        self.tell(prover);
    }

    /// Tells the scheduler how a prover is now; whether it asks for work it hears otherwise.
    fn tell(&mut self, prover: usize) {
        let waiting = self.index.prover(prover).map_or(0, |known| known.waiting);
        let candidate = zkpool_scheduler::Candidate { waiting, ..self.provers[prover].known.clone() };
        self.index.apply(Event::Prover { prover, candidate });
    }

    fn close(self) -> Figures {
        let Self { provers, mut books, scenario, now, .. } = self;
        let hours = now.max(1) as f64 / 3_600_000.0;
        let honest: Vec<usize> =
            (0..provers.len()).filter(|prover| provers[*prover].character == Character::Honest).collect();
        let income = |prover: &usize| books.paid[*prover] as f64 / hours;
        let profit = |prover: &usize| income(prover) - books.cost[*prover] / hours;
        let mut speeds: Vec<f64> = honest.iter().map(|prover| provers[*prover].speed).collect();
        speeds.sort_by(f64::total_cmp);
        let paid: u128 = books.paid.iter().sum();
        let to_honest: u128 = honest.iter().map(|prover| books.paid[*prover]).sum();
        let proofs = f64::from(books.figures.delivered.max(1));
        let (work, price) = (books.cost.iter().sum::<f64>(), books.price as f64);
        let (income, profit) = (honest.iter().map(income).collect(), honest.iter().map(profit).collect());
        books.latencies.sort_unstable();
        let latency = |part: f64| {
            let place = books.latencies.len().saturating_sub(1) as f64 * part;
            books.latencies.get(place.round() as usize).copied().unwrap_or_default()
        };
        Figures {
            on_time: f64::from(books.on_time) / f64::from(scenario.jobs),
            defaulted: f64::from(books.defaulted) / f64::from(scenario.jobs),
            cost_per_proof: (work + books.lost) / proofs,
            work_per_proof: work / proofs,
            penalty_per_proof: books.lost / proofs,
            price_per_proof: price / proofs,
            paid_per_proof: paid as f64 / proofs,
            kept_per_proof: (price - paid as f64 - books.lost) / proofs,
            utilisation: books.worked / (now.max(1) as f64 * provers.len() as f64),
            wasted: if books.worked > 0.0 { 1.0 - books.useful / books.worked } else { 0.0 },
            latency_p50: latency(0.5),
            latency_p95: latency(0.95),
            income: Spread::of(income),
            profit: Spread::of(profit),
            gini_of_speed: gini(&speeds),
            paid_to_liars: if paid > 0 { 1.0 - to_honest as f64 / paid as f64 } else { 0.0 },
            lasted: now,
            ..books.figures
        }
    }
}

fn id(job: u32) -> JobId {
    JobId { task: TaskId::left_padding_from(&job.to_be_bytes()), index: job }
}
