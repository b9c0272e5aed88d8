//! A task's view and its events.

use crate::support::{Service, request};
use axum::{
    body::{Body, BodyDataStream},
    http::Response,
};
use futures::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt;
use zkpool_protocol::TaskId;
use zkpool_service::{Change, http::Bounds};

/// Events as they arrive.
struct Events {
    body: BodyDataStream,
    text: String,
}

impl Events {
    async fn open(service: &Service, task: TaskId, last: Option<u64>) -> Self {
        let response = Self::response(service, task, last).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    async fn response(service: &Service, task: TaskId, last: Option<u64>) -> Response<Body> {
        let mut request = request(&format!("GET /v1/tasks/{task}/events"), None);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        service.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    /// The next block of lines; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let chunk =
                tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.expect("no event came")?;
            self.text += std::str::from_utf8(&chunk.unwrap()).unwrap();
        }
    }

    /// The next event: its name and its data.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
            if let Some(data) = field("data:") {
                let data: Value = serde_json::from_str(data).unwrap();
                assert_eq!(field("id:").unwrap(), data["seq"].to_string());
                return Some((field("event:").unwrap().to_owned(), data));
            }
        }
    }
}

#[tokio::test]
async fn a_task_is_there_for_whoever_knows_its_id() {
    let service = Service::start().await;
    let work = service.work().await;
    let view = service.get(&format!("/v1/tasks/{}", work.id), None).await.json();
    assert_eq!((&view["id"], &view["state"], &view["role"]), (&json!(work.id), &json!("proving"), &json!("own")));
    assert_eq!(view["jobs"][0]["state"], "ready");
    assert!(view["terms"]["proofWindow"].is_number());
    service.get(&format!("/v1/tasks/{}", TaskId::ZERO), None).await.refused(404, "not_found");
    let events = service.get(&format!("/v1/tasks/{}/events", TaskId::ZERO), None).await;
    events.refused(404, "not_found");
}

#[tokio::test]
async fn events_tell_of_every_change_until_the_end() {
    let service = Service::start().await;
    let work = service.work().await;
    let mut events = Events::open(&service, work.id, None).await;
    let (name, first) = events.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &first["kind"], &first["task"]["state"]),
        ("snapshot", &json!("snapshot"), &json!("proving"))
    );
    service.lease(&work, crate::support::key(2).address()).await;
    let (name, leased) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &leased["task"]["jobs"][0]["state"]), ("changed", &json!("leased")));
    assert!(leased["seq"].as_u64() > first["seq"].as_u64());
    // News that changes nothing is no event.
    service.ctx.changes.announce(Change::Task(work.key));
    let silent = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
    assert!(silent.is_err(), "{silent:?}");
    service.deliver(&work).await;
    let (name, end) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &end["task"]["state"]), ("final", &json!("delivered")));
    assert!(events.next().await.is_none(), "the stream ends with the task");
}

#[tokio::test]
async fn a_stream_is_resumed_above_what_was_seen() {
    let service = Service::start().await;
    let work = service.work().await;
    let mut events = Events::open(&service, work.id, None).await;
    let seen = events.next().await.unwrap().1["seq"].as_u64().unwrap();
    drop(events);
    // Nothing new: nothing comes before something happens.
    let mut resumed = Events::open(&service, work.id, Some(seen)).await;
    service.lease(&work, crate::support::key(2).address()).await;
    let (_, event) = resumed.next().await.unwrap();
    assert!(event["seq"].as_u64().unwrap() > seen);
    assert_eq!(event["task"]["jobs"][0]["state"], "leased");
    drop(resumed);
    // What happened while nobody listened comes at once.
    service.deliver(&work).await;
    let mut late = Events::open(&service, work.id, Some(seen)).await;
    assert_eq!(late.next().await.unwrap().0, "final");
    assert!(late.next().await.is_none());
    // Even if it was the end that was seen last: a reader must learn that there is no more to come.
    let last = service.ctx.store.task(work.id).await.unwrap().unwrap().version;
    let mut again = Events::open(&service, work.id, Some(last)).await;
    assert_eq!(again.next().await.map(|event| event.0).as_deref(), Some("final"));
}

#[tokio::test]
async fn last_event_ids_that_are_none_are_refused() {
    let service = Service::start().await;
    let work = service.work().await;
    for bad in ["", "x", "-1", "1.5", "99999999999999999999"] {
        let request = request(&format!("GET /v1/tasks/{}/events", work.id), None).header("last-event-id", bad);
        service.send(request.body(Body::empty()).unwrap()).await.refused(400, "bad_request");
    }
}

#[tokio::test]
async fn silence_is_filled_with_pings_and_places_are_given_back() {
    let bounds = Bounds { ping: Duration::from_millis(10), ..Bounds::default() };
    let service = Service::with(json!({ "http": { "streams": 1 } }), bounds).await;
    let work = service.work().await;
    let mut events = Events::open(&service, work.id, None).await;
    events.next().await.unwrap();
    assert_eq!(events.block().await.as_deref(), Some(": ping"));
    let refused = Events::response(&service, work.id, None).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "5"));
    drop(events);
    Events::open(&service, work.id, None).await.next().await.unwrap();
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let service = Service::start().await;
    let work = service.work().await;
    let mut events = Events::open(&service, work.id, None).await;
    events.next().await.unwrap();
    service.stop.cancel();
    assert!(events.next().await.is_none());
}
