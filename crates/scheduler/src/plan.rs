//! How a zkVM execution is cut: the segment size with which the present machines finish soonest.
//!
//! Small segments waste cycles on paging and padding, and each costs its lift and join; large ones exclude machines by
//! their memory and leave the others waiting for the slowest. Which weighs more depends on who is there, so every choice is
//! played through ([`crate::shop`]) with the machines as they are.

use crate::{
    Millis,
    shop::{Shop, Work},
    snapshot::usable,
};
use std::{cmp::Reverse, collections::BTreeMap, collections::BinaryHeap};
use zkpool_protocol::{
    Operation, ProofKind, Segmentation, WorkUnits,
    zkvm::{MAX_SEGMENT_PO2, MIN_SEGMENT_PO2, recursion_memory, recursion_units, segment_memory, segment_units},
};

/// Choices that take at most so much longer than the quickest, in percent, are equal to it: then the least work wins.
const EQUAL_PERCENT: u64 = 5;

/// A choice with more segments is left out: the time and memory to play it through stay bounded.
const MOST_SEGMENTS: u32 = 1 << 17;

/// A machine, for planning.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Memory for one job, in bytes.
    pub memory: u64,
    /// How many jobs it does at once.
    pub places: u32,
    /// Work units per second of one job, by kind.
    pub speeds: BTreeMap<ProofKind, f64>,
    /// How long until it could begin: what it has before it.
    pub busy: Millis,
}

/// What is to be planned.
#[derive(Clone, Copy, Debug)]
pub struct PlanRequest<'a> {
    /// The choices, from the preflight.
    pub segmentations: &'a [Segmentation],
    /// What the task ends in.
    pub receipt: ProofKind,
    /// How many assumptions are to be resolved.
    pub assumptions: u32,
    /// Who is there.
    pub machines: &'a [Machine],
    /// Time until the last proof must be there: a choice that takes longer loses to one that does not.
    pub time_left: Millis,
}

/// The choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The segment limit, as a power of two of cycles.
    pub limit: u32,
    /// How many segments that makes.
    pub segments: u32,
    /// All the work, waste included: what the price is made from.
    pub units: WorkUnits,
    /// The most memory that a job takes, in bytes.
    pub memory: u64,
    /// How long it should take until the last proof is there.
    pub makespan: Millis,
    /// Whether that is within the time left.
    pub on_time: bool,
}

/// Nobody can do it, however it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no choice with a segment in it.
    #[error("the execution has no segments")]
    Empty,
    /// No choice has only segments that can be lifted, which all but a composite receipt needs.
    #[error("a segment of 2^{po2} cycles cannot be lifted: 2^{MIN_SEGMENT_PO2} to 2^{MAX_SEGMENT_PO2} can")]
    NoLift {
        /// The size of one that cannot, as a power of two of cycles.
        po2: u32,
    },
    /// Every choice has more segments than a task can have.
    #[error("{segments} segments are more than {MOST_SEGMENTS}")]
    TooMany {
        /// How many the choice with the fewest has.
        segments: u32,
    },
    /// No machine does this kind of work at all.
    #[error("no machine present does {kind} work")]
    Nobody {
        /// The kind of work, not of the receipt.
        kind: ProofKind,
    },
    /// Some do this kind of work, but none has the memory.
    #[error("{kind} work takes {} MiB of memory, and the largest machine present gives a job {} MiB", needed >> 20, largest >> 20)]
    Memory {
        /// The kind of work.
        kind: ProofKind,
        /// What the least demanding choice takes, in bytes.
        needed: u64,
        /// What the largest machine has that does this kind of work, in bytes.
        largest: u64,
    },
}

