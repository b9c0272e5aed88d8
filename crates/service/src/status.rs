//! What only this process knows and may forget: whether it is ready, which provers are there, how its reconcilers fare.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};
use zkpool_chain::Head;
use zkpool_protocol::{Address, JobId, MAX_VALIDITY};
use zkpool_store::{Millis, ProverId, TaskKey};

/// Shared; every method is short and never waits.
#[derive(Debug, Default)]
pub struct Status {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    quarantine: Option<Quarantine>,
    head: Option<(Head, Millis)>,
    /// Newest heads, to tell how often blocks come.
    heads: VecDeque<(u64, u64)>,
    /// Times of the newest blocks that were followed.
    blocks: BTreeMap<u64, u64>,
    caught_up: bool,
    provers: BTreeMap<ProverId, Presence>,
    /// What was found when the bonds of addresses were looked at last: what stands against giving them work, and when.
    bonds: BTreeMap<Address, (Option<String>, Millis)>,
    last_claim: u64,
    /// Leases that were given to a claim, and when.
    handed: BTreeMap<(JobId, u64), Millis>,
    troubles: BTreeMap<&'static str, String>,
    /// When members of committees last asked for receipts: by committee and member.
    members: BTreeMap<(Address, Address), Millis>,
    /// Proven tasks whose signatures do not count any more.
    unsigned: BTreeSet<TaskKey>,
    /// Tries of legs of which it was said that they show another output.
    dissenting: BTreeSet<TaskKey>,
}

/// Slots that were open when this process saw the chain first may hold quotes that this database does not know, if it is
/// a copy: they are quoted again when none of those can be published any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Newest block then: slots opened above it were never quoted before.
    pub block: u64,
    /// Chain time at which it ends.
    pub until: u64,
}

#[derive(Debug, Default)]
struct Presence {
    heard_at: Millis,
    waiting: BTreeSet<u64>,
}

/// A claim that waits for a job; it stops counting when this is dropped.
#[derive(Debug)]
pub struct Waiting<'a> {
    status: &'a Status,
    prover: ProverId,
    id: u64,
}

/// How many heads are kept.
const HEADS: usize = 16;
/// How many blocks' times are kept: more than any sensible number of confirmations.
const BLOCKS: usize = 512;
/// A lease that a claim was given is not given to another one for so long: its answer may still be on its way.
const ON_ITS_WAY: Millis = 3_000;

impl Status {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked left whole values behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the chain ----

    /// The endpoint has shown this head. The first one begins the quarantine; with `caught_up` the follower is there.
    pub fn saw_chain(&self, head: Head, caught_up: bool, now: Millis) {
        let mut inner = self.lock();
        let time = head.timestamp.max(now / 1_000);
        inner.quarantine.get_or_insert(Quarantine { block: head.number, until: time + MAX_VALIDITY });
        inner.head = Some((head, now));
        inner.caught_up |= caught_up;
        if inner.heads.back().is_none_or(|(number, _)| *number != head.number) {
            inner.heads.push_back((head.number, head.timestamp));
            if inner.heads.len() > HEADS {
                inner.heads.pop_front();
            }
        }
    }

    /// The follower has taken in a block.
    pub fn saw_block(&self, number: u64, timestamp: u64) {
        let mut inner = self.lock();
        inner.blocks.insert(number, timestamp);
        if inner.blocks.len() > BLOCKS {
            inner.blocks.pop_first();
        }
    }

    /// Blocks above a height are not part of the chain any more.
    pub fn forget_blocks_above(&self, number: u64) {
        self.lock().blocks.split_off(&(number + 1));
    }

    /// Time of the highest block known at or below a height.
    pub fn time_of_block_at_or_below(&self, number: u64) -> Option<u64> {
        self.lock().blocks.range(..=number).next_back().map(|(_, timestamp)| *timestamp)
    }

    /// The newest head, and when it was seen.
    pub fn head(&self) -> Option<(Head, Millis)> {
        self.lock().head
    }

    /// Seconds between blocks, as seen lately; one if too little was seen, at most twelve.
    pub fn block_seconds(&self) -> u64 {
        let inner = self.lock();
        let (Some((first, from)), Some((last, to))) = (inner.heads.front(), inner.heads.back()) else { return 1 };
        let blocks = last.saturating_sub(*first);
        if blocks == 0 { 1 } else { to.saturating_sub(*from).div_ceil(blocks).clamp(1, 12) }
    }

