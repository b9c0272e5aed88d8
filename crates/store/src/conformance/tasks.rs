//! Requests, quotes, watched tasks.

use super::*;
use crate::{NewWatch, Refusal, Role, StoreError};
use zkpool_protocol::ErrorCode;

/// All of the wish survives, and a retry finds it.
pub async fn a_request_comes_back_whole_and_is_stored_once(store: Subject) {
    let new = new_task(1);
    let task = store.create_task(&new, 10, 7).await.unwrap();
    assert_eq!((task.ask.clone(), task.state, task.role), (new.ask.clone(), TaskState::Preflight, Role::Own));
    assert_eq!((task.request, task.payer, task.created_at), (new.request, PAYER, 7));
    assert_eq!(store.create_task(&new, 0, 8).await.unwrap(), task);
    assert_eq!(store.latest_task(new.request).await.unwrap(), Some(task.clone()));
    assert_eq!(store.tasks_in(&[TaskState::Preflight, TaskState::Quoted]).await.unwrap(), vec![task.clone()]);
    assert_eq!(store.tasks_in(&[TaskState::Quoted]).await.unwrap(), vec![]);

    let quote = quote(&task.ask, 3, 1);
    let id = quote.id(&OWNER.domain);
    store.quote_task(task.key, id, &quote, price(), 1, 9).await.unwrap();
    let task = store.task(id).await.unwrap().unwrap();
    assert_eq!((task.quote.clone(), task.price, task.own_slot), (Some((id, quote)), Some(price()), Some(3)));
    assert!(task.signed().is_none());
    assert_eq!(store.live_quotes_of(PAYER).await.unwrap(), vec![task.clone()]);
    let log = store.task_log(task.key).await.unwrap();
    assert_eq!(
        log.iter().map(|entry| (entry.at, entry.from, entry.to)).collect::<Vec<_>>(),
        [(7, None, TaskState::Preflight), (9, Some(TaskState::Preflight), TaskState::Quoted)]
    );
}

/// A flood of requests does not fill the disk.
pub async fn pending_requests_are_limited(store: Subject) {
    for name in 0..2 {
        store.create_task(&new_task(name), 2, 1).await.unwrap();
    }
    assert!(matches!(store.create_task(&new_task(9), 2, 1).await, Err(StoreError::TooManyQuotes(2))));
    assert_eq!(store.latest_task(new_task(9).request).await.unwrap(), None);
}

/// The refusal and its price stay with the attempt.
pub async fn a_refusal_ends_an_attempt_and_the_next_one_is_new(store: Subject) {
    let task = store.create_task(&new_task(1), 10, 1).await.unwrap();
    let refusal = Refusal { code: ErrorCode::NoCapacity, message: "later".into() };
    store.refuse_task(task.key, &refusal, Some(price()), 2).await.unwrap();
    let refused = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((refused.state, refused.refusal, refused.price), (TaskState::Refused, Some(refusal), Some(price())));
    let again = store.create_task(&NewTask { attempt: 1, ..new_task(1) }, 10, 3).await.unwrap();
    assert_ne!(again.key, task.key);
    assert_eq!(store.latest_task(task.request).await.unwrap(), Some(again));
}

/// Until it has lapsed, or its task has ended for good.
pub async fn a_slot_has_one_live_quote(store: Subject) {
    let first = quoted(&store, 4).await;
    let second = store.create_task(&new_task(77), 10, 1).await.unwrap();
    let other = quote(&second.ask, 4, 77);
    let other_id = other.id(&OWNER.domain);
    let taken = store.quote_task(second.key, other_id, &other, price(), 10, 2).await;
    assert!(matches!(taken, Err(StoreError::SlotTaken(4))), "{taken:?}");
    assert_eq!(state(&store, &second).await, TaskState::Preflight);
    assert_eq!(store.slots_taken(TOKEN, 0).await.unwrap(), vec![4]);
    assert_eq!(store.slots_taken(address(9), 0).await.unwrap(), Vec::<u32>::new());

    store.advance(&block(1, DAWN, vec![published(&first)]), 3).await.unwrap();
    store.advance(&block(2, DAWN, vec![ended(&first, End::DeliveredOnTime)]), 3).await.unwrap();
    assert_eq!(store.slots_taken(TOKEN, 1).await.unwrap(), vec![4], "the end could be taken back");
    assert_eq!(store.slots_taken(TOKEN, 2).await.unwrap(), Vec::<u32>::new());
    store.quote_task(second.key, other_id, &other, price(), 10, 4).await.unwrap();
}

