//! Machines at work, played through: each job goes where it ends soonest.

use crate::{
    Machine, Millis,
    snapshot::{time, usable},
};
use std::{cmp::Reverse, collections::BTreeMap, collections::BinaryHeap};
use zkpool_protocol::{ProofKind, WorkUnits};

/// The most places of one machine that count.
const PLACES: u32 = 64;

/// A sort of job: all that tells how long a machine takes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Work {
    pub(crate) kind: ProofKind,
    pub(crate) units: WorkUnits,
    pub(crate) memory: u64,
}

/// Machines, and until when each of their places is taken.
pub(crate) struct Shop<'a> {
    machines: &'a [Machine],
    /// The machine that each place belongs to.
    machine: Vec<usize>,
    /// When each place is free.
    free: Vec<Millis>,
    lines: BTreeMap<Work, Line>,
}

/// For one sort of job, who would have it done when.
///
/// A place is in `idle` from the moment that it is free by the time a job can begin, and in the other two before that.
/// Doing a job moves a place in the lines of other sorts, too; they find out when they come across it.
struct Line {
    /// How long each machine takes.
    takes: Vec<Option<Millis>>,
    /// Idle places, by how long they take.
    idle: Heap,
    /// Busy ones, by when they would be done.
    by_end: Heap,
    /// Busy ones, by when they are free.
    by_free: Heap,
}

type Heap = BinaryHeap<Reverse<(Millis, usize)>>;

impl<'a> Shop<'a> {
    pub(crate) fn new(machines: &'a [Machine]) -> Self {
        let places = machines.iter().enumerate();
        let places = places.flat_map(|(index, machine)| (0..machine.places.min(PLACES)).map(move |_| index));
        let machine: Vec<usize> = places.collect();
        let free = machine.iter().map(|index| machines[*index].busy).collect();
        Self { machines, machine, free, lines: BTreeMap::new() }
    }

    /// Does a job that can begin at `ready`: gives the time when it is done, or `None` if nobody can do it. From job to
    /// job, `ready` never falls. O(log places), spread over the jobs; O(places) for the first of its sort.
    pub(crate) fn does(&mut self, work: Work, ready: Millis) -> Option<Millis> {
        let Self { machines, machine, free, lines } = self;
        let line = lines.entry(work).or_insert_with(|| Line::new(machines, machine, free, work));
        line.settle(machine, free, ready);
        let idle = line.idle.peek().map(|Reverse((takes, place))| (ready.saturating_add(*takes), *place));
        let busy = line.by_end.peek().map(|Reverse(top)| *top);
        let (end, place) = idle.into_iter().chain(busy).min()?;
        // Where it was in this line, it is out of date now, and moves when that comes to the top.
        free[place] = end;
        Some(end)
    }
}

impl Line {
    fn new(machines: &[Machine], machine: &[usize], free: &[Millis], work: Work) -> Self {
        let takes = |machine: &Machine| {
            let speed = usable(machine.speeds.get(&work.kind)).filter(|_| machine.memory >= work.memory)?;
            Some(time(work.units, speed))
        };
        let takes: Vec<Option<Millis>> = machines.iter().map(takes).collect();
        let able = || (0..machine.len()).filter_map(|place| Some((place, takes[machine[place]]?)));
        let by_free = able().map(|(place, _)| Reverse((free[place], place))).collect();
        let by_end = able().map(|(place, takes)| Reverse((free[place].saturating_add(takes), place))).collect();
        Self { idle: Heap::new(), by_end, by_free, takes }
    }

    /// Brings the tops up to date for jobs that can begin at `ready`.
    fn settle(&mut self, machine: &[usize], free: &[Millis], ready: Millis) {
        let takes = |place: usize| self.takes[machine[place]].unwrap_or(Millis::MAX);
        let ends = |place: usize| free[place].saturating_add(takes(place));
        while let Some(Reverse((_, place))) = self.idle.peek().copied().filter(|Reverse((_, p))| free[*p] > ready) {
            self.idle.pop();
            self.by_free.push(Reverse((free[place], place)));
            self.by_end.push(Reverse((ends(place), place)));
        }
        while let Some(Reverse((_, place))) = self.by_free.peek().copied().filter(|Reverse((at, _))| *at <= ready) {
            self.by_free.pop();
            match free[place] <= ready {
                true => self.idle.push(Reverse((takes(place), place))),
                false => self.by_free.push(Reverse((free[place], place))),
            }
        }
        while let Some(Reverse((end, place))) = self.by_end.peek().copied() {
            if free[place] <= ready {
                // It is among the idle.
                self.by_end.pop();
            } else if end < ends(place) {
                self.by_end.pop();
                self.by_end.push(Reverse((ends(place), place)));
            } else {
                break;
            }
        }
    }
}
