//! The page in headless Chromium, with a server that has a script: what a person draws is what is asked, and what the
//! server tells is what is shown. `demo.rs` uses it with everything real behind it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use axum::{
    Json, Router,
    extract::State,
    response::sse::{Event, Sse},
    routing::{get, post},
};
use digit_core::{PIXELS, classify};
use futures::{Stream, stream};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;
use zkpool_demo::browser::Browser;
use zkpool_demo_zkml::drawing::draw;

const SOON: Duration = Duration::from_secs(20);
const PROVERS: [&str; 2] = ["0x1111111111111111111111111111111111111111", "0x2222222222222222222222222222222222222222"];

/// The server: what it was asked, and what it says.
#[derive(Clone)]
struct Script {
    asked: Arc<Mutex<Option<Value>>>,
    bought: Arc<Mutex<u32>>,
    view: watch::Sender<Value>,
}

fn view(stage: &str, jobs: Value, done: [u32; 2]) -> Value {
    let provers: Vec<Value> = PROVERS
        .iter()
        .zip(done)
        .map(|(address, done)| json!({ "address": address, "done": done, "share_percent": 50 }))
        .collect();
    json!({
        "id": 1, "question": "7", "task": format!("0x{}", "ab".repeat(32)), "stage": stage, "ended": false,
        "offer": {
            "price": "0.0125", "token": "WETH", "seconds": 900, "expected_seconds": 61, "liability": "0.1",
            "operator": "0x3333333333333333333333333333333333333333", "valid_until": 1,
        },
        "jobs": jobs, "provers": provers, "signers": [], "delivery": null, "error": null,
    })
}

fn job(index: u32, operation: &str, state: &str, prover: Option<&str>) -> Value {
    json!({
        "index": index, "operation": operation, "state": state, "prover": prover, "segment": index, "units": 1,
    })
}

async fn ask(State(script): State<Script>, Json(asked): Json<Value>) -> Json<Value> {
    *script.asked.lock().unwrap() = Some(asked);
    Json(script.view.borrow().clone())
}

async fn prove(State(script): State<Script>, Json(_): Json<Value>) -> Json<Value> {
    *script.bought.lock().unwrap() += 1;
    Json(script.view.borrow().clone())
}

async fn events(State(script): State<Script>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut receiver = script.view.subscribe();
    receiver.mark_changed();
    Sse::new(stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        let view = receiver.borrow_and_update().clone();
        Some((Ok(Event::default().event("question").json_data(&view).unwrap()), receiver))
    }))
}

