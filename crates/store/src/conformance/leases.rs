//! Jobs, leases and provers.

use super::*;
use crate::{LeaseEnd, LeaseOutcome, LeaseRecord, NewResult, Outing, Renewal, Standing, StoreError};
use zkpool_protocol::JobState;

pub(super) fn result(lease: &LeaseRecord) -> NewResult {
    NewResult {
        job: lease.job,
        token: lease.token,
        prover: lease.prover.clone(),
        result: BlobId::of(b"proof"),
        proving_ms: Some(250),
        standing: Standing::default(),
        speed: Some(99.5),
        pay: None,
    }
}

fn outcome(end: LeaseEnd, standing: Option<Standing>) -> LeaseOutcome {
    LeaseOutcome { end, note: None, standing }
}

/// Does a ready job with prover `byte`.
pub(super) async fn finish(store: &Subject, job: JobId, byte: u8) {
    let prover = joined(store, byte).await;
    let lease = store.grant_lease(job, &prover, Grant::sole(1_000), 5).await.unwrap();
    store.complete_job(&result(&lease), 6).await.unwrap();
}

pub(super) async fn job_state(store: &Subject, job: JobId) -> JobState {
    store.job(job).await.unwrap().unwrap().state
}

/// And with the last one the task is proven.
pub async fn jobs_become_ready_when_what_they_need_is_done(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[], &[], &[0, 1]]).await;
    let workload = store.workload().await.unwrap();
    assert_eq!(workload.jobs.iter().map(|item| item.job.id).collect::<Vec<_>>(), jobs);
    assert_eq!(workload.jobs[2].job.job.needs, [0, 1]);
    assert_eq!(workload.jobs[0].proof_deadline, DAWN + 60);
    assert_eq!((workload.jobs[0].strategy, workload.jobs[0].reward_token), (price().strategy, task.ask.reward_token));
    finish(&store, jobs[0], 1).await;
    assert_eq!(job_state(&store, jobs[2]).await, JobState::Waiting);
    finish(&store, jobs[1], 2).await;
    assert_eq!(job_state(&store, jobs[2]).await, JobState::Ready);
    assert_eq!(state(&store, &task).await, TaskState::Proving);
    finish(&store, jobs[2], 1).await;
    let task = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((task.state, task.proof), (TaskState::Proven, Some(BlobId::of(b"proof"))));
    let job = store.job(jobs[2]).await.unwrap().unwrap();
    assert_eq!((job.done_by, job.proving_ms, job.result), (Some(prover(1)), Some(250), Some(BlobId::of(b"proof"))));
    assert_eq!(store.prover(&prover(1)).await.unwrap().unwrap().description.speeds[&ProofKind::Groth16Bn254], 99.5);
}

/// Whoever has lost a lease changes nothing with it.
pub async fn fencing_tokens_grow_and_old_ones_are_worthless(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    let (a, b) = (joined(&store, 1).await, joined(&store, 2).await);
    let first = store.grant_lease(jobs[0], &a, Grant::sole(100), 10).await.unwrap();
    assert!(matches!(store.grant_lease(jobs[0], &b, Grant::sole(100), 10).await, Err(StoreError::Moved { .. })));
    store.end_lease(jobs[0], first.token, &outcome(LeaseEnd::Expired, None), 101).await.unwrap();
    assert_eq!(job_state(&store, jobs[0]).await, JobState::Ready);
    let second = store.grant_lease(jobs[0], &b, Grant::sole(200), 102).await.unwrap();
    assert!(second.token > first.token);
    assert!(matches!(store.complete_job(&result(&first), 103).await, Err(StoreError::LeaseLost)));
    assert!(matches!(store.renew_lease(jobs[0], first.token, 500, 0.5, "", 103).await, Err(StoreError::LeaseLost)));
    let stolen = NewResult { prover: a, ..result(&second) };
    assert!(matches!(store.complete_job(&stolen, 103).await, Err(StoreError::LeaseLost)));
    let invented = NewResult { token: u64::MAX, ..result(&second) };
    assert!(matches!(store.complete_job(&invented, 103).await, Err(StoreError::LeaseLost)));
    assert_eq!(store.leases_of(jobs[0]).await.unwrap().len(), 2);
    store.complete_job(&result(&second), 104).await.unwrap();
}