    /// Whether the follower has been at the head since the process started.
    pub fn is_caught_up(&self) -> bool {
        self.lock().caught_up
    }

    /// The quarantine of slots; `None` before the chain was seen.
    pub fn quarantine(&self) -> Option<Quarantine> {
        self.lock().quarantine
    }

    /// Begins it anew: somebody else signs in this operator's name.
    pub fn begin_quarantine(&self, head: &Head, now: Millis) {
        let until = head.timestamp.max(now / 1_000) + MAX_VALIDITY;
        self.lock().quarantine = Some(Quarantine { block: head.number, until });
    }

    // ---- provers ----

    /// A prover was heard of.
    pub fn heard(&self, prover: &ProverId, now: Millis) {
        self.lock().provers.entry(prover.clone()).or_default().heard_at = now;
    }

    /// A prover has left.
    pub fn left(&self, prover: &ProverId) {
        self.lock().provers.remove(prover);
    }

    /// A claim of a prover waits until the guard is dropped.
    pub fn wait(&self, prover: &ProverId, now: Millis) -> Waiting<'_> {
        let mut inner = self.lock();
        inner.last_claim += 1;
        let id = inner.last_claim;
        let presence = inner.provers.entry(prover.clone()).or_default();
        presence.heard_at = now;
        presence.waiting.insert(id);
        Waiting { status: self, prover: prover.clone(), id }
    }

    /// One claim of a prover has been answered by a lease: it does not wait for another.
    pub fn served(&self, prover: &ProverId) {
        if let Some(presence) = self.lock().provers.get_mut(prover) {
            presence.waiting.pop_first();
        }
    }

    /// How many claims of a prover wait.
    pub fn waiting(&self, prover: &ProverId) -> u32 {
        let waiting = self.lock().provers.get(prover).map_or(0, |presence| presence.waiting.len());
        u32::try_from(waiting).unwrap_or(u32::MAX)
    }

    /// Whether a prover was heard of since `since`, or waits.
    pub fn is_present(&self, prover: &ProverId, since: Millis) -> bool {
        let inner = self.lock();
        inner.provers.get(prover).is_some_and(|presence| !presence.waiting.is_empty() || presence.heard_at >= since)
    }

    /// An address's bond was looked at: what stands against giving it work.
    pub fn saw_bond(&self, prover: Address, against: Option<String>, now: Millis) {
        self.lock().bonds.insert(prover, (against, now));
    }

    /// What was found when an address's bond was looked at last, and when that was.
    pub fn bond(&self, prover: Address) -> Option<(Option<String>, Millis)> {
        self.lock().bonds.get(&prover).cloned()
    }

    /// Whether an address had its bond when it was looked at last.
    pub fn is_bonded(&self, prover: Address) -> bool {
        self.lock().bonds.get(&prover).is_some_and(|(against, _)| against.is_none())
    }

    /// Forgets what was found of addresses that are not asked for.
    pub fn keep_bonds(&self, asked: impl Fn(Address) -> bool) {
        self.lock().bonds.retain(|prover, _| asked(*prover));
    }

    /// Whether a claim that began at `began` may have this lease: nobody was given it yet, or whoever was has lost it.
    pub fn hand_out(&self, job: JobId, token: u64, began: Millis, now: Millis) -> bool {
        let mut inner = self.lock();
        let free = inner.handed.get(&(job, token)).is_none_or(|at| *at < began && at + ON_ITS_WAY <= now);
        if free {
            inner.handed.insert((job, token), now);
        }
        free
    }

    /// Forgets leases that have ended.
    pub fn keep_handed(&self, live: impl Fn(&JobId, u64) -> bool) {
        self.lock().handed.retain(|(job, token), _| live(job, *token));
    }

    // ---- committees ----

    /// A member of a committee asks for receipts to sign.
    pub fn member_is_there(&self, committee: Address, member: Address, now: Millis) {
        self.lock().members.insert((committee, member), now);
    }

    /// Whether a member of a committee has asked since `since`.
    pub fn member_was_there(&self, committee: Address, member: Address, since: Millis) -> bool {
        self.lock().members.get(&(committee, member)).is_some_and(|at| *at >= since)
    }

    /// Whether a proven task needs signatures besides those that it has. True if that is news.
    pub fn wants_signatures(&self, task: TaskKey, wants: bool) -> bool {
        let mut inner = self.lock();
        if wants { inner.unsigned.insert(task) } else { inner.unsigned.remove(&task) }
    }

    /// The proven tasks that need more signatures.
    pub fn unsigned(&self) -> BTreeSet<TaskKey> {
        self.lock().unsigned.clone()
    }

    /// A leg's try shows another output than its bundle. True if that is news.
    pub fn dissents(&self, leg: TaskKey) -> bool {
        self.lock().dissenting.insert(leg)
    }

    // ---- reconcilers ----

    /// How a reconciler fares: `None` after a good run. True if that is news.
    pub fn fares(&self, reconciler: &'static str, trouble: Option<String>) -> bool {
        let mut inner = self.lock();
        let before = match trouble.clone() {
            Some(text) => inner.troubles.insert(reconciler, text),
            None => inner.troubles.remove(reconciler),
        };
        before != trouble
    }

    /// What the reconcilers have trouble with.
    pub fn troubles(&self) -> Vec<(&'static str, String)> {
        self.lock().troubles.iter().map(|(name, text)| (*name, text.clone())).collect()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(presence) = self.status.lock().provers.get_mut(&self.prover) {
            presence.waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkpool_protocol::B256;

    fn prover() -> ProverId {
        ProverId { address: Address::repeat_byte(1), device: "d".into() }
    }

    fn head(number: u64, timestamp: u64) -> Head {
        Head { number, hash: B256::ZERO, parent: B256::ZERO, timestamp, base_fee: 0, gas_limit: 0 }
    }

    #[test]
    fn a_claim_counts_until_it_is_served_or_gone() {
        let status = Status::default();
        let first = status.wait(&prover(), 10);
        let second = status.wait(&prover(), 11);
        assert_eq!(status.waiting(&prover()), 2);
        status.served(&prover());
        assert_eq!(status.waiting(&prover()), 1);
        drop(first);
        assert_eq!(status.waiting(&prover()), 1);
        assert!(status.is_present(&prover(), 1_000));
        drop(second);
        assert_eq!(status.waiting(&prover()), 0);
        assert!(status.is_present(&prover(), 11) && !status.is_present(&prover(), 12));
    }

    #[test]
    fn a_lease_goes_to_one_claim_and_again_when_it_was_lost() {
        let status = Status::default();
        let job = JobId { task: B256::ZERO, index: 0 };
        assert!(status.hand_out(job, 1, 0, 100));
        // Of two claims that waited side by side only one gets it, however long the other waits.
        assert!(!status.hand_out(job, 1, 50, 100) && !status.hand_out(job, 1, 50, 20_000));
        assert!(!status.hand_out(job, 1, 200, 300), "the answer may still be on its way");
        assert!(status.hand_out(job, 1, 200, 3_100));
        status.keep_handed(|_, _| false);
        assert!(status.hand_out(job, 1, 0, 3_200));
    }

    #[test]
    fn heads_are_timed_and_the_first_one_begins_the_quarantine() {
        let status = Status::default();
        assert_eq!((status.block_seconds(), status.quarantine()), (1, None));
        for i in 0..40 {
            status.saw_chain(head(i, 1_000 + 3 * i), i == 39, 2_000_000);
        }
        assert!(status.is_caught_up());
        assert_eq!(status.block_seconds(), 3);
        assert_eq!(status.quarantine(), Some(Quarantine { block: 0, until: 2_000 + MAX_VALIDITY }));
    }

    #[test]
    fn times_of_blocks_are_kept_until_they_are_removed() {
        let status = Status::default();
        for number in [5, 7, 9] {
            status.saw_block(number, 100 * number);
        }
        assert_eq!(status.time_of_block_at_or_below(8), Some(700));
        assert_eq!(status.time_of_block_at_or_below(4), None);
        status.forget_blocks_above(6);
        assert_eq!(status.time_of_block_at_or_below(9), Some(500));
    }
}
