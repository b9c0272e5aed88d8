//! What a node does not sign, whatever it is asked.

use super::{
    kit::{Seat, claim, receipt},
    operator::FakeOperator,
    world::{IMAGE, World},
};
use std::time::Duration;
use zkpool_attester::{AttesterError, Config, Conflict, Event, Refusal};
use zkpool_chain::testing::Deployer;
use zkpool_protocol::{Address, B256, BlobId, TaskId};

#[tokio::test]
async fn receipts_that_do_not_hold() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let mut config = seat.config(&world, &[&operator]);
    config.max_receipt = 1000;
    let mut node = seat.open(config, world.chain.rpc()).unwrap();

    // Of another program, of another journal.
    let other = receipt(1, B256::repeat_byte(9), b"ask:1");
    let open = claim(1, IMAGE, b"ask:1", &other);
    operator.ask(open.clone(), &other);
    assert!(matches!(node.refuses(&open).await, Refusal::Wrong(_)));
    let other = receipt(2, IMAGE, b"ask:2");
    let open = claim(2, IMAGE, b"ask:1", &other);
    operator.ask(open.clone(), &other);
    assert!(matches!(node.refuses(&open).await, Refusal::Wrong(_)));

    // Other bytes than were named, or more of them.
    let named = receipt(3, IMAGE, b"ask:1");
    let open = claim(3, IMAGE, b"ask:1", &named);
    operator.ask(open.clone(), &receipt(4, IMAGE, b"ask:1"));
    assert_eq!(node.refuses(&open).await, Refusal::OtherBytes(open.receipt));
    let open = claim(4, IMAGE, b"ask:1", b"short");
    operator.ask(open.clone(), b"shorter than this");
    assert_eq!(node.refuses(&open).await, Refusal::OtherBytes(open.receipt));
    let large = receipt(5, IMAGE, &[b'a'; 2000]);
    let open = claim(5, IMAGE, &[b'a'; 2000], &large);
    operator.ask(open.clone(), &large);
    assert_eq!(node.refuses(&open).await, Refusal::TooLarge { size: open.size, cap: 1000 });

    // A program that the committee does not vouch for, a journal without an answer.
    let image = B256::repeat_byte(9);
    let strange = receipt(6, image, b"ask:1");
    let open = claim(6, image, b"ask:1", &strange);
    operator.ask(open.clone(), &strange);
    assert_eq!(node.refuses(&open).await, Refusal::UnknownProgram(image));
    let open = operator.ask_honestly(7, b"ask");
    assert_eq!(node.refuses(&open).await, Refusal::ShortJournal { found: 3, question: 4 });

    // None of this was ever given a word, and what holds is signed behind all of it.
    let open = operator.ask_honestly(8, b"ask:1");
    node.signs(&open).await;
    node.stop().await.unwrap();
    assert_eq!(operator.script().signed.len(), 1);
}

/// A service sells whatever it can make a receipt of.
#[tokio::test]
async fn no_receipt_that_a_service_makes_is_too_large() {
    assert_eq!(Config::MAX_RECEIPT, zkpool_verifiers::risc0::MAX_RECEIPT as u64);
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let mut node = seat.run(&world, &[&operator]);
    let bytes = receipt(1, IMAGE, b"ask:1");
    let mut open = claim(1, IMAGE, b"ask:1", &bytes);
    open.size = Config::MAX_RECEIPT + 1;
    operator.ask(open.clone(), &bytes);
    let refusal = Refusal::TooLarge { size: open.size, cap: Config::MAX_RECEIPT };
    assert_eq!(node.refuses(&open).await, refusal);
    (open.task, open.size) = (TaskId::repeat_byte(2), Config::MAX_RECEIPT);
    operator.ask(open.clone(), &bytes);
    node.signs(&open).await;
    node.stop().await.unwrap();
}

