//! A pool in a test: a zkVM task, machines with speeds and faults, and a clock that jumps from one event to the next.
#![allow(missing_docs, dead_code, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use zkpool_protocol::{
    Address, B256, BlobId, Job, JobId, Operation, ProofKind, TaskId, WorkUnits, zkvm::Growth, zkvm::SegmentRef,
};
use zkpool_scheduler::*;

/// A machine, as it is and as the pool knows it.
#[derive(Clone, Debug)]
pub struct Sim {
    pub memory: u64,
    pub places: u32,
    /// Cycles a second, of segments and of recursion, as measured when it joined.
    pub speed: f64,
    /// What it really does, in proportion.
    pub truth: f64,
    /// When it is switched off.
    pub dies: Option<Millis>,
}

pub fn machine(gib: u64, speed: f64) -> Sim {
    Sim { memory: gib << 30, places: 1, speed, truth: 1.0, dies: None }
}

impl Sim {
    pub fn speeds(&self) -> BTreeMap<ProofKind, f64> {
        [ProofKind::Risc0Composite, ProofKind::Risc0Succinct].map(|kind| (kind, self.speed)).into()
    }

    pub fn plan(&self) -> Machine {
        Machine { memory: self.memory, places: self.places, speeds: self.speeds(), busy: 0 }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub makespan: Millis,
    /// Jobs done by each machine.
    pub done: Vec<u32>,
    /// Second copies that were given out.
    pub copies: u32,
}

pub fn graph(segments: u32, po2: u32, receipt: ProofKind) -> Vec<Job> {
    let mut growth = Growth::new(BlobId::of(b"program"), receipt, 0);
    let segment = SegmentRef { blob: BlobId::of(b"segment"), po2, claim: B256::ZERO };
    let mut jobs: Vec<Job> = (0..segments).flat_map(|_| growth.segment(&segment)).collect();
    jobs.extend(growth.finish(&[]));
    jobs
}

/// What no schedule can be quicker than: all work over all speed, and the longest way at the highest speed.
pub fn bound(jobs: &[Job], machines: &[Sim]) -> Millis {
    let all: f64 = jobs.iter().map(|job| job.units.0 as f64).sum();
    let speed: f64 = machines.iter().map(|m| m.speed * f64::from(m.places)).sum();
    let best = machines.iter().map(|m| m.speed).fold(0.0, f64::max);
    let mut way = vec![0_u64; jobs.len()];
    for (index, job) in jobs.iter().enumerate() {
        let before = job.needs.iter().map(|needs| way[*needs as usize]).max().unwrap_or(0);
        way[index] = before + job.units.0;
    }
    let longest = way.into_iter().max().unwrap_or(0) as f64;
    (all / speed).max(longest / best).mul_add(1_000.0, 0.0) as Millis
}

#[derive(Clone, Copy)]
struct Work {
    machine: usize,
    token: u64,
    granted: Millis,
    until: Millis,
    ends: Option<Millis>,
}

/// Plays a task through: `decide` is asked at every event, its answers are carried out to the letter and checked.
pub fn play(jobs: &[Job], machines: &[Sim], deadline: Millis, rules: &Rules) -> Outcome {
    let task = TaskId::with_last_byte(1);
    let mut out = Outcome { done: vec![0; machines.len()], ..Outcome::default() };
    let mut done: BTreeSet<u32> = BTreeSet::new();
    let mut held: BTreeMap<u32, Vec<Work>> = BTreeMap::new();
    let mut by: BTreeMap<u32, usize> = BTreeMap::new();
    let mut ready_at: BTreeMap<u32, Millis> = BTreeMap::new();
    let mut standings = vec![Standing::default(); machines.len()];
    let (mut now, mut token) = (0, 0);
    loop {
        // What has come in; then what that makes ready. The service's own jobs are done at once.
        for (index, work) in held.clone() {
            if let Some(first) = work.iter().filter(|w| w.ends.is_some_and(|ends| ends <= now)).min_by_key(|w| w.ends) {
                out.done[first.machine] += 1;
                standings[first.machine] = standings[first.machine].after_hit();
                by.insert(index, first.machine);
                done.insert(index);
                held.remove(&index);
            }
        }
        for (index, job) in (0u32..).zip(jobs) {
            if !done.contains(&index) && job.needs.iter().all(|needs| done.contains(needs)) {
                ready_at.entry(index).or_insert(now);
                if job.operation == Operation::Seal {
                    done.insert(index);
                }
            }
        }
        if done.len() == jobs.len() {
            return Outcome { makespan: now, ..out };
        }
        assert!(now < 1 << 40, "it does not come to an end: {held:?}", held = held.keys().collect::<Vec<_>>());

        let snapshot = snapshot(task, jobs, &done, &ready_at, &held, &by, machines, &standings, deadline, now);
        for action in decide(&snapshot, now, rules) {
            match action {
                Action::Expire { job, token, prover } => {
                    held.entry(job.index).or_default().retain(|work| work.token != token);
                    if let Some((index, standing)) = prover {
                        standings[index] = standing;
                    }
                }
                Action::Lease { job, prover, until, .. } => {
                    token += 1;
                    let (machine, work) = (&machines[prover], held.entry(job.index).or_default());
                    assert!(work.len() < 2 && work.iter().all(|other| other.machine != prover));
                    assert!(jobs[job.index as usize].memory <= machine.memory);
                    out.copies += work.len() as u32;
                    let takes = jobs[job.index as usize].units.0 as f64 * 1_000.0 / (machine.speed * machine.truth);
                    let ends =
                        Some(now + takes.ceil() as Millis).filter(|ends| machine.dies.is_none_or(|dies| *ends <= dies));
                    // A machine that is on renews its lease; one that is off does not.
                    let renewed = machine.dies.map_or(Millis::MAX, |dies| dies.max(now) + rules.min_lease);
                    work.push(Work { machine: prover, token, granted: now, until: until.max(renewed), ends });
                }
            }
        }
        held.retain(|_, work| !work.is_empty());
        for (index, machine) in machines.iter().enumerate() {
            let has = held.values().flatten().filter(|work| work.machine == index).count();
            assert!(has <= machine.places as usize);
        }
        let next = held.values().flatten().map(|work| work.ends.unwrap_or(work.until)).filter(|at| *at > now).min();
        let tick = now + 1_000;
        now = next.map_or(tick, |next| next.min(tick));
    }
}

#[allow(clippy::too_many_arguments)]
fn snapshot(
    task: TaskId,
    jobs: &[Job],
    done: &BTreeSet<u32>,
    ready_at: &BTreeMap<u32, Millis>,
    held: &BTreeMap<u32, Vec<Work>>,
    by: &BTreeMap<u32, usize>,
    machines: &[Sim],
    standings: &[Standing],
    deadline: Millis,
    now: Millis,
) -> Snapshot {
    let provers: Vec<Candidate> = machines
        .iter()
        .zip(standings)
        .enumerate()
        .map(|(index, (machine, standing))| {
            let on = machine.dies.is_none_or(|dies| dies > now);
            let busy = held.values().flatten().filter(|work| work.machine == index).count() as u32;
            Candidate {
                address: Address::with_last_byte(index as u8),
                waiting: if on { machine.places - busy } else { 0 },
                concurrency: machine.places,
                memory: machine.memory,
                present: true,
                enclaves: vec![],
                asks: BTreeMap::new(),
                speeds: machine.speeds(),
                standing: *standing,
            }
        })
        .collect();
    let open: Vec<(u32, &Job)> = (0u32..).zip(jobs).filter(|(index, _)| !done.contains(index)).collect();
    let ways = after(&open, &Typical::of(&provers));
    let ready = open.iter().zip(ways).filter(|((index, _), _)| ready_at.contains_key(index));
    let jobs = ready.map(|((index, job), after)| OpenJob {
        enclave: None,
        deal: Deal::default(),
        leg: None,
        id: JobId { task, index: *index },
        kind: job.kind,
        units: WorkUnits(job.units.0),
        memory: job.memory,
        ready_at: ready_at[index],
        proof_deadline: deadline,
        liability_deadline: Millis::MAX,
        after,
        near: job.needs.iter().filter_map(|needs| by.get(needs).copied()).collect(),
        holders: held
            .get(index)
            .into_iter()
            .flatten()
            .map(|work| Holder {
                prover: Some(work.machine),
                owner: Address::with_last_byte(work.machine as u8),
                token: work.token,
                granted_at: work.granted,
                expires_at: work.until,
                progress: 0.0,
            })
            .collect(),
        barred: vec![],
    });
    Snapshot { jobs: jobs.collect(), provers }
}
