//! Properties of the decision, and the cases that made them necessary.
#![allow(missing_docs)]

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use zkpool_protocol::{Address, JobId, ProofKind, TaskId, WorkUnits};
use zkpool_scheduler::*;

const KIND: ProofKind = ProofKind::Groth16Bn254;
const SEGMENT: ProofKind = ProofKind::Risc0Composite;

fn job(n: u32) -> OpenJob {
    OpenJob {
        enclave: None,
        deal: Deal::default(),
        leg: None,
        id: JobId { task: TaskId::with_last_byte(n as u8), index: n },
        kind: KIND,
        units: WorkUnits(1_000),
        memory: 100,
        ready_at: 0,
        proof_deadline: 100_000,
        liability_deadline: 200_000,
        after: 0,
        near: vec![],
        holders: vec![],
        barred: vec![],
    }
}

fn prover(n: u8, speed: f64) -> Candidate {
    Candidate {
        present: true,
        enclaves: vec![],
        asks: BTreeMap::new(),
        address: Address::repeat_byte(n),
        waiting: 1,
        concurrency: 1,
        memory: 100,
        speeds: BTreeMap::from([(KIND, speed)]),
        standing: Standing::default(),
    }
}

fn held(prover: usize, granted_at: Millis, expires_at: Millis, progress: f64) -> Holder {
    Holder {
        prover: Some(prover),
        owner: Address::repeat_byte(prover as u8 + 1),
        token: 1,
        granted_at,
        expires_at,
        progress,
    }
}

fn leases(actions: &[Action]) -> Vec<(u32, usize)> {
    let pick = |action: &Action| match action {
        Action::Lease { job, prover, .. } => Some((job.index, *prover)),
        Action::Expire { .. } => None,
    };
    actions.iter().filter_map(pick).collect()
}

fn run(jobs: Vec<OpenJob>, provers: Vec<Candidate>, now: Millis) -> Vec<Action> {
    decide(&Snapshot { jobs, provers }, now, &Rules::default())
}

#[test]
fn the_most_urgent_job_goes_to_the_fastest_prover() {
    let mut urgent = job(1);
    urgent.proof_deadline = 50_000;
    let actions = run(vec![job(0), urgent], vec![prover(1, 500.0), prover(2, 1_000.0)], 0);
    assert_eq!(leases(&actions), [(1, 1), (0, 0)]);
}

#[test]
fn a_prover_that_cannot_is_not_asked() {
    let mut small = prover(1, 1_000.0);
    small.memory = 99;
    let mut busy = prover(2, 1_000.0);
    busy.waiting = 0;
    let mut away = prover(3, 1_000.0);
    away.standing.excluded_until = 1;
    let mut out = prover(4, 1_000.0);
    out.standing.out = true;
    let mut other = prover(5, 1_000.0);
    other.speeds.clear();
    let broken = prover(6, 0.0);
    let mut wrong = job(0);
    wrong.barred = vec![Address::repeat_byte(7)];
    let all = vec![small, busy, away, out, other, broken, prover(7, 1.0)];
    assert_eq!(run(vec![wrong], all.clone(), 0), []);
    assert_eq!(leases(&run(vec![job(0)], all, 0)), [(0, 6)]);
}

#[test]
fn an_expired_lease_is_a_miss_and_the_job_goes_elsewhere_at_once() {
    let mut late = job(0);
    late.holders = vec![held(0, 0, 10, 0.5)];
    let actions = run(vec![late], vec![prover(1, 1_000.0), prover(2, 1.0)], 10);
    let missed = Standing::default().after_miss(10, &Rules::default());
    assert_eq!(actions[0], Action::Expire { job: job(0).id, token: 1, prover: Some((0, missed)) });
    assert_eq!(leases(&actions), [(0, 1)]);
}

#[test]
fn a_lease_is_short_however_long_the_job_takes() {
    // A thousand seconds: who is at work renews it, and who died holds it up no longer than that.
    let long = OpenJob { units: WorkUnits(1_000_000), ..job(0) };
    let actions = run(vec![long.clone()], vec![prover(1, 1_000.0)], 5);
    assert_eq!(actions, [Action::Lease { job: long.id, prover: 0, until: 60_005, pay: 0 }]);
}