/// One receipt can be written down in many ways: each has a hash of its own, and all prove one journal.
#[tokio::test]
async fn more_new_claims_than_one_operator_may_have_in_an_hour() {
    let world = World::new().await;
    let (greedy, other) = (FakeOperator::start(&world), FakeOperator::start(&world));
    let seat = Seat::new(&world.members[0]);
    let config = || Config { per_hour: 2, ..seat.config(&world, &[&greedy, &other]) };
    let mut node = seat.open(config(), world.chain.rpc()).unwrap();
    let first = greedy.ask_honestly(1, b"ask:1");
    node.signs(&first).await;
    node.signs(&greedy.ask_honestly(2, b"ask:1")).await;
    for restart in [false, true] {
        if restart {
            node.stop().await.unwrap();
            node = seat.open(config(), world.chain.rpc()).unwrap();
        } else {
            greedy.ask_honestly(3, b"ask:1");
        }
        let put_off = node.hears(|event| match event {
            Event::TooMany { operator, task, per_hour: 2, retry_in, .. } => Some((operator, task, retry_in)),
            _ => None,
        });
        let (operator, task, retry_in) = put_off.await;
        assert_eq!((operator, task), (greedy.url(), TaskId::repeat_byte(3)));
        assert!(retry_in > Duration::from_secs(3000), "{retry_in:?}");
    }
    // What was signed before is signed for another task, and other operators are served.
    let bytes = receipt(1, IMAGE, b"ask:1");
    let again = claim(4, IMAGE, b"ask:1", &bytes);
    greedy.ask(again.clone(), &bytes);
    node.signs(&again).await;
    node.signs(&other.ask_honestly(5, b"more:1")).await;
    node.stop().await.unwrap();
    let script = greedy.script();
    assert_eq!((script.signed.len(), script.fetches), (3, 2));
}

#[tokio::test]
async fn a_member_at_work_does_not_start_without_its_memory() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let cautious = || Config { new_state: false, ..seat.config(&world, &[&operator]) };
    let run = || seat.open(cautious(), world.chain.rpc()).unwrap();
    // Again and again: to be refused leaves nothing behind that would pass for a memory.
    for _ in 0..2 {
        let error = run().ends().await.unwrap_err();
        assert!(matches!(error, AttesterError::NoMemory { .. }), "{error}");
        assert_eq!(error.code(), zkpool_protocol::ErrorCode::Storage);
    }
    // Its owner says that this is the first run, and need not say so again.
    let mut node = seat.run(&world, &[&operator]);
    node.signs(&operator.ask_honestly(1, b"ask:1")).await;
    node.stop().await.unwrap();
    let mut node = run();
    node.hears(|event| matches!(event, Event::Ready { pledges: 1, .. }).then_some(())).await;
    node.stop().await.unwrap();
    // Started from elsewhere.
    let elsewhere = Seat::new(&world.members[0]);
    let config = Config { new_state: false, ..elsewhere.config(&world, &[&operator]) };
    let error = elsewhere.open(config, world.chain.rpc()).unwrap().ends().await.unwrap_err();
    assert!(matches!(error, AttesterError::NoMemory { .. }), "{error}");

    // Who begins before it has a stake needs to say nothing.
    let late = Seat::new(&world.members[2]);
    let config = || Config { new_state: false, ..late.config(&world, &[&operator]) };
    let mut node = late.open(config(), world.chain.rpc()).unwrap();
    node.hears(|event| matches!(event, Event::NotLive { .. }).then_some(())).await;
    node.stop().await.unwrap();
    world.join(&world.members[2]).await;
    let mut node = late.open(config(), world.chain.rpc()).unwrap();
    node.hears(|event| matches!(event, Event::Ready { .. }).then_some(())).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_refused_hides_nothing() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let strange = B256::repeat_byte(9);
    for n in 1..=zkpool_api::MAX_OPEN_ATTESTATIONS as u8 {
        let receipt = receipt(n, strange, b"ask:1");
        operator.ask(claim(n, strange, b"ask:1", &receipt), &receipt);
    }
    let last = zkpool_api::MAX_OPEN_ATTESTATIONS as u8 + 1;
    let open = operator.ask_honestly(last, b"ask:1");
    let mut node = seat.open(seat.config(&world, &[&operator]), world.chain.rpc()).unwrap();
    let mut refused = 0;
    let signed = node
        .hears(|event| match event {
            Event::Refused { .. } => {
                refused += 1;
                None
            }
            Event::Signed { task, .. } => Some(task),
            _ => None,
        })
        .await;
    assert_eq!(signed, open.task);
    assert_eq!(refused, u32::from(last) - 1, "each once");
    node.stop().await.unwrap();
}

