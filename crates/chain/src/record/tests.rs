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
    tasks: u64,
    day: u64,
}

impl Story {
    fn say(&mut self, event: PoolEvent) {
        let event = ChainEvent { event, transaction: B256::ZERO, log_index: 0 };
        let timestamp = self.day * DAY + 7;
        self.ledger.apply(&Block { number: 1, hash: B256::ZERO, timestamp, events: vec![event] });
    }

    fn published(&mut self, operator: u64, requester: Address) -> TaskId {
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
        self.record(operator).reliability(Some(ME))
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
    assert_eq!(story.record(1).reliability(None), 10_000 * 2_142 / 3_142, "to strangers it is one voice of one day");
    story.defaulted(1, ME);
    assert_eq!(story.reliability(1), 10_000 * 22 / 24);
}

#[test]
fn a_thousand_tasks_for_oneself_in_a_day_are_worth_next_to_nothing() {
    let mut story = Story::default();
    for _ in 0..1_000 {
        story.delivered(1, address(50), true);
    }
    assert_eq!(story.record(1).voices(Some(ME)), Voices { good: 142, bad: 0 }, "a seventh of one task");
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
    assert_eq!(story.record(1).voices(Some(ME)), Voices { good: 8_000, bad: 0 });
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
    assert_eq!(story.record(1).voices(Some(ME)), Voices { good: 500, bad: 500 });
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
    read.settled.note(&PoolEvent::Delivered { task: open, on_time: true, target_ok: true, earmarked: U256::ZERO }, 3);
    assert_eq!(read.of(address(1)).past().on_time, 2);
    assert_eq!(read.of(address(2)), OperatorRecord::default());
    assert_eq!(read.best(Some(ME), 9), [address(1)]);
    read.settled.note(
        &PoolEvent::Dishonoured {
            task: open,
            operator: address(1),
            requester: ME,
            paid: U256::ZERO,
            burned: U256::ZERO,
        },
        3,
    );
    assert!(read.best(Some(ME), 9).is_empty(), "no better than unknown ones");
}
