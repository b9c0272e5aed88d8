//! The routes, with their documentation; each hands over to one operation of [`crate::ops`].

mod attestations;
mod auth;
mod blobs;
mod jobs;
mod pay;
mod quotes;
mod status;
mod tasks;

use super::{App, error::Fault};
use axum::{
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use std::time::Duration;
use utoipa::{
    OpenApi,
    openapi::{
        ContentBuilder, Ref, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use zkpool_protocol::ErrorCode;

/// All routes, with their bounds on time.
pub(super) fn all(app: &App) -> OpenApiRouter<App> {
    let preflight = Duration::from_secs(app.ctx().config.preflight.timeout);
    let wait = |seconds: u32| Duration::from_secs(seconds.into());
    bounded(app, ordinary(), Duration::ZERO)
        .merge(bounded(app, OpenApiRouter::new().routes(routes!(quotes::request)), wait(zkpool_api::MAX_QUOTE_WAIT)))
        .merge(bounded(app, OpenApiRouter::new().routes(routes!(jobs::claim)), wait(zkpool_api::MAX_CLAIM_WAIT)))
        .merge(bounded(
            app,
            OpenApiRouter::new().routes(routes!(attestations::open)),
            wait(zkpool_api::MAX_ATTESTATION_WAIT),
        ))
        // A result is verified before it is answered, a program is looked at by the preflight worker.
        .merge(bounded(app, OpenApiRouter::new().routes(routes!(jobs::result)), Duration::from_secs(40)))
        .merge(bounded(app, OpenApiRouter::new().routes(routes!(quotes::register_program)), preflight))
        .merge(unbounded())
}

/// Routes that are bounded as any.
fn ordinary() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status::info))
        .routes(routes!(status::healthz))
        .routes(routes!(status::metrics))
        .routes(routes!(status::openapi))
        .routes(routes!(auth::nonce))
        .routes(routes!(auth::login))
        .routes(routes!(quotes::program))
        .routes(routes!(quotes::quote))
        .routes(routes!(quotes::published))
        .routes(routes!(tasks::task))
        .routes(routes!(jobs::join))
        .routes(routes!(jobs::leave))
        .routes(routes!(jobs::readmit))
        .routes(routes!(jobs::heartbeat))
        .routes(routes!(jobs::fail))
        .routes(routes!(attestations::attest))
        .routes(routes!(pay::tranches))
        .routes(routes!(pay::tranche))
        .routes(routes!(pay::prover))
        .routes(routes!(pay::receipts))
        .routes(routes!(pay::task))
}

/// Routes that take as long as they take, and bound the time without progress themselves.
fn unbounded() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(blobs::put))
        .routes(routes!(blobs::get))
        .routes(routes!(attestations::receipt))
        .routes(routes!(tasks::events))
}

/// Bounds the time from head to answer: that of any request, and `more`.
fn bounded(app: &App, router: OpenApiRouter<App>, more: Duration) -> OpenApiRouter<App> {
    let bound = app.bounds().request + more;
    router.route_layer(middleware::from_fn_with_state(bound, within))
}

async fn within(State(bound): State<Duration>, request: Request, next: Next) -> Result<Response, Fault> {
    tokio::time::timeout(bound, next.run(request)).await.map_err(|_| {
        let message = format!("this took longer than {} s: try again", bound.as_secs());
        Fault::new(ErrorCode::TimedOut, message)
    })
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ZKPool operator",
        description = "Quotes and task progress for requesters, jobs for provers. Amounts are decimal strings in the \
                       token's smallest unit; bytes are 0x-hex; blob ids are bare hex; times are unix seconds unless \
                       the name ends in `_ms`. Every error has the same body: a stable code and a message.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "operator", description = "Who the operator is and how it does."),
        (name = "sign-in", description = "Sign-in with Ethereum (EIP-4361)."),
        (name = "requester", description = "Programs, inputs, quotes, tasks."),
        (name = "prover", description = "Jobs."),
        (name = "pay", description = "What provers earn, for them and for whoever audits it."),
        (name = "committee", description = "Receipts that members sign.")
    )
)]
struct Document;

/// The document, pretty-printed.
pub(super) fn document() -> String {
    let mut document = Document::openapi();
    for part in [
        ordinary(),
        OpenApiRouter::new()
            .routes(routes!(quotes::request))
            .routes(routes!(jobs::claim))
            .routes(routes!(attestations::open))
            .routes(routes!(jobs::result))
            .routes(routes!(quotes::register_program)),
        unbounded(),
    ] {
        document.merge(part.into_openapi());
    }
    let scheme = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token of POST /v1/auth/login."))
            .build(),
    );
    // What any route can answer with: a wrong body, no token, too many requests, a fault.
    let other = ResponseBuilder::new()
        .description("Any other error; its code says which.")
        .content("application/json", ContentBuilder::new().schema(Some(Ref::from_schema_name("ApiError"))).build())
        .build();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.put].into_iter().flatten() {
            operation.responses.responses.insert("default".into(), other.clone().into());
        }
    }
    document.components.get_or_insert_default().add_security_scheme("token", scheme);
    document.to_pretty_json().map(|json| json + "\n").unwrap_or_default()
}
