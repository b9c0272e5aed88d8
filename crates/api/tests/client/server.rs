//! Services for tests: one that plays a script, and connections that do what no service should.

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use zkpool_api::{Client, ClientOptions, Identity};
use zkpool_protocol::{Address, Bytes};

pub(crate) const ADDRESS: Address = Address::repeat_byte(0xaa);
pub(crate) const CHAIN: u64 = 31_337;

/// What a scripted service has been asked, as `METHOD path`, with the token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Asked>>>);

type Asked = (String, Option<String>);

impl Seen {
    pub(crate) fn routes(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(route, _)| route.clone()).collect()
    }

    pub(crate) fn count(&self, route: &str) -> usize {
        self.routes().iter().filter(|seen| *seen == route).count()
    }

    pub(crate) fn tokens(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().iter().map(|(_, token)| token.clone()).collect()
    }

    fn note(&self, request: &Request) {
        let route = format!("{} {}", request.method(), request.uri().path());
        let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        self.0.lock().unwrap().push((route, token));
    }
}

/// A service that answers as `script` says; its URL and what it saw.
pub(crate) async fn scripted<F, Fut, R>(script: F) -> (String, Seen)
where
    F: Fn(Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoResponse + 'static,
{
    let seen = Seen::default();
    let log = seen.clone();
    let router = Router::new().fallback(move |request: Request| {
        log.note(&request);
        let answer = script(request);
        async move { answer.await.into_response() }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, seen)
}

/// A service whose every connection is handled by `behave`.
pub(crate) async fn raw<F, Fut>(behave: F) -> String
where
    F: Fn(TcpStream) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(behave(stream));
        }
    });
    url
}

/// A service that reads what it is sent, writes these bytes and hangs up.
pub(crate) async fn writes(bytes: impl Into<Vec<u8>>) -> String {
    let bytes: Arc<[u8]> = bytes.into().into();
    raw(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(&bytes).await;
        }
    })
    .await
}

/// Options with short waits.
pub(crate) fn quick() -> ClientOptions {
    ClientOptions {
        retries: 2,
        retry_wait: Duration::from_millis(1),
        max_retry_wait: Duration::from_secs(2),
        chain_id: Some(CHAIN),
        ..ClientOptions::default()
    }
}

/// An identity whose signature nobody checks.
pub(crate) fn identity() -> Identity {
    Identity::new(ADDRESS, |_| async { Ok::<_, String>(Bytes::from(vec![1; 65])) })
}

pub(crate) fn client(url: &str) -> Client {
    Client::new(url, identity(), quick()).unwrap()
}

/// The answers of sign-in, for scripts; `None` for any other route.
pub(crate) fn sign_in(request: &Request, token: &str) -> Option<Response> {
    match request.uri().path() {
        "/v1/auth/nonce" => Some(
            axum::Json(json!({
                "nonce": "abcdefgh12345678", "chain_id": CHAIN, "issued_at": 1_800_000_000u64,
                "expires_at": 1_800_000_300u64,
            }))
            .into_response(),
        ),
        "/v1/auth/login" => Some(
            axum::Json(
                json!({ "token": token, "address": ADDRESS, "expires_at": 1_800_003_600u64, "expires_in": 3600 }),
            )
            .into_response(),
        ),
        _ => None,
    }
}

/// An error as the service sends it.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Response {
    let body = axum::Json(json!({ "code": code, "message": message }));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}
