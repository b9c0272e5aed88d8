//! Several operators, several jobs.

use super::{
    backend::{Conductor, Ending},
    kit::{Running, config},
    operator::{FakeOperator, Heard, Say},
};
use std::sync::atomic::Ordering;
use zkpool_protocol::ErrorCode;
use zkpool_prover::{Capacity, Event};

#[tokio::test]
async fn two_operators_share_one_machine() {
    let (mut a, mut b, mut conductor) = (FakeOperator::start(), FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&a, &b], dir.path()), &conductor);
    for _ in 0..2 {
        a.give(a.new_job());
        b.give(b.new_job());
    }
    for _ in 0..4 {
        conductor.began().await;
        conductor.end(Ending::Proof(b"p"));
    }
    for operator in [&mut a, &mut b] {
        operator.hears_result().await;
        operator.hears_result().await;
    }
    assert_eq!(conductor.backend.most_running.load(Ordering::SeqCst), 1);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn one_operator_that_refuses_does_not_stop_the_work_for_another() {
    let (a, mut b, mut conductor) = (FakeOperator::start(), FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    a.script().join.push_back(Say::Error(ErrorCode::Forbidden));
    let agent = Running::start(config(&[&a, &b], dir.path()), &conductor);
    b.give(b.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"p"));
    b.hears_result().await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn jobs_run_side_by_side_up_to_the_capacity_and_are_all_named_when_claiming() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut settings = config(&[&operator], dir.path());
    settings.capacity = Capacity { jobs: 2, threads: 1, memory: 1 << 20 };
    let agent = Running::start(settings, &conductor);
    let jobs = [operator.give(operator.new_job()), operator.give(operator.new_job())];
    conductor.began().await;
    conductor.began().await;
    let named: Vec<_> = std::iter::from_fn(|| operator.heard.try_recv().ok())
        .filter_map(|heard| match heard {
            Heard::Claim(request) => Some(request.holding),
            _ => None,
        })
        .collect();
    assert_eq!(named, [vec![], vec![jobs[0]]]);
    conductor.end(Ending::Proof(b"p"));
    operator.hears_result().await;
    conductor.end(Ending::Proof(b"q"));
    operator.hears_result().await;
    assert_eq!(conductor.backend.most_running.load(Ordering::SeqCst), 2);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn an_operator_that_takes_no_results_gets_no_more_work_done() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.script().every_result = Some(Say::Error(ErrorCode::Storage));
    for _ in 0..3 {
        operator.give(operator.new_job());
    }
    for _ in 0..2 {
        conductor.began().await;
        conductor.end(Ending::Proof(b"p"));
        agent.tells(|event| matches!(event, Event::Proven { .. }).then_some(())).await;
    }
    operator.heard_so_far();
    for _ in 0..20 {
        operator
            .hears(|heard| {
                assert!(!matches!(heard, Heard::Claim(_)), "no job is asked for");
                matches!(heard, Heard::Result(..)).then_some(())
            })
            .await;
    }
    operator.script().every_result = None;
    conductor.began().await;
    conductor.end(Ending::Proof(b"p"));
    agent.tells(|event| matches!(event, Event::Proven { .. }).then_some(())).await;
    agent.stop_in_order().await;
}
