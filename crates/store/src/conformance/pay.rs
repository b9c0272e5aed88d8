//! What provers earn.

use super::*;
use crate::{Earning, NewTranche, ResultPay, StoreError, TrancheStatus};
use zkpool_protocol::{
    Bytes, JobState,
    pay::{Cap, CapTree, TaskPay, Voucher},
};

const MONEY: Address = Address::repeat_byte(0x51);

fn task_pay(reward: u128) -> TaskPay {
    TaskPay { token: MONEY, reward, share: 5_000, units: WorkUnits(1_000) }
}

fn paid(reward: u128) -> Option<ResultPay> {
    Some(ResultPay { pay: task_pay(reward), signer: address(0x51), signature: Bytes::from(vec![7; 65]), due: false })
}

fn tranche(index: u64, caps: &[(u8, u128)]) -> NewTranche {
    let caps: Vec<_> = caps.iter().map(|(byte, amount)| Cap { prover: address(*byte), amount: *amount }).collect();
    let (root, total) = CapTree::new(&caps).unwrap().root();
    NewTranche { index, token: MONEY, signer: address(0x51), root, total, caps }
}

async fn opened(store: &Subject, index: u64, caps: &[(u8, u128)]) {
    store.plan_tranche(&tranche(index, caps), 5).await.unwrap();
    store.note_tranche(index, TrancheStatus::Open, None).await.unwrap();
}

/// Has prover `byte` do a ready job for a reward of which a half is the job's.
async fn earn(store: &Subject, job: JobId, byte: u8, reward: u128) -> Option<Earning> {
    let prover = joined(store, byte).await;
    let lease = store.grant_lease(job, &prover, Grant::sole(1_000), 5).await.unwrap();
    let result = NewResult { pay: paid(reward), ..super::leases::result(&lease) };
    let done = store.complete_job(&result, 6).await.unwrap();
    let again = store.complete_job(&NewResult { pay: paid(reward + 10), ..result }, 9).await.unwrap();
    assert_eq!(again.earning, done.earning, "the same result again is told the same");
    assert_eq!(store.earning(job, lease.token).await.unwrap(), done.earning);
    done.earning
}

/// Whatever it would be later.
pub async fn what_a_task_pays_is_fixed_once(store: Subject) {
    let task = quoted(&store, 1).await;
    assert_eq!(store.pay_of(task.key).await.unwrap(), None);
    let first = TaskPay { reward: u128::MAX, ..task_pay(1) };
    assert_eq!(store.fix_pay(task.key, &first).await.unwrap(), first);
    assert_eq!(store.fix_pay(task.key, &task_pay(7)).await.unwrap(), first);
    assert_eq!(store.pay_of(task.key).await.unwrap(), Some(first));
    assert!(matches!(store.fix_pay(99, &first).await, Err(StoreError::Missing("task"))));
}

/// A plan is not yet a promise.
pub async fn tranches_are_planned_opened_and_closed(store: Subject) {
    store.plan_tranche(&tranche(0, &[(1, 10), (2, 20)]), 5).await.unwrap();
    let other = tranche(0, &[(3, u128::MAX)]);
    store.plan_tranche(&other, 6).await.unwrap();
    assert_eq!(store.caps_of(0).await.unwrap(), other.caps, "another plan takes the place of the first");
    assert!(store.open_earmarks().await.unwrap().is_empty());
    store.forget_tranche(0).await.unwrap();
    assert!(store.tranches().await.unwrap().is_empty() && store.caps_of(0).await.unwrap().is_empty());

    opened(&store, 4, &[(2, 20), (1, 10)]).await;
    store.forget_tranche(4).await.unwrap();
    assert!(matches!(store.plan_tranche(&tranche(4, &[(1, 1)]), 7).await, Err(StoreError::Moved { .. })));
    let earmarks = store.open_earmarks().await.unwrap();
    let seen: Vec<_> = earmarks.iter().map(|mark| (mark.place, mark.cap.prover, mark.left())).collect();
    assert_eq!(seen, [(0, address(2), 20), (1, address(1), 10)], "in the order of the tree");
    store.note_tranche(4, TrancheStatus::Closing, Some(99)).await.unwrap();
    assert!(store.open_earmarks().await.unwrap().is_empty());
    let kept = store.earmarks_of(address(1)).await.unwrap();
    assert_eq!((kept.len(), kept[0].tranche.status, kept[0].tranche.closes_at), (1, TrancheStatus::Closing, Some(99)));
    assert!(matches!(store.note_tranche(5, TrancheStatus::Open, None).await, Err(StoreError::Missing("tranche"))));
}

