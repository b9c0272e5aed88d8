//! An offer that is not what was asked for is refused, whatever was changed.

use super::world::{LIABILITY, World};
use crate::{Expected, FirmOffer, ProgramFiles, ProofRequest, RequesterError, check::compare, groth16_statement};
use alloy::primitives::{Address, B256, Bytes, U256};
use zkpool_api::Price;
use zkpool_chain::Key;
use zkpool_protocol::{BlobId, ErrorCode, ProgramManifest, ProofKind, Quote, Strategy, WorkUnits, zkvm};

#[tokio::test]
async fn every_altered_term_is_refused() {
    let world = World::new().await;
    let request = world.request(1);
    let payer = world.requester();
    compare(&request, &world.offer(&request, 0).await, payer).unwrap();
    let stranger = Address::repeat_byte(0x77);
    type Change = Box<dyn FnOnce(&mut Quote)>;
    let changes: Vec<(&str, Change)> = vec![
        ("requester", Box::new(move |q| q.terms.requester = stranger)),
        ("operator", Box::new(move |q| q.terms.operator = stranger)),
        ("target", Box::new(move |q| q.terms.target = stranger)),
        ("encoder", Box::new(move |q| q.terms.encoder = stranger)),
        ("verifier", Box::new(move |q| q.terms.verifier = stranger)),
        ("verifier", Box::new(|q| q.terms.verifier = Address::ZERO)),
        ("gas", Box::new(|q| q.terms.call_gas -= 1)),
        ("proof window", Box::new(|q| q.terms.proof_window += 1)),
        ("liability window", Box::new(|q| q.terms.liability_window += 1)),
        ("reward token", Box::new(move |q| (q.terms.reward_token, q.terms.advance) = (stranger, 0))),
        ("liability token", Box::new(move |q| (q.terms.liability_token, q.terms.advance) = (stranger, 0))),
        ("reward", Box::new(|q| q.terms.reward += 1)),
        ("liability", Box::new(|q| q.terms.liability = LIABILITY - 1)),
        ("bond", Box::new(|q| q.terms.bond -= 1)),
        ("burn", Box::new(|q| q.terms.burn += 1)),
        ("statement", Box::new(|q| q.task.statement = B256::ZERO)),
        ("call", Box::new(|q| q.task.call_hash = B256::ZERO)),
        ("input", Box::new(|q| q.task.input_hash = B256::ZERO)),
        ("advance", Box::new(|q| q.terms.advance = q.terms.reward + 1)),
    ];
    for (what, change) in changes {
        let offer = world.offer_with(&request, 0, change).await;
        let error = compare(&request, &offer, payer).unwrap_err();
        assert_eq!(error.code(), ErrorCode::QuoteAltered, "{what}");
        assert!(error.to_string().contains(what), "{what}: {error}");
    }
}

#[tokio::test]
async fn an_offer_is_for_the_strategy_that_was_asked_for() {
    let world = World::new().await;
    let mut request = world.request(1);
    let mut offer = world.offer(&request, 0).await;
    let (reward, units, strategy) = (1, WorkUnits(1), Strategy::Race { provers: 2 });
    offer.price = Some(Price { reward, work: 1, gas: 0, premium: 0, units, strategy, expected_ms: 1 });
    compare(&request, &offer, world.requester()).unwrap();
    request.quote.strategy = Some(strategy);
    compare(&request, &offer, world.requester()).unwrap();
    request.quote.strategy = Some(Strategy::Assign);
    let error = compare(&request, &offer, world.requester()).unwrap_err();
    assert!(error.code() == ErrorCode::QuoteAltered && error.to_string().contains("strategy"), "{error}");
}

#[tokio::test]
async fn limits_bind() {
    let world = World::new().await;
    let mut request = world.request(1);
    let offer = world.offer(&request, 0).await;
    let payer = world.requester();
    let refused = |request: &ProofRequest| compare(request, &offer, payer).unwrap_err().to_string();
    request.limits.max_reward = Some(1_000);
    assert!(refused(&request).contains("reward"));
    request.limits.max_reward = None;
    request.limits.max_advance = Some(102);
    assert!(refused(&request).contains("advance"));
    request.limits.max_advance = Some(103);
    request.limits.min_honour = 56;
    assert!(refused(&request).contains("honour"));
    request.limits.min_honour = 55;
    compare(&request, &offer, payer).unwrap();
    let sdk = world.open().await;
    request.limits.min_validity = 500;
    assert_eq!(sdk.check(&request, &offer).await.unwrap_err().code(), ErrorCode::QuoteExpired);
}

#[tokio::test]
async fn the_statement_must_be_the_requesters_own() {
    let world = World::new().await;
    let payer = world.requester();
    let inputs = vec![U256::from(3), U256::MAX];
    let statement = groth16_statement(&inputs);
    let mut request = world.request(1);
    request.quote.statement = None;
    let honest = FirmOffer {
        public_inputs: Some(inputs.clone()),
        ..world.offer_with(&request, 0, |quote| quote.task.statement = statement).await
    };
    // Nothing is known: the operator could be paid for proving anything.
    request.expected = Expected::Unknown;
    assert!(matches!(compare(&request, &honest, payer), Err(RequesterError::UnknownStatement(s)) if s == statement));
    // Recomputed from the public inputs.
    request.expected = Expected::PublicInputs(inputs);
    compare(&request, &honest, payer).unwrap();
    request.expected = Expected::PublicInputs(vec![U256::from(3)]);
    assert_eq!(compare(&request, &honest, payer).unwrap_err().code(), ErrorCode::QuoteAltered);
    // The operator's, but what it shows must be what it signs.
    request.expected = Expected::OfOperator;
    compare(&request, &honest, payer).unwrap();
    let liar = FirmOffer { public_inputs: Some(vec![U256::from(4)]), ..honest.clone() };
    assert_eq!(compare(&request, &liar, payer).unwrap_err().code(), ErrorCode::QuoteAltered);
    let silent = FirmOffer { public_inputs: None, ..honest };
    assert!(matches!(compare(&request, &silent, payer), Err(RequesterError::UnknownStatement(_))));
}