/// The work is done: it would be a waste to have it done again.
pub async fn an_expired_lease_delivers_while_nobody_else_has_the_job(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[]]).await;
    let prover = joined(&store, 1).await;
    let lease = store.grant_lease(jobs[0], &prover, Grant::sole(100), 10).await.unwrap();
    let standing = Standing { misses: 1, excluded_until: 500, window: 60, out: false };
    store.end_lease(jobs[0], lease.token, &outcome(LeaseEnd::Expired, Some(standing)), 101).await.unwrap();
    assert_eq!(store.prover(&prover).await.unwrap().unwrap().standing, standing);
    store.complete_job(&result(&lease), 102).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proven);
    assert_eq!(store.prover(&prover).await.unwrap().unwrap().standing, Standing::default());
}

/// Whoever raced for it, or has a copy of it, has nobody's place taken: the first valid result is the first, late or not.
pub async fn an_expired_lease_delivers_while_others_have_the_job_that_had_it_before(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[], &[]]).await;
    let (a, b) = (joined(&store, 1).await, joined(&store, 2).await);
    let late = async |job, granted| {
        let lease = store.grant_lease(job, &a, Grant { most: 2, ..Grant::sole(100) }, 10).await.unwrap();
        let other = Grant { most: 2, ..Grant::sole(900) };
        if granted < 101 {
            store.grant_lease(job, &b, other, granted).await.unwrap();
        }
        store.end_lease(job, lease.token, &outcome(LeaseEnd::Expired, None), 101).await.unwrap();
        if granted >= 101 {
            store.grant_lease(job, &b, other, granted).await.unwrap();
        }
        store.complete_job(&result(&lease), 200).await
    };
    late(jobs[0], 11).await.unwrap();
    assert!(matches!(late(jobs[1], 101).await, Err(StoreError::LeaseLost)), "it was given out again");
}

/// The others are told to stop, and nothing counts against them. No owner holds a job twice, and none has more holders than
/// it may.
pub async fn of_several_holders_the_first_wins(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    let (a, b) = (joined(&store, 1).await, joined(&store, 2).await);
    let most = |most| Grant { most, ..Grant::sole(100) };
    let slow = store.grant_lease(jobs[0], &a, most(3), 10).await.unwrap();
    let moved = |granted| matches!(granted, Err(StoreError::Moved { .. }));
    assert!(moved(store.grant_lease(jobs[0], &b, most(1), 11).await));
    let device = ProverId { device: "another".into(), ..a.clone() };
    assert!(moved(store.grant_lease(jobs[0], &device, most(3), 11).await));
    let quick = store.grant_lease(jobs[0], &b, most(2), 11).await.unwrap();
    assert_eq!(store.workload().await.unwrap().leases.len(), 2);
    // One of several giving up leaves the job with the others.
    let third = joined(&store, 3).await;
    assert!(moved(store.grant_lease(jobs[0], &third, most(2), 12).await));
    let failing = store.grant_lease(jobs[0], &third, most(3), 12).await.unwrap();
    store.end_lease(jobs[0], failing.token, &outcome(LeaseEnd::GivenUp, None), 13).await.unwrap();
    assert_eq!(job_state(&store, jobs[0]).await, JobState::Leased);

    store.complete_job(&result(&quick), 20).await.unwrap();
    assert_eq!(store.renew_lease(jobs[0], slow.token, 200, 0.9, "", 21).await.unwrap(), Renewal::Cancelled);
    assert!(matches!(store.complete_job(&result(&slow), 22).await, Err(StoreError::LeaseLost)));
    assert!(store.held_by(&a).await.unwrap().is_empty());
    let ended = store.lease(jobs[0], slow.token).await.unwrap().unwrap().ended;
    assert_eq!(ended, Some(LeaseEnd::Cancelled));
    assert!(!LeaseEnd::Cancelled.is_miss());
}

/// An answer that was lost on its way is asked for again.
pub async fn the_same_result_again_changes_nothing(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[]]).await;
    let lease = store.grant_lease(jobs[0], &joined(&store, 1).await, Grant::sole(100), 10).await.unwrap();
    let first = store.complete_job(&result(&lease), 20).await.unwrap();
    let before = store.task_by_key(task.key).await.unwrap();
    assert_eq!(store.complete_job(&result(&lease), 30).await.unwrap(), first);
    assert_eq!((first.job, first.task), (JobState::Done, TaskState::Proven));
    assert_eq!(store.task_by_key(task.key).await.unwrap(), before);
}

