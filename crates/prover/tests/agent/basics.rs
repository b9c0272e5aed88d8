//! What an agent does on a good day.

use super::{
    backend::{Conductor, Ending, Told},
    kit::{Running, config, on_disk, records},
    operator::{FakeOperator, Heard},
};
use std::{fs, sync::atomic::Ordering};
use zkpool_prover::Event;

#[tokio::test]
async fn a_job_is_claimed_proven_and_returned() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);

    let join = operator.hears_join().await;
    assert_eq!((join.device.as_str(), join.concurrency, join.memory), ("laptop", 1, 1 << 20));
    assert_eq!(join.kinds[0].units_per_second, 500.0, "as the benchmark measured");
    let job = operator.give(operator.new_job());
    let Told::Began { parts, witness } = conductor.began().await else { unreachable!() };
    assert_eq!((parts, witness), (vec![b"proving key".to_vec(), b"generator".to_vec()], None));
    assert!(!on_disk(dir.path(), b"31415926535"), "an input does not reach the disk");
    conductor.end(Ending::Proof(b"the proof"));

    let (returned, request) = operator.hears_result().await;
    assert_eq!((returned, request.fence, request.proof.as_ref()), (job, 5, b"the proof".as_slice()));
    assert!(request.proving_ms.is_some());
    agent.tells(|event| matches!(event, Event::Returned { job: id } if *id == job).then_some(())).await;
    assert_eq!(records(dir.path()), 0);
    agent.stop_in_order().await;
    operator.hears(|heard| (*heard == Heard::Left).then_some(())).await;
}

#[tokio::test]
async fn a_ready_witness_is_a_private_file_while_it_is_worked_on() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let mut job = operator.new_job();
    job.witness = Some(operator.blob(b"a witness with a secret"));
    operator.give(job);
    let Told::Began { witness: Some(path), .. } = conductor.began().await else { panic!("a witness") };
    assert_eq!(fs::read(&path).unwrap(), b"a witness with a secret");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
    conductor.end(Ending::Proof(b"p"));
    operator.hears_result().await;
    assert!(!on_disk(dir.path(), b"a witness with a secret"));
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_program_is_fetched_once_and_survives_a_restart() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut fetched = Vec::new();
    for _ in 0..2 {
        let agent = Running::start(config(&[&operator], dir.path()), &conductor);
        for _ in 0..2 {
            operator.give(operator.new_job());
            conductor.began().await;
            conductor.end(Ending::Proof(b"p"));
            let blob = |heard: &Heard| match heard {
                Heard::Blob(id) => Some(*id),
                _ => None,
            };
            operator
                .hears(|heard| {
                    fetched.extend(blob(heard));
                    matches!(heard, Heard::Result(..)).then_some(())
                })
                .await;
        }
        agent.stop_in_order().await;
    }
    let program = operator.program().blobs();
    for part in program {
        assert_eq!(fetched.iter().filter(|id| **id == part).count(), 1);
    }
}

#[tokio::test]
async fn the_benchmark_is_remembered_for_the_machine() {
    let (operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    for expected in [true, false] {
        let mut agent = Running::start(config(&[&operator], dir.path()), &conductor);
        let measured = agent
            .tells(|event| match event {
                Event::Benchmarked { measured_now, .. } => Some(*measured_now),
                _ => None,
            })
            .await;
        assert_eq!(measured, expected);
        agent.stop_in_order().await;
    }
    assert_eq!(conductor.backend.benchmarks.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn two_agents_do_not_share_a_directory() {
    let (operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let refused = Running::open(config(&[&operator], dir.path()), &conductor).err().expect("refused");
    assert!(refused.to_string().contains("another prover works in"), "{refused}");
    agent.stop_in_order().await;
    Running::start(config(&[&operator], dir.path()), &conductor).stop_in_order().await;
}