/// Chooses how to cut an execution.
///
/// The quickest choice wins; of those that take at most 5 % longer the one with the least work, as work is what is paid.
/// A choice of which some job fits nobody is left out. For S segments and M machines a choice costs
/// O((S + M) · log M) for each size of segment in it, some milliseconds for thousands of both; one that could not win even
/// if its work were spread perfectly is not played through.
pub fn plan(request: &PlanRequest<'_>) -> Result<Plan, PlanError> {
    let mut choices: Vec<Choice<'_>> = request.segmentations.iter().filter_map(|s| Choice::of(s, request)).collect();
    // Few segments are quick to play through, and often rule out the choices with many.
    choices.sort_by_key(|choice| (choice.segments, choice.cut.limit));
    if choices.is_empty() {
        return Err(PlanError::Empty);
    }
    let mut problem: Option<PlanError> = None;
    let mut plans: Vec<Plan> = Vec::new();
    for choice in choices {
        if let Err(error) = choice.check(request) {
            problem = Some(lesser(problem, error));
            continue;
        }
        let quickest = plans.iter().map(|plan| plan.makespan).min();
        if quickest.is_some_and(|quickest| choice.at_least(request) > equal(quickest)) {
            continue;
        }
        let Some(makespan) = choice.play(request) else { continue };
        plans.push(Plan {
            limit: choice.cut.limit,
            segments: choice.segments,
            units: choice.units,
            memory: choice.work().map(|work| work.memory).max().unwrap_or_default(),
            makespan,
            on_time: makespan <= request.time_left,
        });
    }
    let quickest = plans.iter().map(|plan| plan.makespan).min();
    let equals = plans.into_iter().filter(|plan| quickest.is_some_and(|quickest| plan.makespan <= equal(quickest)));
    let best = equals.min_by_key(|plan| (!plan.on_time, plan.units, plan.makespan, Reverse(plan.limit)));
    best.ok_or_else(|| problem.unwrap_or(PlanError::Empty))
}

/// All the work of an execution cut so, for a receipt of this kind, in cycles.
pub fn task_units(cut: &Segmentation, receipt: ProofKind, assumptions: u32) -> WorkUnits {
    let proofs = cut.segments.iter().map(|(po2, count)| segment_units(*po2).0.saturating_mul(u64::from(*count)));
    let count: u64 = cut.segments.values().map(|count| u64::from(*count)).sum();
    let step = |operation, times: u64| recursion_units(operation).0.saturating_mul(times);
    let recursion = match receipt {
        ProofKind::Risc0Composite => 0,
        _ => {
            step(Operation::Lift, count)
                + step(Operation::Join, count.saturating_sub(1))
                + step(Operation::Resolve, u64::from(assumptions))
                + step(Operation::Wrap, u64::from(receipt == ProofKind::Risc0Groth16))
        }
    };
    WorkUnits(proofs.fold(recursion, u64::saturating_add))
}

/// What takes at most so long is as quick as the quickest.
fn equal(quickest: Millis) -> Millis {
    quickest.saturating_add(quickest / 100 * EQUAL_PERCENT)
}

/// Of two reasons the one that is nearer to a solution: less memory, then whatever came first.
fn lesser(known: Option<PlanError>, new: PlanError) -> PlanError {
    match (known, new) {
        (Some(PlanError::Memory { needed: known, .. }), PlanError::Memory { needed, .. }) if needed < known => new,
        (Some(PlanError::NoLift { .. }), PlanError::Memory { .. } | PlanError::Nobody { .. }) | (None, _) => new,
        (Some(known), _) => known,
    }
}

/// A way to cut the execution.
struct Choice<'a> {
    cut: &'a Segmentation,
    segments: u32,
    units: WorkUnits,
    /// Whether the segments' proofs are put together by recursion.
    recursive: bool,
    wrapped: bool,
}

impl<'a> Choice<'a> {
    /// Absent if there is nothing to prove.
    fn of(cut: &'a Segmentation, request: &PlanRequest<'_>) -> Option<Self> {
        let segments = cut.segments.values().fold(0_u32, |all, count| all.saturating_add(*count));
        (segments > 0).then(|| Self {
            cut,
            segments,
            units: task_units(cut, request.receipt, request.assumptions),
            recursive: request.receipt != ProofKind::Risc0Composite,
            wrapped: request.receipt == ProofKind::Risc0Groth16,
        })
    }

    /// The sizes of segment that occur, the largest first, and how often.
    fn sizes(&self) -> impl Iterator<Item = (u32, u32)> {
        self.cut.segments.iter().rev().filter(|(_, count)| **count > 0).map(|(po2, count)| (*po2, *count))
    }

    /// Every kind of job in it.
    fn work(&self) -> impl Iterator<Item = Work> {
        let recursion = self.recursive.then_some(step(Operation::Lift));
        let wrap = self.wrapped.then_some(step(Operation::Wrap));
        self.sizes().map(|(po2, _)| segment(po2)).chain(recursion).chain(wrap)
    }

