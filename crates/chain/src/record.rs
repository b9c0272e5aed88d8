//! What operators have done, from the pool's events: nobody's word.
//!
//! What a record is worth is limited by what a good one costs to forge. An operator can be its own customer: reward and
//! liability only change pockets, so a task that it gives itself costs gas and nothing else, whatever amounts it names. Hence
//! amounts do not count here; they would favour whoever has most to move in circles. What counts instead:
//!
//! - **Each requester is one voice**, however many tasks it had. It says which part of them went well, and is heard in full
//!   when it got deliveries on seven different days ([`DAYS`]): days cannot be bought.
//! - **All strangers together count for at most eight tasks** ([`CHORUS`]); those of the asking requester itself count one
//!   by one, without end. A forged record is worth what a few tasks of one's own show. Its own are those that it has on
//!   record ([`RecordBook::count_as_own`]), and not those that name it: anybody can publish a task in anybody's name.
//! - **A requester that a task failed is heard in full at once**, and once: faults outweigh what was forged until it costs
//!   days and gas, and one enemy cannot ruin a record.
//! - **Who is new stands below who has done well**, so that a new name after a bad record is no fresh start.
//!
//! What remains: eight addresses served on seven days each make as good a record as eight strangers can give, for about 60
//! deliveries' gas. It buys no more than a place before newcomers at the same price: what protects a requester is the
//! collateral behind the quote, which no record replaces.

use crate::{Block, ChainError, Cursor, Follower, PoolEvent, Rpc, Step};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use zkpool_protocol::{Address, TaskId};

/// Days with deliveries after which a requester is heard in full.
const DAYS: u32 = 7;
/// For so many of the asking requester's own tasks all strangers count together.
const CHORUS: u64 = 8;
/// What is presumed of everybody: so many tasks that went well, and one that did not.
const PRESUMED_GOOD: u64 = 2;
const PRESUMED_BAD: u64 = 1;
/// Requesters of one operator that are told apart: names are free. Of those that were not heard for longest only what they
/// said is kept, as it was.
const TOLD_APART: usize = 256;
/// Thousandths.
const MILLE: u64 = 1_000;
/// Blocks at most this far below the head can be reorganised.
const UNSETTLED: u64 = 64;
const DAY: u64 = 86_400;

/// What became of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Delivered on time.
    pub on_time: u64,
    /// Delivered after the proof window.
    pub late: u64,
    /// Taken over from another operator, and delivered.
    pub rescued: u64,
    /// Taken over by another operator.
    pub lost: u64,
    /// Never delivered.
    pub defaulted: u64,
    /// Signed without backing.
    pub dishonoured: u64,
    /// Ended without fault, because a verifier was halted.
    pub unwound: u64,
}

/// What one operator has done for one stranger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Dealings {
    past: Past,
    /// Different days (UTC, by the chain's clock) with a delivery.
    days: u32,
    /// The last of them.
    last_day: u64,
    /// The last day with anything at all.
    heard: u64,
}

/// What one operator has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRecord {
    /// For the requester whose book it is.
    own: Past,
    /// For others.
    by: BTreeMap<Address, Dealings>,
    /// For those that are not told apart any more.
    faded: Faded,
}

/// What is left of requesters that are not told apart any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Faded {
    requesters: u64,
    past: Past,
    voices: Voices,
}

/// What requesters make of an operator, in thousandths of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voices {
    /// That went well.
    pub good: u64,
    /// That did not.
    pub bad: u64,
}

impl Past {
    /// In thousandths of a task; a late delivery is half of each.
    const fn weighed(&self) -> Voices {
        Voices {
            good: MILLE * (self.on_time + self.rescued) + MILLE / 2 * self.late,
            bad: MILLE * (self.lost + self.defaulted + self.dishonoured) + MILLE / 2 * self.late,
        }
    }

    const fn add(&mut self, other: &Self) {
        self.on_time += other.on_time;
        self.late += other.late;
        self.rescued += other.rescued;
        self.lost += other.lost;
        self.defaulted += other.defaulted;
        self.dishonoured += other.dishonoured;
        self.unwound += other.unwound;
    }
}

impl Dealings {
    /// One voice, whatever the number of tasks.
    fn voice(&self) -> Voices {
        let Voices { good, bad } = self.past.weighed();
        if good + bad == 0 {
            return Voices::default();
        }
        let (all, praise) = (good + bad, MILLE * u64::from(self.days.min(DAYS)) / u64::from(DAYS));
        // A fault is heard in full and never rounded away; it makes nothing good any louder.
        Voices { good: praise * good / all, bad: (MILLE * bad).div_ceil(all) }
    }
}

