//! A quorum signs, the contract takes it, and a liar pays.

use super::{
    kit::{Gullible, Seat, claim, receipt},
    operator::FakeOperator,
    world::{IMAGE, STAKE, World},
};
use alloy::primitives::{Signature, U256};
use std::{fs, sync::Arc};
use zkpool_attester::{AttesterError, Event};
use zkpool_bindings::{
    CommitteeVerifier::{self, Attestation, Testimony},
    committee_seal,
};
use zkpool_chain::MemberState;
use zkpool_protocol::{BlobId, Bytes};

#[tokio::test]
async fn a_quorum_signs_and_the_contract_takes_it() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let seats: Vec<_> = world.members[..2].iter().map(Seat::new).collect();
    let mut nodes: Vec<_> = seats.iter().map(|seat| seat.run(&world, &[&operator])).collect();
    nodes[0]
        .hears(|event| match event {
            Event::Ready { members: 3, threshold: 2, pledges: 0, .. } => Some(()),
            _ => None,
        })
        .await;
    let open = operator.ask_honestly(1, b"ask:answer");
    for node in &mut nodes {
        node.signs(&open).await;
    }
    let signatures: Vec<_> = operator
        .script()
        .signed
        .iter()
        .map(|signed| (signed.member, Signature::from_raw(&signed.request.signature).unwrap()))
        .collect();
    let seal = committee_seal(&world.view().domain(), open.receipt.into(), &signatures);
    let contract = CommitteeVerifier::new(world.committee, world.chain.rpc().provider().clone());
    let journal_digest = BlobId::of(&open.journal).into();
    contract.verify_0(seal.clone(), IMAGE, journal_digest).call().await.unwrap();
    let other = BlobId::of(b"another journal").into();
    assert!(contract.verify_0(seal, IMAGE, other).call().await.is_err(), "and nothing else");

    // What was signed can be looked at.
    let kept = fs::read_dir(seats[0].signatures(&world).join("receipts")).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.to_str().unwrap().ends_with(&open.receipt.to_string())).collect();
    assert_eq!(kept.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), [receipt(1, IMAGE, b"ask:answer")]);
    for node in nodes {
        node.stop().await.unwrap();
    }
    assert!(operator.script().refused.is_empty());
}

/// One member of three takes anything. It alone is no quorum, and whoever holds two of its answers takes its stake.
#[tokio::test]
async fn a_liar_is_outvoted_and_its_two_answers_cost_its_stake() {
    let world = World::new().await;
    world.join(&world.members[2]).await;
    let (honest, liar) = (Seat::new(&world.members[0]), &world.members[2]);
    let gullible = Seat { check: Arc::new(Gullible), ..Seat::new(liar) };
    let operator = FakeOperator::start(&world);
    let (mut honest, mut lying) = (honest.run(&world, &[&operator]), gullible.run(&world, &[&operator]));

    let lie = claim(1, IMAGE, b"ask:a lie", b"proves nothing");
    operator.ask(lie.clone(), b"proves nothing");
    honest.refuses(&lie).await;
    lying.signs(&lie).await;
    assert_eq!(operator.script().signed.len(), 1, "no quorum");

    // Even this node does not contradict itself: it takes a member that signs without one.
    let truth = operator.ask_honestly(2, b"ask:the truth");
    honest.signs(&truth).await;
    lying.refuses(&truth).await;
    let domain = world.view().domain();
    let second = Attestation {
        imageId: IMAGE,
        journalDigest: BlobId::of(&truth.journal).into(),
        receiptHash: truth.receipt.into(),
    };
    let evidence = [
        Testimony {
            journal: lie.journal.clone(),
            receiptHash: lie.receipt.into(),
            signature: operator.signed_by(liar.address())[0].signature.clone(),
        },
        Testimony {
            journal: truth.journal.clone(),
            receiptHash: truth.receipt.into(),
            signature: liar.sign_digest(&second.digest(&domain)).unwrap(),
        },
    ];
    let [first, second] = evidence;
    let reporter = world.chain.account(9);
    world
        .send(reporter, world.committee, CommitteeVerifier::reportJournalsCall { imageId: IMAGE, first, second })
        .await;
    assert_eq!(world.view().member(liar.address()).await.unwrap().state, MemberState::Slashed);
    assert_eq!(world.view().reward(reporter).await.unwrap(), U256::from(STAKE / 10));

    // Its node sees that it is over.
    operator.ask_honestly(3, b"more:1");
    let error = lying.ends().await.unwrap_err();
    assert!(matches!(error, AttesterError::Slashed { .. }), "{error}");
    honest.stop().await.unwrap();
}

#[tokio::test]
async fn a_wrong_signature_is_not_counted() {
    let world = World::new().await;
    let operator = FakeOperator::start(&world);
    let open = operator.ask_honestly(1, b"ask:1");
    let member = &world.members[0];
    let key = member.clone();
    let identity = zkpool_api::Identity::new(key.address(), move |message: String| {
        let signature = key.sign_message(message.as_bytes());
        async move { signature }
    });
    let options = zkpool_api::ClientOptions { retries: 0, ..Default::default() };
    let client = zkpool_api::Client::new(&operator.url(), identity, options).unwrap();
    let other = Attestation { imageId: IMAGE, journalDigest: IMAGE, receiptHash: open.receipt.into() };
    let signature: Bytes = member.sign_digest(&other.digest(&world.view().domain())).unwrap();
    let request = zkpool_api::AttestationRequest { task: open.task, receipt: open.receipt, signature };
    assert!(client.attest(&request).await.is_err());
    assert!(operator.script().signed.is_empty());
    // The member is asked again, and its node signs what holds.
    let seat = Seat::new(member);
    let mut node = seat.run(&world, &[&operator]);
    node.signs(&open).await;
    node.stop().await.unwrap();
}
