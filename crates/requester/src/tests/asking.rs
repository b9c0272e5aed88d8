//! Many operators at once, good and bad.

use super::{
    operator::{JOURNAL, Manner, Operator},
    world::World,
};
use crate::{Answer, Config, Expected, Options, Payment, ProgramFiles, Publication, Requester};
use std::time::Duration;
use zkpool_protocol::{
    B256, BlobId, Bytes, ErrorCode, GuestInput, ProgramManifest, ProofKind, TaskInput, WitnessSource,
};

#[tokio::test]
async fn the_cheapest_honest_offer_is_chosen_and_the_others_are_told() {
    let world = World::new().await;
    let manners = [
        Manner::Honest { reward: 1_000, slot: 0 },
        Manner::Honest { reward: 900, slot: 1 },
        Manner::Altering,
        // The cheapest of all, but the slot does not exist.
        Manner::Honest { reward: 2, slot: 77 },
        Manner::Indicative,
        Manner::Refusing(ErrorCode::NoCapacity),
        Manner::Silent,
        Manner::Elsewhere,
    ];
    let mut operators = Vec::new();
    for manner in manners {
        operators.push(Operator::start(&world, manner).await);
    }
    let mut urls: Vec<_> = operators.iter().map(|operator| operator.url.clone()).collect();
    urls.push("http://127.0.0.1:1".into());
    let options = Options { ask_bound: Duration::from_secs(3), ..World::options() };
    let config = Config { options, ..world.config(world.chain.rpc(), world.dir.path(), urls) };
    let sdk = Requester::open(config).await.unwrap();

    let request = world.request(1);
    let started = tokio::time::Instant::now();
    let offers = sdk.ask(&request).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(8), "all at once, and bounded");
    let codes: Vec<_> = offers
        .iter()
        .map(|offer| match &offer.answer {
            Answer::Firm(_) => None,
            Answer::Indicative { code, .. } | Answer::Refused { code, .. } => Some(*code),
        })
        .collect();
    assert_eq!(
        codes,
        [
            None,
            None,
            None,
            None,
            Some(ErrorCode::Unfunded),
            Some(ErrorCode::NoCapacity),
            Some(ErrorCode::TimedOut),
            Some(ErrorCode::WrongChain),
            Some(ErrorCode::TimedOut),
        ]
    );
    let chosen = sdk.choose(&request, &offers).await.unwrap();
    assert_eq!((chosen.reward(), chosen.url.as_deref()), (900, Some(operators[1].url.as_str())));

    let task = sdk.record(&request, &chosen).await.unwrap();
    assert!(matches!(sdk.publish(task).await.unwrap(), Publication::Accepted { .. }));
    let failures = sdk.tell(task).await.unwrap();
    assert_eq!(failures.len(), 1, "only the one that is not there: {failures:?}");
    assert!(operators[1].desk.published.lock().unwrap().is_empty(), "it knows");
    for other in [0, 2, 4, 5] {
        let told = operators[other].desk.published.lock().unwrap();
        assert_eq!(told[0].quote.quote.id(&world.domain), task);
        let input = BlobId::of(&request.input);
        assert!(operators[other].desk.blobs.lock().unwrap().contains_key(&input), "it has the input");
    }
    // Again: only those that do not know yet.
    sdk.tell(task).await.unwrap();
    assert_eq!(operators[0].desk.published.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn one_that_is_silent_does_not_let_the_others_quotes_expire() {
    let world = World::new().await;
    let silent = Operator::start(&world, Manner::Silent).await;
    // Not what was asked for, so that it does not hurry anybody.
    let altering = Operator::start(&world, Manner::Altering).await;
    let fleeting = Operator::start(&world, Manner::Fleeting { seconds: 30 }).await;
    let urls = [&silent, &altering, &fleeting].map(|operator| operator.url.clone());
    let options = Options { ask_bound: Duration::from_secs(60), ..World::options() };
    let config = Config { options, ..world.config(world.chain.rpc(), world.dir.path(), urls.to_vec()) };
    let sdk = Requester::open(config).await.unwrap();
    let bought = sdk.buy(&world.request(1), Payment::Pool).await.unwrap();
    assert_eq!(sdk.task(bought.task).unwrap().operator, Some(fleeting.url.clone()));
}

#[tokio::test]
async fn an_operator_that_lacks_the_program_gets_it() {
    let world = World::new().await;
    let operator = Operator::start(&world, Manner::Honest { reward: 1_000, slot: 0 }).await;
    let sdk = world.open_with(vec![operator.url.clone()]).await;
    let files: Vec<_> = ["zkey", "wasm"].iter().map(|name| world.dir.path().join(name)).collect();
    std::fs::write(&files[0], b"the key").unwrap();
    std::fs::write(&files[1], b"the generator").unwrap();
    let manifest = ProgramManifest::Groth16Bn254 {
        zkey: BlobId::of(b"the key"),
        witness_generator: Some(BlobId::of(b"the generator")),
    };
    let mut request = world.request(1);
    request.quote.program = manifest.id();
    request.program = Some(ProgramFiles { manifest: manifest.clone(), files });
    let offers = sdk.ask(&request).await.unwrap();
    assert!(offers[0].firm().is_some(), "{offers:?}");
    assert_eq!(*operator.desk.programs.lock().unwrap(), [manifest]);
    sdk.ask(&request).await.unwrap();
    assert_eq!(operator.desk.programs.lock().unwrap().len(), 1, "once");
}

#[tokio::test]
async fn the_journal_that_an_operator_found_can_be_taken_for_a_program_that_is_only_named() {
    let world = World::new().await;
    let operator = Operator::start(&world, Manner::Honest { reward: 1_000, slot: 0 }).await;
    let sdk = world.open_with(vec![operator.url.clone()]).await;
    let manifest = ProgramManifest::Risc0 { binary: BlobId::of(b"binary"), image_id: B256::repeat_byte(7) };
    operator.desk.programs.lock().unwrap().push(manifest.clone());
    let mut request = world.request(1);
    (request.quote.kind, request.quote.program) = (ProofKind::Risc0Composite, manifest.id());
    (request.quote.statement, request.expected) = (None, Expected::OfOperator);
    let offers = sdk.ask(&request).await.unwrap();
    let chosen = sdk.choose(&request, &offers).await.unwrap();
    assert_eq!(chosen.journal.as_ref(), Some(&Bytes::from_static(JOURNAL)), "for the caller to look at");
    request.expected = Expected::Unknown;
    assert_eq!(sdk.choose(&request, &offers).await.unwrap_err().code(), ErrorCode::BadRequest);
}

/// A quote is asked for, and published later by another process on the same directory.
#[tokio::test]
async fn what_a_quote_kept_reaches_operators_that_are_told_later() {
    let world = World::new().await;
    let [first, second] = [
        Operator::start(&world, Manner::Honest { reward: 1_000, slot: 0 }).await,
        Operator::start(&world, Manner::Refusing(ErrorCode::NoCapacity)).await,
    ];
    let urls = || vec![first.url.clone(), second.url.clone()];
    let (stdin, receipt) = (Bytes::from_static(b"what it reads"), Bytes::from_static(b"what it builds on"));
    let guest = GuestInput { stdin: BlobId::of(&stdin), assumptions: vec![BlobId::of(&receipt)] };
    let mut request = world.request(1);
    let envelope = TaskInput { program: request.quote.program, source: WitnessSource::Guest(guest) };
    request.input = envelope.to_bytes().into();
    request.blobs = vec![stdin, receipt];
    let sdk = world.open_with(urls()).await;
    let offers = sdk.ask(&request).await.unwrap();
    let chosen = sdk.choose(&request, &offers).await.unwrap();
    assert_eq!(sdk.missing(&request.input).unwrap(), envelope.blobs());
    sdk.keep(&request).unwrap();
    drop(sdk);

    // It has lost all that it had.
    second.desk.blobs.lock().unwrap().clear();
    let sdk = world.open_with(urls()).await;
    assert!(sdk.missing(&request.input).unwrap().is_empty());
    let (quote, call) = (chosen.quote, chosen.call);
    let task = sdk.record_quote(quote, call, Some(&request.input), Payment::Pool, chosen.url).await.unwrap();
    sdk.publish(task).await.unwrap();
    assert!(sdk.tell(task).await.unwrap().is_empty());
    let blobs = second.desk.blobs.lock().unwrap();
    assert!(envelope.blobs().iter().all(|blob| blobs.contains_key(blob)));
}

#[tokio::test]
async fn no_acceptable_offer_is_an_error_that_names_every_reason() {
    let world = World::new().await;
    let altering = Operator::start(&world, Manner::Altering).await;
    let refusing = Operator::start(&world, Manner::Refusing(ErrorCode::UnknownProgram)).await;
    let sdk = world.open_with(vec![altering.url.clone(), refusing.url.clone()]).await;
    let request = world.request(1);
    let offers = sdk.ask(&request).await.unwrap();
    let error = sdk.choose(&request, &offers).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("the liability is 0") && text.contains("unknown_program"), "{text}");
    assert_eq!(error.code(), ErrorCode::UnknownProgram);
    let nobody =
        Requester::open(world.config(world.chain.rpc(), &world.dir.path().join("b"), Vec::new())).await.unwrap();
    assert_eq!(nobody.ask(&request).await.unwrap_err().code(), ErrorCode::BadRequest);
}