impl OperatorRecord {
    /// The bare numbers: how they can be made to look better than they are stands above.
    pub fn past(&self) -> Past {
        let mut sum = self.own;
        sum.add(&self.faded.past);
        for dealings in self.by.values() {
            sum.add(&dealings.past);
        }
        sum
    }

    /// How many requesters it has dealt with. One that comes back after a long time can count twice.
    pub fn requesters(&self) -> u64 {
        u64::from(self.own != Past::default()) + self.by.len() as u64 + self.faded.requesters
    }

    /// What counts: one's own tasks one by one, everybody else's as voices.
    pub fn voices(&self) -> Voices {
        let mut others = self.faded.voices;
        for dealings in self.by.values() {
            let voice = dealings.voice();
            others.good += voice.good;
            others.bad += voice.bad;
        }
        let (sum, most) = (others.good + others.bad, CHORUS * MILLE);
        if sum > most {
            let bad = (others.bad * most).div_ceil(sum);
            others = Voices { good: most - bad, bad };
        }
        let own = self.own.weighed();
        Voices { good: others.good + own.good, bad: others.bad + own.bad }
    }

    /// Of ten thousand tasks, how many are to be expected to go well. 6,666 for whoever is unknown.
    pub fn reliability(&self) -> u64 {
        let Voices { good, bad } = self.voices();
        let good = good + PRESUMED_GOOD * MILLE;
        10_000 * good / (good + bad + PRESUMED_BAD * MILLE)
    }

    fn note(&mut self, whose: Whose, day: u64, event: impl FnOnce(&mut Past), delivered: bool) {
        let requester = match whose {
            Whose::Own => return event(&mut self.own),
            Whose::Of(requester) => requester,
        };
        let dealings = self.by.entry(requester).or_default();
        event(&mut dealings.past);
        dealings.heard = day;
        if delivered && (dealings.days == 0 || dealings.last_day != day) {
            (dealings.days, dealings.last_day) = (dealings.days.saturating_add(1), day);
        }
        // Some at once, so that it is seldom done.
        if self.by.len() > TOLD_APART {
            let mut by_age: Vec<_> = self.by.iter().map(|(requester, dealings)| (dealings.heard, *requester)).collect();
            by_age.sort_unstable();
            by_age.into_iter().take(TOLD_APART / 4).for_each(|(_, requester)| self.fade(requester));
        }
    }

    fn fade(&mut self, requester: Address) {
        let Some(dealings) = self.by.remove(&requester) else { return };
        let voice = dealings.voice();
        self.faded.requesters += 1;
        self.faded.past.add(&dealings.past);
        self.faded.voices.good += voice.good;
        self.faded.voices.bad += voice.bad;
    }
}

/// Whom a task was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Whose {
    /// The requester whose book it is.
    Own,
    /// Whoever this is; the publisher says so.
    Of(Address),
}

/// A task that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Live {
    holder: Address,
    whose: Whose,
    rescued: bool,
}

/// Records and what they will be made of, up to some block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ledger {
    operators: BTreeMap<Address, OperatorRecord>,
    live: HashMap<TaskId, Live>,
}

impl Ledger {
    fn apply(&mut self, block: &Block, own: &HashSet<TaskId>) {
        for event in &block.events {
            self.note(&event.event, block.timestamp / DAY, own);
        }
    }

    fn note(&mut self, event: &PoolEvent, day: u64, own: &HashSet<TaskId>) {
        let whose = |task, requester| if own.contains(&task) { Whose::Own } else { Whose::Of(requester) };
        match *event {
            PoolEvent::Published { task, operator, requester, .. } => {
                let live = Live { holder: operator, whose: whose(task, requester), rescued: false };
                self.live.insert(task, live);
            }
            PoolEvent::Dishonoured { task, operator, requester, .. } => {
                self.of(operator).note(whose(task, requester), day, |past| past.dishonoured += 1, false);
            }
            PoolEvent::Novated { task, rescuer } => {
                let Some(live) = self.live.get_mut(&task) else { return };
                let (loser, whose) = (live.holder, live.whose);
                (live.holder, live.rescued) = (rescuer, true);
                self.of(loser).note(whose, day, |past| past.lost += 1, false);
            }
            PoolEvent::Delivered { task, on_time, .. } => {
                let Some(live) = self.live.remove(&task) else { return };
                let delivered = |past: &mut Past| match (live.rescued, on_time) {
                    (true, _) => past.rescued += 1,
                    (false, true) => past.on_time += 1,
                    (false, false) => past.late += 1,
                };
                self.of(live.holder).note(live.whose, day, delivered, true);
            }
            PoolEvent::Defaulted { task, operator } => {
                let Some(live) = self.live.remove(&task) else { return };
                // The event names who held it: after a rescue that is the rescuer.
                self.of(operator).note(live.whose, day, |past| past.defaulted += 1, false);
            }
            PoolEvent::Unwound { task } => {
                let Some(live) = self.live.remove(&task) else { return };
                self.of(live.holder).note(live.whose, day, |past| past.unwound += 1, false);
            }
            _ => {}
        }
    }

