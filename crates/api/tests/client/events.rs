//! A task's events, through broken lines.

use crate::server::{client, error, scripted};
use axum::{body::Body, extract::Request, response::IntoResponse};
use futures::{StreamExt, stream};
use serde_json::json;
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use zkpool_api::{ClientError, EventKind};
use zkpool_protocol::{ErrorCode, TaskId};

fn event(seq: u64, kind: &str) -> String {
    let task = json!({ "id": TaskId::ZERO, "state": "proving", "role": "own", "jobs": [], "txs": [], "timings": {} });
    let data = json!({ "seq": seq, "at_ms": 1, "kind": kind, "task": task });
    format!("id: {seq}\nevent: {kind}\ndata: {data}\n\n")
}

fn stream_of(text: String) -> axum::response::Response {
    ([("content-type", "text/event-stream")], text).into_response()
}

#[tokio::test]
async fn a_broken_stream_is_resumed_where_it_broke() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&asked);
    let (url, _) = scripted(move |request: Request| {
        let last = request.headers().get("last-event-id").map(|value| value.to_str().unwrap().to_owned());
        copy.lock().unwrap().push(last.clone());
        async move {
            stream_of(match last.as_deref() {
                None => event(1, "snapshot") + &event(2, "changed"),
                // Repeats what was seen, and is cut off within an event.
                Some("2") => event(2, "changed") + &event(5, "changed") + "id: 6\nevent: changed\ndata: {\"seq\":",
                _ => ": ping\n\n".to_owned() + &event(6, "changed") + &event(7, "final") + &event(8, "changed"),
            })
        }
    })
    .await;
    let mut events = client(&url).task_events(TaskId::ZERO, None);
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        seen.push((event.seq, event.kind));
    }
    use EventKind::{Changed, Final, Snapshot};
    assert_eq!(seen, [(1, Snapshot), (2, Changed), (5, Changed), (6, Changed), (7, Final)]);
    assert_eq!(*asked.lock().unwrap(), [None, Some("2".into()), Some("5".into())]);
    assert_eq!(events.last(), Some(7));
    assert!(events.next().await.is_none(), "the end stays the end");
}

#[tokio::test]
async fn a_stream_that_always_ends_at_once_is_given_up() {
    let (url, seen) = scripted(|_| async { stream_of(String::new()) }).await;
    let error = client(&url).task_events(TaskId::ZERO, None).next().await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    assert_eq!(seen.routes().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_given_up_and_a_pinged_one_is_not() {
    let (url, seen) =
        scripted(|_| async { Body::from_stream(stream::pending::<Result<String, Infallible>>()).into_response() })
            .await;
    let error = client(&url).task_events(TaskId::ZERO, None).next().await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { timed_out: true, .. }), "{error}");
    assert_eq!(seen.routes().len(), 3);

    // Ten minutes of nothing but pings, then the end.
    let (url, seen) = scripted(|_| async {
        let pings = stream::iter(0..40).then(|_| async {
            tokio::time::sleep(std::time::Duration::from_secs(15)).await;
            Ok::<_, Infallible>(": ping\n\n".to_owned())
        });
        let end = stream::iter([Ok(event(1, "final"))]);
        Body::from_stream(pings.chain(end)).into_response()
    })
    .await;
    let event = client(&url).task_events(TaskId::ZERO, None).next().await.unwrap().unwrap();
    assert_eq!(event.kind, EventKind::Final);
    assert_eq!(seen.routes().len(), 1);
}

#[tokio::test]
async fn errors_arrive_typed_before_and_within_the_stream() {
    let (url, seen) = scripted(|_| async { error(404, "not_found", "no such task") }).await;
    let error = client(&url).task_events(TaskId::ZERO, None).next().await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    assert_eq!(seen.routes().len(), 1);

    let text = event(1, "snapshot") + "event: error\ndata: {\"code\":\"forbidden\",\"message\":\"gone\"}\n\n";
    let (url, _) = scripted(move |_| {
        let text = text.clone();
        async move { stream_of(text) }
    })
    .await;
    let mut events = client(&url).task_events(TaskId::ZERO, None);
    assert_eq!(events.next().await.unwrap().unwrap().seq, 1);
    assert_eq!(events.next().await.unwrap().unwrap_err().code(), ErrorCode::Forbidden);

    let (url, _) = scripted(|_| async { stream_of("data: <html>\n\n".into()) }).await;
    let error = client(&url).task_events(TaskId::ZERO, None).next().await.unwrap().unwrap_err();
    assert!(matches!(error, ClientError::BadAnswer { .. }), "{error}");
}