#[test]
fn who_only_holds_a_job_loses_it() {
    // Should take 10 s; the task has 800 s from when it was given.
    let renewed = |proof_deadline| {
        let holders = vec![held(0, 0, 10_000_000, 0.9), held(1, 0, 10_000_000, 0.9)];
        OpenJob { proof_deadline, liability_deadline: 10_000_000, holders, ..job(0) }
    };
    let provers = || vec![prover(1, 100.0), prover(2, 100.0), prover(3, 1.0)];
    let over = |job: &OpenJob, now| run(vec![job.clone()], provers(), now);
    assert_eq!(over(&renewed(800_000), 199_999), []);
    let actions = over(&renewed(800_000), 200_000);
    assert!(matches!(
        actions[..2],
        [Action::Expire { prover: Some((0, _)), .. }, Action::Expire { prover: Some((1, _)), .. }]
    ));
    assert_eq!(leases(&actions), [(0, 2)], "both have missed");
    // With time enough each has five minutes; with little, four times what it should take.
    assert_eq!(over(&renewed(9_000_000), 299_999), []);
    assert_ne!(over(&renewed(9_000_000), 300_000), []);
    assert_eq!(over(&renewed(10_000), 39_999), []);
    assert_ne!(over(&renewed(10_000), 40_000), []);
    // A large job has eight times its time.
    let large = OpenJob { units: WorkUnits(10_000), ..renewed(9_000_000) };
    assert_eq!(over(&large, 799_999), []);
    assert_ne!(over(&large, 800_000), []);
}

#[test]
fn a_holder_that_falls_behind_is_overtaken_by_somebody_else() {
    let mut slow = job(0);
    slow.holders = vec![held(0, 0, 90_000, 0.1)];
    // At 50 s a tenth is done: it would take 500 s; due at 100 s.
    let same_owner = prover(1, 1_000.0);
    let other = prover(2, 1_000.0);
    assert_eq!(leases(&run(vec![slow.clone()], vec![prover(1, 10.0), same_owner], 50_000)), []);
    assert_eq!(leases(&run(vec![slow.clone()], vec![prover(1, 10.0), other.clone()], 50_000)), [(0, 1)]);
    slow.holders[0].progress = 0.9;
    assert_eq!(leases(&run(vec![slow.clone()], vec![prover(1, 10.0), other.clone()], 50_000)), [], "it will make it");
    slow.holders = vec![held(0, 0, 90_000, 0.1), held(1, 0, 90_000, 0.1)];
    assert_eq!(leases(&run(vec![slow], vec![prover(1, 1.0), prover(2, 1.0), prover(3, 9e9)], 50_000)), [], "one copy");
}

#[test]
fn nothing_is_proven_that_cannot_be_paid() {
    assert_eq!(run(vec![job(0)], vec![prover(1, 1.0)], 200_000), []);
    assert_eq!(leases(&run(vec![job(0)], vec![prover(1, 1.0)], 150_000)), [(0, 0)], "late is better than never");
}

/// A segment of a task of which nothing else is known.
fn segment(n: u32) -> OpenJob {
    OpenJob { id: JobId { task: TaskId::ZERO, index: n }, kind: SEGMENT, proof_deadline: 9_000_000, ..job(n) }
}

/// Takes so many seconds for a segment.
fn seconds(n: u8, takes: f64) -> Candidate {
    Candidate { speeds: BTreeMap::from([(SEGMENT, 1_000.0 / takes)]), ..prover(n, 1.0) }
}

fn busy(prover: Candidate) -> Candidate {
    Candidate { waiting: 0, ..prover }
}

#[test]
fn the_longest_way_to_the_end_comes_first_but_not_before_a_deadline() {
    let mut long = segment(1);
    long.after = 60_000;
    assert_eq!(leases(&run(vec![segment(0), long.clone()], vec![seconds(1, 10.0)], 0)), [(1, 0)]);
    let mut tight = job(2);
    tight.kind = SEGMENT;
    tight.proof_deadline = 30_000;
    assert_eq!(leases(&run(vec![long, tight], vec![seconds(1, 10.0)], 0)), [(2, 0)]);
}

