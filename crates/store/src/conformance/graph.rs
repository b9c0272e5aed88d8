//! Graphs that grow while the program still runs.

use super::*;
use crate::StoreError;
use zkpool_protocol::{
    JobState,
    zkvm::{Growth, SegmentRef},
};

fn segment(n: u32) -> SegmentRef {
    SegmentRef { blob: BlobId::of(&n.to_be_bytes()), po2: 16, claim: B256::with_last_byte(n as u8) }
}

/// What a task with a succinct receipt grows by: one list of jobs per segment, and the last one.
fn growth(segments: u32) -> Vec<(u32, Vec<Job>)> {
    let mut growth = Growth::new(guest().id(), ProofKind::Risc0Succinct, 0);
    let mut steps = Vec::new();
    for n in 0..segments {
        let first = growth.count();
        steps.push((first, growth.segment(&segment(n))));
    }
    steps.push((growth.count(), growth.finish(&[])));
    steps
}

/// A task that is being proven and has no job yet.
async fn growing(store: &Subject, slot: u32) -> TaskRecord {
    let task = quoted(store, slot).await;
    store.advance(&block(10, DAWN, vec![published(&task)]), 3).await.unwrap();
    store.plan_task(task.key, &Plan::Growing { segment_limit: 16 }, 4).await.unwrap();
    let task = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((task.state, task.segment_limit, task.planned), (TaskState::Proving, Some(16), false));
    task
}

fn at(task: &TaskRecord, index: u32) -> JobId {
    JobId { task: id(task), index }
}

/// A program that is run again yields the same jobs in the same places; another one is not taken for it.
pub async fn a_graph_grows_and_what_is_there_is_recognised(store: Subject) {
    let task = growing(&store, 1).await;
    let steps = growth(2);
    let (first, jobs) = &steps[0];
    assert_eq!(store.extend_task(task.key, *first, jobs, false, 5).await.unwrap(), TaskState::Proving);
    let version = store.task_by_key(task.key).await.unwrap().unwrap().version;
    store.extend_task(task.key, *first, jobs, false, 6).await.unwrap();
    assert_eq!(store.task_by_key(task.key).await.unwrap().unwrap().version, version, "nothing was added");
    let stored = store.jobs_of(task.key).await.unwrap();
    assert_eq!(stored.iter().map(|job| job.job.clone()).collect::<Vec<_>>(), *jobs);
    assert_eq!((stored[0].state, stored[1].state), (JobState::Ready, JobState::Waiting));

    let mut other = jobs.clone();
    other[0].statement = Some(B256::repeat_byte(9));
    let refused = store.extend_task(task.key, 0, &other, false, 7).await;
    assert!(matches!(refused, Err(StoreError::OtherJob { index: 0 })), "{refused:?}");
    let (second, jobs) = &steps[1];
    let gap = store.extend_task(task.key, second + 1, jobs, false, 7).await;
    assert!(matches!(gap, Err(StoreError::OtherJob { .. })), "{gap:?}");
    // Part of it is there, the rest is not.
    let both: Vec<Job> = steps[..2].iter().flat_map(|(_, jobs)| jobs.clone()).collect();
    store.extend_task(task.key, 0, &both, false, 8).await.unwrap();
    assert_eq!(store.jobs_of(task.key).await.unwrap().len(), both.len());
    // What is complete cannot be less than what is there, nor grow afterwards.
    let short = store.extend_task(task.key, 0, &both[..1], true, 9).await;
    assert!(matches!(short, Err(StoreError::OtherJob { .. })), "{short:?}");
    let (last, jobs) = &steps[2];
    for _ in 0..2 {
        store.extend_task(task.key, *last, jobs, true, 10).await.unwrap();
    }
    assert!(store.task_by_key(task.key).await.unwrap().unwrap().planned);
    let more = store.extend_task(task.key, last + 1, jobs, false, 11).await;
    assert!(matches!(more, Err(StoreError::OtherJob { .. })), "{more:?}");
}

/// However much of what is known of it so far is done.
pub async fn a_task_is_proven_only_when_its_graph_is_complete(store: Subject) {
    let task = growing(&store, 1).await;
    let steps = growth(1);
    store.extend_task(task.key, steps[0].0, &steps[0].1, false, 5).await.unwrap();
    finish(&store, at(&task, 0), 1).await;
    finish(&store, at(&task, 1), 1).await;
    assert_eq!(state(&store, &task).await, TaskState::Proving);
    store.extend_task(task.key, steps[1].0, &steps[1].1, true, 7).await.unwrap();
    assert_eq!(job_state(&store, at(&task, 2)).await, JobState::Ready, "what it needs was done before it came");
    let proof = BlobId::of(b"sealed");
    let done = store.complete_own_job(at(&task, 2), proof, 8).await.unwrap();
    assert_eq!((done.job, done.task), (JobState::Done, TaskState::Proven));
    assert_eq!(store.complete_own_job(at(&task, 2), proof, 9).await.unwrap(), done);
    assert_eq!(store.task_by_key(task.key).await.unwrap().unwrap().proof, Some(proof));

    // A graph whose last job is done when it turns out to be the last.
    let task = growing(&store, 2).await;
    store.extend_task(task.key, steps[0].0, &steps[0].1, false, 5).await.unwrap();
    finish(&store, at(&task, 0), 1).await;
    finish(&store, at(&task, 1), 1).await;
    assert_eq!(store.extend_task(task.key, 2, &[], true, 7).await.unwrap(), TaskState::Proven);
}

