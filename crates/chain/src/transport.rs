//! JSON-RPC over HTTP(S) with a bound on everything: time, size of the answer, number of attempts.
//!
//! Errors and logs name the endpoint's host only: a URL often holds an access key.

use alloy::{
    rpc::json_rpc::{RequestPacket, ResponsePacket},
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use reqwest::{Client, StatusCode, Url};
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::Service;

/// Bounds of one endpoint.
#[derive(Clone, Debug)]
pub struct RpcOptions {
    /// Of one HTTP request.
    pub timeout: Duration,
    /// How often a request is sent before it counts as failed. At least one.
    pub attempts: u32,
    /// Pause after the first failure; doubles from then on.
    pub backoff: Duration,
    /// The largest answer that is read, in bytes.
    pub max_response: usize,
}

impl Default for RpcOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            attempts: 4,
            backoff: Duration::from_millis(200),
            max_response: 64 << 20,
        }
    }
}

/// The longest pause that an endpoint can ask for with `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct BoundedHttp {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    url: Url,
    host: String,
    options: RpcOptions,
}

/// What one attempt came to.
enum Fault {
    /// Worth another attempt, perhaps after the pause that the endpoint asks for.
    Passing(String, Option<Duration>),
    /// The same request would fail again.
    Lasting(String),
}

impl BoundedHttp {
    pub(crate) fn new(url: &str, options: RpcOptions) -> Result<Self, String> {
        let url: Url = url.parse().map_err(|error| format!("{error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("it must begin with http:// or https://, not {}:", url.scheme()));
        }
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err("it names no host".into()),
        };
        let builder = Client::builder()
            .timeout(options.timeout)
            .connect_timeout(options.timeout.min(Duration::from_secs(5)))
            // A redirect could take requests to where nobody asked for.
            .redirect(reqwest::redirect::Policy::none());
        // A machine without root certificates can still talk to its own node.
        let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let client = builder.build().map_err(|error| {
            format!(
                "TLS cannot be set up ({}); install the system's CA certificates, name them in SSL_CERT_FILE, or use \
                 an http:// address",
                innermost(&error)
            )
        })?;
        Ok(Self { inner: Arc::new(Inner { client, url, host, options }) })
    }

    /// Host and port of the endpoint.
    pub(crate) fn host(&self) -> &str {
        &self.inner.host
    }
}

impl Inner {
    async fn request(&self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let body: Vec<u8> = serde_json::to_vec(&packet).map_err(TransportError::ser_err)?;
        let mut pause = self.options.backoff;
        let mut attempt = 1;
        loop {
            let fault = match self.attempt(&body).await {
                Ok(packet) => return Ok(packet),
                Err(fault) => fault,
            };
            match fault {
                Fault::Passing(reason, asked) if attempt < self.options.attempts => {
                    tracing::debug!(endpoint = %self.host, attempt, %reason, "RPC request failed, trying again");
                    tokio::time::sleep(asked.map_or(pause, |asked| asked.min(MAX_RETRY_AFTER).max(pause))).await;
                    pause *= 2;
                    attempt += 1;
                }
                Fault::Passing(reason, _) | Fault::Lasting(reason) => {
                    let text = format!("the RPC endpoint {} {reason} (attempt {attempt})", self.host);
                    return Err(TransportErrorKind::custom_str(&text));
                }
            }
        }
    }

    async fn attempt(&self, body: &[u8]) -> Result<ResponsePacket, Fault> {
        let request = self
            .client
            .post(self.url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body.to_vec());
        let mut response = request.send().await.map_err(passing)?;
        let status = response.status();
        let asked = response
            .headers()
            .get(reqwest::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(passing)? {
            if answer.len() + chunk.len() > self.options.max_response {
                return Err(Fault::Lasting(format!("sent more than {} bytes", self.options.max_response)));
            }
            answer.extend_from_slice(&chunk);
        }
        // Some nodes put a JSON-RPC error under an error status.
        match serde_json::from_slice::<ResponsePacket>(&answer) {
            Ok(packet) => {
                let limited = packet.iter_errors().find(|error| error.is_retry_err()).map(|e| e.message.to_string());
                match limited {
                    Some(message) => Err(Fault::Passing(format!("limits requests: {message:?}"), asked)),
                    None => Ok(packet),
                }
            }
            Err(_) if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                Err(Fault::Passing(format!("answered with HTTP status {status}"), asked))
            }
            Err(_) if status.is_redirection() => {
                Err(Fault::Lasting(format!("redirects (HTTP status {status}): use the address that it leads to")))
            }
            Err(_) if !status.is_success() => Err(Fault::Lasting(format!("answered with HTTP status {status}"))),
            Err(error) => Err(Fault::Lasting(format!("does not speak JSON-RPC: {error}"))),
        }
    }
}

fn passing(error: reqwest::Error) -> Fault {
    let reason = if error.is_timeout() {
        "does not answer in time".into()
    } else if error.is_connect() {
        format!("cannot be reached ({})", innermost(&error))
    } else {
        format!("broke off: {}", error.without_url())
    };
    Fault::Passing(reason, None)
}

/// The innermost cause, which says most ("Connection refused"); the outer texts repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl Service<RequestPacket> for BoundedHttp {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let inner = self.inner.clone();
        Box::pin(async move { inner.request(packet).await })
    }
}
