//! What decisions are made from, kept from one to the next: what has not changed since costs nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use zkpool_protocol::{JobId, TaskId, pay::TaskPay};
use zkpool_scheduler::{Action, Candidate, Event, Index, Millis, OpenJob, Rules};
use zkpool_store::ProverId;

/// An index of open jobs and provers. It is told how things stand, and finds out itself what is new.
#[derive(Debug, Default)]
pub(crate) struct Board {
    index: Index,
    rules: Rules,
    /// The provers' numbers in the index: each keeps its own as long as it is there, and leaves it to nobody.
    numbers: BTreeMap<ProverId, usize>,
    provers: BTreeMap<usize, ProverId>,
    next: usize,
    jobs: HashSet<JobId>,
    /// From what tasks are paid, as far as is known: it is fixed.
    pub(super) pays: HashMap<TaskId, TaskPay>,
}

impl Board {
    /// How jobs are handed out now. By other rules everything is in another order.
    pub(super) fn follow(&mut self, rules: Rules) {
        if self.rules != rules {
            self.index = Index::empty(rules);
            self.rules = rules;
            self.jobs.clear();
        }
    }

    /// Who is there now.
    pub(super) fn seat(&mut self, candidates: Vec<(ProverId, Candidate)>) {
        let there: HashSet<ProverId> = candidates.iter().map(|(id, _)| id.clone()).collect();
        let gone: Vec<ProverId> = self.numbers.keys().filter(|id| !there.contains(*id)).cloned().collect();
        for id in gone {
            if let Some(prover) = self.numbers.remove(&id) {
                self.provers.remove(&prover);
                self.index.apply(Event::Left { prover });
            }
        }
        for (id, candidate) in candidates {
            let prover = match self.numbers.get(&id) {
                Some(known) => *known,
                None => {
                    self.next += 1;
                    self.numbers.insert(id.clone(), self.next);
                    self.provers.insert(self.next, id);
                    self.next
                }
            };
            match self.index.prover(prover) {
                Some(known) if *known == candidate => {}
                // The one thing that changes all the time, and that nothing else depends on.
                Some(known) if Candidate { waiting: candidate.waiting, ..known.clone() } == candidate => {
                    self.index.apply(Event::Waiting { prover, waiting: candidate.waiting });
                }
                _ => self.index.apply(Event::Prover { prover, candidate }),
            }
        }
    }

    /// Which jobs are open now; provers by their numbers.
    pub(super) fn post(&mut self, jobs: Vec<OpenJob>) {
        let open: HashSet<JobId> = jobs.iter().map(|job| job.id).collect();
        for job in self.jobs.difference(&open) {
            self.index.apply(Event::Closed { job: *job });
        }
        self.jobs = open;
        for job in jobs {
            if self.index.job(job.id) != Some(&job) {
                self.index.apply(Event::Job(job));
            }
        }
    }

    /// What is to be done now. What is carried out shows when the board is next told how things stand.
    pub(super) fn decide(&mut self, now: Millis) -> Vec<Action> {
        self.index.decide(now)
    }

    /// A prover's number, if it is there.
    pub(super) fn number(&self, id: &ProverId) -> Option<usize> {
        self.numbers.get(id).copied()
    }

    /// The prover with this number.
    pub(super) fn prover(&self, number: usize) -> Option<&ProverId> {
        self.provers.get(&number)
    }

