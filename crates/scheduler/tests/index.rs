//! A pool in motion: the index is told what happens, event by event, while a snapshot is kept beside it by hand. After each
//! step both decide the same, and what must always hold is looked at.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::{prelude::*, strategy::Strategy as Generator};
use std::collections::{BTreeMap, BTreeSet};
use zkpool_protocol::{Address, B256, JobId, ProofKind, TaskId, WorkUnits};
use zkpool_scheduler::{Strategy, *};

const KINDS: [ProofKind; 2] = [ProofKind::Groth16Bn254, ProofKind::Risc0Composite];

/// What can happen. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Step {
    /// Some time passes.
    Wait(u64),
    /// A job comes.
    Comes { task: u8, units: u64, memory: u64, window: u64, after: u64, zkvm: bool, strategy: u8, bundle: Option<u8> },
    /// A result is there, for whatever reason.
    Closes(usize),
    /// A holder gives up, or returned what is wrong.
    GivesUp(usize),
    /// A sign of life.
    Renews(usize, f64),
    /// A prover asks for so much.
    Asks(usize, u32),
    /// It is another machine now.
    Changes(usize, f64, u64, u32),
    /// It has been in vain so often.
    Misses(usize, u64),
    /// It leaves.
    Leaves(usize),
}

fn step() -> impl Generator<Value = Step> {
    prop_oneof![
        4 => (0u64..40_000).prop_map(Step::Wait),
        6 => (0u8..6, 1u64..200_000, 0u64..200, 1_000u64..200_000, prop_oneof![Just(0), 0u64..60_000], any::<bool>(), 0u8..5,
              prop::option::weighted(0.2, 0u8..3))
            .prop_map(|(task, units, memory, window, after, zkvm, strategy, bundle)| Step::Comes {
                task, units, memory, window, after, zkvm, strategy, bundle
            }),
        3 => any::<usize>().prop_map(Step::Closes),
        1 => any::<usize>().prop_map(Step::GivesUp),
        2 => (any::<usize>(), 0.0f64..1.0).prop_map(|(n, progress)| Step::Renews(n, progress)),
        4 => (any::<usize>(), 0u32..3).prop_map(|(n, waiting)| Step::Asks(n, waiting)),
        1 => (any::<usize>(), 0.0f64..10_000.0, 50u64..200, 0u32..3).prop_map(|(n, s, m, c)| Step::Changes(n, s, m, c)),
        1 => (any::<usize>(), 0u64..100_000).prop_map(|(n, until)| Step::Misses(n, until)),
        1 => any::<usize>().prop_map(Step::Leaves),
    ]
}

fn strategy(n: u8) -> Strategy {
    match n {
        0 | 1 => Strategy::Assign,
        2 => Strategy::Compete,
        n => Strategy::Race { provers: u32::from(n) - 1 },
    }
}

fn candidate(n: u8, speed: f64, memory: u64, concurrency: u32) -> Candidate {
    Candidate {
        address: Address::with_last_byte(n),
        present: true,
        waiting: concurrency,
        concurrency,
        memory,
        speeds: KINDS.iter().map(|kind| (*kind, speed)).collect(),
        enclaves: vec![B256::ZERO],
        standing: Standing::default(),
        asks: BTreeMap::from([(KINDS[0], u128::from(n) * 100)]),
    }
}

/// An index, and the same by hand.
struct Twin {
    index: Index,
    snapshot: Snapshot,
    left: BTreeSet<usize>,
    now: Millis,
    token: u64,
    next: u32,
    rules: Rules,
}

impl Twin {
    fn new(provers: &[(u8, f64, u64, u32)]) -> Self {
        let rules = Rules { exclusion: 5_000, ..Rules::default() };
        let provers = provers.iter().map(|(owner, s, m, c)| candidate(*owner, *s, *m, *c)).collect();
        let snapshot = Snapshot { jobs: vec![], provers };
        let index = Index::new(&snapshot, &rules);
        Self { index, snapshot, left: BTreeSet::new(), now: 1_000_000, token: 0, next: 0, rules }
    }

    fn prover(&self, n: usize) -> Option<usize> {
        let there: Vec<usize> = (0..self.snapshot.provers.len()).filter(|p| !self.left.contains(p)).collect();
        there.get(n % there.len().max(1)).copied()
    }