async fn serve(script: Script) -> String {
    let api = Router::new()
        .route(
            "/api/info",
            get(|| async {
                Json(json!({ "oracle": "0x01", "image_id": "0x02", "model": "0x03",
                                                         "trust": "a committee <b>is</b> a committee" }))
            }),
        )
        .route("/api/questions", post(ask))
        .route("/api/questions/1/prove", post(prove))
        .route("/api/questions/1/events", get(events))
        .with_state(script);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = zkpool_digits::web::page(api, vec![address.clone()]);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_drawn_is_asked_and_what_is_told_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let script = Script {
        asked: Arc::default(),
        bought: Arc::default(),
        view: watch::Sender::new(view("quoted", json!([]), [0, 0])),
    };
    let url = serve(script.clone()).await;
    let mut browser = Browser::open(dir.path()).await.unwrap();
    browser.go(&url).await.unwrap();

    // Nothing can be asked about an empty pad.
    assert_eq!(browser.count("#ask:disabled").await.unwrap(), 1);
    let mut rng = StdRng::seed_from_u64(3);
    for digit in [3, 8] {
        browser.draw("#pad", &draw(digit, &mut rng)).await.unwrap();
        if digit == 3 {
            browser.click("#add").await.unwrap();
        }
    }
    browser.click("#ask").await.unwrap();
    browser
        .wait("the price", SOON, async |page| Ok((page.text("#price").await? == "0.0125 WETH").then_some(())))
        .await
        .unwrap();
    assert!(browser.text("#deadline").await.unwrap().starts_with("900 s"));

    // The digits that were drawn, as the network takes them.
    let asked = script.asked.lock().unwrap().clone().unwrap();
    let images: Vec<Vec<u8>> = serde_json::from_value(asked["images"].clone()).unwrap();
    let classes: Vec<u8> =
        images.iter().map(|image| classify(&<[u8; PIXELS]>::try_from(&image[..]).unwrap())).collect();
    assert_eq!(classes, [3, 8]);
    assert_eq!(*script.bought.lock().unwrap(), 0, "nothing is bought before it is asked for");

    browser.click("#prove").await.unwrap();
    let jobs = json!([
        job(0, "prove", "done", Some(PROVERS[0])),
        job(1, "prove", "leased", Some(PROVERS[1])),
        job(2, "seal", "waiting", None),
    ]);
    script.view.send_replace(view("proving", jobs, [1, 0]));
    browser.wait("the steps", SOON, async |page| Ok((page.count(".job").await? == 3).then_some(()))).await.unwrap();
    assert_eq!(*script.bought.lock().unwrap(), 1);
    assert_eq!(browser.count(".job.done.p0").await.unwrap(), 1, "each prover has its colour");
    assert_eq!(browser.count(".job.leased.p1").await.unwrap(), 1);
    assert_eq!(browser.text(".job.leased").await.unwrap(), "prove 2", "people count segments from one");
    assert_eq!(browser.text("#classes").await.unwrap(), "", "no answer before the chain has one");

    let mut end = view("delivered", json!([job(0, "prove", "done", Some(PROVERS[0]))]), [1, 1]);
    end["ended"] = json!(true);
    end["signers"] = json!([PROVERS[1]]);
    end["delivery"] = json!({
        "classes": [3, 8], "transaction": format!("0x{}", "cd".repeat(32)), "block": 12, "gas": 210_000,
        "fee": "0.00021", "on_time": true,
    });
    script.view.send_replace(end);
    browser
        .wait("the answer", SOON, async |page| Ok((page.text("#classes").await? == "3 8").then_some(())))
        .await
        .unwrap();
    let delivery = browser.text("#delivery").await.unwrap();
    for shown in [&"cd".repeat(32), "210000", "0.00021 ETH", "12"] {
        assert!(delivery.contains(shown), "{shown} in {delivery}");
    }
    assert_eq!(browser.count("#earned tr").await.unwrap(), 2);
    assert!(browser.text("#signed").await.unwrap().contains("0x222222"), "who signed is shown");
    assert!(browser.text("#trust").await.unwrap().contains("<b>is</b>"), "what the server says is text, never markup");
    assert_eq!(browser.complaints().await.unwrap(), Vec::<String>::new());

    // The page's own policy keeps foreign code out.
    let foreign = "const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; \
                   document.body.append(s); return window.pwned ?? null;";
    assert_eq!(browser.run(foreign).await.unwrap(), Value::Null);
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let api = Router::new().route(
        "/api/questions",
        post(|| async {
            (axum::http::StatusCode::BAD_GATEWAY, Json(json!({ "code": "x", "message": "no operator" })))
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = zkpool_digits::web::page(api, vec![address.clone()]);
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });

    let mut browser = Browser::open(dir.path()).await.unwrap();
    browser.go(&format!("http://{address}")).await.unwrap();
    browser.draw("#pad", &draw(1, &mut StdRng::seed_from_u64(1))).await.unwrap();
    browser.click("#ask").await.unwrap();
    browser
        .wait("the reason", SOON, async |page| Ok((page.text("#trouble").await? == "no operator").then_some(())))
        .await
        .unwrap();
    assert_eq!(browser.count("#offer:not([hidden])").await.unwrap(), 0, "nothing is offered");
    browser.close().await.unwrap();
}
