//! Those that do one kind of work, kept in order while they come, go, and are busy or free.

use crate::{
    Millis,
    bidders::{Bidder, Bidders},
};
use std::{cmp::Reverse, collections::BTreeMap, collections::BTreeSet};

/// A speed, for ordering: the fastest first. Usable speeds are positive, and the bits of such numbers are in their order.
pub(crate) type Fastest = Reverse<u64>;

/// A prover with a free place: the fastest first, of equals the one with the fewest jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seat {
    speed: Fastest,
    load: u32,
    pub(crate) prover: usize,
}

impl Seat {
    pub(crate) fn new(speed: f64, load: u32, prover: usize) -> Self {
        Self { speed: Reverse(speed.to_bits()), load, prover }
    }

    const fn bidder(self, memory: u64, ask: Ask) -> Bidder {
        Bidder { ask, speed: self.speed, prover: self.prover, memory }
    }
}

/// What a prover asks, for ordering: the cheapest first, whoever asks nothing in particular last.
pub(crate) type Ask = (bool, u128);

pub(crate) fn ask(asks: Option<&u128>) -> Ask {
    (asks.is_none(), asks.copied().unwrap_or_default())
}

/// The provers that do one kind of work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// The faster half of all, of an odd number with the middle one: the last of them has the typical speed.
    fast: BTreeSet<(Fastest, usize)>,
    slow: BTreeSet<(Fastest, usize)>,
    /// Those with a free place, by about how much memory they have: whoever has far too little is never looked at.
    free: BTreeMap<u8, BTreeSet<Seat>>,
    /// The same, by what they ask and how fast they are, as they were when somebody last asked for bids...
    bidders: Bidders,
    /// ... and what has changed since, of each prover: what it was then, and what it is. Most of it comes to nothing.
    changed: BTreeMap<usize, (Option<Bidder>, Option<Bidder>)>,
}

impl Line {
    pub(crate) fn insert(&mut self, speed: f64, prover: usize) {
        let key = (Reverse(speed.to_bits()), prover);
        match self.fast.last().is_some_and(|last| key < *last) {
            true => self.fast.insert(key),
            false => self.slow.insert(key),
        };
        self.balance();
    }

    pub(crate) fn remove(&mut self, speed: f64, prover: usize) {
        let key = (Reverse(speed.to_bits()), prover);
        if !self.fast.remove(&key) {
            self.slow.remove(&key);
        }
        self.balance();
    }

    fn balance(&mut self) {
        let half = (self.fast.len() + self.slow.len()).div_ceil(2);
        while self.fast.len() > half {
            self.slow.extend(self.fast.pop_last());
        }
        while self.fast.len() < half {
            self.fast.extend(self.slow.pop_first());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fast.is_empty()
    }

    /// The middle speed: half are at least as fast.
    pub(crate) fn typical(&self) -> Option<f64> {
        self.fast.last().map(|(Reverse(bits), _)| f64::from_bits(*bits))
    }

    /// All of them, the fastest first.
    pub(crate) fn fastest(&self) -> impl Iterator<Item = usize> {
        self.fast.iter().chain(&self.slow).map(|(_, prover)| *prover)
    }

    pub(crate) fn seat(&mut self, seat: Seat, memory: u64, ask: Ask) {
        if self.free.entry(bucket(memory)).or_default().insert(seat) {
            self.change(seat.prover, None, Some(seat.bidder(memory, ask)));
        }
    }

    pub(crate) fn unseat(&mut self, seat: Seat, memory: u64, ask: Ask) {
        let Some(seats) = self.free.get_mut(&bucket(memory)) else { return };
        let was_there = seats.remove(&seat);
        if seats.is_empty() {
            self.free.remove(&bucket(memory));
        }
        if was_there {
            self.change(seat.prover, Some(seat.bidder(memory, ask)), None);
        }
    }

    fn change(&mut self, prover: usize, from: Option<Bidder>, to: Option<Bidder>) {
        let (was, is) = self.changed.entry(prover).or_insert((from, to));
        *is = to;
        if was == is {
            self.changed.remove(&prover);
        }
    }

    /// Whether nobody has a free place.
    pub(crate) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// Those with a free place, the fastest first; without most of those that have less than so much memory.
    pub(crate) fn seats(&self, memory: u64) -> impl Iterator<Item = Seat> {
        let mut rows: Vec<_> = self.free.range(bucket(memory)..).map(|(_, seats)| seats.iter().peekable()).collect();
        std::iter::from_fn(move || {
            let heads = rows.iter_mut().enumerate().filter_map(|(place, row)| Some((*row.peek()?, place)));
            let (_, first) = heads.min()?;
            rows[first].next().copied()
        })
    }

    /// Those with a free place, as bidders.
    pub(crate) fn bidders(&mut self) -> &Bidders {
        for (was, is) in std::mem::take(&mut self.changed).into_values() {
            was.iter().for_each(|was| self.bidders.remove(was));
            is.into_iter().for_each(|is| self.bidders.insert(is));
        }
        &self.bidders
    }
}

/// Four sizes for every doubling.
fn bucket(memory: u64) -> u8 {
    let memory = memory.max(4);
    let high = memory.ilog2();
    (high * 4) as u8 + ((memory >> (high - 2)) & 3) as u8
}

/// When a prover's places are free, the soonest first.
pub(crate) type Taken = std::collections::BinaryHeap<Reverse<Millis>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typical_one_is_the_middle_one() {
        let mut line = Line::default();
        let mut all: Vec<(f64, usize)> = Vec::new();
        for step in 0..200_usize {
            if step % 3 == 2 {
                let (speed, prover) = all.remove(step * 7 % all.len());
                line.remove(speed, prover);
            } else {
                let speed = 1.0 + (step * 7_919 % 23) as f64;
                all.push((speed, step));
                line.insert(speed, step);
            }
            let mut sorted: Vec<f64> = all.iter().map(|(speed, _)| *speed).collect();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(line.typical(), sorted.get(sorted.len() / 2).copied());
            assert_eq!(line.fastest().count(), all.len());
        }
    }

    #[test]
    fn a_bucket_is_never_above_what_has_more_memory() {
        let sizes: Vec<u64> = (0..64).flat_map(|n| [1_u64 << n, (1 << n) + (1 << n >> 1), (1 << n) - 1]).collect();
        for (a, b) in sizes.iter().flat_map(|a| sizes.iter().map(move |b| (a, b))).filter(|(a, b)| a <= b) {
            assert!(bucket(*a) <= bucket(*b), "{a} {b}");
        }
        assert_eq!(bucket(u64::MAX), 255);
    }

    #[test]
    fn seats_come_the_fastest_first() {
        let mut line = Line::default();
        for n in 0..50_usize {
            line.seat(Seat::new((n * 31 % 17) as f64 + 1.0, (n % 3) as u32, n), n as u64 * 100, (true, 0));
        }
        let all: Vec<Seat> = line.seats(0).collect();
        assert!(all.is_sorted() && all.len() == 50);
        assert!(line.seats(2_000).count() < 40);
        assert!((20..50).all(|n| line.seats(2_000).any(|seat| seat.prover == n)));
    }
}
