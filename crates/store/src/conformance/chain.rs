//! What the chain says, and takes back.

use super::{leases::finish, tasks::watch, *};

/// From publication to delivery; the facts stay readable, and the cursor goes with them.
pub async fn a_task_follows_the_chain(store: Subject) {
    let task = quoted(&store, 1).await;
    let advanced = store.advance(&block(10, DAWN, vec![published(&task)]), 3).await.unwrap();
    assert_eq!((advanced.changed, advanced.strangers), (vec![task.key], vec![]));
    let meta = store.meta().await.unwrap();
    assert_eq!((meta.head, meta.cursor), ((10, DAWN), Some(10_u64.to_be_bytes().to_vec())));
    let now = store.task(id(&task)).await.unwrap().unwrap();
    assert_eq!((now.state, now.chain.published), (TaskState::Published, Some((10, DAWN))));
    assert_eq!((now.chain.proof_deadline, now.chain.liability_deadline), (DAWN + 60, DAWN + 120));
    assert!(now.version > task.version);

    plan(&store, &task, &[&[]]).await;
    let held =
        store.grant_lease(JobId { task: id(&task), index: 0 }, &joined(&store, 1).await, Grant::sole(90), 5).await;
    let held = held.unwrap();
    store.advance(&block(11, DAWN + 5, vec![ended(&task, End::DeliveredOnTime)]), 6).await.unwrap();
    let now = store.task(id(&task)).await.unwrap().unwrap();
    assert_eq!((now.state, now.chain.ended), (TaskState::Delivered, Some((11, End::DeliveredOnTime))));
    // Nobody works on it any more.
    assert!(store.workload().await.unwrap().jobs.is_empty());
    let lease = store.lease(held.job, held.token).await.unwrap().unwrap();
    assert_eq!(lease.ended, Some(crate::LeaseEnd::Cancelled));
}

/// Block time decides, of blocks that are deep enough.
pub async fn a_quote_lapses_only_when_no_block_can_bring_it_back(store: Subject) {
    let task = quoted(&store, 1).await;
    store.advance(&block(10, DAWN + 80, vec![]), 3).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Quoted, "settled time is {}", DAWN + 60);
    store.advance(&block(11, DAWN + 81, vec![]), 3).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Lapsed);
    // A reorganisation deeper than that still binds.
    store.advance(&rewind(5, DAWN), 4).await.unwrap();
    store.advance(&block(6, DAWN + 1, vec![published(&task)]), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Published);
}

/// And quoted again if that is taken back.
pub async fn a_quote_that_is_not_backed_is_dishonoured(store: Subject) {
    let task = quoted(&store, 1).await;
    store.advance(&block(10, DAWN, vec![ended(&task, End::Dishonoured)]), 3).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Dishonoured);
    store.advance(&rewind(9, DAWN), 4).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Quoted);
}

/// To each depth: the state follows from what is left and from the work.
pub async fn a_reorganisation_takes_back_what_it_removes(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[]]).await;
    store.advance(&rewind(9, DAWN), 4).await.unwrap();
    let now = store.task(id(&task)).await.unwrap().unwrap();
    assert_eq!((now.state, now.chain.published), (TaskState::Quoted, None));
    assert!(store.workload().await.unwrap().jobs.is_empty(), "no work for a task that is not published");
    store.advance(&block(11, DAWN + 1, vec![published(&task)]), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proving, "its jobs are still there");
    assert_eq!(store.workload().await.unwrap().jobs.len(), 1);

    finish(&store, jobs[0], 1).await;
    assert_eq!(state(&store, &task).await, TaskState::Proven);
    store.move_task(task.key, TaskState::Proven, TaskState::Submitting, None, 6).await.unwrap();
    store.advance(&block(12, DAWN + 2, vec![ended(&task, End::DeliveredOnTime)]), 7).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Delivered);
    store.advance(&rewind(11, DAWN + 1), 8).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proven, "the proof is still there");
    store.advance(&rewind(8, DAWN), 9).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Quoted);
    store.advance(&block(9, DAWN + 1, vec![published(&task)]), 10).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proven);
}

/// Cancelled jobs are ready again, done ones stay done.
pub async fn a_defaulted_task_whose_end_is_taken_back_has_its_jobs_again(store: Subject) {
    let (task, jobs) = proving(&store, 1, &[&[], &[0]]).await;
    finish(&store, jobs[0], 1).await;
    let end = block(20, DAWN + 121, vec![ended(&task, End::Defaulted)]);
    store.advance(&end, 6).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Defaulted);
    store.advance(&rewind(19, DAWN + 100), 7).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proving);
    let states: Vec<_> = store.jobs_of(task.key).await.unwrap().into_iter().map(|job| job.state.as_str()).collect();
    assert_eq!(states, ["done", "ready"]);
    store.advance(&block(20, DAWN + 121, vec![]), 8).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Missed);
    store.advance(&block(21, DAWN + 122, vec![ended(&task, End::Defaulted)]), 9).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Defaulted);
}

/// Nothing needs to be sent for it to take effect.
pub async fn a_rescue_announced_by_another_binds_by_the_clock(store: Subject) {
    let (task, _) = proving(&store, 1, &[&[]]).await;
    let rescue = Fact::RescueAnnounced { task: id(&task), rescuer: address(0xcc), slot: 2, effective_at: DAWN + 80 };
    store.advance(&block(11, DAWN + 65, vec![rescue]), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proving, "it may still deliver");
    store.advance(&block(12, DAWN + 79, vec![]), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proving);
    store.advance(&block(13, DAWN + 80, vec![]), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Rescued);
    // A delivery that was in time after all, read together with later blocks.
    store.advance(&rewind(11, DAWN + 65), 6).await.unwrap();
    let mut late = block(12, DAWN + 79, vec![ended(&task, End::DeliveredLate)]);
    late.head = (13, DAWN + 90);
    store.advance(&late, 7).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Delivered);
}