    fn of(&mut self, operator: Address) -> &mut OperatorRecord {
        self.operators.entry(operator).or_default()
    }
}

/// The records of all operators of one pool, read from some block on. Tasks published before that do not count.
///
/// Read it again and again; to keep it, store it (serde) and go on later where it stood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordBook {
    pool: Address,
    first: u64,
    /// The next block that `settled` lacks.
    next: u64,
    settled: Ledger,
    /// Tasks that count as one's own when their events are read. Not stored: whoever has them says so again.
    #[serde(skip)]
    own: HashSet<TaskId>,
    /// Blocks that can still be reorganised. Not stored: read again.
    #[serde(skip)]
    recent: Vec<Block>,
    #[serde(skip)]
    cursor: Option<Cursor>,
    /// `settled` and `recent` together.
    #[serde(skip)]
    now: Option<Ledger>,
}

impl RecordBook {
    /// An empty one, for the pool at this address, that begins with block `first`.
    pub fn new(pool: Address, first: u64) -> Self {
        Self {
            pool,
            first,
            next: first,
            settled: Ledger::default(),
            own: HashSet::new(),
            recent: Vec::new(),
            cursor: None,
            now: None,
        }
    }

    /// Tasks that count one by one: those that a requester has put on record itself. To be said before each
    /// [`RecordBook::read`], as far as they are known: what was read before stays what it was.
    pub fn count_as_own(&mut self, tasks: impl IntoIterator<Item = TaskId>) {
        self.own.extend(tasks);
    }

    /// The next block that would be read if the book were stored now and read again.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// The pool's address and the block that it begins with.
    pub const fn begins(&self) -> (Address, u64) {
        (self.pool, self.first)
    }

    /// Reads on, one stretch of blocks; true if it has reached the head. What was read is kept if a later stretch fails.
    ///
    /// # Errors
    /// The endpoint cannot be used now: read again.
    pub async fn read(&mut self, follower: &mut Follower) -> Result<bool, ChainError> {
        let cursor = self.cursor.clone().unwrap_or_else(|| Cursor::starting_at(self.next));
        let polled = follower.poll(&cursor).await?;
        let caught_up = polled.caught_up();
        for step in polled.steps {
            match step {
                Step::Block(block) => self.recent.push(block),
                // Deeper than what counts as settled: everything is read anew.
                Step::Rollback { to } if to + 1 < self.next => {
                    *self = Self { own: std::mem::take(&mut self.own), ..Self::new(self.pool, self.first) };
                    return Ok(false);
                }
                Step::Rollback { to } => self.recent.retain(|block| block.number <= to),
            }
        }
        self.cursor = Some(polled.cursor);
        let settled = self.recent.iter().take_while(|block| block.number + UNSETTLED <= polled.head.number).count();
        for block in self.recent.drain(..settled) {
            self.settled.apply(&block, &self.own);
            self.next = block.number + 1;
        }
        // Behind the head, what is settled must do: to put both together at every stretch would take too long.
        self.now = (caught_up && !self.recent.is_empty()).then(|| {
            let mut now = self.settled.clone();
            self.recent.iter().for_each(|block| now.apply(block, &self.own));
            now
        });
        Ok(caught_up)
    }

    /// A follower that [`RecordBook::read`] can use.
    pub fn follower(&self, rpc: Rpc) -> Follower {
        Follower::new(rpc, self.pool)
    }

    /// The record of an operator; empty if nothing is known of it.
    pub fn of(&self, operator: Address) -> OperatorRecord {
        self.known().operators.get(&operator).cloned().unwrap_or_default()
    }

    /// The `most` operators of which the best is to be expected, none of those that are no better than unknown ones.
    pub fn best(&self, most: usize) -> Vec<Address> {
        let none = OperatorRecord::default().reliability();
        let operators = self.known().operators.iter();
        let mut best: Vec<_> = operators.map(|(operator, record)| (record.reliability(), *operator)).collect();
        best.retain(|(reliability, _)| *reliability > none);
        best.sort_unstable_by(|a, b| b.cmp(a));
        best.into_iter().take(most).map(|(_, operator)| operator).collect()
    }

    fn known(&self) -> &Ledger {
        self.now.as_ref().unwrap_or(&self.settled)
    }
}

#[cfg(test)]
mod tests;