#[tokio::test]
async fn two_journals_for_one_question_also_from_two_operators_and_after_a_restart() {
    let world = World::new().await;
    let (first, second) = (FakeOperator::start(&world), FakeOperator::start(&world));
    let seat = Seat::new(&world.members[0]);
    let mut node = seat.run(&world, &[&first, &second]);
    let answer = first.ask_honestly(1, b"ask:one");
    node.signs(&answer).await;
    let conflict = Refusal::Conflict(Conflict::Question {
        journal_digest: BlobId::of(b"ask:one").into(),
        receipt: answer.receipt,
    });
    // The receipt holds: a program that answers twice is not the committee's to judge, but costs its stake.
    let other = second.ask_honestly(2, b"ask:two");
    assert_eq!(node.refuses(&other).await, conflict);
    node.stop().await.unwrap();

    let mut node = seat.run(&world, &[&first, &second]);
    assert_eq!(node.refuses(&other).await, conflict);
    // The same answer, by another receipt, contradicts nothing.
    let same = second.ask_honestly(3, b"ask:one");
    node.signs(&same).await;
    let next = first.ask_honestly(4, b"next:two");
    node.signs(&next).await;
    node.stop().await.unwrap();
    assert_eq!((first.script().signed.len(), second.script().signed.len()), (2, 1));
}

#[tokio::test]
async fn two_claims_for_one_receipt() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    // Its check takes anything: only what it has given its word for stands against the second claim.
    let seat = Seat { check: std::sync::Arc::new(super::kit::Gullible), ..Seat::new(&world.members[0]) };
    let mut node = seat.run(&world, &[&operator]);
    let open = operator.ask_honestly(1, b"ask:1");
    node.signs(&open).await;
    let bytes = receipt(1, IMAGE, b"ask:1");
    let other = claim(2, IMAGE, b"else:1", &bytes);
    operator.ask(other.clone(), &bytes);
    let conflict = Conflict::Receipt { image_id: IMAGE, journal_digest: BlobId::of(b"ask:1").into() };
    assert_eq!(node.refuses(&other).await, Refusal::Conflict(conflict));
    // For another task it may be asked again.
    let again = claim(3, IMAGE, b"ask:1", &bytes);
    operator.ask(again.clone(), &bytes);
    node.signs(&again).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn a_stranger_does_not_start_and_a_member_that_has_not_joined_waits() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let open = operator.ask_honestly(1, b"ask:1");
    let stranger = Seat::new(&world.chain.key(7)).run(&world, &[&operator]);
    let error = stranger.ends().await.unwrap_err();
    assert!(matches!(error, AttesterError::NotAMember { .. }), "{error}");

    let late = &world.members[2];
    let seat = Seat::new(late);
    let mut node = seat.run(&world, &[&operator]);
    node.hears(|event| matches!(event, Event::NotLive { .. }).then_some(())).await;
    assert!(operator.script().signed.is_empty());
    world.join(late).await;
    node.signs(&open).await;
    node.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_committee_of_this_chain_ends_the_node() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seat = Seat::new(&world.members[0]);
    let token = Deployer::new(&world.chain, world.chain.account(0)).deploy("Tokens.sol:PlainToken").await.unwrap();
    for committee in [token, Address::repeat_byte(5)] {
        let mut config = seat.config(&world, &[&operator]);
        config.committee = committee;
        let error = seat.open(config, world.chain.rpc()).unwrap().ends().await.unwrap_err();
        assert!(matches!(error, AttesterError::Committee(_)), "{error}");
    }
    let mut config = seat.config(&world, &[&operator]);
    config.chain_id = 1;
    let error = seat.open(config, world.chain.rpc()).unwrap().ends().await.unwrap_err();
    assert!(matches!(error, AttesterError::Committee(_)), "{error}");
}
