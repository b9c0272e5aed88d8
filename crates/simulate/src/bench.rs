//! How fast the scheduler decides, and how much memory it takes, at growing sizes.

use crate::world::KIND;
use serde::Serialize;
use std::{collections::BTreeMap, fs, hint::black_box, sync::OnceLock, time::Instant};
use zkpool_protocol::{Address, JobId, TaskId, WorkUnits};
use zkpool_scheduler::{Action, Candidate, Deal, Event, Holder, Index, OpenJob, Rules, Snapshot, Standing, decide};

/// For so long a size is measured, at least.
const SECONDS: f64 = 1.0;

/// Measurements at one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchRow {
    /// How many provers.
    pub provers: u32,
    /// How many jobs wait. Rates are in processor time, of one core.
    pub queued: u32,
    /// Decisions a second when each follows a result: the job is closed, its prover's speed is known anew, a job comes, the
    /// scheduler is asked, and what it decides is taken in.
    pub per_second: f64,
    /// Decisions a second when a hundred provers have become free since the last: as many leases come of each.
    pub per_second_by_hundreds: f64,
    /// A decision from a snapshot, which an index is made of, in milliseconds.
    pub from_snapshot_ms: f64,
    /// Memory of the index, in mebibytes.
    pub memory_mib: f64,
}

impl BenchRow {
    pub(crate) const HEADING: [&str; 6] = [
        "provers",
        "jobs queued",
        "decisions a second, after each result",
        "after every hundred",
        "from a snapshot (ms)",
        "memory (MiB)",
    ];

    pub(crate) fn cells(&self) -> Vec<String> {
        vec![
            self.provers.to_string(),
            self.queued.to_string(),
            format!("{:.0}", self.per_second),
            format!("{:.0}", self.per_second_by_hundreds),
            format!("{:.1}", self.from_snapshot_ms),
            format!("{:.1}", self.memory_mib),
        ]
    }
}

/// Measures at hundreds, thousands, … up to so many provers, with ten jobs waiting for each, and at the size itself.
pub fn bench(provers: u32, jobs: u32) -> Vec<BenchRow> {
    let tens = (2..=5).map(|power| 10_u32.pow(power)).take_while(|count| *count < provers);
    let mut sizes: Vec<(u32, u32)> = tens.map(|count| (count, (count * 10).min(jobs))).collect();
    sizes.push((provers, jobs));
    sizes.into_iter().map(|(provers, jobs)| measure(provers, jobs)).collect()
}

struct Bench {
    index: Index,
    now: u64,
    token: u64,
    job: u32,
    /// What each prover holds.
    holds: Vec<Option<JobId>>,
    rules: Rules,
}

fn measure(provers: u32, queued: u32) -> BenchRow {
    let before = resident();
    let rules = Rules::default();
    let mut bench =
        Bench { index: Index::empty(rules), now: 0, token: 0, job: 0, holds: vec![None; provers as usize], rules };
    for index in 0..provers {
        bench.index.apply(Event::Prover { prover: index as usize, candidate: prover(index, 0) });
    }
    // Everybody is given something, and the rest waits.
    for _ in 0..provers.saturating_add(queued) {
        bench.comes();
    }
    while bench.decide() > 0 {}
    let memory_mib = resident().saturating_sub(before) as f64 / (1 << 20) as f64;
    let one = bench.rounds(1);
    let hundred = bench.rounds(100.min(provers));
    let snapshot = bench.snapshot();
    let start = spent();
    black_box(decide(&snapshot, bench.now, &bench.rules));
    let from_snapshot_ms = (spent() - start) * 1_000.0;
    BenchRow { provers, queued, per_second: one, per_second_by_hundreds: hundred, from_snapshot_ms, memory_mib }
}

impl Bench {
    /// Rounds a second, of which each frees so many provers.
    fn rounds(&mut self, free: u32) -> f64 {
        let start = spent();
        let mut rounds = 0_u32;
        let mut next = 0;
        // The clock is looked at now and then, as that takes time itself.
        while !rounds.is_multiple_of(16) || rounds == 0 || spent() - start < SECONDS {
            self.now += 50;
            for _ in 0..free {
                next = (next + 7_919) % self.holds.len();
                if let Some(job) = self.holds[next].take() {
                    self.index.apply(Event::Closed { job });
                    self.index.apply(Event::Prover { prover: next, candidate: prover(next as u32, rounds) });
                    self.comes();
                }
            }
            self.decide();
            rounds += 1;
        }
        f64::from(rounds) / (spent() - start)
    }

    fn comes(&mut self) {
        let job = job(self.job, self.now);
        self.job += 1;
        self.index.apply(Event::Job(job));
    }

    fn decide(&mut self) -> usize {
        let actions = self.index.decide(self.now);
        let count = actions.len();
        for action in actions {
            let Action::Lease { job, prover, .. } = action else { continue };
            self.token += 1;
            let owner = self.index.prover(prover).map_or(Address::ZERO, |known| known.address);
            let (granted_at, expires_at) = (self.now, u64::MAX);
            let holder =
                Holder { prover: Some(prover), owner, token: self.token, granted_at, expires_at, progress: 0.0 };
            self.index.apply(Event::Leased { job, holder });
            self.holds[prover] = Some(job);
        }
        count
    }

    fn snapshot(&self) -> Snapshot {
        let id = |job| JobId { task: TaskId::left_padding_from(&u32::to_be_bytes(job / 10)), index: job };
        Snapshot {
            jobs: (0..self.job).filter_map(|job| self.index.job(id(job)).cloned()).collect(),
            provers: (0..self.holds.len()).filter_map(|prover| self.index.prover(prover).cloned()).collect(),
        }
    }
}

fn prover(index: u32, round: u32) -> Candidate {
    Candidate {
        address: Address::left_padding_from(&(index + 1).to_be_bytes()),
        present: true,
        waiting: 1,
        concurrency: 1,
        memory: (8 << 30) << (index % 4),
        speeds: BTreeMap::from([(KIND, f64::from(500 + index * 7_919 % 3_000 + round % 50))]),
        enclaves: vec![],
        standing: Standing::default(),
        asks: BTreeMap::new(),
    }
}

fn job(index: u32, now: u64) -> OpenJob {
    OpenJob {
        id: JobId { task: TaskId::left_padding_from(&(index / 10).to_be_bytes()), index },
        kind: KIND,
        units: WorkUnits(10_000 << (index % 5)),
        memory: (4 << 30) << (index % 3),
        ready_at: now,
        proof_deadline: now + 10_000_000 + u64::from(index * 7_919 % 10_000) * 100,
        liability_deadline: now + 100_000_000,
        after: u64::from(index % 7) * 10_000,
        near: vec![],
        holders: vec![],
        barred: vec![],
        enclave: None,
        leg: None,
        deal: Deal::default(),
    }
}

/// Seconds that this thread has had a processor for, where the system tells, as others may use it as well; otherwise those
/// that have passed.
fn spent() -> f64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let passed = BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64();
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    nanos.map_or(passed, |nanos| nanos / 1e9)
}

/// The process's resident memory, where the system tells.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or_default() * 1_024
}
