//! Being told to stop.

use super::{
    backend::{Conductor, Ending},
    kit::{Running, config, records},
    operator::{FakeOperator, Heard},
};
use std::time::Duration;
use zkpool_prover::Event;

#[tokio::test]
async fn the_job_in_hand_is_finished_and_no_other_is_taken() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.give(operator.new_job());
    conductor.began().await;
    agent.stop.signal();
    agent.tells(|event| matches!(event, Event::Stopping { jobs: 1, .. }).then_some(())).await;
    operator.heard_so_far();
    operator.give(operator.new_job());
    conductor.end(Ending::Proof(b"p"));
    agent.ended().await.unwrap();
    let heard = operator.heard_so_far();
    assert_eq!(heard.iter().filter(|heard| matches!(heard, Heard::Result(..))).count(), 1);
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Claim(_))));
    assert_eq!(heard.last(), Some(&Heard::Left));
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_handed_back() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut settings = config(&[&operator], dir.path());
    settings.grace = Duration::ZERO;
    let agent = Running::start(settings, &conductor);
    operator.give(operator.new_job());
    conductor.began().await;
    agent.stop.signal();
    agent.ended().await.unwrap();
    conductor.stopped().await;
    let heard = operator.heard_so_far();
    assert_eq!(heard.last(), Some(&Heard::Left));
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Fail(..))), "it is nobody's fault");
    assert_eq!(records(dir.path()), 0, "it is somebody else's now");
}

#[tokio::test]
async fn the_second_signal_stops_at_once_and_the_job_stays_noted() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.give(operator.new_job());
    conductor.began().await;
    agent.stop.signal();
    agent.tells(|event| matches!(event, Event::Stopping { .. }).then_some(())).await;
    agent.stop.signal();
    agent.ended().await.unwrap();
    conductor.stopped().await;
    assert!(!operator.heard_so_far().contains(&Heard::Left));
    assert_eq!(records(dir.path()), 1, "the next run asks whether it still holds it");
}

#[tokio::test]
async fn an_operator_that_cannot_be_reached_does_not_keep_it_from_stopping() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.hears_claim().await;
    operator.down();
    agent.stop_in_order().await;
}