/// Each in the transaction that accepts its result.
pub async fn receipts_make_a_chain_for_each_prover_and_tranche(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[], &[], &[], &[]]).await;
    opened(&store, 0, &[(1, 100), (2, 100)]).await;
    let first = earn(&store, jobs[0], 1, 20).await.unwrap();
    let theirs = earn(&store, jobs[1], 2, 40).await.unwrap();
    let second = earn(&store, jobs[2], 1, 30).await.unwrap();
    let none = Voucher::none(OWNER.operator, 0, address(1));
    assert_eq!((first.receipt.amount, first.receipt.task, first.receipt.previous), (10, id(&task), B256::ZERO));
    assert_eq!(none.after(&first.receipt), Some(first.voucher));
    assert_eq!(first.voucher.after(&second.receipt), Some(second.voucher));
    assert_eq!((second.voucher.amount, second.voucher.count), (25, 2));
    assert_eq!((theirs.voucher.amount, theirs.voucher.count, theirs.receipt.previous), (20, 1, B256::ZERO));

    let chain = store.earnings_of(0, address(1), 0, 10).await.unwrap();
    assert_eq!(chain, [first.clone(), second.clone()]);
    assert_eq!(store.earnings_of(0, address(1), 1, 10).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(store.earnings_of(0, address(1), 0, 1).await.unwrap(), std::slice::from_ref(&first));
    assert_eq!(store.earnings_of_task(task.key).await.unwrap(), [first, theirs, second.clone()]);
    let mark = store.earmarks_of(address(1)).await.unwrap()[0];
    assert_eq!((mark.voucher, mark.left()), (second.voucher, 75));

    let lost = store.grant_lease(jobs[3], &joined(&store, 1).await, Grant::sole(100), 10).await.unwrap();
    let stolen = NewResult { prover: prover(2), pay: paid(50), ..super::leases::result(&lost) };
    assert!(matches!(store.complete_job(&stolen, 11).await, Err(StoreError::LeaseLost)));
    assert_eq!(store.earnings_of(0, address(2), 0, 10).await.unwrap().len(), 1, "no result, no receipt");
}

/// The oldest tranche that has enough, and never more than there is.
pub async fn nobody_earns_more_than_its_cap(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[], &[], &[], &[], &[]]).await;
    opened(&store, 0, &[(1, 10)]).await;
    opened(&store, 1, &[(1, 15)]).await;
    store.plan_tranche(&tranche(2, &[(1, 1_000)]), 5).await.unwrap();
    let places = async |job, reward| {
        let earning = earn(&store, job, 1, reward).await.unwrap();
        (earning.voucher.tranche, earning.receipt.amount, earning.voucher.amount)
    };
    assert_eq!(places(jobs[0], 16).await, (0, 8, 8));
    assert_eq!(places(jobs[1], 20).await, (1, 10, 10), "two are left in the first");
    assert_eq!(places(jobs[2], 100).await, (1, 5, 15), "cut to what the fuller one has");
    assert_eq!(places(jobs[3], 4).await, (0, 2, 10));
    assert_eq!(earn(&store, jobs[4], 2, 4).await, None, "in no tranche");
}

/// It was promised in another one.
pub async fn a_result_is_paid_in_its_token(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    let other = NewTranche { token: address(0x77), ..tranche(0, &[(1, 100)]) };
    store.plan_tranche(&other, 5).await.unwrap();
    store.note_tranche(0, TrancheStatus::Open, None).await.unwrap();
    assert_eq!(earn(&store, jobs[0], 1, 20).await, None);
}