#[test]
fn the_last_segment_waits_for_a_fast_machine_and_not_for_ever() {
    let mut under_way = segment(0);
    under_way.holders = vec![held(0, 0, 900_000, 0.0)];
    let jobs = vec![under_way, segment(1)];
    // The fast one is free at 10 s and would have it done at 20 s, the slow one at 5 + 60.
    let provers = vec![busy(seconds(1, 10.0)), seconds(2, 60.0)];
    assert_eq!(leases(&run(jobs.clone(), provers.clone(), 5_000)), [], "worth waiting for");
    let quick = vec![busy(seconds(1, 10.0)), seconds(2, 16.0)];
    assert_eq!(leases(&run(jobs.clone(), quick, 5_000)), [(1, 1)], "hardly sooner");
    let impatient = Rules { patience: 4_999, ..Rules::default() };
    let snapshot = Snapshot { jobs: jobs.clone(), provers: provers.clone() };
    assert_eq!(leases(&decide(&snapshot, 5_000, &impatient)), [(1, 1)]);
    // Should have been free at 10 s. At 60 s it is expected at 110 s, and so is not waited for any more.
    assert_eq!(leases(&run(jobs.clone(), provers.clone(), 35_000)), []);
    assert_eq!(leases(&run(jobs.clone(), provers.clone(), 60_000)), [(1, 1)]);
    // Nor is it for saying for ever that it is almost done.
    let mut almost = jobs.clone();
    almost[0].holders[0].progress = 1.0;
    assert_eq!(leases(&run(almost.clone(), provers.clone(), 15_000)), []);
    assert_eq!(leases(&run(almost, provers.clone(), 90_000)), [(1, 1)]);
    // What is not on the longest way need not wait: the other's end is what counts.
    let mut longer = jobs;
    longer[0].after = 60_000;
    assert_eq!(leases(&run(longer, provers, 5_000)), [(1, 1)]);
}

#[test]
fn newcomers_do_not_keep_a_job_waiting_for_ever() {
    // Whenever the fast machine is free, somebody else's job has just come; the slow one would take three times as long.
    let provers = vec![seconds(1, 10.0), seconds(2, 30.0)];
    let mut jobs = vec![OpenJob { proof_deadline: 100_000, ..segment(0) }];
    for round in 1..20 {
        let now = u64::from(round) * 10_000;
        let (ready_at, proof_deadline) = (now, now + 100_000);
        jobs.push(OpenJob { ready_at, proof_deadline, liability_deadline: 1 << 40, ..segment(round) });
        let given = leases(&run(jobs.clone(), provers.clone(), now));
        if given.iter().any(|(index, _)| *index == 0) {
            return;
        }
        jobs.retain(|job| !given.iter().any(|(index, _)| *index == job.id.index));
    }
    panic!("nobody got it: {jobs:?}");
}

#[test]
fn many_segments_use_every_machine_and_few_only_the_fast() {
    let provers = || vec![seconds(1, 10.0), seconds(2, 60.0), seconds(3, 60.0)];
    assert_eq!(leases(&run((0..3).map(segment).collect(), provers(), 0)), [(0, 0)]);
    assert_eq!(leases(&run((0..8).map(segment).collect(), provers(), 0)).len(), 3);
}

#[test]
fn near_the_end_a_slow_holder_is_overtaken() {
    let mut last = segment(0);
    last.holders = vec![held(0, 0, 900_000, 0.0)];
    let other = || vec![busy(seconds(1, 60.0)), seconds(2, 10.0)];
    assert_eq!(leases(&run(vec![last.clone()], other(), 20_000)), [(0, 1)], "30 s instead of 60");
    assert_eq!(leases(&run(vec![last.clone()], other(), 49_000)), [], "59 s instead of 60 is not worth it");
    let same_owner = vec![busy(seconds(1, 60.0)), seconds(1, 10.0)];
    assert_eq!(leases(&run(vec![last.clone()], same_owner, 20_000)), []);
    // The last of its task comes first; once it cannot be helped, the others need no help either.
    let mut first = OpenJob { after: 0, ..segment(1) };
    first.holders = vec![held(0, 0, 900_000, 0.0)];
    last.after = 20_000;
    let two = vec![Candidate { concurrency: 2, ..busy(seconds(1, 60.0)) }, seconds(2, 10.0), seconds(3, 11.0)];
    assert_eq!(leases(&run(vec![first.clone(), last.clone()], two.clone(), 20_000)), [(0, 1), (1, 2)]);
    last.barred = vec![Address::repeat_byte(2), Address::repeat_byte(3)];
    assert_eq!(leases(&run(vec![first, last.clone()], two, 20_000)), []);
    // Not as long as a job has nobody.
    last.barred = vec![];
    let mut nobody = segment(2);
    nobody.memory = 101;
    assert_eq!(leases(&run(vec![last.clone(), nobody], other(), 20_000)), []);
    // A task that is one proof has its deadline, and no end to hurry to.
    let mut single = job(3);
    single.holders = vec![held(0, 0, 900_000, 0.0)];
    assert_eq!(leases(&run(vec![single], vec![busy(prover(1, 20.0)), prover(2, 100.0)], 20_000)), []);
}

