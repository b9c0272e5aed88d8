//! Crashes: a finished proof is not lost, and is returned once.

use super::{
    backend::{Conductor, Ending},
    kit::{Running, config, records},
    operator::{FakeOperator, Heard, Say},
};
use std::fs;
use zkpool_protocol::ErrorCode;
use zkpool_prover::Event;

#[tokio::test]
async fn a_finished_proof_is_sent_again_after_a_crash_and_only_once() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.script().every_result = Some(Say::Error(ErrorCode::Storage));
    let job = operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"worth money"));
    operator.hears_result().await;
    agent.crash().await;
    assert_eq!(records(dir.path()), 1);
    operator.heard_so_far();

    operator.script().every_result = None;
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let resumed = agent
        .tells(|event| match event {
            Event::Resumed { job, finished, .. } => Some((*job, *finished)),
            _ => None,
        })
        .await;
    assert_eq!(resumed, (job, true));
    let (returned, request) = operator.hears_result().await;
    assert_eq!((returned, request.fence, request.proof.as_ref()), (job, 5, b"worth money".as_slice()));
    agent.tells(|event| matches!(event, Event::Returned { .. }).then_some(())).await;
    assert_eq!(records(dir.path()), 0);
    agent.crash().await;

    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.hears_claim().await;
    agent.stop_in_order().await;
    assert!(!operator.heard_so_far().iter().any(|heard| matches!(heard, Heard::Result(..))));
}

#[tokio::test]
async fn a_job_in_hand_goes_on_after_a_crash() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let job = operator.give(operator.new_job());
    conductor.began().await;
    agent.crash().await;
    conductor.stopped().await;
    operator.heard_so_far();

    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    conductor.began().await;
    // The lease is asked about before, and no other job is asked for with the machine taken.
    operator.hears(|heard| matches!(heard, Heard::Heartbeat(id, _) if *id == job).then_some(())).await;
    assert!(!operator.heard_so_far().iter().any(|heard| matches!(heard, Heard::Claim(c) if c.holding != [job])));
    conductor.end(Ending::Proof(b"p"));
    assert_eq!(operator.hears_result().await.0, job);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_job_that_was_lost_meanwhile_is_dropped() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.give(operator.new_job());
    conductor.began().await;
    agent.crash().await;
    conductor.stopped().await;

    operator.script().heartbeat.push_back(Say::Error(ErrorCode::LeaseLost));
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    agent.tells(|event| matches!(event, Event::Lost { .. }).then_some(())).await;
    let next = operator.give(operator.new_job());
    loop {
        // The lost job may have begun before its loss was known.
        conductor.began().await;
        let running = agent.tells(|event| match event {
            Event::Claimed { job, .. } => Some(*job),
            _ => None,
        });
        if running.await == next {
            break;
        }
    }
    conductor.end(Ending::Proof(b"p"));
    assert_eq!(operator.hears_result().await.0, next);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn inputs_of_a_crashed_run_are_swept() {
    let (operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    Running::start(config(&[&operator], dir.path()), &conductor).stop_in_order().await;
    let left = dir.path().join("inputs").join("0.tmp");
    fs::write(&left, b"secret").unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    assert!(!left.exists());
    operator.give(operator.new_job());
    conductor.began().await;
    agent.stop.at_once();
    agent.ended().await.unwrap();
}

#[tokio::test]
async fn a_proof_is_returned_even_if_the_disk_refuses_it() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.give(operator.new_job());
    conductor.began().await;
    // A directory in the way of every record: nothing can be written, whoever runs the test.
    let jobs = dir.path().join("jobs");
    fs::remove_dir_all(&jobs).unwrap();
    fs::write(&jobs, b"in the way").unwrap();
    conductor.end(Ending::Proof(b"p"));
    assert_eq!(operator.hears_result().await.1.proof.as_ref(), b"p");
    agent.stop_in_order().await;
}
