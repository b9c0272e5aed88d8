//! What a task is at, for anyone who knows its id.

use crate::{
    http::{
        App,
        error::{Answer, Fault},
        extract::{Id, LastEventId},
    },
    ops,
};
use axum::{
    extract::State,
    response::{
        IntoResponse, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::StreamExt;
use std::convert::Infallible;
use zkpool_api::{ApiError, EventKind, TaskEvent, TaskView, schema};
use zkpool_protocol::TaskId;

/// What a task is at.
#[utoipa::path(get, operation_id = "task", path = "/v1/tasks/{id}", tag = "requester",
    params(("id" = schema::Word, Path, description = "The quote's digest.")), responses(
    (status = 200, body = TaskView),
    (status = 404, body = ApiError, description = "`not_found`"),
))]
pub(super) async fn task(State(app): State<App>, Id(id): Id<TaskId>) -> Answer<axum::Json<TaskView>> {
    Ok(axum::Json(ops::tasks::task(app.ctx(), id).await?))
}

/// A task's changes as they happen, until it is over: server-sent events.
///
/// Each event carries the whole task. Resume with `Last-Event-ID`. An `error` event ends the stream; its data is an
/// `ApiError`.
#[utoipa::path(get, operation_id = "task_events", path = "/v1/tasks/{id}/events", tag = "requester",
    params(
        ("id" = schema::Word, Path, description = "The quote's digest."),
        ("last-event-id" = Option<u64>, Header, description = "Leave out what was seen already."),
    ), responses(
    (status = 200, body = TaskEvent, content_type = "text/event-stream"),
    (status = 404, body = ApiError, description = "`not_found`"),
    (status = 429, body = ApiError, description = "`rate_limited`: too many streams at once."),
))]
pub(super) async fn events(
    State(app): State<App>,
    Id(id): Id<TaskId>,
    LastEventId(after): LastEventId,
) -> Answer<impl IntoResponse> {
    let permit = app.rates().stream()?;
    let events = ops::tasks::task_events(app.ctx(), id, after).await?;
    let stop = app.stop().clone().cancelled_owned();
    let events = events.take_until(stop).map(move |event| {
        // The stream holds its permit for as long as it lives.
        let _held = &permit;
        Ok::<_, Infallible>(match event {
            Ok(event) => to_sse(&event),
            Err(error) => failed(error.into()),
        })
    });
    let ping = KeepAlive::new().interval(app.bounds().ping).text("ping");
    Ok(([("x-accel-buffering", "no")], Sse::new(events).keep_alive(ping)))
}

fn to_sse(event: &TaskEvent) -> Event {
    let name = match event.kind {
        EventKind::Snapshot => "snapshot",
        EventKind::Changed => "changed",
        EventKind::Final => "final",
    };
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().id(event.seq.to_string()).event(name).data(data)
}

fn failed(fault: Fault) -> Event {
    let data = serde_json::to_string(fault.error()).unwrap_or_default();
    Event::default().event("error").data(data)
}