    fn lease(&self, n: usize) -> Option<(JobId, u64)> {
        let all: Vec<_> = self.snapshot.jobs.iter().flat_map(|j| j.holders.iter().map(|h| (j.id, h.token))).collect();
        all.get(n % all.len().max(1)).copied()
    }

    fn job(&mut self, id: JobId) -> &mut OpenJob {
        self.snapshot.jobs.iter_mut().find(|job| job.id == id).unwrap()
    }

    fn become_(&mut self, prover: usize, candidate: Candidate) {
        self.snapshot.provers[prover] = candidate.clone();
        self.index.apply(Event::Prover { prover, candidate });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Wait(millis) => self.now += millis,
            Step::Comes { task, units, memory, window, after, zkvm, strategy: n, bundle } => {
                let id = JobId { task: TaskId::with_last_byte(task), index: self.next };
                self.next += 1;
                let job = OpenJob {
                    id,
                    kind: KINDS[usize::from(zkvm)],
                    units: WorkUnits(units),
                    memory,
                    ready_at: self.now,
                    proof_deadline: self.now + window,
                    liability_deadline: self.now + window * 3,
                    after,
                    near: vec![usize::from(task)],
                    holders: vec![],
                    barred: vec![],
                    enclave: None,
                    leg: bundle.map(|b| LegOf { bundle: TaskId::with_last_byte(b), leg: u32::from(task) % 2 }),
                    deal: Deal { strategy: strategy(n), pay: u128::from(units) },
                };
                self.snapshot.jobs.push(job.clone());
                self.index.apply(Event::Job(job));
            }
            Step::Closes(n) => {
                let all: Vec<JobId> = self.snapshot.jobs.iter().map(|job| job.id).collect();
                if let Some(job) = all.get(n % all.len().max(1)).copied() {
                    self.snapshot.jobs.retain(|other| other.id != job);
                    self.index.apply(Event::Closed { job });
                }
            }
            Step::GivesUp(n) => {
                if let Some((job, token)) = self.lease(n) {
                    let open = self.job(job);
                    let owner = open.holders.iter().find(|h| h.token == token).unwrap().owner;
                    open.barred.push(owner);
                    open.holders.retain(|h| h.token != token);
                    self.index.apply(Event::Ended { job, token, barred: true });
                }
            }
            Step::Renews(n, progress) => {
                if let Some((job, token)) = self.lease(n) {
                    let expires_at = self.now + 30_000;
                    let open = self.job(job);
                    let holder = open.holders.iter_mut().find(|h| h.token == token).unwrap();
                    (holder.expires_at, holder.progress) = (expires_at, progress);
                    self.index.apply(Event::Renewed { job, token, expires_at, progress });
                }
            }
            Step::Asks(n, waiting) => {
                if let Some(prover) = self.prover(n) {
                    self.snapshot.provers[prover].waiting = waiting;
                    self.index.apply(Event::Waiting { prover, waiting });
                }
            }
            Step::Changes(n, speed, memory, concurrency) => {
                if let Some(prover) = self.prover(n) {
                    let known = self.snapshot.provers[prover].clone();
                    let speeds = KINDS.iter().map(|kind| (*kind, speed)).collect();
                    self.become_(prover, Candidate { speeds, memory, concurrency, ..known });
                }
            }
            Step::Misses(n, until) => {
                if let Some(prover) = self.prover(n) {
                    let mut known = self.snapshot.provers[prover].clone();
                    known.standing.excluded_until = self.now + until;
                    known.standing.out = until % 10 == 0;
                    self.become_(prover, known);
                }
            }
            Step::Leaves(n) => {
                if let Some(prover) = self.prover(n) {
                    self.left.insert(prover);
                    self.index.apply(Event::Left { prover });
                    // In a snapshot somebody stands in its place who can do nothing.
                    self.snapshot.provers[prover] =
                        Candidate { present: false, speeds: BTreeMap::new(), ..candidate(255, 0.0, 0, 0) };
                    let holders = self.snapshot.jobs.iter_mut().flat_map(|job| job.holders.iter_mut());
                    holders.filter(|h| h.prover == Some(prover)).for_each(|h| h.prover = None);
                }
            }
        }
    }

    /// Decides with both, looks at what must hold, and carries it out.
    fn decide(&mut self) -> Result<(), TestCaseError> {
        let actions = self.index.decide(self.now);
        prop_assert_eq!(&actions, &decide(&self.snapshot, self.now, &self.rules), "updated and rebuilt differ");
        prop_assert_eq!(&actions, &self.index.decide(self.now), "a decision changes nothing by itself");
        for action in actions {
            match action {
                Action::Expire { job, token, prover } => {
                    self.job(job).holders.retain(|holder| holder.token != token);
                    self.index.apply(Event::Ended { job, token, barred: false });
                    if let Some((prover, standing)) = prover {
                        let known = self.snapshot.provers[prover].clone();
                        self.become_(prover, Candidate { standing, ..known });
                    }
                }
                Action::Lease { job, prover, until, pay } => {
                    self.token += 1;
                    let known = &mut self.snapshot.provers[prover];
                    prop_assert!(known.waiting > 0 && known.is_in(self.now));
                    known.waiting -= 1;
                    let (owner, token, granted_at) = (known.address, self.token, self.now);
                    let holder =
                        Holder { prover: Some(prover), owner, token, granted_at, expires_at: until, progress: 0.0 };
                    let open = self.job(job);
                    let wanted = open.deal.strategy.holders();
                    prop_assert!(open.holders.iter().all(|other| other.owner != owner), "twice with one owner");
                    prop_assert!(open.holders.len() < wanted.max(2) as usize);
                    // Nobody is paid more than was agreed, nor nothing.
                    prop_assert!(pay <= open.deal.reward() && (pay > 0 || open.deal.strategy == strategy(2)));
                    open.holders.push(holder);
                    self.index.apply(Event::Leased { job, holder });
                }
            }
        }
        prop_assert!(self.snapshot.jobs.iter().all(|job| self.index.job(job.id) == Some(job)), "a job is lost");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_index_that_is_updated_decides_as_one_that_is_made_anew(
        provers in prop::collection::vec((0u8..8, 10.0f64..10_000.0, 50u64..200, 1u32..3), 1..8),
        steps in prop::collection::vec((step(), prop::bool::weighted(0.6)), 1..60),
    ) {
        let mut twin = Twin::new(&provers);
        for (step, decides) in steps {
            twin.step(step);
            if decides {
                twin.decide()?;
            }
        }
        // Nor does the order of questions matter.
        let later = twin.index.decide(twin.now + 50_000);
        twin.index.decide(twin.now);
        prop_assert_eq!(twin.index.decide(twin.now + 50_000), later);
    }

}