#[test]
fn a_machine_that_has_the_inputs_is_preferred_if_it_is_about_as_fast() {
    let mut near = segment(0);
    near.near = vec![1, 7];
    let run = |takes| leases(&run(vec![near.clone()], vec![seconds(1, 10.0), seconds(2, takes)], 0));
    assert_eq!(run(11.9), [(0, 1)]);
    assert_eq!(run(12.1), [(0, 0)]);
}

#[test]
fn a_late_task_counts_the_way_after_the_job() {
    let mut slow = job(0);
    slow.holders = vec![held(0, 0, 90_000, 0.0)];
    let provers = || vec![busy(prover(1, 20.0)), prover(2, 100.0)];
    // Done at 50 s, due at 100 s.
    assert_eq!(leases(&run(vec![slow.clone()], provers(), 1_000)), []);
    slow.after = 60_000;
    assert_eq!(leases(&run(vec![slow], provers(), 1_000)), [(0, 1)]);
}

prop_compose! {
    fn any_prover()(n in 0u8..12, speed in prop_oneof![Just(0.0), 0.1f64..1e6], waiting in 0u32..4, concurrency in 0u32..4,
                    memory in 0u64..200, until in 0u64..300_000, out in prop::bool::weighted(0.1),
                    zkvm in prop::option::of(0.1f64..1e6)) -> Candidate {
        let standing = Standing { excluded_until: if until > 200_000 { until } else { 0 }, out, ..Standing::default() };
        let mut any = Candidate { waiting, concurrency, memory, standing, ..prover(n, speed) };
        any.speeds.extend(zkvm.map(|speed| (SEGMENT, speed)));
        any
    }
}

prop_compose! {
    fn any_job(provers: usize)(units in 0u64..1 << 40, memory in 0u64..200, deadline in 0u64..300_000, grace in 0u64..100_000,
               barred in prop::collection::vec(0u8..12, 0..3), zkvm in any::<bool>(), after in 0u64..200_000,
               near in prop::collection::vec(0..provers + 1, 0..3),
               holders in prop::collection::vec((0..provers.max(1), 0u64..200_000, 0u64..300_000, 0.0f64..1.0), 0..3))
               -> OpenJob {
        OpenJob {
            kind: if zkvm { SEGMENT } else { KIND },
            units: WorkUnits(units),
            memory,
            after,
            near,
            proof_deadline: deadline,
            liability_deadline: deadline + grace,
            barred: barred.into_iter().map(Address::repeat_byte).collect(),
            holders: holders.into_iter().map(|(p, at, until, progress)| held(p, at, until, progress)).collect(),
            ..job(0)
        }
    }
}

