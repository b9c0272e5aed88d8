//! Those with a free place where provers compete: the best offers are found without looking at everybody's.

use crate::{
    Millis, OpenJob, Rules, Score,
    line::{Ask, Fastest},
    snapshot::time,
    strategy::{Bid, Bids, asked, score},
};
use std::cmp::Ordering;

/// Those with a free place at one kind of work: a treap, in which each node knows the best of all that is below it.
///
/// What is cheapest and fastest among them bounds what anybody there can offer, so that whole branches are passed over. Its
/// shape follows from who is in it alone, and what is found does not even depend on that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bidders(Branch);

type Branch = Option<Box<Node>>;

/// A prover, or the best of several in each respect. The cheapest is first, of equals the fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bidder {
    pub(crate) ask: Ask,
    pub(crate) speed: Fastest,
    pub(crate) prover: usize,
    pub(crate) memory: u64,
}

#[derive(Clone, Debug)]
struct Node {
    own: Bidder,
    /// Of this one and all below.
    best: Bidder,
    weight: u64,
    left: Branch,
    right: Branch,
}

/// What a job is bid, and what of it matters.
struct Auction<'a, F> {
    job: &'a OpenJob,
    now: Millis,
    rules: &'a Rules,
    bid: F,
    bids: Bids,
}

impl Bidders {
    pub(crate) fn insert(&mut self, bidder: Bidder) {
        insert(&mut self.0, Node::new(bidder));
    }

    pub(crate) fn remove(&mut self, bidder: &Bidder) {
        remove(&mut self.0, bidder);
    }

    /// The least that somebody with so much memory asks.
    pub(crate) fn least(&self, memory: u64) -> Option<Ask> {
        least(&self.0, memory)
    }

    /// The best bid for a job, and the best of another owner, of what these bid.
    pub(crate) fn bids(&self, job: &OpenJob, now: Millis, rules: &Rules, bid: impl Fn(usize) -> Option<Bid>) -> Bids {
        let mut auction = Auction { job, now, rules, bid, bids: Bids::default() };
        if let Some(root) = self.0.as_deref().filter(|root| root.best.memory >= job.memory) {
            auction.look(root, auction.at_best(&root.best));
        }
        auction.bids
    }
}

impl<F: Fn(usize) -> Option<Bid>> Auction<'_, F> {
    /// Nobody like this bids less.
    fn at_best(&self, bidder: &Bidder) -> (Score, usize) {
        let (none, ask) = bidder.ask;
        // Whoever asks for more than is paid is out; those who ask nothing in particular come after them.
        let price = asked((!none).then_some(ask), self.job.units, self.job.deal.pay).unwrap_or(self.job.deal.pay);
        let takes = time(self.job.units, f64::from_bits(bidder.speed.0));
        (score(self.job, self.now, self.rules, price, takes), bidder.prover)
    }

    fn look(&mut self, node: &Node, at_best: (Score, usize)) {
        if self.bids.settled_at(at_best) {
            return;
        }
        if node.own.memory >= self.job.memory && !self.bids.settled_at(self.at_best(&node.own)) {
            (self.bid)(node.own.prover).into_iter().for_each(|bid| self.bids.add(bid));
        }
        let below = [&node.left, &node.right].map(|branch| {
            let node = branch.as_deref().filter(|node| node.best.memory >= self.job.memory)?;
            Some((self.at_best(&node.best), node))
        });
        // What promises more comes first: the rest is the sooner passed over.
        let [left, right] = &below;
        let first_right = matches!((left, right), (Some((left, _)), Some((right, _))) if right < left);
        let in_order = if first_right { [right, left] } else { [left, right] };
        for (at_best, node) in in_order.into_iter().flatten() {
            self.look(node, *at_best);
        }
    }
}

impl Node {
    fn new(own: Bidder) -> Box<Self> {
        Box::new(Self { own, best: own, weight: weight(own.prover), left: None, right: None })
    }

    fn update(&mut self) {
        self.best = self.own;
        for below in [&self.left, &self.right].into_iter().flatten() {
            let (best, other) = (&mut self.best, &below.best);
            best.ask = best.ask.min(other.ask);
            best.speed = best.speed.min(other.speed);
            best.prover = best.prover.min(other.prover);
            best.memory = best.memory.max(other.memory);
        }
    }
}

fn least(branch: &Branch, memory: u64) -> Option<Ask> {
    let node = branch.as_deref().filter(|node| node.best.memory >= memory)?;
    let own = || (node.own.memory >= memory).then_some(node.own.ask);
    least(&node.left, memory).or_else(own).or_else(|| least(&node.right, memory))
}

fn insert(branch: &mut Branch, mut new: Box<Node>) {
    match branch {
        Some(node) if node.weight >= new.weight => {
            match new.own.cmp(&node.own) {
                Ordering::Less => insert(&mut node.left, new),
                Ordering::Equal => return,
                Ordering::Greater => insert(&mut node.right, new),
            }
            node.update();
        }
        _ => {
            (new.left, new.right) = split(branch.take(), &new.own);
            new.update();
            *branch = Some(new);
        }
    }
}

fn remove(branch: &mut Branch, bidder: &Bidder) {
    let Some(node) = branch else { return };
    match bidder.cmp(&node.own) {
        Ordering::Less => remove(&mut node.left, bidder),
        Ordering::Equal => {
            *branch = merge(node.left.take(), node.right.take());
            return;
        }
        Ordering::Greater => remove(&mut node.right, bidder),
    }
    node.update();
}

