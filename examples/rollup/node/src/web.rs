//! The page and its routes.
//!
//! | route | what |
//! | --- | --- |
//! | `GET /`, `/app.js`, `/style.css` | the page: nothing comes from elsewhere |
//! | `GET /state` | everything: accounts, batches, who must agree |
//! | `GET /events` | the same as server-sent events (`state`), now and whenever it changes |
//! | `POST /transfers` `{"record": "0x…"}` | takes a signed transfer, as `rollup_core::Transfer` lays it out |
//! | `POST /demonstration/transfers` `{"from", "to", "amount": "…"}` | signs as the owner of a demonstration account and takes it |
//!
//! A transfer is its sender's by its signature, whoever brings it; so anybody may bring one. The page's own host names are
//! the only ones under which it is served, and what it signs itself it signs for its own page alone: no other site's page
//! can, whatever name it resolves to this machine.

use crate::{error::NodeError, node::Node, view::NodeView};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::watch;
use zkpool_rollup::core::Transfer;

/// Bytes of a request.
const MAX_BODY: usize = 4 << 10;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes. Requests are taken under these host names (with their ports).
pub fn routes(node: Node, hosts: Vec<String>) -> Router {
    let api = Router::new()
        .route("/state", get(state))
        .route("/events", get(events))
        .route("/transfers", post(submit))
        .route("/demonstration/transfers", post(demonstrate))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(node);
    page(api, hosts)
}

/// The page, with the routes that it talks to.
pub fn page(api: Router, hosts: Vec<String>) -> Router {
    let hosts: Arc<[String]> = hosts.into();
    api.route("/", get(|| file("text/html; charset=utf-8", include_str!("../page/index.html"))))
        .route("/app.js", get(|| file("text/javascript; charset=utf-8", include_str!("../page/app.js"))))
        .route("/style.css", get(|| file("text/css; charset=utf-8", include_str!("../page/style.css"))))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }))
        .layer(middleware::from_fn(move |request, next| guard(hosts.clone(), request, next)))
}

async fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], content)
}

/// Takes only what this node's own page, or a program, sends, and says how its answers may be used.
async fn guard(hosts: Arc<[String]>, request: Request, next: Next) -> Response {
    let mut response = if from_here(&hosts, request.method(), request.headers()) {
        next.run(request).await
    } else {
        NodeError::Foreign.into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn from_here(hosts: &[String], method: &Method, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let known = |host: &str| hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
    let own = text(header::HOST).is_some_and(known) && origin.is_none_or(known);
    // A form of another page cannot send JSON without asking first.
    let json = text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    own && (method != Method::POST || json)
}

async fn state(State(node): State<Node>) -> Json<NodeView> {
    Json(node.watch().borrow().clone())
}

/// A signed transfer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    record: String,
}

/// How many transfers wait.
#[derive(Serialize)]
struct Taken {
    waiting: usize,
}

async fn submit(State(node): State<Node>, Json(signed): Json<Signed>) -> Result<Json<Taken>, NodeError> {
    let mut record = [0; Transfer::LENGTH];
    let digits = signed.record.strip_prefix("0x").unwrap_or(&signed.record);
    hex::decode_to_slice(digits, &mut record).map_err(|_| NodeError::BadRecord { expected: Transfer::LENGTH })?;
    Ok(Json(Taken { waiting: node.submit(Transfer::decode(&record))? }))
}

/// What somebody who looks at the page would like to be transferred.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wished {
    from: u32,
    to: u32,
    amount: String,
}

async fn demonstrate(State(node): State<Node>, Json(wished): Json<Wished>) -> Result<Json<Taken>, NodeError> {
    let amount = wished.amount.parse().map_err(|_| NodeError::BadAmount)?;
    Ok(Json(Taken { waiting: node.submit_for(wished.from, wished.to, amount)? }))
}

async fn events(State(node): State<Node>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(changes(node.watch())).keep_alive(KeepAlive::default())
}

/// The view now, then every change.
fn changes(mut receiver: watch::Receiver<NodeView>) -> impl Stream<Item = Result<Event, Infallible>> {
    receiver.mark_changed();
    stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        let view = receiver.borrow_and_update().clone();
        let event = Event::default().event("state").json_data(&view).ok()?;
        Some((Ok(event), receiver))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_programs_and_this_nodes_page_are_served() {
        use header::{CONTENT_TYPE, HOST, ORIGIN};
        let hosts = ["127.0.0.1:80".to_owned(), "localhost:80".to_owned()];
        let (host, json) = ((HOST, "localhost:80"), (CONTENT_TYPE, "application/json"));
        let ours = (ORIGIN, "http://localhost:80");
        for (good, method, pairs) in [
            (true, Method::GET, &[host.clone()][..]),
            (true, Method::POST, &[host.clone(), json.clone(), ours]),
            (false, Method::POST, std::slice::from_ref(&host)),
            (false, Method::POST, &[host.clone(), (CONTENT_TYPE, "text/plain")]),
            (false, Method::POST, &[host.clone(), json.clone(), (ORIGIN, "http://elsewhere.example")]),
            (false, Method::POST, &[host.clone(), json.clone(), (ORIGIN, "null")]),
            // A name of somebody else's that resolves to this machine.
            (false, Method::GET, &[(HOST, "elsewhere.example:80")]),
            (false, Method::GET, &[]),
        ] {
            assert_eq!(from_here(&hosts, &method, &headers(pairs)), good, "{method} {pairs:?}");
        }
    }

    #[test]
    fn the_page_takes_nothing_from_elsewhere() {
        let page = include_str!("../page/index.html");
        let script = include_str!("../page/app.js");
        for text in [page, script, include_str!("../page/style.css")] {
            assert!(!text.contains("http://") && !text.contains("https://"), "an address of another host");
        }
        assert!(!page.contains("onclick") && !page.contains(" style="), "the policy allows no inline code or style");
        assert!(!script.contains("innerHTML") && !script.contains("eval("));
    }
}
