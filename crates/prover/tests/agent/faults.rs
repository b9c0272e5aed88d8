//! Bad tasks, bad operators, bad networks.

use super::{
    backend::{Conductor, Ending, Told},
    kit::{Running, config, on_disk, records},
    operator::{CHAIN, FakeOperator, Heard, Say},
};
use std::{fs, sync::atomic::Ordering};
use zkpool_backends::BackendError;
use zkpool_protocol::{Address, ErrorCode};
use zkpool_prover::Event;

#[tokio::test]
async fn a_bad_task_is_given_up_with_its_code_and_the_next_is_taken() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    for (ending, code) in [
        (Ending::Error(BackendError::WitnessUnsatisfied), ErrorCode::WitnessUnsatisfied),
        (Ending::Error(BackendError::NoGenerator), ErrorCode::BadInput),
        (Ending::OtherStatement, ErrorCode::WrongPublicInputs),
        (Ending::Panic, ErrorCode::Internal),
    ] {
        let job = operator.give(operator.new_job());
        conductor.began().await;
        conductor.end(ending);
        let (failed, request) = operator.hears_fail().await;
        assert_eq!((failed, request.code, request.fence), (job, code, 5));
        assert!(!request.message.is_empty() && !request.message.contains("31415926535"));
    }
    agent.stop_in_order().await;
    assert_eq!(records(dir.path()), 0);
}

#[tokio::test]
async fn a_job_that_does_not_fit_is_given_up_before_it_is_worked_on() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let mut job = operator.new_job();
    job.memory = (1 << 20) + 1;
    operator.give(job);
    assert_eq!(operator.hears_fail().await.1.code, ErrorCode::TooLarge);
    // What the program itself needs counts, whatever the operator says.
    conductor.backend.memory.store(2 << 20, Ordering::Relaxed);
    operator.give(operator.new_job());
    assert_eq!(operator.hears_fail().await.1.code, ErrorCode::TooLarge);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn parts_larger_than_the_bound_are_refused() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut settings = config(&[&operator], dir.path());
    settings.max_blob_bytes = 10;
    let agent = Running::start(settings, &conductor);
    operator.give(operator.new_job());
    let (_, request) = operator.hears_fail().await;
    assert_eq!(request.code, ErrorCode::TooLarge);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_corrupt_blob_is_fetched_again() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let zkey = operator.blob(b"proving key");
    operator.script().wrong_blobs.insert(zkey, [b"proving kez".to_vec(), b"".to_vec()].into());
    operator.give(operator.new_job());
    let Told::Began { parts, .. } = conductor.began().await else { unreachable!() };
    assert_eq!(parts[0], b"proving key");
    conductor.end(Ending::Proof(b"p"));
    operator.hears_result().await;
    agent.stop_in_order().await;
    assert!(!on_disk(dir.path(), b"proving kez"));
}

#[tokio::test]
async fn an_operator_that_only_has_corrupt_blobs_is_told_so() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let zkey = operator.blob(b"proving key");
    operator.script().wrong_blobs.insert(zkey, vec![b"other".to_vec(); 3].into());
    operator.give(operator.new_job());
    assert_eq!(operator.hears_fail().await.1.code, ErrorCode::HashMismatch);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_missing_part_is_told_by_its_name() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let job = operator.new_job();
    let (zkey, input) = (job.program.blobs()[0], job.inputs[0]);
    let kept = operator.script().blobs.remove(&zkey);
    operator.give(job);
    assert_eq!(operator.hears_fail().await.1.code, ErrorCode::UnknownProgram);
    let job = operator.new_job();
    operator.script().blobs.insert(zkey, kept.unwrap());
    operator.script().blobs.remove(&input);
    operator.give(job);
    assert_eq!(operator.hears_fail().await.1.code, ErrorCode::UnknownInput);
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_cache_that_rots_on_disk_is_fetched_again() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let agent = Running::start(config(&[&operator], dir.path()), &conductor);
        operator.give(operator.new_job());
        let Told::Began { parts, .. } = conductor.began().await else { unreachable!() };
        assert_eq!(parts[0], b"proving key");
        conductor.end(Ending::Proof(b"p"));
        operator.hears_result().await;
        agent.stop_in_order().await;
        let zkey = operator.program().blobs()[0];
        fs::write(dir.path().join("programs").join(zkey.to_string()), b"rotten").unwrap();
    }
}