/// What comes after the end of a task is not taken.
pub async fn only_a_task_that_is_being_proven_grows(store: Subject) {
    let task = growing(&store, 1).await;
    let steps = growth(2);
    store.extend_task(task.key, steps[0].0, &steps[0].1, false, 5).await.unwrap();
    store.advance(&block(20, DAWN + 121, vec![]), 6).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Missed);
    let late = store.extend_task(task.key, steps[1].0, &steps[1].1, false, 7).await;
    assert!(matches!(late, Err(StoreError::Moved { .. })), "{late:?}");
    assert!(store.jobs_of(task.key).await.unwrap().iter().all(|job| job.state == JobState::Cancelled));
}

/// Its jobs are cancelled for good, and a new graph stands behind them; work that is under way comes to nothing.
pub async fn an_unfinished_graph_is_left_and_another_begun(store: Subject) {
    let task = growing(&store, 1).await;
    assert_eq!(store.abandon_graph(task.key, 5).await.unwrap(), 0, "there was nothing to leave");
    let steps = growth(1);
    let (_, jobs) = &steps[0];
    store.extend_task(task.key, 0, jobs, false, 5).await.unwrap();
    let lease = store.grant_lease(at(&task, 0), &joined(&store, 1).await, Grant::sole(100), 6).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.abandon_graph(task.key, 7).await.unwrap(), 2);
    }
    assert_eq!(store.task_by_key(task.key).await.unwrap().unwrap().first_job, 2);
    let over = store.complete_job(&result(&lease), 8).await;
    assert!(matches!(over, Err(StoreError::LeaseLost)), "{over:?}");

    let mut again = Growth::new(guest().id(), ProofKind::Risc0Succinct, 2);
    let jobs = again.segment(&segment(9));
    store.extend_task(task.key, 2, &jobs, false, 9).await.unwrap();
    store.extend_task(task.key, again.count(), &again.finish(&[]), true, 10).await.unwrap();
    assert!(matches!(store.abandon_graph(task.key, 11).await, Err(StoreError::Moved { .. })), "it is complete");

    // The chain takes back the publication, and gives it again.
    store.advance(&rewind(9, DAWN), 12).await.unwrap();
    store.advance(&block(10, DAWN + 1, vec![published(&task)]), 13).await.unwrap();
    let states = store.jobs_of(task.key).await.unwrap();
    assert_eq!(
        states.iter().map(|job| job.state).collect::<Vec<_>>(),
        [JobState::Cancelled, JobState::Cancelled, JobState::Ready, JobState::Waiting, JobState::Waiting]
    );
    finish(&store, at(&task, 2), 1).await;
    finish(&store, at(&task, 3), 1).await;
    let done = store.complete_own_job(at(&task, 4), BlobId::of(b"sealed"), 14).await.unwrap();
    assert_eq!(done.task, TaskState::Proven);
}

/// It is published again, and goes on with the segments of the size that was chosen.
pub async fn a_graph_that_has_not_grown_yet_survives_a_reorganisation(store: Subject) {
    let task = growing(&store, 1).await;
    store.advance(&rewind(9, DAWN), 11).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Quoted);
    store.advance(&block(10, DAWN + 1, vec![published(&task)]), 13).await.unwrap();
    let again = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((again.state, again.segment_limit), (TaskState::Proving, Some(16)));
}

/// And what is for provers is not finished without a lease.
pub async fn a_job_of_the_services_own_is_never_leased(store: Subject) {
    let task = growing(&store, 1).await;
    let jobs: Vec<Job> = growth(1).into_iter().flat_map(|(_, jobs)| jobs).collect();
    store.extend_task(task.key, 0, &jobs, true, 5).await.unwrap();
    let prover = joined(&store, 1).await;
    let own = store.complete_own_job(at(&task, 0), BlobId::of(b"x"), 6).await;
    assert!(matches!(own, Err(StoreError::IllegalTransition { .. })), "{own:?}");
    let early = store.complete_own_job(at(&task, 2), BlobId::of(b"x"), 6).await;
    assert!(matches!(early, Err(StoreError::Moved { .. })), "{early:?}");
    finish(&store, at(&task, 0), 1).await;
    finish(&store, at(&task, 1), 1).await;
    let leased = store.grant_lease(at(&task, 2), &prover, Grant::sole(100), 7).await;
    assert!(matches!(leased, Err(StoreError::IllegalTransition { .. })), "{leased:?}");
}