    /// A job that is open.
    pub(super) fn job(&self, id: JobId) -> Option<&OpenJob> {
        self.index.job(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, strategy::Strategy as Generator};
    use zkpool_protocol::{Address, ProofKind, Strategy, WorkUnits};
    use zkpool_scheduler::{Deal, Holder, Standing};

    const KIND: ProofKind = ProofKind::Groth16Bn254;

    fn id(n: u8) -> ProverId {
        ProverId { address: Address::repeat_byte(n / 2), device: format!("device-{n}") }
    }

    /// How things stand, as a store would say it.
    #[derive(Clone, Debug, Default)]
    struct World {
        provers: BTreeMap<u8, Candidate>,
        /// Holders by their bytes and tokens.
        jobs: BTreeMap<u32, (OpenJob, Vec<(u8, u64)>)>,
        now: Millis,
        token: u64,
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A prover comes, or is another: speed in hundreds, places, what it asks, whether it was excluded.
        Is(u8, u8, u8, Option<u8>, bool),
        Waits(u8, u8),
        Leaves(u8),
        /// A job comes, or is another: size in thousands, seconds of time, strategy.
        Open(u8, u8, u8, u8),
        Holds(u8, u8),
        Ends(u8),
        Bars(u8, u8),
        Closes(u8),
        Time(u16),
        Rules(u8),
    }

    fn step() -> impl Generator<Value = Step> {
        let (who, what) = (0u8..8, 0u8..6);
        prop_oneof![
            3 => (who.clone(), 1u8..20, 1u8..3, prop::option::of(1u8..40), prop::bool::weighted(0.1))
                .prop_map(|(n, speed, places, ask, out)| Step::Is(n, speed, places, ask, out)),
            2 => (who.clone(), 0u8..3).prop_map(|(n, waits)| Step::Waits(n, waits)),
            1 => who.clone().prop_map(Step::Leaves),
            4 => (what.clone(), 1u8..30, 5u8..200, 0u8..4).prop_map(|(n, units, time, how)| Step::Open(n, units, time, how)),
            2 => (what.clone(), who.clone()).prop_map(|(job, n)| Step::Holds(job, n)),
            1 => what.clone().prop_map(Step::Ends),
            1 => (what.clone(), who).prop_map(|(job, n)| Step::Bars(job, n)),
            1 => what.prop_map(Step::Closes),
            3 => (0u16..30_000).prop_map(Step::Time),
            1 => (0u8..2).prop_map(Step::Rules),
        ]
    }

    fn strategy(how: u8) -> Strategy {
        match how {
            0 => Strategy::Assign,
            1 => Strategy::Compete,
            n => Strategy::Race { provers: n.into() },
        }
    }

    impl World {
        fn step(&mut self, step: Step) {
            match step {
                Step::Is(n, speed, places, ask, out) => {
                    let candidate = Candidate {
                        address: id(n).address,
                        present: true,
                        waiting: places.into(),
                        concurrency: places.into(),
                        memory: 100,
                        speeds: [(KIND, f64::from(speed) * 100.0)].into(),
                        enclaves: vec![],
                        standing: Standing {
                            excluded_until: if out { self.now + 20_000 } else { 0 },
                            ..Standing::default()
                        },
                        asks: ask.map(|ask| (KIND, u128::from(ask) * 1_000)).into_iter().collect(),
                    };
                    self.provers.insert(n, candidate);
                }
                Step::Waits(n, waits) => {
                    self.provers.entry(n).and_modify(|known| known.waiting = waits.into());
                }
                Step::Leaves(n) => drop(self.provers.remove(&n)),
                Step::Open(n, units, time, how) => {
                    let deadline = self.now + u64::from(time) * 1_000;
                    let job = OpenJob {
                        id: JobId { task: TaskId::repeat_byte(n / 2), index: n.into() },
                        kind: KIND,
                        units: WorkUnits(u64::from(units) * 1_000),
                        memory: 50,
                        ready_at: self.now,
                        proof_deadline: deadline,
                        liability_deadline: deadline * 2,
                        after: 0,
                        near: vec![],
                        holders: vec![],
                        barred: vec![],
                        enclave: None,
                        leg: None,
                        deal: Deal { strategy: strategy(how), pay: 100_000 },
                    };
                    self.jobs.insert(n.into(), (job, vec![]));
                }
                Step::Holds(job, n) => {
                    self.token += 1;
                    let (token, now) = (self.token, self.now);
                    if let Some((job, held)) = self.jobs.get_mut(&job.into()) {
                        held.push((n, token));
                        job.holders.push(Holder {
                            prover: None,
                            owner: id(n).address,
                            token,
                            granted_at: now,
                            expires_at: now + 15_000,
                            progress: 0.0,
                        });
                    }
                }
                Step::Ends(job) => {
                    if let Some((job, held)) = self.jobs.get_mut(&job.into())
                        && !held.is_empty()
                    {
                        held.remove(0);
                        job.holders.remove(0);
                    }
                }
                Step::Bars(job, n) => {
                    self.jobs.entry(job.into()).and_modify(|(job, _)| job.barred.push(id(n).address));
                }
                Step::Closes(job) => drop(self.jobs.remove(&job.into())),
                Step::Time(ms) => self.now += u64::from(ms),
                Step::Rules(_) => {}
            }
        }

        fn candidates(&self) -> Vec<(ProverId, Candidate)> {
            self.provers.iter().map(|(n, candidate)| (id(*n), candidate.clone())).collect()
        }

        fn open(&self, board: &Board) -> Vec<OpenJob> {
            let numbered = |(job, held): &(OpenJob, Vec<(u8, u64)>)| {
                let mut job = job.clone();
                for (holder, (n, _)) in job.holders.iter_mut().zip(held) {
                    holder.prover = board.number(&id(*n));
                }
                job
            };
            self.jobs.values().map(numbered).collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_board_that_is_kept_decides_as_one_that_is_made_anew(steps in prop::collection::vec(step(), 1..60)) {
            let (mut world, mut board, mut rules) = (World::default(), Board::default(), Rules::default());
            for step in steps {
                if let Step::Rules(n) = step {
                    rules.delivery = 1_000 * u64::from(n);
                }
                world.step(step);
                board.follow(rules);
                board.seat(world.candidates());
                let open = world.open(&board);
                board.post(open.clone());
                let mut anew = Index::empty(rules);
                for (id, candidate) in world.candidates() {
                    anew.apply(Event::Prover { prover: board.number(&id).unwrap(), candidate });
                }
                open.into_iter().for_each(|job| anew.apply(Event::Job(job)));
                let actions = board.decide(world.now);
                prop_assert_eq!(&actions, &anew.decide(world.now));
                for action in &actions {
                    if let Action::Lease { prover, job, .. } = action {
                        prop_assert!(board.prover(*prover).is_some() && board.job(*job).is_some());
                    }
                }
            }
        }
    }
}
