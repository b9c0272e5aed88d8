//! Which segment size is chosen, and for what reason none.
#![allow(missing_docs)]

mod common;

use common::{Sim, bound, graph, machine, play};
use proptest::prelude::*;
use zkpool_protocol::{ProofKind, Segmentation, WorkUnits, zkvm::recursion_memory, zkvm::segment_memory};
use zkpool_scheduler::*;

/// As many cycles as 16 segments of 2^20, cut at these limits; a smaller limit wastes so many percent more.
fn cuts(limits: std::ops::RangeInclusive<u32>, waste: u32) -> Vec<Segmentation> {
    let count = |limit: u32| (16_u32 << (20 - limit)) * (100 + waste * (20 - limit)) / 100;
    limits.map(|limit| Segmentation { limit, segments: [(limit, count(limit))].into() }).collect()
}

fn ask(segmentations: &[Segmentation], receipt: ProofKind, machines: &[Sim]) -> Result<Plan, PlanError> {
    let machines: Vec<Machine> = machines.iter().map(Sim::plan).collect();
    plan(&PlanRequest { segmentations, receipt, assumptions: 0, machines: &machines, time_left: 3_600_000 })
}

const COMPOSITE: ProofKind = ProofKind::Risc0Composite;
const SUCCINCT: ProofKind = ProofKind::Risc0Succinct;

#[test]
fn large_machines_get_large_segments_and_small_ones_are_not_left_out_for_nothing() {
    let cuts = cuts(16..=20, 3);
    let large = vec![machine(16, 2_000.0); 4];
    assert_eq!(ask(&cuts, COMPOSITE, &large).unwrap().limit, 20);
    // Four laptops of 4 GiB beside them halve the time, with segments that fit them, and the waste is the smaller loss.
    let mixed = [large.clone(), vec![machine(4, 2_000.0); 4]].concat();
    let plan = ask(&cuts, COMPOSITE, &mixed).unwrap();
    assert_eq!((plan.limit, plan.on_time), (18, true));
    assert!(plan.memory <= 4 << 30);
    // One slow laptop is not worth wasting the others' time for.
    let one = [large.clone(), vec![machine(4, 200.0)]].concat();
    let plan = ask(&cuts, COMPOSITE, &one).unwrap();
    assert_eq!((plan.limit, plan.makespan), (20, ask(&cuts, COMPOSITE, &large).unwrap().makespan));
}

#[test]
fn few_large_segments_leave_machines_idle() {
    // 16 segments for 24 machines: a third would have nothing to do.
    let plan = ask(&cuts(18..=20, 1), COMPOSITE, &vec![machine(16, 2_000.0); 24]).unwrap();
    assert!(plan.limit < 20, "{plan:?}");
}

#[test]
fn recursion_weighs_against_small_segments() {
    let cuts = cuts(15..=18, 1);
    let machines = vec![machine(8, 2_000.0); 8];
    let plan = ask(&cuts, SUCCINCT, &machines).unwrap();
    assert_eq!(plan.limit, 18);
    let units = task_units(&cuts[3], SUCCINCT, 0);
    assert_eq!(plan.units, units);
    assert_eq!(units.0, u64::from(plan.segments) * (1 << 18) + u64::from(2 * plan.segments - 1) * 100_000);
    assert_eq!(task_units(&cuts[3], ProofKind::Risc0Groth16, 2).0, units.0 + 2 * 100_000 + 500_000);
    assert_eq!(task_units(&cuts[3], COMPOSITE, 2), WorkUnits(u64::from(plan.segments) << 18));
}

#[test]
fn of_equals_the_least_work_wins_and_time_goes_first() {
    // One machine: 2^18 takes 3 % more than 2^20, which is equal.
    let pair = |waste| [cuts(18..=18, waste), cuts(20..=20, waste)].concat();
    assert_eq!(ask(&pair(1), COMPOSITE, &[machine(16, 2_000.0)]).unwrap().limit, 20);
    // Nobody has the memory for the better one.
    assert_eq!(ask(&pair(10), COMPOSITE, &[machine(4, 2_000.0)]).unwrap().limit, 18);
}

#[test]
fn what_is_before_a_machine_counts() {
    let cuts = cuts(20..=20, 0);
    let mut machines = vec![machine(16, 2_000.0).plan()];
    let ask = |machines: &[Machine]| {
        let request =
            PlanRequest { segmentations: &cuts, receipt: COMPOSITE, assumptions: 0, machines, time_left: 8_400_000 };
        plan(&request).unwrap()
    };
    let idle = ask(&machines);
    machines[0].busy = 60_000;
    let busy = ask(&machines);
    assert_eq!(busy.makespan, idle.makespan + 60_000);
    assert_eq!((idle.on_time, busy.on_time), (true, false));
}

#[test]
fn an_error_says_what_is_missing() {
    let cuts = cuts(18..=20, 0);
    let needed = segment_memory(18);
    let small = ask(&cuts, COMPOSITE, &[machine(1, 1.0), machine(2, 1.0)]).unwrap_err();
    assert_eq!(small, PlanError::Memory { kind: COMPOSITE, needed, largest: 2 << 30 });
    assert_eq!(
        small.to_string(),
        "risc0-composite work takes 2419 MiB of memory, and the largest machine present gives a job 2048 MiB"
    );
    assert_eq!(ask(&cuts, COMPOSITE, &[]), Err(PlanError::Nobody { kind: COMPOSITE }));
    assert_eq!(
        ask(&cuts, ProofKind::Risc0Groth16, &[machine(16, 1.0)]),
        Err(PlanError::Nobody { kind: ProofKind::Risc0Groth16 })
    );
    assert_eq!(ask(&[], COMPOSITE, &[machine(16, 1.0)]), Err(PlanError::Empty));
    let tiny = [Segmentation { limit: 15, segments: [(15, 4), (13, 1)].into() }];
    assert_eq!(ask(&tiny, SUCCINCT, &[machine(16, 1.0)]), Err(PlanError::NoLift { po2: 13 }));
    assert!(ask(&tiny, COMPOSITE, &[machine(16, 1.0)]).is_ok());
    let endless = [Segmentation { limit: 15, segments: [(15, u32::MAX), (14, 7)].into() }];
    assert_eq!(ask(&endless, COMPOSITE, &[machine(16, 1.0)]), Err(PlanError::TooMany { segments: u32::MAX }));
    let one = [Segmentation { limit: 15, segments: [(15, 4)].into() }];
    let without = ask(&one, SUCCINCT, &[machine(1, 1.0)]);
    assert_eq!(without, Err(PlanError::Memory { kind: SUCCINCT, needed: recursion_memory(), largest: 1 << 30 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The plan's time is what `decide` then makes of it, within a segment of the slowest machine's or a fifth.
    #[test]
    fn the_plan_is_what_happens(
        speeds in prop::collection::vec(500.0f64..8_000.0, 1..8), segments in 1u32..40, po2 in 15u32..19, succinct in any::<bool>(),
    ) {
        let machines: Vec<Sim> = speeds.iter().map(|speed| machine(16, *speed)).collect();
        let receipt = if succinct { SUCCINCT } else { COMPOSITE };
        let cut = [Segmentation { limit: po2, segments: [(po2, segments)].into() }];
        let planned = ask(&cut, receipt, &machines).unwrap().makespan;
        let jobs = graph(segments, po2, receipt);
        let real = play(&jobs, &machines, 1 << 40, &Rules::default()).makespan;
        prop_assert!(planned >= bound(&jobs, &machines));
        prop_assert!(real <= planned * 6 / 5 + 10_000, "{real} for {planned}");
    }
}
