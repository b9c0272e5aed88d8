//! Jobs that are taken away.

use super::{
    backend::{Conductor, Ending},
    kit::{Running, config, records},
    operator::{FakeOperator, Heard, Say},
};
use zkpool_protocol::ErrorCode;
use zkpool_prover::Event;

async fn is_taken_away_by(say: Say) {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let job = operator.give(operator.new_job());
    conductor.began().await;
    operator.hears(|heard| matches!(heard, Heard::Heartbeat(..)).then_some(())).await;
    operator.script().heartbeat.push_back(say);
    conductor.stopped().await;
    agent.tells(|event| matches!(event, Event::Lost { job: id, .. } if *id == job).then_some(())).await;
    assert_eq!(records(dir.path()), 0);

    // The machine is free for the next one, and nothing more was said about the lost one.
    let next = operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"next"));
    let said = operator
        .hears(|heard| match heard {
            Heard::Result(id, _) | Heard::Fail(id, _) => Some(*id),
            _ => None,
        })
        .await;
    assert_eq!(said, next);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_lost_lease_stops_the_proof() {
    is_taken_away_by(Say::Error(ErrorCode::LeaseLost)).await;
}

#[tokio::test]
async fn a_cancelled_job_stops_the_proof() {
    is_taken_away_by(Say::Cancelled).await;
}

#[tokio::test]
async fn heartbeats_carry_the_fence_and_outlive_bad_answers() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.script().heartbeat.extend([
        Say::Garbage,
        Say::Error(ErrorCode::Internal),
        Say::Error(ErrorCode::RateLimited),
        Say::Garbage,
    ]);
    let job = operator.give(operator.new_job());
    conductor.began().await;
    for _ in 0..6 {
        let beat = operator
            .hears(|heard| match heard {
                Heard::Heartbeat(id, request) => Some((*id, request.fence)),
                _ => None,
            })
            .await;
        assert_eq!(beat, (job, 5));
    }
    conductor.end(Ending::Proof(b"p"));
    operator.hears_result().await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_result_that_comes_too_late_is_dropped() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.script().result.push_back(Say::Error(ErrorCode::LeaseLost));
    operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"late"));
    operator.hears_result().await;
    agent.tells(|event| matches!(event, Event::Lost { .. }).then_some(())).await;
    assert_eq!(records(dir.path()), 0);
    agent.stop_in_order().await;
    assert!(!operator.heard_so_far().iter().any(|heard| matches!(heard, Heard::Result(..))), "not sent again");
}
