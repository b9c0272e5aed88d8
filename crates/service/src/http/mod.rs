//! HTTP: routes, and what stands before them.
//!
//! From the outside in: a connection (bounded in number, in time per head and in time without reading), a request id and
//! the log, panics turned into errors, the rate of the IP address, the bound on time, who is signed in and the rate of
//! that address, the body with its own bound, and then one of [`crate::ops`].

mod auth;
mod error;
mod extract;
mod observe;
mod rates;
mod routes;
mod serve;
mod settings;

pub use serve::serve;
pub use settings::{Bounds, Http};

use crate::Context;
use auth::Auth;
use axum::{Router, middleware};
use error::{Answer, Fault};
use metrics_exporter_prometheus::PrometheusHandle;
use rates::Rates;
use std::{net::SocketAddr, sync::Arc};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use zkpool_protocol::ErrorCode;

/// What the routes share.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    ctx: Arc<Context>,
    settings: Http,
    bounds: Bounds,
    auth: Auth,
    rates: Rates,
    metrics: PrometheusHandle,
    stop: CancellationToken,
}

impl App {
    /// Routes for a service that listens on `listening_on`, until `stop` is cancelled.
    pub fn new(ctx: Arc<Context>, listening_on: SocketAddr, bounds: Bounds, stop: CancellationToken) -> Self {
        let config = &ctx.config;
        let settings = config.http.clone();
        let hosts = settings.accepted_hosts(listening_on);
        let auth = Auth::new(hosts, config.chain_id, settings.token_lifetime);
        let rates = Rates::new(&settings, config.limits.requests_per_second);
        Self(Arc::new(Inner { ctx, settings, bounds, auth, rates, metrics: crate::metrics::install(), stop }))
    }

    fn ctx(&self) -> &Context {
        &self.0.ctx
    }

    fn settings(&self) -> &Http {
        &self.0.settings
    }

    fn bounds(&self) -> &Bounds {
        &self.0.bounds
    }

    fn auth(&self) -> &Auth {
        &self.0.auth
    }

    fn rates(&self) -> &Rates {
        &self.0.rates
    }

    fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    /// Cancelled when the service is to stop: long answers end.
    fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Waits for `answer`, unless the service is to stop first.
    async fn unless_stopping<T>(&self, answer: impl Future<Output = T>) -> Answer<T> {
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            () = self.stop().cancelled() => {
                Err(Fault::new(ErrorCode::Starting, "the service is about to stop: try again in a few seconds"))
            }
        }
    }

    /// The time in seconds.
    fn now(&self) -> u64 {
        self.ctx().clock.now() / 1000
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    let (routes, _) = routes::all(&app).split_for_parts();
    guarded(routes, app)
}

/// Routes with all that stands before them.
fn guarded(routes: Router<App>, app: App) -> Router {
    routes
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), rates::per_ip))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(observe::request))
        .with_state(app)
}

/// The OpenAPI document as JSON, pretty-printed: the same bytes for the same routes.
pub fn openapi() -> String {
    routes::document()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::Request, routing::get};
    use tower::ServiceExt;

    #[tokio::test]
    async fn a_panic_is_an_error_like_any_other() {
        async fn panics() -> &'static str {
            panic!("the secret is 42")
        }
        let routes = Router::new().route("/", get(panics)).layer(CatchPanicLayer::custom(error::panicked));
        let response = routes.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("42"), "{body}");
    }
}