    /// Whether it can be done: for every job in it there is somebody who could do it.
    fn check(&self, request: &PlanRequest<'_>) -> Result<(), PlanError> {
        if self.segments > MOST_SEGMENTS {
            return Err(PlanError::TooMany { segments: self.segments });
        }
        let liftable = MIN_SEGMENT_PO2..=MAX_SEGMENT_PO2;
        if let Some((po2, _)) = self.sizes().find(|(po2, _)| self.recursive && !liftable.contains(po2)) {
            return Err(PlanError::NoLift { po2 });
        }
        for Work { kind, memory: needed, .. } in self.work() {
            let does = |machine: &&Machine| machine.places > 0 && usable(machine.speeds.get(&kind)).is_some();
            let largest = request.machines.iter().filter(does).map(|machine| machine.memory).max();
            match largest.ok_or(PlanError::Nobody { kind })? {
                largest if largest < needed => return Err(PlanError::Memory { kind, needed, largest }),
                _ => {}
            }
        }
        Ok(())
    }

    /// How long it takes at least: all segments spread perfectly over all that do such work.
    fn at_least(&self, request: &PlanRequest<'_>) -> Millis {
        let speed = |machine: &Machine| {
            usable(machine.speeds.get(&ProofKind::Risc0Composite)).unwrap_or_default() * f64::from(machine.places)
        };
        let speed: f64 = request.machines.iter().map(speed).sum();
        let units: f64 = self.sizes().map(|(po2, count)| segment_units(po2).0 as f64 * f64::from(count)).sum();
        (units * 1_000.0 / speed) as Millis
    }

    /// Plays it through: when the last proof is there. `None` if some job fits nobody.
    fn play(&self, request: &PlanRequest<'_>) -> Option<Millis> {
        let mut shop = Shop::new(request.machines);
        let mut leaves = Vec::with_capacity(self.segments as usize);
        // What is on the longest way comes first, as in `decide`: every segment before any lift.
        for (po2, count) in self.sizes() {
            for _ in 0..count {
                leaves.push(shop.does(segment(po2), 0)?);
            }
        }
        let mut end = leaves.iter().copied().max()?;
        if !self.recursive {
            return Some(end);
        }
        end = tree(&mut shop, &leaves)?;
        for _ in 0..request.assumptions {
            end = shop.does(step(Operation::Resolve), end)?;
        }
        if self.wrapped {
            end = shop.does(step(Operation::Wrap), end)?;
        }
        Some(end)
    }
}

/// Lifts, and joins of neighbours until one is left, each done as soon as what it takes is there.
fn tree(shop: &mut Shop<'_>, leaves: &[Millis]) -> Option<Millis> {
    // By when it can begin: (time, height, place within its height). A lift is of height 0.
    let mut ready: BinaryHeap<Reverse<(Millis, usize, usize)>> =
        leaves.iter().enumerate().map(|(place, at)| Reverse((*at, 0, place))).collect();
    let mut counts = vec![leaves.len()];
    while let Some(count) = counts.last().copied().filter(|count| *count > 1) {
        counts.push(count.div_ceil(2));
    }
    let mut ends: Vec<Vec<Option<Millis>>> = counts.iter().map(|count| vec![None; *count]).collect();
    let mut end = 0;
    while let Some(Reverse((at, height, place))) = ready.pop() {
        let single = height > 0 && 2 * place + 1 >= counts[height - 1];
        // One that has no neighbour goes up as it is.
        end =
            if single { at } else { shop.does(step(if height == 0 { Operation::Lift } else { Operation::Join }), at)? };
        ends[height][place] = Some(end);
        if height + 1 < counts.len() {
            let neighbour = place ^ 1;
            let other = if neighbour < counts[height] { ends[height][neighbour] } else { Some(0) };
            if let Some(other) = other {
                ready.push(Reverse((end.max(other), height + 1, place / 2)));
            }
        }
    }
    Some(end)
}

fn segment(po2: u32) -> Work {
    Work { kind: ProofKind::Risc0Composite, units: segment_units(po2), memory: segment_memory(po2) }
}

fn step(operation: Operation) -> Work {
    let kind = if operation == Operation::Wrap { ProofKind::Risc0Groth16 } else { ProofKind::Risc0Succinct };
    Work { kind, units: recursion_units(operation), memory: recursion_memory() }
}