prop_compose! {
    fn any_snapshot()(provers in prop::collection::vec(any_prover(), 0..8))
                     (jobs in prop::collection::vec(any_job(provers.len()), 0..12), tasks in 1u32..5, provers in Just(provers)) -> Snapshot {
        let owner = |held: Holder| held.prover.and_then(|p| provers.get(p)).map_or(held.owner, |p| p.address);
        let jobs = (0u32..).zip(jobs).map(|(n, mut j)| {
            j.holders.iter_mut().for_each(|held| held.owner = owner(*held));
            OpenJob { id: JobId { task: TaskId::with_last_byte((n % tasks) as u8), index: n }, ..j }
        });
        Snapshot { jobs: jobs.collect(), provers }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_decision_keeps_the_rules(snapshot in any_snapshot(), now in 0u64..300_000) {
        let rules = Rules::default();
        let actions = decide(&snapshot, now, &rules);
        prop_assert_eq!(&actions, &decide(&snapshot, now, &rules), "the same question has the same answer");
        let given = leases(&actions);
        let is_live = |job: &OpenJob, holder: &Holder| ends_at(&snapshot, job, holder, &rules) > now;
        let holders = |job: &OpenJob| job.holders.iter().filter(|h| is_live(job, h)).copied().collect::<Vec<_>>();

        // No job is given twice, and under `assign` no job has more than two holders.
        prop_assert_eq!(given.iter().map(|(job, _)| job).collect::<BTreeSet<_>>().len(), given.len());
        for job in &snapshot.jobs {
            let live = holders(job).len();
            if given.iter().any(|(index, _)| *index == job.id.index) {
                prop_assert!(live <= 1);
            }
            // Every lease that is over is taken back, and no other.
            let over: Vec<_> = actions.iter().filter(|a| matches!(a, Action::Expire { job: id, .. } if *id == job.id)).collect();
            prop_assert_eq!(over.len(), job.holders.len() - live);
        }
        // Nobody gets more than it asked for, more than it can hold, or what it may not have.
        for (index, prover) in snapshot.provers.iter().enumerate() {
            let new = given.iter().filter(|(_, p)| *p == index).count() as u32;
            let old = snapshot.jobs.iter().flat_map(holders).filter(|h| h.prover == Some(index)).count() as u32;
            prop_assert!(new <= prover.waiting);
            prop_assert!(new == 0 || new + old <= prover.concurrency);
            prop_assert!(new == 0 || prover.is_in(now));
        }
        for (index, prover) in &given {
            let job = &snapshot.jobs[*index as usize];
            let prover = &snapshot.provers[*prover];
            prop_assert!(prover.estimate(job).is_some());
            prop_assert!(!job.barred.contains(&prover.address));
            prop_assert!(job.liability_deadline > now);
            let mut live = holders(job).into_iter();
            prop_assert!(live.all(|held| held.owner != prover.address), "both copies with one owner");
        }
        // Nobody is idle while a job is there that it could do, unless a faster one that is busy is waited for.
        for job in &snapshot.jobs {
            if !holders(job).is_empty() || job.liability_deadline <= now || given.iter().any(|(index, _)| *index == job.id.index) {
                continue;
            }
            let load = |index: usize| {
                let old = snapshot.jobs.iter().flat_map(holders).filter(|h| h.prover == Some(index)).count();
                (old, given.iter().filter(|(_, p)| *p == index).count())
            };
            let missed = |index: usize| {
                let over = |job: &OpenJob| job.holders.iter().any(|h| h.prover == Some(index) && !is_live(job, h));
                snapshot.jobs.iter().any(over)
            };
            let able = |(index, prover): &(usize, &Candidate)| {
                prover.is_in(now) && !missed(*index) && !job.barred.contains(&prover.address) && prover.estimate(job).is_some()
            };
            let of = || snapshot.provers.iter().enumerate().filter(able);
            let idle = of().filter(|(index, prover)| {
                let (old, new) = load(*index);
                (new as u32) < prover.waiting && ((old + new) as u32) < prover.concurrency
            });
            if let Some(soonest) = idle.filter_map(|(_, prover)| prover.estimate(job)).min() {
                let busy = of().filter(|(index, _)| load(*index) != (0, 0));
                let faster = busy.filter_map(|(_, prover)| prover.estimate(job)).any(|takes| takes + rules.gain <= soonest);
                prop_assert!(faster, "{:?} waits for nobody", job.id);
            }
        }
    }

    /// Whoever is impatient leaves nobody idle at all.
    #[test]
    fn without_waiting_every_place_is_used(snapshot in any_snapshot(), now in 0u64..300_000) {
        let all = decide(&snapshot, now, &Rules { gain: Millis::MAX, ..Rules::default() });
        let firsts = |actions: &[Action]| leases(actions).into_iter().filter(|(index, _)| {
            let job = &snapshot.jobs[*index as usize];
            job.holders.iter().all(|h| ends_at(&snapshot, job, h, &Rules::default()) <= now)
        }).count();
        prop_assert!(firsts(&all) >= firsts(&decide(&snapshot, now, &Rules::default())));
    }

    /// No job is lost and none starves: carried out over and over, with provers that do what they are given, every job
    /// that somebody can do is done.
    #[test]
    fn every_job_that_can_be_done_gets_done(
        jobs in prop::collection::vec((1u64..10_000, 0u64..150), 1..12),
        provers in prop::collection::vec((1.0f64..1e4, 50u64..200), 1..5),
    ) {
        let rules = Rules::default();
        let mut snapshot = Snapshot {
            jobs: (0u32..).zip(&jobs).map(|(n, (units, memory))| OpenJob {
                units: WorkUnits(*units), memory: *memory, proof_deadline: u64::MAX / 2, liability_deadline: u64::MAX, ..job(n)
            }).collect(),
            provers: (0u8..).zip(&provers).map(|(n, (speed, memory))| Candidate { memory: *memory, ..prover(n, *speed) }).collect(),
        };
        let most = provers.iter().map(|(_, memory)| *memory).max().unwrap_or(0);
        let mut now = 0;
        for _ in 0..jobs.len() {
            for (index, prover) in leases(&decide(&snapshot, now, &rules)) {
                let units = jobs[index as usize].0;
                prop_assert!(snapshot.jobs.iter().any(|j| j.id.index == index));
                now += (units as f64 * 1_000.0 / provers[prover].0) as u64;
                snapshot.jobs.retain(|j| j.id.index != index);
            }
        }
        prop_assert!(snapshot.jobs.iter().all(|j| j.memory > most), "left over: {:?}", snapshot.jobs);
    }
}