/// A join's prover sees both halves, in order, and nothing else.
pub async fn results_are_seen_by_whoever_needs_them_and_in_their_order(store: Subject) {
    let (_, jobs) = proving(&store, 1, &[&[], &[], &[1, 0]]).await;
    for (index, name) in [(0, &b"left"[..]), (1, b"right")] {
        let lease = store.grant_lease(jobs[index], &joined(&store, 1).await, Grant::sole(100), 10).await.unwrap();
        store.complete_job(&crate::NewResult { result: BlobId::of(name), ..result(&lease) }, 11).await.unwrap();
    }
    assert_eq!(store.job(jobs[2]).await.unwrap().unwrap().job.needs, [1, 0]);
    let prover = joined(&store, 2).await;
    let sees = async |name: &[u8]| store.holds_input(prover.address, BlobId::of(name)).await.unwrap();
    assert!(!sees(b"left").await);
    let workload = store.workload().await.unwrap();
    assert_eq!(workload.jobs.iter().map(|item| item.suppliers.clone()).collect::<Vec<_>>(), [[super::prover(1)]]);
    store.grant_lease(jobs[2], &prover, Grant::sole(100), 12).await.unwrap();
    assert!(sees(b"left").await && sees(b"right").await && !sees(b"other").await);
    let leases = store.leases_of_task(store.task(jobs[0].task).await.unwrap().unwrap().key, 0..9).await.unwrap();
    assert_eq!(leases.iter().map(|lease| lease.job).collect::<Vec<_>>(), jobs);
}

/// Without any of them being read; what was abandoned is told apart.
pub async fn a_tasks_jobs_are_counted(store: Subject) {
    let task = growing(&store, 1).await;
    assert_eq!(store.job_census(task.key).await.unwrap(), crate::JobCensus::default());
    assert_eq!(
        (store.units_of(task.key).await.unwrap(), store.last_job(task.key).await.unwrap()),
        (WorkUnits(0), None)
    );
    for (first, jobs) in &growth(2)[..2] {
        store.extend_task(task.key, *first, jobs, false, 5).await.unwrap();
    }
    store.abandon_graph(task.key, 7).await.unwrap();
    let mut again = Growth::new(guest().id(), ProofKind::Risc0Succinct, 5);
    let jobs: Vec<Job> = (7..9).flat_map(|n| again.segment(&segment(n))).collect();
    store.extend_task(task.key, 5, &jobs, false, 8).await.unwrap();
    finish(&store, at(&task, 5), 1).await;
    let census = store.job_census(task.key).await.unwrap();
    let states = [(JobState::Cancelled, 5), (JobState::Done, 1), (JobState::Ready, 2), (JobState::Waiting, 2)];
    assert_eq!((census.all, census.states), (10, states.into()));
    assert_eq!((census.segments, census.front, census.begun_at), (2, Some(6), Some(5)));
    let units: u64 = jobs.iter().map(|job| job.units.0).sum();
    assert_eq!(store.units_of(task.key).await.unwrap(), WorkUnits(units));
    let before = async |index| store.segments_before(task.key, index).await.unwrap();
    assert_eq!((before(5).await, before(6).await, before(99).await), (0, 1, 2));
    assert_eq!(store.last_job(task.key).await.unwrap().unwrap().id.index, 9);
    let some = store.jobs_in(task.key, 4..7).await.unwrap();
    assert_eq!(some.iter().map(|job| job.id.index).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(store.leases_of_task(task.key, 6..99).await.unwrap(), []);
}

/// What somebody has uploaded stays, and what the next run takes, too.
pub async fn segments_that_a_run_has_left_are_named(store: Subject) {
    let task = growing(&store, 1).await;
    let mut growth = Growth::new(guest().id(), ProofKind::Risc0Composite, 0);
    let jobs: Vec<Job> = (0..3).flat_map(|n| growth.segment(&segment(n))).collect();
    store.extend_task(task.key, 0, &jobs, false, 5).await.unwrap();
    let strays = async |from| store.stray_segments(task.key, from).await.unwrap();
    assert_eq!(strays(0).await, []);
    store.abandon_graph(task.key, 6).await.unwrap();
    store.note_upload(PAYER, segment(1).blob, 1, 100, 6).await.unwrap();
    assert_eq!(strays(0).await.len(), 2);
    assert_eq!(strays(2).await, [segment(2).blob]);
    assert_eq!(strays(3).await, []);
    let mut again = Growth::new(guest().id(), ProofKind::Risc0Composite, 3);
    store.extend_task(task.key, 3, &again.segment(&segment(2)), false, 7).await.unwrap();
    assert_eq!(strays(0).await, [segment(0).blob]);
}