/// Announced, carried out, delivered; and released when the original was in time.
pub async fn a_rescue_of_ours_lives_and_ends(store: Subject) {
    let new = watch(3);
    let task = store.watch_task(&new, (10, DAWN), (DAWN + 60, DAWN + 120), 1).await.unwrap();
    store.announce_task(task.key, 6, 2).await.unwrap();
    let ours = Fact::RescueAnnounced { task: new.id, rescuer: OWNER.operator, slot: 6, effective_at: DAWN + 80 };
    let announced = block(11, DAWN + 65, vec![ours]);
    store.advance(&announced, 3).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Published);
    plan(&store, &task, &[&[]]).await;
    finish(&store, JobId { task: new.id, index: 0 }, 1).await;
    assert_eq!(state(&store, &task).await, TaskState::Proven);

    store.advance(&block(12, DAWN + 70, vec![ended(&task, End::DeliveredLate)]), 4).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Released, "the original delivered in the grace period");
    store.advance(&rewind(11, DAWN + 65), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proven);
    let end = block(12, DAWN + 81, vec![Fact::Novated { task: new.id }, ended(&task, End::DeliveredLate)]);
    store.advance(&end, 6).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Delivered);
    store.advance(&rewind(10, DAWN), 7).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Watched, "not even the announcement is left");

    let theirs = Fact::RescueAnnounced { task: new.id, rescuer: address(0xcc), slot: 1, effective_at: DAWN + 80 };
    store.advance(&block(11, DAWN + 65, vec![theirs]), 8).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Released);
}

/// By hand, or by a process that died before it could note it: the slot is taken up all the same.
pub async fn a_rescue_of_ours_that_nobody_noted_binds(store: Subject) {
    let new = watch(3);
    let task = store.watch_task(&new, (10, DAWN), (DAWN + 60, DAWN + 120), 1).await.unwrap();
    let ours = Fact::RescueAnnounced { task: new.id, rescuer: OWNER.operator, slot: 6, effective_at: DAWN + 80 };
    store.advance(&block(11, DAWN + 65, vec![ours]), 3).await.unwrap();
    let now = store.task_by_key(task.key).await.unwrap().unwrap();
    assert_eq!((now.state, now.own_slot), (TaskState::Published, Some(6)));
}

/// The clock stands while the verifier is halted.
pub async fn deadlines_that_move_bring_a_missed_task_back(store: Subject) {
    let (task, _) = proving(&store, 1, &[&[]]).await;
    store.advance(&block(11, DAWN + 120, vec![]), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proving, "the last second is in time");
    store.advance(&block(12, DAWN + 121, vec![]), 5).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Missed);
    let moved = Fact::Deadlines { task: id(&task), proof: DAWN + 160, liability: DAWN + 220 };
    store.advance(&block(13, DAWN + 122, vec![moved]), 6).await.unwrap();
    assert_eq!(state(&store, &task).await, TaskState::Proving);
    assert_eq!(store.workload().await.unwrap().jobs[0].liability_deadline, DAWN + 220);
}

/// Somebody else signs with this operator's key, or the database is an old copy.
pub async fn a_stranger_in_our_name_is_reported(store: Subject) {
    let stranger = B256::repeat_byte(0x99);
    let facts = vec![
        Fact::Published { task: stranger, operator: OWNER.operator },
        Fact::Published { task: B256::repeat_byte(0x98), operator: address(0xbb) },
        Fact::Ended { task: stranger, end: End::Defaulted },
    ];
    let advanced = store.advance(&block(10, DAWN, facts), 1).await.unwrap();
    assert_eq!((advanced.changed, advanced.strangers), (vec![], vec![stranger]));
}

/// Late deliveries count; deliveries in time do not, nor do rescues of others.
pub async fn misses_are_counted_until_the_breaker_is_reset(store: Subject) {
    let tasks = [quoted(&store, 1).await, quoted(&store, 2).await, quoted(&store, 3).await];
    store.advance(&block(10, DAWN, tasks.iter().map(published).collect()), 3).await.unwrap();
    let ends = vec![ended(&tasks[0], End::DeliveredOnTime), ended(&tasks[1], End::DeliveredLate)];
    store.advance(&block(11, DAWN + 61, ends), 1_000).await.unwrap();
    store.advance(&block(12, DAWN + 121, vec![]), 2_000).await.unwrap();
    assert_eq!(store.misses_since(0).await.unwrap(), 2);
    assert_eq!(store.misses_since(1_000).await.unwrap(), 1);
    store.reset_breaker(2_000).await.unwrap();
    assert_eq!(store.misses_since(0).await.unwrap(), 0);
}

/// Forgotten if the block is removed.
pub async fn an_opened_slot_is_known_by_its_block(store: Subject) {
    let open = Fact::SlotOpened { token: TOKEN, slot: 7 };
    store.advance(&block(10, DAWN, vec![open]), 1).await.unwrap();
    assert_eq!(store.slot_opened_in(TOKEN, 7).await.unwrap(), Some(10));
    assert_eq!(store.slot_opened_in(TOKEN, 8).await.unwrap(), None);
    store.advance(&rewind(9, DAWN), 1).await.unwrap();
    assert_eq!(store.slot_opened_in(TOKEN, 7).await.unwrap(), None);
}