/// For good, even if it comes after the lease has expired; an expired lease alone does not bar.
pub async fn a_wrong_result_bars_the_prover_from_the_job(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    let (a, b) = (joined(&store, 1).await, joined(&store, 2).await);
    let lease = store.grant_lease(jobs[0], &a, Grant::sole(100), 10).await.unwrap();
    store.end_lease(jobs[0], lease.token, &outcome(LeaseEnd::Expired, None), 101).await.unwrap();
    assert!(store.workload().await.unwrap().jobs[0].excluded.is_empty());
    store.end_lease(jobs[0], lease.token, &outcome(LeaseEnd::Wrong, None), 102).await.unwrap();
    assert_eq!(store.workload().await.unwrap().jobs[0].excluded, [a.address]);
    assert!(matches!(
        store.end_lease(jobs[0], lease.token, &outcome(LeaseEnd::Wrong, None), 103).await,
        Err(StoreError::LeaseLost)
    ));
    let lease = store.grant_lease(jobs[0], &b, Grant::sole(200), 104).await.unwrap();
    store.end_lease(jobs[0], lease.token, &outcome(LeaseEnd::GivenUp, None), 105).await.unwrap();
    assert_eq!(store.workload().await.unwrap().jobs[0].excluded.len(), 2);
    assert_eq!(job_state(&store, jobs[0]).await, JobState::Ready);
}

/// The envelope and the witness that it names, while the lease lasts.
pub async fn a_lease_is_needed_to_see_an_input(store: Subject) {
    let input = catalogued(&store).await;
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    let prover = joined(&store, 1).await;
    let sees = async |blob| store.holds_input(prover.address, blob).await.unwrap();
    assert!(!sees(input.blob).await);
    let lease = store.grant_lease(jobs[0], &prover, Grant::sole(100), 10).await.unwrap();
    assert!(sees(input.blob).await && sees(input.attached[0]).await);
    assert!(!sees(BlobId::of(b"other")).await);
    assert!(!store.holds_input(address(9), input.blob).await.unwrap());
    store.end_lease(jobs[0], lease.token, &outcome(LeaseEnd::Released, None), 20).await.unwrap();
    assert!(!sees(input.blob).await);
}

/// A renewal never shortens; what is over is said to be over.
pub async fn heartbeats_renew_and_are_told_of_the_end(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[]]).await;
    let lease = store.grant_lease(jobs[0], &joined(&store, 1).await, Grant::sole(100), 10).await.unwrap();
    let before = store.task_by_key(task.key).await.unwrap().unwrap().version;
    assert_eq!(store.renew_lease(jobs[0], lease.token, 50, 0.25, "witness", 20).await.unwrap(), Renewal::Renewed);
    let now = store.lease(jobs[0], lease.token).await.unwrap().unwrap();
    assert_eq!((now.expires_at, now.seen_at, now.progress, now.stage.as_str()), (100, 20, 0.25, "witness"));
    assert!(store.task_by_key(task.key).await.unwrap().unwrap().version > before);
    store.advance(&block(20, DAWN + 121, vec![]), 30).await.unwrap();
    assert_eq!(store.renew_lease(jobs[0], lease.token, 200, 0.5, "", 40).await.unwrap(), Renewal::Cancelled);
    let nowhere = JobId { task: id(&task), index: 9 };
    assert!(matches!(store.renew_lease(nowhere, 1, 200, 0.5, "", 40).await, Err(StoreError::Missing("job"))));
}

/// Nothing counts against it, and the job may come back to it.
pub async fn a_prover_that_leaves_returns_its_jobs(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    let prover = joined(&store, 1).await;
    store.grant_lease(jobs[0], &prover, Grant::sole(100), 10).await.unwrap();
    store.leave_prover(&prover, 20).await.unwrap();
    assert_eq!(job_state(&store, jobs[0]).await, JobState::Ready);
    assert!(store.provers().await.unwrap().is_empty());
    assert!(!store.prover(&prover).await.unwrap().unwrap().joined);
    assert!(store.workload().await.unwrap().jobs[0].excluded.is_empty());
}

