//! Records against made-up events.

use super::*;
use crate::ChainEvent;
use alloy::primitives::{B256, U256};

const ME: Address = Address::repeat_byte(0xee);

fn address(n: u64) -> Address {
    Address::from_word(U256::from(n + 1).into())
}

fn task(n: u64) -> TaskId {
    U256::from(n).into()
}

/// A pool's story, told event by event.
#[derive(Default)]
struct Story {
    ledger: Ledger,
    own: HashSet<TaskId>,
    tasks: u64,
    day: u64,
}

impl Story {
    fn say(&mut self, event: PoolEvent) {
        let event = ChainEvent { event, transaction: B256::ZERO, log_index: 0 };
        let timestamp = self.day * DAY + 7;
        self.ledger.apply(&Block { number: 1, hash: B256::ZERO, timestamp, events: vec![event] }, &self.own);
    }

    /// What names `ME` was really asked for by it.
    fn published(&mut self, operator: u64, requester: Address) -> TaskId {
        self.own.extend((requester == ME).then(|| task(self.tasks + 1)));
        self.published_in_the_name_of(operator, requester)
    }

    fn published_in_the_name_of(&mut self, operator: u64, requester: Address) -> TaskId {
        self.tasks += 1;
        let task = task(self.tasks);
        self.say(PoolEvent::Published { task, operator: address(operator), requester, slot: 0 });
        task
    }

    fn delivered(&mut self, operator: u64, requester: Address, on_time: bool) {
        let task = self.published(operator, requester);
        self.say(PoolEvent::Delivered { task, on_time, target_ok: true, earmarked: U256::ZERO });
    }

    fn defaulted(&mut self, operator: u64, requester: Address) {
        let task = self.published(operator, requester);
        self.say(PoolEvent::Defaulted { task, operator: address(operator) });
    }

    fn record(&self, operator: u64) -> OperatorRecord {
        self.ledger.operators.get(&address(operator)).cloned().unwrap_or_default()
    }

    fn reliability(&self, operator: u64) -> u64 {
        self.record(operator).reliability()
    }
}

#[test]
fn every_end_is_noted_with_whom_it_is_due_to() {
    let mut story = Story::default();
    story.delivered(1, ME, true);
    story.delivered(1, ME, false);
    story.defaulted(1, ME);
    let (operator, paid) = (address(1), U256::ZERO);
    story.say(PoolEvent::Dishonoured { task: task(99), operator, requester: ME, paid, burned: paid });
    let halted = story.published(1, ME);
    story.say(PoolEvent::Unwound { task: halted });
    // One that another takes over and delivers, and one that nobody does.
    for _ in 0..2 {
        let task = story.published(1, ME);
        story.say(PoolEvent::Novated { task, rescuer: address(2) });
        match story.tasks % 2 {
            0 => story.say(PoolEvent::Delivered { task, on_time: false, target_ok: true, earmarked: U256::ZERO }),
            _ => story.say(PoolEvent::Defaulted { task, operator: address(2) }),
        }
    }
    let past = Past { on_time: 1, late: 1, rescued: 0, lost: 2, defaulted: 1, dishonoured: 1, unwound: 1 };
    assert_eq!(story.record(1).past(), past);
    assert_eq!(story.record(2).past(), Past { rescued: 1, defaulted: 1, ..Past::default() });
    assert!(story.ledger.live.is_empty());
    // What began before the book did is nobody's.
    story.say(PoolEvent::Delivered { task: task(77), on_time: true, target_ok: true, earmarked: U256::ZERO });
    story.say(PoolEvent::Defaulted { task: task(78), operator: address(1) });
    assert_eq!(story.record(1).past(), past);
}

#[test]
fn whoever_is_new_stands_between_good_and_bad() {
    let mut story = Story::default();
    for day in 0..7 {
        story.day = day;
        story.delivered(1, address(50), true);
    }
    story.defaulted(2, address(50));
    let [good, bad, new] = [1, 2, 3].map(|operator| story.reliability(operator));
    assert_eq!(new, 6_666);
    assert!(bad < new && new < good, "{bad} {new} {good}");
}

#[test]
fn a_requesters_own_tasks_count_one_by_one() {
    let mut story = Story::default();
    for _ in 0..20 {
        story.delivered(1, ME, true);
    }
    assert_eq!(story.reliability(1), 10_000 * 22 / 23);
    story.defaulted(1, ME);
    assert_eq!(story.reliability(1), 10_000 * 22 / 24);
    // To strangers it is one voice of one day.
    let mut story = Story::default();
    for _ in 0..20 {
        story.delivered(1, address(50), true);
    }
    assert_eq!(story.reliability(1), 10_000 * 2_142 / 3_142);
}

/// The pool takes the reward from whoever publishes, and believes it whom the task is for.
#[test]
fn what_an_operator_publishes_in_a_victims_name_is_no_experience_of_the_victims() {
    let mut story = Story::default();
    for _ in 0..1_000 {
        let task = story.published_in_the_name_of(1, ME);
        story.say(PoolEvent::Delivered { task, on_time: true, target_ok: true, earmarked: U256::ZERO });
    }
    assert_eq!(story.record(1).voices(), Voices { good: 142, bad: 0 }, "a stranger's, of one day");
}

