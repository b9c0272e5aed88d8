//! The page and its routes.
//!
//! | route | what |
//! | --- | --- |
//! | `GET /`, `/app.js`, `/style.css` | the page: nothing comes from elsewhere |
//! | `GET /api/info` | contract, program, model, and whom the answer trusts |
//! | `POST /api/questions` `{"images": [[64 pixels]]}` | asks; the question with its price |
//! | `POST /api/questions/{id}/prove` `{}` | buys the proof |
//! | `GET /api/questions/{id}` | the question as it stands |
//! | `GET /api/questions/{id}/events` | the same as server-sent events (`question`), until it has ended |
//!
//! Whoever reaches these routes spends the application's money, so it listens on this machine alone unless it is told
//! otherwise, and takes requests only under the names that it was given: no other site's page can ask, whatever name it
//! resolves to this machine.

use crate::{desk::Desk, error::DigitsError, view::QuestionView, wish};
use alloy::primitives::{Address, B256};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::{get, post},
};
use digit_core::{Image, PIXELS};
use futures::{Stream, stream};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::watch;

/// Images in one question: what a page can show and a few minutes can prove.
const MAX_IMAGES: usize = 64;
/// Bytes of a request: that many images as JSON.
const MAX_BODY: usize = 32 << 10;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TRUST: &str = "The contract takes an answer only for its own question and its own model. That the proof is valid \
    it takes from a committee: each member checks the receipt itself and signs. A quorum of members that lies would be \
    believed, at the price of its stake if somebody shows it. The same contract can be pointed at a verifier of \
    Groth16-wrapped receipts, which trusts nobody. Provers see what you draw.";

/// The routes. Requests are taken under these host names (with their ports).
pub fn routes(desk: Desk, hosts: Vec<String>) -> Router {
    let api = Router::new()
        .route("/api/info", get(info))
        .route("/api/questions", post(ask))
        .route("/api/questions/{id}", get(question))
        .route("/api/questions/{id}/prove", post(prove))
        .route("/api/questions/{id}/events", get(events))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(desk);
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

/// Takes only what this application's own page sends, and says how its answers may be used.
async fn guard(hosts: Arc<[String]>, request: Request, next: Next) -> Response {
    let mut response = if from_here(&hosts, request.method(), request.headers()) {
        next.run(request).await
    } else {
        DigitsError::Foreign.into_response()
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

/// What the page says of itself.
#[derive(Serialize)]
struct Info {
    oracle: Address,
    image_id: B256,
    model: B256,
    trust: &'static str,
}

async fn info(State(desk): State<Desk>) -> Json<Info> {
    Json(Info { oracle: desk.oracle().address(), image_id: wish::image_id(), model: wish::model(), trust: TRUST })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    images: Vec<Vec<u8>>,
}

async fn ask(State(desk): State<Desk>, Json(asked): Json<Asked>) -> Result<Json<QuestionView>, DigitsError> {
    let images = asked.images.iter().take(MAX_IMAGES + 1).map(|image| {
        let length = digit_core::Error::Length { expected: PIXELS, actual: image.len() };
        Image::try_from(image.as_slice()).map_err(|_| length)
    });
    let images: Vec<Image> = images.collect::<Result<_, _>>()?;
    if images.len() > MAX_IMAGES {
        return Err(digit_core::Error::Count(images.len() as u32).into());
    }
    // Asking goes on if the page is closed meanwhile: a transaction may be on its way.
    let asking = tokio::spawn(async move { desk.ask(&images).await });
    match asking.await {
        Ok(view) => view.map(Json),
        Err(error) => Err(DigitsError::Io { what: "asking".into(), source: error.into() }),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn prove(
    State(desk): State<Desk>,
    Path(id): Path<u64>,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Json<QuestionView>, DigitsError> {
    desk.prove(id)?;
    Ok(Json(desk.watch(id)?.borrow().clone()))
}

async fn question(State(desk): State<Desk>, Path(id): Path<u64>) -> Result<Json<QuestionView>, DigitsError> {
    Ok(Json(desk.watch(id)?.borrow().clone()))
}

async fn events(
    State(desk): State<Desk>,
    Path(id): Path<u64>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, DigitsError> {
    Ok(Sse::new(changes(desk.watch(id)?)).keep_alive(KeepAlive::default()))
}

/// The view now, then every change, then the end.
fn changes(mut receiver: watch::Receiver<QuestionView>) -> impl Stream<Item = Result<Event, Infallible>> {
    receiver.mark_changed();
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        receiver.changed().await.ok()?;
        let view = receiver.borrow_and_update().clone();
        let event = Event::default().event("question").json_data(&view).ok()?;
        Some((Ok(event), (!view.ended).then_some(receiver)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_this_applications_page_is_served() {
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