proptest! {
    // Each plays many minutes through, and asks an index that is made anew every second.
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever the strategy: where everybody does what it should, everything that somebody can do gets done, and nothing
    /// waits behind a stream of newcomers for ever.
    #[test]
    fn nothing_starves(
        speeds in prop::collection::vec(100.0f64..10_000.0, 1..6),
        seconds in prop::collection::vec((1.0f64..30.0, 0u8..5), 1..16), load in 0.1f64..0.6,
    ) {
        let provers: Vec<_> = (0u8..).zip(&speeds).map(|(n, speed)| (n, *speed, 100, 1)).collect();
        let (mut twin, all) = (Twin::new(&provers), speeds.iter().sum::<f64>());
        // Each takes so long on a machine of average speed. All of them, raced for, and the newcomers, take far less than this.
        let average = all / speeds.len() as f64;
        let jobs: Vec<(u64, u8)> = seconds.iter().map(|(seconds, n)| ((seconds * average) as u64, *n)).collect();
        let last = twin.now + 7_200_000;
        let (mut due, mut busy): (f64, BTreeMap<u64, (Millis, usize, JobId)>) = (0.0, BTreeMap::new());
        let mut of_the_first = jobs.len();
        let comes = |units, n| Step::Comes {
            task: 0, units, memory: 50, window: 600_000, after: 0, zkvm: n % 2 == 0, strategy: n, bundle: None,
        };
        let lasting = |twin: &mut Twin| { let open = twin.snapshot.jobs.last().cloned().unwrap(); twin.keep(open) };
        for (units, n) in &jobs {
            twin.step(comes(*units, *n));
            lasting(&mut twin);
        }
        while of_the_first > 0 {
            prop_assert!(twin.now < last, "{} of the first are left", of_the_first);
            twin.now += 1_000;
            due += all * load;
            while due > 10.0 * average {
                due -= 10.0 * average;
                twin.step(comes((10.0 * average) as u64, 0));
                lasting(&mut twin);
            }
            let done: Vec<(u64, usize, JobId)> =
                busy.iter().filter(|(_, (end, ..))| *end <= twin.now).map(|(t, (_, p, j))| (*t, *p, *j)).collect();
            for (token, prover, job) in done {
                busy.remove(&token);
                if twin.snapshot.jobs.iter().any(|open| open.id == job) {
                    twin.snapshot.jobs.retain(|open| open.id != job);
                    twin.index.apply(Event::Closed { job });
                    of_the_first -= usize::from((job.index as usize) < jobs.len());
                }
                twin.snapshot.provers[prover].waiting = 1;
                twin.index.apply(Event::Waiting { prover, waiting: 1 });
            }
            let before = twin.token;
            twin.decide()?;
            for open in &twin.snapshot.jobs.clone() {
                for holder in open.holders.iter().filter(|holder| holder.token > before) {
                    let prover = holder.prover.unwrap();
                    let takes = (open.units.0 as f64 * 1_000.0 / speeds[prover]).ceil() as Millis;
                    busy.insert(holder.token, (twin.now + takes, prover, open.id));
                    // Whoever is at work says so.
                    let (job, token, expires_at) = (open.id, holder.token, Millis::MAX);
                    twin.job(job).holders.iter_mut().filter(|h| h.token == token).for_each(|h| h.expires_at = expires_at);
                    twin.index.apply(Event::Renewed { job, token, expires_at, progress: 0.0 });
                }
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Jobs that fit one after the other before their deadlines, on machines that are alike, are done before them.
    #[test]
    fn deadlines_that_can_be_kept_are_kept(
        windows in prop::collection::vec(1u64..8, 1..16), machines in 1usize..5, race in any::<bool>(),
    ) {
        // The earliest first is the best that one can do with jobs of one size; whether it suffices is seen beforehand.
        let mut sorted = windows.clone();
        sorted.sort_unstable();
        let racers = if race { 2.min(machines) } else { 1 };
        let rounds = machines / racers;
        prop_assume!(rounds * racers == machines);
        let feasible = (0..).zip(&sorted).all(|(n, window): (usize, _)| (n / rounds + 1) as u64 <= *window);
        let provers: Vec<_> = (0..machines as u8).map(|n| (n, 1_000.0, 100, 1)).collect();
        let mut twin = Twin::new(&provers);
        let (start, takes) = (twin.now, 10_000);
        for window in &windows {
            let strategy = if race && machines > 1 { 3 } else { 0 };
            let window = window * takes + twin.rules.delivery;
            twin.step(Step::Comes { task: 0, units: 10_000, memory: 1, window, after: 0, zkvm: false, strategy, bundle: None });
        }
        while !twin.snapshot.jobs.is_empty() && twin.now < start + 1_000_000 {
            twin.decide()?;
            twin.now += takes;
            for open in twin.snapshot.jobs.clone().iter().filter(|open| !open.holders.is_empty()) {
                let on_time = twin.now + twin.rules.delivery <= open.proof_deadline;
                prop_assert!(on_time || !feasible, "{} late", open.id);
                twin.snapshot.jobs.retain(|other| other.id != open.id);
                twin.index.apply(Event::Closed { job: open.id });
            }
            for prover in 0..machines {
                twin.step(Step::Asks(prover, 1));
            }
        }
        prop_assert!(!feasible || twin.snapshot.jobs.is_empty());
    }
}

impl Twin {
    /// A job that is worth something for as long as it takes.
    fn keep(&mut self, job: OpenJob) {
        let job = OpenJob { liability_deadline: u64::MAX, ..job };
        *self.job(job.id) = job.clone();
        self.index.apply(Event::Job(job));
    }
}

#[test]
fn the_best_score_wins_and_is_paid_what_the_runner_up_would_have_been_worth() {
    let job = |pay| OpenJob {
        id: JobId { task: TaskId::ZERO, index: 0 },
        kind: KINDS[0],
        units: WorkUnits(1_000_000),
        memory: 1,
        ready_at: 0,
        proof_deadline: 105_000,
        liability_deadline: 200_000,
        after: 0,
        near: vec![],
        holders: vec![],
        barred: vec![],
        enclave: None,
        leg: None,
        deal: Deal { strategy: Strategy::Compete, pay },
    };
    let bidder = |n: u8, seconds: f64, ask: u128| Candidate {
        speeds: BTreeMap::from([(KINDS[0], 1_000_000.0 / seconds)]),
        asks: BTreeMap::from([(KINDS[0], ask)]),
        ..candidate(n, 1.0, 100, 1)
    };
    let award = |provers: &[Candidate], now| {
        let snapshot = Snapshot { jobs: vec![job(1_000)], provers: provers.to_vec() };
        let actions = decide(&snapshot, now, &Rules { bidding: 0, ..Rules::default() });
        actions.into_iter().find_map(|action| match action {
            Action::Lease { prover, pay, .. } => Some((prover, pay)),
            Action::Expire { .. } => None,
        })
    };
    // 100 s are left: 10 s are a tenth of the time, 500 half of the pay. 0.6 against 0.7: the winner is paid 600.
    let (quick, cheap) = (bidder(1, 10.0, 500), bidder(2, 40.0, 300));
    assert_eq!(award(&[quick.clone(), cheap.clone()], 0), Some((0, 600)));
    // A rival of the same owner raises nobody's pay, and one alone is paid all.
    assert_eq!(award(&[quick.clone(), bidder(1, 10.0, 501)], 0), Some((0, 1_000)));
    // Who would be late comes after all that would not, and who asks for too much is out.
    assert_eq!(award(&[bidder(1, 101.0, 1), bidder(2, 90.0, 1_000)], 0), Some((1, 1_000)));
    assert_eq!(award(&[bidder(1, 10.0, 1_001)], 0), None);
    // Who bids nothing takes the pool's price.
    let silent = Candidate { asks: BTreeMap::new(), ..bidder(3, 10.0, 0) };
    assert_eq!(award(&[silent, cheap], 0), Some((1, 700)));
    // It is open for bids for a while.
    let snapshot = Snapshot { jobs: vec![job(1_000)], provers: vec![quick] };
    assert_eq!(decide(&snapshot, 1_999, &Rules::default()), []);
    assert_eq!(decide(&snapshot, 2_000, &Rules::default()).len(), 1);
}

#[test]
fn what_nobody_does_for_its_pay_holds_nothing_else_up() {
    let mut twin = Twin::new(&[(9, 1_000.0, 100, 1), (8, 900.0, 100, 1), (7, 800.0, 100, 1), (7, 800.0, 40, 1)]);
    // All ask 700 or more for a million units, but for the first job 600 is paid.
    for (window, strategy) in [(60_000, 2), (90_000, 2), (95_000, 3)] {
        let (task, units, memory, after) = (0, 1_000_000, 50, 0);
        twin.step(Step::Comes { task, units, memory, window, after, zkvm: false, strategy, bundle: None });
        let job = twin.snapshot.jobs.last().cloned().unwrap();
        let pay = if window == 60_000 { 600 } else { 700 };
        twin.keep(OpenJob { deal: Deal { pay, ..job.deal }, ..job });
    }
    twin.now += twin.rules.bidding;
    twin.decide().unwrap();
    let holders = twin.snapshot.jobs.iter().map(|job| job.holders.iter().filter_map(|h| h.prover).collect::<Vec<_>>());
    assert_eq!(holders.collect::<Vec<_>>(), [vec![], vec![2], vec![0, 1]]);
}

#[test]
fn a_race_takes_what_is_free_of_different_owners_and_the_rest_when_it_comes() {
    let mut twin = Twin::new(&[(1, 1_000.0, 100, 1), (1, 900.0, 100, 1), (2, 800.0, 100, 1), (3, 700.0, 100, 0)]);
    let strategy = 4;
    twin.step(Step::Comes {
        task: 0,
        units: 9,
        memory: 1,
        window: 99_000,
        after: 0,
        zkvm: false,
        strategy,
        bundle: None,
    });
    twin.decide().unwrap();
    let holders = |twin: &Twin| twin.snapshot.jobs[0].holders.iter().filter_map(|h| h.prover).collect::<Vec<_>>();
    assert_eq!(holders(&twin), [0, 2]);
    let late = Candidate { concurrency: 1, waiting: 1, ..twin.snapshot.provers[3].clone() };
    twin.become_(3, late);
    twin.decide().unwrap();
    assert_eq!(holders(&twin), [0, 2, 3]);
}
