//! The node's page in headless Chromium, with a server that has a script: what the node tells is what is shown, what is
//! simulated is called so, and what a person sends is what is asked.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use axum::{
    Json, Router,
    extract::State,
    response::sse::{Event, Sse},
    routing::{get, post},
};
use futures::{Stream, stream};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;
use zkpool_demo::browser::Browser;

const SOON: Duration = Duration::from_secs(20);
const PROVERS: [&str; 3] = [
    "0x1111111111111111111111111111111111111111",
    "0x2222222222222222222222222222222222222222",
    "0x3333333333333333333333333333333333333333",
];

/// The server: what it was sent, and what it says.
#[derive(Clone)]
struct Script {
    sent: Arc<Mutex<Vec<Value>>>,
    view: watch::Sender<Value>,
}

fn word(byte: &str) -> String {
    format!("0x{}", byte.repeat(32))
}

fn view(batches: Value) -> Value {
    let leg = |index: u32, system: &str, trust: &str, simulated: bool| {
        json!({
            "index": index, "system": system, "trust": trust, "simulated": simulated, "program": null,
            "contract": PROVERS[0], "verifier": PROVERS[0],
        })
    };
    let account = |place: u32| json!({ "place": place, "key": word("aa"), "balance": "1000", "nonce": 0 });
    json!({
        "chain_id": 31337, "rollup": PROVERS[0], "root": word("bb"), "finalised": 0, "waiting": 1, "batch_size": 2,
        "demonstration": true, "error": null, "accounts": [account(0), account(1)], "batches": batches,
        "policy": { "verifier": PROVERS[1], "threshold": 3, "legs": [
            leg(0, "groth16-bn254", "proof", false), leg(1, "risc0", "committee", false), leg(2, "sgx", "hardware", true),
        ] },
    })
}

fn one(started: u64, proven: Option<u64>, prover: usize, agrees: Option<bool>) -> Value {
    json!({
        "id": word("01"), "state": "proving", "provers": [PROVERS[prover]], "started_at_ms": started,
        "proven_at_ms": proven, "agrees": agrees,
    })
}

fn batch(stage: &str, legs: Value, delivered: Option<u64>) -> Value {
    let delivery = delivered
        .map(|_| json!({ "transaction": word("cd"), "block": 12, "gas": 765_432, "fee": "0.00076", "on_time": true }));
    let slowest = delivered.map(|at| at - 2_500);
    json!({
        "batch": 0, "statement": word("02"), "pre_root": word("03"), "post_root": word("04"), "stage": stage,
        "transfers": [{ "from": 0, "to": 1, "amount": "25", "nonce": 0 }], "ended": delivered.is_some(),
        "proposed": word("05"), "offer": { "price": "0.0125", "token": "WETH", "seconds": 900, "expected_seconds": 61 },
        "task": word("06"), "legs": legs, "soft": [{ "leg": 2, "transaction": word("07"), "at": 2 }],
        "timings": { "published_at_ms": 1_000, "slowest_leg_at_ms": slowest, "delivered_at_ms": delivered },
        "delivery": delivery, "error": null,
    })
}

async fn send(State(script): State<Script>, Json(sent): Json<Value>) -> Json<Value> {
    script.sent.lock().unwrap().push(sent);
    Json(json!({ "waiting": 1 }))
}

async fn events(State(script): State<Script>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut receiver = script.view.subscribe();
    receiver.mark_changed();
    Sse::new(stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        let view = receiver.borrow_and_update().clone();
        Some((Ok(Event::default().event("state").json_data(&view).unwrap()), receiver))
    }))
}

async fn serve(script: Script) -> String {
    let api =
        Router::new().route("/events", get(events)).route("/demonstration/transfers", post(send)).with_state(script);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = zkpool_rollup_node::web::page(api, vec![address.clone()]);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_shown_and_what_is_simulated_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let script = Script { sent: Arc::default(), view: watch::Sender::new(view(json!([]))) };
    let url = serve(script.clone()).await;
    let mut browser = Browser::open(dir.path()).await.unwrap();
    browser.go(&url).await.unwrap();
    browser
        .wait("the accounts", SOON, async |page| Ok((page.count("#accounts tr").await? == 2).then_some(())))
        .await
        .unwrap();
    assert!(browser.text("#simulated").await.unwrap().starts_with("SIMULATED: leg 2"));
    assert_eq!(browser.count("#legs .simulated").await.unwrap(), 1, "that leg and no other");
    assert_eq!(browser.text("#threshold").await.unwrap(), "A bundle needs all 3 legs.");

    // What a person sends.
    browser.click("#form button").await.unwrap();
    browser
        .wait("the transfer", SOON, async |_| Ok((!script.sent.lock().unwrap().is_empty()).then_some(())))
        .await
        .unwrap();
    assert_eq!(script.sent.lock().unwrap()[0], json!({ "from": 0, "to": 1, "amount": "10" }));

    // A leg that says something else, and its repetition.
    let legs = json!([
        { "leg": 0, "kind": "groth16-bn254", "tries": [one(1_500, Some(6_000), 0, Some(false)), one(7_000, None, 1, None)] },
        { "leg": 2, "kind": "sgx", "tries": [one(1_200, Some(1_300), 2, Some(true))] },
    ]);
    script.view.send_replace(view(json!([batch("held", legs, None)])));
    browser.wait("the legs", SOON, async |page| Ok((page.count(".line").await? == 2).then_some(()))).await.unwrap();
    assert_eq!(browser.count(".bar.odd").await.unwrap(), 1);
    assert!(browser.text(".words .odd").await.unwrap().ends_with("says something else"));
    assert!(browser.text(".stage").await.unwrap().starts_with("held"));
    assert_eq!(browser.count(".line .simulated").await.unwrap(), 1);

    let legs = json!([
        { "leg": 0, "kind": "groth16-bn254", "tries": [one(1_500, Some(6_000), 0, Some(true))] },
        { "leg": 1, "kind": "risc0-composite", "tries": [one(1_600, Some(9_000), 1, Some(true))] },
        { "leg": 2, "kind": "sgx", "tries": [one(1_200, Some(1_300), 2, Some(true))] },
    ]);
    script.view.send_replace(view(json!([batch("final", legs, Some(11_500))])));
    browser
        .wait("the end", SOON, async |page| Ok((page.count(".stage.final").await? == 1).then_some(())))
        .await
        .unwrap();
    let shown = browser.text(".batch").await.unwrap();
    for expected in ["0 → 1: 25", "0.0125 WETH", "2.5 s", "765432", "Leg 2 was received early"] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
    assert_eq!(browser.complaints().await.unwrap(), Vec::<String>::new());
    browser.close().await.unwrap();
}
