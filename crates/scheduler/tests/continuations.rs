//! Whole zkVM tasks over machines of very different speed, played through: what `examples/continuations.rs` prints as
//! figures, held to bounds. Handing every job to whoever is free ("greedy": no waiting, no copies near the end) takes
//! 749 s for the 64 segments below against 741 s (712 s is the bound), and 1,481 s against 786 s when a machine has
//! promised ten times its speed.
#![allow(missing_docs)]

mod common;

use common::{Sim, bound, graph, machine, play};
use proptest::{prelude::*, strategy::Strategy};
use zkpool_protocol::ProofKind;
use zkpool_scheduler::*;

const NEVER: Millis = 1 << 40;

fn pool() -> Vec<Sim> {
    [vec![machine(32, 14_000.0)], vec![machine(8, 1_770.0); 5]].concat()
}

fn laptop() -> Sim {
    machine(4, 700.0)
}

fn greedy() -> Rules {
    Rules { gain: Millis::MAX, stalled: u64::MAX, ..Rules::default() }
}

#[test]
fn a_large_job_ends_near_the_bound_and_a_laptop_does_not_ruin_it() {
    for receipt in [ProofKind::Risc0Composite, ProofKind::Risc0Succinct] {
        for segments in [8, 64] {
            let jobs = graph(segments, 18, receipt);
            let without = play(&jobs, &pool(), NEVER, &Rules::default());
            let with = [pool(), vec![laptop()]].concat();
            let all = play(&jobs, &with, NEVER, &Rules::default());
            assert!(all.makespan <= without.makespan * 103 / 100, "{} {}", all.makespan, without.makespan);
            if segments == 64 {
                assert!(all.makespan <= bound(&jobs, &with) * 105 / 100, "{} {}", all.makespan, bound(&jobs, &with));
                assert!(all.done[6] > 0, "it takes part");
            }
            let old = play(&jobs, &with, NEVER, &greedy());
            assert!(all.makespan <= old.makespan, "{} {}", all.makespan, old.makespan);
        }
    }
}

#[test]
fn slow_and_lost_provers_cost_little() {
    let jobs = graph(64, 18, ProofKind::Risc0Composite);
    // As if the liar were not there at all.
    let honest = play(&jobs, &pool()[..5], NEVER, &Rules::default()).makespan;
    let mut liar = pool();
    liar[1].truth = 0.1;
    let slow = play(&jobs, &liar, NEVER, &Rules::default());
    assert!(slow.makespan <= honest * 103 / 100 && slow.copies > 0, "{slow:?} {honest}");
    assert!(play(&jobs, &liar, NEVER, &greedy()).makespan > honest * 170 / 100);
    let mut lost = pool();
    lost[0].dies = Some(600_000);
    let lost = play(&jobs, &lost, NEVER, &Rules::default());
    // It has done 32 by then; the other half makes seven rounds of five machines, and no more.
    assert_eq!(lost.done[0], 32);
    assert!(lost.makespan <= 7 * 148_200, "{lost:?}");
}

fn any_machine() -> impl Strategy<Value = Sim> {
    (
        1u64..16,
        1u32..3,
        500.0f64..20_000.0,
        prop_oneof![4 => Just(1.0), 1 => 0.05f64..2.0],
        prop::option::weighted(0.2, 0u64..900_000),
    )
        .prop_map(|(gib, places, speed, truth, dies)| Sim { places, truth, dies, ..machine(gib, speed) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whoever lies about its speed or is switched off: with one machine that stays, every job is done in the end (`play`
    /// sees to it that no job has more than two holders, nobody more than its places, and memory suffices).
    #[test]
    fn every_task_comes_to_its_end(
        machines in prop::collection::vec(any_machine(), 0..6), segments in 1u32..20, po2 in 15u32..19, succinct in any::<bool>(),
    ) {
        let machines = [vec![machine(16, 1_770.0)], machines].concat();
        let receipt = if succinct { ProofKind::Risc0Succinct } else { ProofKind::Risc0Composite };
        let jobs = graph(segments, po2, receipt);
        let out = play(&jobs, &machines, NEVER, &Rules::default());
        prop_assert_eq!(out.done.iter().sum::<u32>() as usize, jobs.len() - 1);
    }

    /// What a list schedule needs at most (all the work over all the speed, and the longest way once more at the slowest
    /// machine's pace, Graham's bound for machines that differ) is kept: a deadline beyond it is met.
    #[test]
    fn a_deadline_that_leaves_the_time_is_met(
        speeds in prop::collection::vec(500.0f64..20_000.0, 1..6), segments in 1u32..20, po2 in 15u32..19, succinct in any::<bool>(),
    ) {
        let machines: Vec<Sim> = speeds.iter().map(|speed| machine(16, *speed)).collect();
        let receipt = if succinct { ProofKind::Risc0Succinct } else { ProofKind::Risc0Composite };
        let jobs = graph(segments, po2, receipt);
        let slowest: Vec<Sim> = machines.iter().min_by(|a, b| a.speed.total_cmp(&b.speed)).cloned().into_iter().collect();
        let longest = bound(&graph(1, po2, receipt), &slowest) * u64::from(1 + segments.next_power_of_two().trailing_zeros());
        let out = play(&jobs, &machines, NEVER, &Rules::default());
        prop_assert!(out.makespan <= bound(&jobs, &machines) + longest, "{} > {} + {longest}", out.makespan, bound(&jobs, &machines));
    }
}