#[tokio::test]
async fn an_envelope_of_another_program_is_refused() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    for envelope in [format!(r#"{{"program":"{}","inputs":{{}}}}"#, operator.blob(b"x")), "{".to_owned()] {
        let mut job = operator.new_job();
        job.inputs = vec![operator.blob(envelope.as_bytes())];
        operator.give(job);
        assert_eq!(operator.hears_fail().await.1.code, ErrorCode::BadInput);
    }
    agent.stop_in_order().await;
}

#[tokio::test]
async fn garbage_is_waited_out() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    operator.script().join.extend([Say::Garbage, Say::Error(ErrorCode::Starting)]);
    operator.script().claim.extend([Say::Garbage, Say::Error(ErrorCode::Internal), Say::Error(ErrorCode::Storage)]);
    operator.script().result.extend([Say::Garbage, Say::Error(ErrorCode::Storage), Say::Error(ErrorCode::RateLimited)]);
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"p"));
    for _ in 0..4 {
        assert_eq!(operator.hears_result().await.1.proof.as_ref(), b"p");
    }
    agent.tells(|event| matches!(event, Event::Returned { .. }).then_some(())).await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn an_operator_that_forgot_the_device_is_joined_again() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    operator.script().claim.push_back(Say::Error(ErrorCode::Forbidden));
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.hears_join().await;
    operator.hears_claim().await;
    operator.hears_join().await;
    operator.give(operator.new_job());
    conductor.began().await;
    agent.stop.at_once();
    agent.ended().await.unwrap();
}

#[tokio::test]
async fn a_service_that_restarts_is_worked_for_again() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.give(operator.new_job());
    conductor.began().await;
    operator.down();
    conductor.end(Ending::Proof(b"made during the outage"));
    agent.tells(|event| matches!(event, Event::Proven { .. }).then_some(())).await;
    agent.tells(|event| matches!(event, Event::OperatorTrouble { .. }).then_some(())).await;
    operator.up();
    let (_, request) = operator.hears_result().await;
    assert_eq!(request.proof.as_ref(), b"made during the outage");
    operator.give(operator.new_job());
    conductor.began().await;
    conductor.end(Ending::Proof(b"p"));
    operator.hears_result().await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn an_operator_that_is_not_there_yet_is_waited_for() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    operator.down();
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
    for _ in 0..3 {
        agent.tells(|event| matches!(event, Event::OperatorTrouble { .. }).then_some(())).await;
    }
    operator.up();
    operator.hears_join().await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn what_time_cannot_heal_ends_the_agent_with_a_code() {
    let conductor = Conductor::new();
    let dir = tempfile::tempdir().unwrap();
    let operator = FakeOperator::start();

    let mut settings = config(&[&operator], dir.path());
    settings.chain_id = Some(CHAIN + 1);
    let error = Running::start(settings, &conductor).ended().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::WrongChain, "{error}");

    let mut settings = config(&[&operator], dir.path());
    settings.pool = Some(Address::repeat_byte(0xee));
    let error = Running::start(settings, &conductor).ended().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::WrongChain, "{error}");

    operator.script().join.push_back(Say::Error(ErrorCode::Forbidden));
    let error = Running::start(config(&[&operator], dir.path()), &conductor).ended().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Forbidden, "{error}");

    let mut settings = config(&[&operator], dir.path());
    settings.device = "Ann's laptop".into();
    assert_eq!(Running::open(settings, &conductor).err().map(|e| e.code()), Some(ErrorCode::BadRequest));
    let mut settings = config(&[&operator], dir.path());
    settings.operators = vec!["ftp://x".into()];
    assert_eq!(Running::open(settings, &conductor).err().map(|e| e.code()), Some(ErrorCode::BadRequest));
}

#[tokio::test]
async fn an_exclusion_is_waited_for_and_then_the_device_joins_again() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    operator.script().excluded_until_ms = Some(u64::try_from(now.as_millis()).unwrap() + 300);
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    operator.hears_join().await;
    let next = operator
        .hears(|heard| matches!(heard, Heard::Joined(_) | Heard::Claim(_)).then(|| matches!(heard, Heard::Joined(_))))
        .await;
    assert!(next, "no job is asked for while it is excluded");
    operator.hears_claim().await;
    agent.stop_in_order().await;
}