#[test]
fn a_thousand_tasks_for_oneself_in_a_day_are_worth_next_to_nothing() {
    let mut story = Story::default();
    for _ in 0..1_000 {
        story.delivered(1, address(50), true);
    }
    assert_eq!(story.record(1).voices(), Voices { good: 142, bad: 0 }, "a seventh of one task");
    assert_eq!(story.record(1).past().on_time, 1_000);
}

#[test]
fn a_forged_choir_has_its_price_in_days_and_its_limit() {
    let mut story = Story::default();
    for day in 0..7 {
        story.day = day;
        for sybil in 0..100 {
            story.delivered(1, address(100 + sybil), true);
        }
    }
    // For all of 700 deliveries it is not above one that served this requester eight times.
    assert_eq!(story.record(1).voices(), Voices { good: 8_000, bad: 0 });
    for _ in 0..8 {
        story.delivered(2, ME, true);
    }
    assert_eq!(story.reliability(1), story.reliability(2));
}

#[test]
fn a_fault_is_heard_at_once_and_cannot_be_drowned_in_a_day() {
    let mut story = Story::default();
    story.defaulted(1, address(50));
    let before = story.reliability(1);
    for sybil in 0..5 {
        for _ in 0..50 {
            story.delivered(1, address(100 + sybil), true);
        }
    }
    let after = story.reliability(1);
    assert!(before < after && after < 6_666, "{before} {after}");
    // Nor does the one that it failed lose its voice in a crowd of its own deliveries.
    let mut story = Story::default();
    story.delivered(1, address(50), true);
    story.defaulted(1, address(50));
    assert_eq!(story.record(1).voices(), Voices { good: 71, bad: 500 });
    // A late delivery to oneself does not make one day of deliveries count like seven.
    for _ in 0..1_000 {
        story.delivered(2, address(60), true);
    }
    let before = story.record(2).voices();
    story.delivered(2, address(60), false);
    let after = story.record(2).voices();
    assert!(after.good <= before.good && after.bad > 0, "{before:?} {after:?}");
}

/// An operator deals with itself under ever new names: the book does not grow, and nothing that was said is lost.
#[test]
fn names_without_end_are_not_kept_apart_and_drown_no_fault() {
    let mut story = Story::default();
    let mut all = Voices::default();
    for n in 0..3_000 {
        story.day = n / 100;
        match n % 10 {
            0 => story.defaulted(1, address(100 + n)),
            _ => story.delivered(1, address(100 + n), true),
        }
        all = Voices {
            good: all.good + if n % 10 == 0 { 0 } else { 142 },
            bad: all.bad + if n % 10 == 0 { 1_000 } else { 0 },
        };
    }
    let record = story.record(1);
    assert!(record.by.len() <= TOLD_APART, "{}", record.by.len());
    assert_eq!((record.requesters(), record.past().on_time, record.past().defaulted), (3_000, 2_700, 300));
    let bad = (all.bad * CHORUS * MILLE).div_ceil(all.good + all.bad);
    assert_eq!(record.voices(), Voices { good: CHORUS * MILLE - bad, bad });
}

#[test]
fn one_enemy_is_one_voice() {
    let mut story = Story::default();
    for day in 0..7 {
        story.day = day;
        for requester in 0..8 {
            story.delivered(1, address(100 + requester), true);
        }
    }
    let before = story.reliability(1);
    for _ in 0..1_000 {
        story.defaulted(1, address(50));
    }
    let after = story.reliability(1);
    assert!(before - after < 1_000, "{before} {after}");
}

#[test]
fn a_rescue_by_ones_own_alias_leaves_the_fault_where_it_is() {
    let mut story = Story::default();
    let task = story.published(1, address(50));
    story.say(PoolEvent::Novated { task, rescuer: address(2) });
    story.say(PoolEvent::Delivered { task, on_time: false, target_ok: true, earmarked: U256::ZERO });
    assert!(story.reliability(1) < 6_666);
    assert!(story.reliability(2) < 7_000);
}

#[test]
fn a_book_is_stored_and_goes_on() {
    let mut story = Story::default();
    story.delivered(1, ME, true);
    let open = story.published(1, ME);
    let mut book = RecordBook::new(address(9), 5);
    (book.settled, book.next) = (story.ledger, 12);
    let stored = serde_json::to_string(&book).unwrap();
    let mut read: RecordBook = serde_json::from_str(&stored).unwrap();
    assert_eq!((read.begins(), read.next), ((address(9), 5), 12));
    let own = HashSet::new();
    let end = PoolEvent::Delivered { task: open, on_time: true, target_ok: true, earmarked: U256::ZERO };
    read.settled.note(&end, 3, &own);
    assert_eq!(read.of(address(1)).past().on_time, 2);
    assert_eq!(read.of(address(2)), OperatorRecord::default());
    assert_eq!(read.best(9), [address(1)]);
    read.settled.note(
        &PoolEvent::Dishonoured {
            task: open,
            operator: address(1),
            requester: ME,
            paid: U256::ZERO,
            burned: U256::ZERO,
        },
        3,
        &story.own,
    );
    assert!(read.best(9).is_empty(), "no better than unknown ones");
}
