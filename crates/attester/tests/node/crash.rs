//! The node dies, and comes back.

use super::{
    kit::{Seat, Written},
    operator::FakeOperator,
    world::World,
};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    sync::{Arc, atomic::Ordering},
};
use zkpool_attester::{AttesterError, Event};
use zkpool_protocol::ErrorCode;

#[tokio::test]
async fn killed_between_its_word_and_its_signature_it_signs_the_same_again() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let check = Arc::new(Written::default());
    let seat = Seat { check: check.clone(), ..Seat::new(&world.members[0]) };
    // The word is given; the operator does not take the signature.
    operator.script().say.extend([ErrorCode::Internal; 1000]);
    let mut node = seat.run(&world, &[&operator]);
    let open = operator.ask_honestly(1, b"ask:1");
    node.hears(|event| matches!(event, Event::OperatorTrouble { .. }).then_some(())).await;
    node.kill().await;
    assert_eq!(fs::read_to_string(seat.signatures(&world).join("signed.log")).unwrap().lines().count(), 1);

    operator.script().say.clear();
    let mut node = seat.run(&world, &[&operator]);
    node.hears(|event| matches!(event, Event::Ready { pledges: 1, .. }).then_some(())).await;
    node.signs(&open).await;
    node.stop().await.unwrap();
    assert_eq!(check.checks.load(Ordering::SeqCst), 1, "what was checked is not checked again");
    assert_eq!(operator.script().fetches, 1);
    assert_eq!(fs::read_to_string(seat.signatures(&world).join("signed.log")).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn half_a_line_is_no_word_and_a_damaged_log_ends_the_node() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let mut node = seat.run(&world, &[&operator]);
    let open = operator.ask_honestly(1, b"ask:1");
    node.signs(&open).await;
    node.stop().await.unwrap();
    let log = seat.signatures(&world).join("signed.log");
    let write = |bytes: &[u8]| OpenOptions::new().append(true).open(&log).unwrap().write_all(bytes).unwrap();
    write(b"{\"receipt\":\"12");
    let mut node = seat.run(&world, &[&operator]);
    let open = operator.ask_honestly(2, b"more:1");
    node.signs(&open).await;
    node.stop().await.unwrap();
    assert_eq!(fs::read_to_string(&log).unwrap().lines().count(), 2);

    write(b"{}\n");
    let error = seat.open(seat.config(&world, &[&operator]), world.chain.rpc()).err().unwrap();
    assert!(matches!(error, AttesterError::Pledges(_)), "{error}");
    assert_eq!(error.code(), ErrorCode::Storage);
}

#[tokio::test]
async fn one_node_a_key_and_committee() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let node = seat.run(&world, &[&operator]);
    let error = seat.open(seat.config(&world, &[&operator]), world.chain.rpc()).err().unwrap();
    assert!(matches!(error, AttesterError::StateInUse(_)), "{error}");
    node.stop().await.unwrap();
    seat.run(&world, &[&operator]).stop().await.unwrap();
}
