//! One call: its bounds, its repetitions, and how its answer is read.

use super::{Client, ClientError, Token};
use crate::ApiError;
use bytes::Bytes;
use rand::Rng;
use reqwest::{
    Method, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use zkpool_protocol::ErrorCode;

/// The largest JSON answer that is read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// The largest error body that is read.
const MAX_ERROR: usize = 64 * 1024;

/// What to call and how.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Bytes>,
    signed: bool,
    repeat: bool,
    timeout: Option<Duration>,
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: vec![], body: None, signed: true, repeat: true, timeout: None }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// A parameter behind the `?`. Messages leave it out.
    pub(super) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Without a token.
    pub(super) fn anonymous(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Never repeated.
    pub(super) fn once(mut self) -> Self {
        self.repeat = false;
        self
    }

    pub(super) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(body).expect("wire types hold only strings, numbers and structs").into());
        self
    }

    /// `GET /v1/tasks/{id}` and so on, for messages.
    pub(super) fn route(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Client {
    /// Calls and reads a JSON answer.
    pub(super) async fn send<T: DeserializeOwned>(&self, call: &Call) -> Result<T, ClientError> {
        let body = self.send_bytes(call).await?;
        serde_json::from_slice(&body).map_err(|error| {
            // Only the place and kind of the mistake: the text itself could hold secrets.
            let reason =
                format!("JSON {:?} error at line {} column {}", error.classify(), error.line(), error.column());
            self.bad_answer(&call.route(), reason)
        })
    }

    /// Calls and expects nothing but success.
    pub(super) async fn send_empty(&self, call: &Call) -> Result<(), ClientError> {
        self.send_bytes(call).await.map(drop)
    }

    async fn send_bytes(&self, call: &Call) -> Result<Bytes, ClientError> {
        self.repeat(call.repeat, || async {
            let bound = call.timeout.unwrap_or(self.inner.options.request_timeout);
            let attempt = self.authorised(call.signed, |token| async move {
                let mut request = self.request(&call.method, &call.path, token.as_ref())?;
                if !call.query.is_empty() {
                    request = request.query(&call.query);
                }
                if let Some(body) = &call.body {
                    request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
                }
                let attempt = async {
                    let response = request.send().await.map_err(|e| self.unreachable(&call.route(), &e))?;
                    let response = self.check(&call.route(), response).await?;
                    self.read(&call.route(), response, MAX_ANSWER).await
                };
                self.within(&call.route(), bound, attempt).await
            });
            attempt.await
        })
        .await
    }

    /// Runs `attempt` with a token, and once more with a new one if the service does not know it (any more).
    pub(super) async fn authorised<T, F, Fut>(&self, signed: bool, attempt: F) -> Result<T, ClientError>
    where
        F: Fn(Option<Token>) -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        if !signed {
            return attempt(None).await;
        }
        let token = Box::pin(self.token(None)).await?;
        match attempt(Some(token.clone())).await {
            Err(ClientError::Api { error, .. }) if error.code == ErrorCode::Unauthorized => {
                let token = Box::pin(self.token(Some(&token))).await?;
                attempt(Some(token)).await
            }
            other => other,
        }
    }

    /// Repeats what failed for want of a connection, or because the service asked for patience.
    pub(super) async fn repeat<T, F, Fut>(&self, repeat: bool, attempt: F) -> Result<T, ClientError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<T, ClientError>>,
    {
        let options = &self.inner.options;
        let mut tries = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let patient = match &error {
                ClientError::Unreachable { .. } => true,
                ClientError::Api { error, .. } => {
                    matches!(error.code, ErrorCode::RateLimited | ErrorCode::TimedOut | ErrorCode::Internal)
                }
                _ => false,
            };
            let backoff = options.retry_wait.saturating_mul(1 << tries.min(16)).min(options.max_retry_wait);
            let asked = error.retry_after().unwrap_or_default();
            if !repeat || !patient || tries >= options.retries || asked > options.max_retry_wait {
                return Err(error);
            }
            let jitter = rand::thread_rng().gen_range(0.5..=1.0);
            tokio::time::sleep(backoff.mul_f64(jitter).max(asked)).await;
            tries += 1;
        }
    }

    /// A request to a path of the service.
    pub(super) fn request(
        &self,
        method: &Method,
        path: &str,
        token: Option<&Token>,
    ) -> Result<reqwest::RequestBuilder, ClientError> {
        let mut url = self.inner.base.clone();
        let path = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let mut request = self.inner.http.request(method.clone(), url).header(ACCEPT, "application/json");
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.text()))
                .map_err(|_| self.bad_answer("POST /v1/auth/login", "the token is malformed".into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        Ok(request)
    }

    /// Passes a success on, and turns everything else into an error.
    pub(super) async fn check(&self, route: &str, response: Response) -> Result<Response, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(|seconds: u64| Duration::from_secs(seconds.min(24 * 3600)));
        let body = self.read(route, response, MAX_ERROR).await;
        if let Ok(body) = &body
            && let Ok(error) = serde_json::from_slice::<ApiError>(body)
        {
            return Err(self.refused(route, error, retry_after));
        }
        // An answer to HEAD has no body.
        if body.as_ref().is_ok_and(Bytes::is_empty)
            && let Some(code) = code_of_status(status.as_u16())
        {
            return Err(self.refused(route, ApiError::new(code, format!("HTTP status {status}")), retry_after));
        }
        // Not this API's errors: a proxy in front of it, most likely.
        if matches!(status.as_u16(), 502..=504) {
            let reason = format!("a gateway answered {status}");
            return Err(ClientError::Unreachable {
                host: self.host(),
                route: route.to_owned(),
                reason,
                timed_out: status == 504,
            });
        }
        body?;
        Err(self.bad_answer(route, format!("HTTP status {status} without an error code")))
    }

    /// The whole body, if it is not larger than `cap`.
    pub(super) async fn read(&self, route: &str, mut response: Response, cap: usize) -> Result<Bytes, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(route, &mut response).await? {
            if body.len() + chunk.len() > cap {
                return Err(self.bad_answer(route, format!("the answer is larger than {cap} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    /// The next part of a body, within the bound on silence.
    pub(super) async fn chunk(&self, route: &str, response: &mut Response) -> Result<Option<Bytes>, ClientError> {
        let bound = self.inner.options.idle_timeout;
        let chunk = async { response.chunk().await.map_err(|e| self.unreachable(route, &e)) };
        self.within(route, bound, chunk).await
    }

    /// The bound on a wait.
    pub(super) async fn within<T>(
        &self,
        route: &str,
        bound: Duration,
        wait: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        tokio::time::timeout(bound, wait).await.unwrap_or_else(|_| Err(self.timed_out(route, bound)))
    }

    pub(super) fn timed_out(&self, route: &str, bound: Duration) -> ClientError {
        let reason = format!("no answer within {:.1} s", bound.as_secs_f64());
        ClientError::Unreachable { host: self.host(), route: route.to_owned(), reason, timed_out: true }
    }

    pub(super) fn unreachable(&self, route: &str, error: &reqwest::Error) -> ClientError {
        let what = if error.is_connect() {
            "no connection"
        } else if error.is_timeout() {
            "the connection went silent"
        } else {
            "the connection broke"
        };
        let reason = format!("{what} ({})", innermost(error));
        ClientError::Unreachable { host: self.host(), route: route.to_owned(), reason, timed_out: error.is_timeout() }
    }

    pub(super) fn refused(&self, route: &str, mut error: ApiError, retry_after: Option<Duration>) -> ClientError {
        error.message = printable(&error.message);
        ClientError::Api { host: self.host(), route: route.to_owned(), error, retry_after }
    }

    pub(super) fn bad_answer(&self, route: &str, reason: String) -> ClientError {
        ClientError::BadAnswer { host: self.host(), route: route.to_owned(), reason }
    }
}

const fn code_of_status(status: u16) -> Option<ErrorCode> {
    match status {
        401 => Some(ErrorCode::Unauthorized),
        403 => Some(ErrorCode::Forbidden),
        404 => Some(ErrorCode::NotFound),
        429 => Some(ErrorCode::RateLimited),
        _ => None,
    }
}

/// The innermost cause, which says most ("Connection refused"); the outer texts repeat the URL.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    printable(&cause.to_string())
}

/// A foreign text, safe for a terminal or a log line.
fn printable(text: &str) -> String {
    text.chars().take(2000).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
