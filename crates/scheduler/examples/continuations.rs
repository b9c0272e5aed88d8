//! The schedule of a zkVM job over machines of very different speed, in figures: `cargo run -p zkpool-scheduler --example
//! continuations`. `greedy` hands every job to whoever is free and makes no copies near the end.
#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Sim, bound, graph, machine, play};
use std::{collections::BTreeMap, time::Instant};
use zkpool_protocol::{Address, JobId, ProofKind, Segmentation, TaskId, WorkUnits};
use zkpool_scheduler::*;

fn main() {
    println!("64 segments of 2^18 cycles; a fast machine, five slow ones, a laptop of 4 GiB\n");
    println!("| receipt | machines | bound | greedy | decide | copies |\n| --- | --- | --- | --- | --- | --- |");
    let slow = machine(8, 1_770.0);
    let (fast, laptop) = (machine(32, 14_000.0), machine(4, 700.0));
    let five: Vec<Sim> = [vec![fast], vec![slow.clone(); 5]].concat();
    let six = [five.clone(), vec![laptop]].concat();
    let mut liar = six.clone();
    liar[1].truth = 0.1;
    let mut lost = six.clone();
    lost[2].dies = Some(300_000);
    let cases =
        [("1 + 5", &five), ("1 + 5 + laptop", &six), ("one a tenth as fast as it says", &liar), ("one dies", &lost)];
    let greedy = Rules { gain: Millis::MAX, stalled: u64::MAX, ..Rules::default() };
    for receipt in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct] {
        let jobs = graph(64, 18, receipt);
        for (name, machines) in cases {
            let (old, new) =
                (play(&jobs, machines, 1 << 40, &greedy), play(&jobs, machines, 1 << 40, &Rules::default()));
            let seconds = |millis: Millis| format!("{:.0} s", millis as f64 / 1_000.0);
            let best = bound(&jobs, machines);
            println!(
                "| {receipt} | {name} | {} | {} | {} | {} |",
                seconds(best),
                seconds(old.makespan),
                seconds(new.makespan),
                new.copies
            );
        }
    }
    println!("\n256 segments of 2^18 cycles; machines of 1,770 cycles/s, or of half to one and a half of it\n");
    println!("| receipt | machines | all alike: bound | decide | ratio | all sorts: bound | decide | ratio |");
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for receipt in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct] {
        let jobs = graph(256, 18, receipt);
        for count in [4, 8, 16, 32, 64] {
            let alike = vec![slow.clone(); count];
            let sorts = (0..count).map(|at| machine(8, 1_770.0 * (0.5 + (at % 11) as f64 / 10.0))).collect::<Vec<_>>();
            let played = [alike, sorts].map(|machines| {
                let (best, made) =
                    (bound(&jobs, &machines), play(&jobs, &machines, 1 << 40, &Rules::default()).makespan);
                let seconds = |millis: Millis| millis as f64 / 1_000.0;
                format!("{:.0} s | {:.0} s | {:.3}", seconds(best), seconds(made), best as f64 / made as f64)
            });
            println!("| {receipt} | {count} | {} | {} |", played[0], played[1]);
        }
    }
    println!("\nOne decision over 10,000 provers and 10,000 jobs: {} ms", decision());
    println!("A plan over 10,000 machines, 500 to 4,000 segments: {} ms", planning());
}

fn decision() -> u128 {
    let kind = ProofKind::Risc0Composite;
    let prover = |n: u64| Candidate {
        present: true,
        enclaves: vec![],
        asks: BTreeMap::new(),
        address: Address::left_padding_from(&n.to_be_bytes()),
        waiting: 1,
        concurrency: 1,
        memory: (1 + n % 32) << 30,
        speeds: [(kind, (1 + n * 7_919 % 10_000) as f64)].into(),
        standing: Standing::default(),
    };
    let job = |n: u32| OpenJob {
        enclave: None,
        deal: Deal::default(),
        leg: None,
        id: JobId { task: TaskId::with_last_byte((n % 200) as u8), index: n },
        kind,
        units: WorkUnits(1 << (16 + n % 4)),
        memory: (1 + u64::from(n % 16)) << 30,
        ready_at: 0,
        proof_deadline: u64::from(n % 1_000) * 1_000,
        liability_deadline: 1 << 40,
        after: u64::from(n % 7) * 60_000,
        near: vec![n as usize],
        holders: vec![],
        barred: vec![],
    };
    let snapshot = Snapshot { jobs: (0..10_000).map(job).collect(), provers: (0..10_000).map(prover).collect() };
    let start = Instant::now();
    std::hint::black_box(decide(&snapshot, 0, &Rules::default()));
    start.elapsed().as_millis()
}

fn planning() -> u128 {
    let machines: Vec<Machine> = (0..10_000_u64)
        .map(|n| Sim { memory: (2 + n % 15) << 30, ..machine(1, 1_000.0 + (n * 7_919 % 3_000) as f64) }.plan())
        .collect();
    let cut = |limit: u32| Segmentation { limit, segments: BTreeMap::from([(limit, 4_000 >> (limit - 16))]) };
    let segmentations: Vec<Segmentation> = (16..20).map(cut).collect();
    let request = PlanRequest {
        segmentations: &segmentations,
        receipt: ProofKind::Risc0Succinct,
        assumptions: 0,
        machines: &machines,
        time_left: Millis::MAX,
    };
    let start = Instant::now();
    std::hint::black_box(plan(&request)).ok();
    start.elapsed().as_millis()
}