/// What was bid for it, where provers compete: not what the task says.
pub async fn a_result_earns_what_its_lease_says(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[], &[]]).await;
    opened(&store, 0, &[(1, 100)]).await;
    let prover = joined(&store, 1).await;
    for (job, pay, earned) in [(jobs[0], 3, (3, 3)), (jobs[1], 98, (97, 100))] {
        let lease = store.grant_lease(job, &prover, Grant { pay: Some(pay), ..Grant::sole(1_000) }, 5).await.unwrap();
        assert_eq!(store.lease(job, lease.token).await.unwrap().unwrap().pay, Some(pay));
        let result = NewResult { pay: paid(1_000), ..super::leases::result(&lease) };
        let earning = store.complete_job(&result, 6).await.unwrap().earning.unwrap();
        assert_eq!((earning.receipt.amount, earning.voucher.amount), earned, "as far as the cap goes");
    }
}

/// A job that was given out before its tranche was to be closed is paid out of it, while that can be claimed for a good while.
pub async fn what_closes_pays_for_what_is_in_hand(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[], &[], &[], &[], &[]]).await;
    opened(&store, 0, &[(1, 100)]).await;
    let closing = async |at| store.note_tranche(0, TrancheStatus::Closing, at).await.unwrap();
    let tranche_of = async |job| earn(&store, job, 1, 20).await.unwrap().voucher.tranche;
    closing(None).await;
    assert_eq!(tranche_of(jobs[0]).await, 0);
    closing(Some(zkpool_protocol::pay::CLAIMABLE)).await;
    assert_eq!(tranche_of(jobs[1]).await, 0);
    opened(&store, 1, &[(1, 10)]).await;
    assert_eq!(tranche_of(jobs[2]).await, 1, "out of an open one first");

    closing(Some(zkpool_protocol::pay::CLAIMABLE - 1)).await;
    store.note_tranche(1, TrancheStatus::Closing, Some(0)).await.unwrap();
    let lease = store.grant_lease(jobs[3], &joined(&store, 1).await, Grant::sole(1_000), 5).await.unwrap();
    let due = |due| Some(ResultPay { due, ..paid(20).unwrap() });
    let result = NewResult { pay: due(true), ..super::leases::result(&lease) };
    let refused = store.complete_job(&result, 6).await;
    assert!(matches!(refused, Err(StoreError::NothingSetApart)), "{refused:?}");
    assert_eq!(store.job(jobs[3]).await.unwrap().unwrap().state, JobState::Leased, "nothing was changed");
    // As soon as there is something, the same result is taken.
    opened(&store, 2, &[(1, 10)]).await;
    assert_eq!(store.complete_job(&result, 7).await.unwrap().earning.unwrap().voucher.tranche, 2);
    // Whoever works for nothing is not held up.
    let lease = store.grant_lease(jobs[4], &joined(&store, 3).await, Grant::sole(1_000), 7).await.unwrap();
    let result = NewResult { pay: due(false), ..super::leases::result(&lease) };
    assert_eq!(store.complete_job(&result, 8).await.unwrap().earning, None);
}

/// What newcomers lock up, until their tranche is taken back or they have earned something.
pub async fn what_is_set_apart_for_who_has_earned_nothing_is_known(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    opened(&store, 0, &[(1, 10), (2, 20)]).await;
    opened(&store, 1, &[(1, 5), (3, 7)]).await;
    assert_eq!(store.unearned(MONEY).await.unwrap(), 42);
    assert_eq!(store.unearned(address(9)).await.unwrap(), 0, "another token");
    earn(&store, jobs[0], 1, 4).await.unwrap();
    store.note_tranche(0, TrancheStatus::Closing, Some(9)).await.unwrap();
    assert_eq!(store.unearned(MONEY).await.unwrap(), 27);
    store.note_tranche(0, TrancheStatus::Reclaimed, Some(9)).await.unwrap();
    assert_eq!(store.unearned(MONEY).await.unwrap(), 7);
}
