//! Jobs that are steps of a zkVM task.

use super::{
    backend::{Conductor, Ending, Told},
    kit::{Running, config},
    operator::{FakeOperator, Heard},
};
use zkpool_api::ClaimedJob;
use zkpool_protocol::{B256, BlobId, ErrorCode, Operation, ProofKind};

fn step(operator: &FakeOperator, operation: Operation, inputs: &[BlobId]) -> ClaimedJob {
    let (kind, statement) = match operation {
        Operation::Prove => (ProofKind::Risc0Composite, Some(B256::repeat_byte(3))),
        _ => (ProofKind::Risc0Succinct, None),
    };
    ClaimedJob { operation, kind, inputs: inputs.to_vec(), statement, ..operator.new_job() }
}

fn fetched(heard: &Heard) -> Option<BlobId> {
    match heard {
        Heard::Blob(id) => Some(*id),
        _ => None,
    }
}

#[tokio::test]
async fn a_step_needs_its_inputs_alone_and_what_was_made_here_is_not_fetched() {
    let (mut operator, mut conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let segment = operator.blob(b"a segment");
    operator.give(step(&operator, Operation::Prove, &[segment]));
    assert_eq!(operator.hears(fetched).await, segment);
    assert_eq!(conductor.began().await, Told::Began { parts: vec![b"a segment".to_vec()], witness: None });
    // It carries no statement of a task: what it must show is in the receipt, and the backend looks.
    conductor.end(Ending::Receipt(b"its receipt"));
    assert_eq!(operator.hears_result().await.1.proof.as_ref(), b"its receipt");

    // The operator never hears of a fetch: it would not have the blob.
    operator.give(step(&operator, Operation::Lift, &[BlobId::of(b"its receipt")]));
    assert_eq!(conductor.began().await, Told::Began { parts: vec![b"its receipt".to_vec()], witness: None });
    conductor.end(Ending::Receipt(b"lifted"));
    operator.hears_result().await;

    // In order, and the one that was made elsewhere fetched.
    let other = operator.blob(b"the neighbour");
    operator.give(step(&operator, Operation::Join, &[BlobId::of(b"lifted"), other]));
    let parts = vec![b"lifted".to_vec(), b"the neighbour".to_vec()];
    assert_eq!(conductor.began().await, Told::Began { parts, witness: None });
    conductor.end(Ending::Receipt(b"joined"));
    operator.hears_result().await;
    agent.stop_in_order().await;
}

#[tokio::test]
async fn a_step_with_other_inputs_than_it_takes_is_given_up() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let agent = Running::start(config(&[&operator], dir.path()), &conductor);
    let blob = operator.blob(b"x");
    for (operation, inputs, code) in [
        (Operation::Join, vec![blob], ErrorCode::BadRequest),
        (Operation::Prove, vec![], ErrorCode::BadRequest),
        (Operation::Seal, vec![blob], ErrorCode::BadRequest),
        (Operation::Lift, vec![BlobId::of(b"nowhere")], ErrorCode::UnknownInput),
    ] {
        operator.give(step(&operator, operation, &inputs));
        assert_eq!(operator.hears_fail().await.1.code, code, "{operation:?}");
    }
    agent.stop_in_order().await;
}

/// Who takes only succinct receipts needs the segments' all the same.
#[tokio::test]
async fn what_an_operators_proofs_are_made_of_is_offered() {
    use ProofKind::{Groth16Bn254, Risc0Composite, Risc0Succinct};
    for (offered, work) in [
        (Risc0Succinct, vec![Risc0Composite, Risc0Succinct]),
        (Risc0Composite, vec![Risc0Composite]),
        (ProofKind::Bundle, vec![Groth16Bn254, Risc0Composite, Risc0Succinct]),
    ] {
        let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
        operator.script().offers = vec![offered];
        let dir = tempfile::tempdir().unwrap();
        let agent = Running::start(config(&[&operator], dir.path()), &conductor);
        let kinds: Vec<_> = operator.hears_join().await.kinds.iter().map(|kind| kind.kind).collect();
        assert_eq!(kinds, work, "{offered}");
        agent.stop_in_order().await;
    }
}

#[tokio::test]
async fn only_the_kinds_that_the_owner_wants_are_offered() {
    let (mut operator, conductor) = (FakeOperator::start(), Conductor::new());
    let dir = tempfile::tempdir().unwrap();
    let mut wanted = config(&[&operator], dir.path());
    wanted.kinds = vec![ProofKind::Risc0Composite];
    let agent = Running::start(wanted.clone(), &conductor);
    let kinds: Vec<_> = operator.hears_join().await.kinds.iter().map(|kind| kind.kind).collect();
    assert_eq!(kinds, [ProofKind::Risc0Composite]);
    agent.stop_in_order().await;
    wanted.kinds.push(ProofKind::Risc0Groth16);
    let refused = Running::open(wanted, &conductor).err().expect("this machine cannot");
    assert!(refused.to_string().contains("risc0-groth16"), "{refused}");
}
