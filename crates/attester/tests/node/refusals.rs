//! What a node does not sign, whatever it is asked.

use super::{
    kit::{Seat, claim, receipt},
    operator::FakeOperator,
    world::{IMAGE, World},
};
use zkpool_attester::{AttesterError, Conflict, Event, Refusal};
use zkpool_chain::testing::Deployer;
use zkpool_protocol::{Address, B256, BlobId};

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