/// Those that were published or have lapsed do not count.
pub async fn a_payer_has_a_limited_number_of_live_quotes(store: Subject) {
    let first = quoted(&store, 1).await;
    let second = store.create_task(&new_task(77), 10, 1).await.unwrap();
    let quote = quote(&second.ask, 2, 77);
    let id = quote.id(&OWNER.domain);
    let refused = store.quote_task(second.key, id, &quote, price(), 1, 2).await;
    assert!(matches!(refused, Err(StoreError::TooManyQuotes(1))), "{refused:?}");
    store.advance(&block(1, DAWN, vec![published(&first)]), 3).await.unwrap();
    store.quote_task(second.key, id, &quote, price(), 1, 2).await.unwrap();
}

/// The first one: a retry returns the same quote.
pub async fn a_signature_stays(store: Subject) {
    let task = quoted(&store, 1).await;
    store.sign_task(task.key, &[1; 65]).await.unwrap();
    store.sign_task(task.key, &[2; 65]).await.unwrap();
    let signed = store.task(id(&task)).await.unwrap().unwrap().signed().unwrap();
    assert_eq!(signed.signature.as_ref(), [1; 65]);
    assert_eq!(signed.quote, task.quote.unwrap().1);
}

/// Not from where the task is not, and not where the states do not lead.
pub async fn every_step_is_guarded(store: Subject) {
    let task = quoted(&store, 1).await;
    for from in TaskState::ALL {
        for to in TaskState::ALL {
            let done = store.move_task(task.key, *from, *to, None, 5).await;
            match done {
                Err(StoreError::IllegalTransition { .. }) => assert!(!from.may_become(*to), "{from} -> {to}"),
                Err(StoreError::Moved { .. }) => assert!(from.may_become(*to) && *from != TaskState::Quoted),
                Ok(()) => {
                    assert!(*from == TaskState::Quoted && from.may_become(*to));
                    // Back, by way of a new world for the next pair.
                    assert!(matches!(to, TaskState::Published | TaskState::Dishonoured | TaskState::Lapsed));
                    return;
                }
                Err(other) => panic!("{from} -> {to}: {other}"),
            }
        }
    }
    panic!("no step was possible");
}

/// With the time of the next try.
pub async fn failed_submissions_are_counted(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[]]).await;
    super::leases::finish(&store, jobs[0], 1).await;
    store.move_task(task.key, TaskState::Proven, TaskState::Submitting, None, 6).await.unwrap();
    store.fail_submission(task.key, TaskState::Submitting, TaskState::Proven, "reverted", 99, 7).await.unwrap();
    let task = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((task.state, task.failed_submissions, task.retry_at), (TaskState::Proven, 1, 99));
    assert_eq!(store.task_log(task.key).await.unwrap().pop().unwrap().note.as_deref(), Some("reverted"));
}

pub(super) fn watch(slot: u32) -> NewWatch {
    let ask = Ask { max_reward: None, strategy: None, ..ask() };
    let mut quote = quote(&ask, slot, 0xee);
    quote.terms.operator = address(0xbb);
    NewWatch {
        id: quote.id(&OWNER.domain),
        quote,
        call: ask.call,
        program: ask.program,
        kind: ask.kind,
        told_by: PAYER,
        price: price(),
    }
}

/// Not before: watching costs nothing.
pub async fn a_watched_task_takes_a_slot_when_it_is_announced(store: Subject) {
    let new = watch(3);
    let task = store.watch_task(&new, (10, DAWN), (DAWN + 60, DAWN + 120), 1).await.unwrap();
    assert_eq!((task.role, task.state, task.own_slot), (Role::Rescue, TaskState::Watched, None));
    assert_eq!(task.quote, Some((new.id, new.quote.clone())));
    assert_eq!(task.chain.published, Some((10, DAWN)));
    assert_eq!((task.chain.proof_deadline, task.chain.liability_deadline), (DAWN + 60, DAWN + 120));
    assert_eq!(store.watch_task(&new, (10, DAWN), (0, 0), 2).await.unwrap(), task);
    assert!(store.slots_taken(TOKEN, 0).await.unwrap().is_empty());

    let own = quoted(&store, 5).await;
    assert!(matches!(store.announce_task(task.key, 5, 3).await, Err(StoreError::SlotTaken(5))));
    store.announce_task(task.key, 6, 3).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Announcing);
    let mut taken = store.slots_taken(TOKEN, 0).await.unwrap();
    taken.sort_unstable();
    assert_eq!(taken, [5, 6]);
    assert_eq!(state(&store, &own).await, TaskState::Quoted);
    assert!(store.live_quotes_of(PAYER).await.unwrap().iter().all(|quote| quote.key == own.key));
}