/// For when its publication is included again.
pub async fn a_result_for_an_unpublished_task_is_kept(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[]]).await;
    let lease = store.grant_lease(jobs[0], &joined(&store, 1).await, Grant::sole(100), 10).await.unwrap();
    store.advance(&rewind(9, DAWN), 11).await.unwrap();
    let done = store.complete_job(&result(&lease), 12).await.unwrap();
    assert_eq!((done.job, done.task), (JobState::Done, TaskState::Quoted));
    store.advance(&block(10, DAWN + 1, vec![published(&task)]), 13).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proven);
}

/// Neither what it must sit out nor its being out ends by joining, under whatever name of a device.
pub async fn joining_again_changes_nothing(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[]]).await;
    let prover = joined(&store, 1).await;
    let lease = store.grant_lease(jobs[0], &prover, Grant::sole(100), 10).await.unwrap();
    let bad = Standing { misses: 3, excluded_until: 900, window: 240, out: true };
    store.end_lease(jobs[0], lease.token, &outcome(LeaseEnd::Expired, Some(bad)), 101).await.unwrap();
    joined(&store, 1).await;
    let record = store.prover(&prover).await.unwrap().unwrap();
    assert_eq!((record.standing, record.out), (bad, true));
    assert_eq!(record.description.speeds[&ProofKind::Groth16Bn254], 12_345.5);
    let other = ProverId { device: "fresh".into(), ..prover.clone() };
    store.join_prover(&other, &record.description, 102).await.unwrap();
    let fresh = store.prover(&other).await.unwrap().unwrap();
    assert_eq!((fresh.standing, fresh.out), (Standing::default(), true), "the address is out");
    assert_eq!(store.provers().await.unwrap(), [record, fresh]);
    assert!(!store.prover(&joined(&store, 2).await).await.unwrap().unwrap().out);
}

/// By its bond, by its operator, or because a result came after all.
pub async fn who_is_out_is_let_in_again(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[], &[], &[], &[]]).await;
    let prover = joined(&store, 1).await;
    let who = prover.address;
    let never = Outing { prover: who, out: false, amount: None, to_return: None };
    assert_eq!((store.outing(who).await.unwrap(), store.outings().await.unwrap()), (never, vec![]));
    store.ask_bond(who, 7).await.unwrap();
    assert!(!store.let_in(who, false).await.unwrap());
    assert_eq!(store.outing(who).await.unwrap(), never, "who is in is asked for nothing");
    let bad = Standing { misses: 3, excluded_until: 900, window: 240, out: true };
    let put_out = async |job: usize| {
        let lease = store.grant_lease(jobs[job], &prover, Grant::sole(100), 10).await.unwrap();
        store.end_lease(jobs[job], lease.token, &outcome(LeaseEnd::Expired, Some(bad)), 101).await.unwrap();
        lease
    };

    put_out(0).await;
    assert_eq!(store.outing(who).await.unwrap(), Outing { out: true, ..never });
    store.ask_bond(who, 20).await.unwrap();
    store.ask_bond(who, 5).await.unwrap();
    assert_eq!(store.outing(who).await.unwrap(), Outing { out: true, to_return: Some(20), ..never });
    assert!(store.let_in(who, false).await.unwrap());
    assert_eq!(store.outing(who).await.unwrap(), Outing { amount: Some(20), ..never });
    assert_eq!(store.prover(&prover).await.unwrap().unwrap().standing, bad.after_bond());

    // The third result comes, late: it is not out any more, and need not bond for it.
    let lease = put_out(1).await;
    store.ask_bond(who, 30).await.unwrap();
    store.complete_job(&NewResult { standing: bad.after_late(), ..result(&lease) }, 102).await.unwrap();
    assert_eq!(store.outing(who).await.unwrap(), Outing { amount: Some(20), ..never });

    put_out(2).await;
    store.ask_bond(who, 40).await.unwrap();
    assert_eq!(store.outings().await.unwrap(), [Outing { out: true, amount: Some(20), to_return: Some(40), ..never }]);
    assert!(store.let_in(who, true).await.unwrap());
    assert_eq!((store.outing(who).await.unwrap(), store.outings().await.unwrap()), (never, vec![]));
    assert!(!store.prover(&prover).await.unwrap().unwrap().out);
}