#[tokio::test]
async fn a_zkvm_programs_statement_is_that_of_its_journal() {
    let world = World::new().await;
    let payer = world.requester();
    let manifest = ProgramManifest::Risc0 { binary: BlobId::of(b"binary"), image_id: B256::repeat_byte(7) };
    let mut request = world.request(1);
    (request.quote.statement, request.expected) = (None, Expected::OfOperator);
    (request.quote.kind, request.quote.program) = (ProofKind::Risc0Composite, manifest.id());
    let statement = zkvm::statement(B256::repeat_byte(7), b"an answer");
    let honest = FirmOffer {
        journal: Some(Bytes::from_static(b"an answer")),
        manifest: Some(manifest.clone()),
        ..world.offer_with(&request, 0, |quote| quote.task.statement = statement).await
    };
    compare(&request, &honest, payer).unwrap();
    // Another journal than it signs for; another program than was asked for; nothing to look at.
    let liar = FirmOffer { journal: Some(Bytes::from_static(b"a lie")), ..honest.clone() };
    assert_eq!(compare(&request, &liar, payer).unwrap_err().code(), ErrorCode::QuoteAltered);
    let other = ProgramManifest::Risc0 { binary: BlobId::of(b"other"), image_id: B256::repeat_byte(7) };
    for silent in [
        FirmOffer { journal: None, ..honest.clone() },
        FirmOffer { manifest: Some(other), ..honest.clone() },
        FirmOffer { manifest: None, ..honest.clone() },
        FirmOffer { journal: None, public_inputs: Some(vec![]), ..honest.clone() },
    ] {
        let error = compare(&request, &silent, payer).unwrap_err();
        assert!(matches!(error, RequesterError::UnknownStatement(_)), "{error}");
    }
    // Who has the program believes nobody about it.
    request.program = Some(ProgramFiles { manifest, files: vec![] });
    compare(&request, &FirmOffer { manifest: None, ..honest.clone() }, payer).unwrap();
    // And who has not said that it takes the operator's word does not get it.
    request.expected = Expected::Unknown;
    assert!(matches!(compare(&request, &honest, payer), Err(RequesterError::UnknownStatement(_))));
}

#[tokio::test]
async fn the_chain_has_the_last_word() {
    let world = World::new().await;
    let sdk = world.open().await;
    let request = world.request(1);
    let offer = world.offer(&request, 0).await;
    sdk.check(&request, &offer).await.unwrap();

    let mut forged = offer.clone();
    forged.quote.signature = Key::random().sign_digest(&offer.quote.quote.id(&world.domain)).unwrap();
    let error = sdk.check(&request, &forged).await.unwrap_err();
    assert!(matches!(error, RequesterError::BadSignature { .. }), "{error}");
    for garbage in [Vec::new(), vec![0; 65], vec![0xff; 64]] {
        forged.quote.signature = garbage.into();
        assert_eq!(sdk.check(&request, &forged).await.unwrap_err().code(), ErrorCode::QuoteAltered);
    }

    // No such slot, a slot too small, a slot for somebody else.
    let nowhere = world.offer(&request, 99).await;
    assert_eq!(sdk.check(&request, &nowhere).await.unwrap_err().code(), ErrorCode::NotBacked);
    let dear = world.offer_with(&request, 0, |quote| quote.terms.liability += 1).await;
    assert_eq!(sdk.check(&request, &dear).await.unwrap_err().code(), ErrorCode::NotBacked);
    world.open_slot(1, 10, Address::repeat_byte(9)).await;
    let taken = world.offer(&request, 10).await;
    assert_eq!(sdk.check(&request, &taken).await.unwrap_err().code(), ErrorCode::NotBacked);

    // A validity that the contract would refuse, one that is over, and a target that is none.
    let long = world.offer_with(&request, 0, |quote| quote.terms.valid_until += 1_000).await;
    assert_eq!(sdk.check(&request, &long).await.unwrap_err().code(), ErrorCode::QuoteAltered);
    let mut nobody = request.clone();
    nobody.quote.target = Address::repeat_byte(0x99);
    let offer = world.offer(&nobody, 0).await;
    assert!(matches!(sdk.check(&nobody, &offer).await.unwrap_err(), RequesterError::NoCode { what: "the target", .. }));
    let offer = world.offer(&request, 0).await;
    world.chain.pass(201).await.unwrap();
    assert_eq!(sdk.check(&request, &offer).await.unwrap_err().code(), ErrorCode::QuoteExpired);
}

#[tokio::test]
async fn contradictions_in_the_request_are_found_before_anybody_is_asked() {
    let world = World::new().await;
    let mut request = world.request(1);
    request.expected = Expected::PublicInputs(vec![U256::ONE]);
    let error = request.wire(world.requester()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadRequest);
}