/// Those before somebody, and the others.
fn split(branch: Branch, at: &Bidder) -> (Branch, Branch) {
    let Some(mut node) = branch else { return (None, None) };
    if node.own < *at {
        let (before, after) = split(node.right.take(), at);
        node.right = before;
        node.update();
        (Some(node), after)
    } else {
        let (before, after) = split(node.left.take(), at);
        node.left = after;
        node.update();
        (before, Some(node))
    }
}

/// Both as one, all of the first being before all of the second.
fn merge(first: Branch, second: Branch) -> Branch {
    let (mut first, mut second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (one, other) => return one.or(other),
    };
    if first.weight >= second.weight {
        first.right = merge(first.right.take(), Some(second));
        first.update();
        Some(first)
    } else {
        second.left = merge(Some(first), second.left.take());
        second.update();
        Some(second)
    }
}

/// A number that looks random, and is the same for a prover each time: SplitMix64's.
const fn weight(prover: usize) -> u64 {
    let mut z = (prover as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Candidate, Deal, Standing, Strategy, line::ask};
    use proptest::prelude::{prop, prop_assert_eq, proptest};
    use std::{cmp::Reverse, collections::BTreeMap};
    use zkpool_protocol::{Address, JobId, ProofKind, TaskId, WorkUnits};

    const KIND: ProofKind = ProofKind::Groth16Bn254;

    #[test]
    fn each_node_knows_the_best_below_and_the_shape_follows_from_who_is_in() {
        fn check(branch: &Branch) -> usize {
            let Some(node) = branch else { return 0 };
            let mut same = node.clone();
            same.update();
            assert_eq!(same.best, node.best);
            assert!(node.left.iter().all(|left| left.own < node.own && left.weight <= node.weight));
            assert!(node.right.iter().all(|right| right.own > node.own && right.weight <= node.weight));
            1 + check(&node.left) + check(&node.right)
        }
        let bidder = |n: usize| Bidder {
            ask: (n.is_multiple_of(5), (n * 31 % 17) as u128),
            speed: Reverse((1.0 + (n * 7 % 11) as f64).to_bits()),
            prover: n,
            memory: (n * 13 % 7) as u64,
        };
        let mut bidders = Bidders::default();
        for step in 0..300 {
            match step % 3 {
                2 => bidders.remove(&bidder(step / 2)),
                _ => bidders.insert(bidder(step)),
            }
            bidders.remove(&bidder(1_000));
            check(&bidders.0);
        }
        let mut anew = Bidders::default();
        let gone = |n: &usize| (0..300).any(|step| step % 3 == 2 && step / 2 == *n && step > *n);
        (0..300).rev().filter(|n| n % 3 != 2 && !gone(n)).for_each(|n| anew.insert(bidder(n)));
        assert_eq!(format!("{anew:?}"), format!("{bidders:?}"));
        assert!(check(&anew.0) > 100);
    }

    proptest! {
        /// Ties, owners with several machines and work without pay included.
        #[test]
        fn what_is_found_is_what_looking_at_everybody_finds(
            all in prop::collection::vec((prop::option::of(0u128..8), 1u32..8, 0u64..4, 0u8..6), 0..60),
            (units, memory, pay, left) in (1u64..6_000_000, 0u64..4, 0u128..30, 0u64..9_000_000),
        ) {
            let candidate = |(ask, speed, memory, owner): (Option<u128>, u32, u64, u8)| Candidate {
                address: Address::with_last_byte(owner),
                present: true,
                waiting: 1,
                concurrency: 1,
                memory,
                speeds: BTreeMap::from([(KIND, f64::from(speed))]),
                enclaves: vec![],
                standing: Standing::default(),
                asks: ask.map(|ask| (KIND, ask)).into_iter().collect(),
            };
            let candidates: Vec<Candidate> = all.into_iter().map(candidate).collect();
            let job = OpenJob {
                id: JobId { task: TaskId::ZERO, index: 0 },
                kind: KIND,
                units: WorkUnits(units),
                memory,
                ready_at: 0,
                proof_deadline: left,
                liability_deadline: 10_000_000,
                after: 0,
                near: vec![],
                holders: vec![],
                barred: vec![],
                enclave: None,
                leg: None,
                deal: Deal { strategy: Strategy::Compete, pay },
            };
            let rules = Rules::default();
            let bid = |prover: usize| candidates[prover].bid(prover, &job, 0, &rules);
            let (mut bidders, mut every) = (Bidders::default(), Bids::default());
            for (prover, one) in candidates.iter().enumerate() {
                let speed = Reverse(one.speeds[&KIND].to_bits());
                bidders.insert(Bidder { ask: ask(one.asks.get(&KIND)), speed, prover, memory: one.memory });
                bid(prover).into_iter().for_each(|bid| every.add(bid));
            }
            let found = bidders.bids(&job, 0, &rules, bid).award(&job, 0, &rules);
            prop_assert_eq!(found, every.award(&job, 0, &rules));
            let able = candidates.iter().filter(|one| one.memory >= memory);
            prop_assert_eq!(bidders.least(memory), able.map(|one| ask(one.asks.get(&KIND))).min());
        }
    }
}
