//! Endpoints that are slow, wrong, broken or talkative: one clear error each, in bounded time, without the URL's secrets.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use support::{COUNTER, Deed, Proxy, chain, hasty};
use zkpool_chain::{ChainError, Rpc, RpcOptions};
use zkpool_protocol::{Address, Domain, ErrorCode};

#[tokio::test]
async fn the_chain_and_the_contract_are_checked() {
    let chain = chain().await;
    let domain = Domain { chain_id: chain.chain_id(), pool: COUNTER };
    Rpc::connect(chain.url(), &domain).await.unwrap();
    let error = Rpc::connect(chain.url(), &Domain { chain_id: 1, ..domain }).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { expected: 1, actual: 31_337 }));
    assert_eq!(error.code(), ErrorCode::WrongChain);
    let error = Rpc::connect(chain.url(), &Domain { pool: Address::repeat_byte(1), ..domain }).await.unwrap_err();
    assert!(matches!(error, ChainError::NoContract { .. }) && error.code() == ErrorCode::WrongChain);
}

#[tokio::test]
async fn a_delegated_account_is_no_contract() {
    let chain = chain().await;
    let account = Address::repeat_byte(0x70);
    let mut code = vec![0xef, 0x01, 0x00];
    code.extend_from_slice(COUNTER.as_slice());
    chain.set_code(account, code.into()).await.unwrap();
    assert!(!chain.rpc().has_code(account).await.unwrap());
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named_without_its_secrets() {
    let options = RpcOptions { attempts: 2, backoff: Duration::from_millis(1), ..RpcOptions::default() };
    let rpc = Rpc::with_options("http://user:hidden1@127.0.0.1:1/v3/hidden2?key=hidden3", options).unwrap();
    let error = rpc.head().await.unwrap_err();
    let text = format!("{error} {error:?} {rpc:?}");
    assert_eq!(error.code(), ErrorCode::RpcUnreachable);
    assert!(text.contains("127.0.0.1:1") && !text.contains("hidden"), "{text}");
    for bad in ["", "nonsense", "ws://127.0.0.1:1", "file:///etc/passwd"] {
        assert_eq!(Rpc::new(bad).unwrap_err().code(), ErrorCode::BadRequest, "{bad}");
    }
}

/// Runs itself once more in a world without root certificates.
#[test]
fn without_root_certificates_only_https_is_refused() {
    const INNER: &str = "ZKPOOL_TEST_WITHOUT_CERTIFICATES";
    if std::env::var_os(INNER).is_none() {
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "without_root_certificates_only_https_is_refused"])
            .envs([(INNER, "1"), ("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")])
            .status();
        assert!(status.unwrap().success());
        return;
    }
    assert!(Rpc::new("http://127.0.0.1:1").is_ok());
    let error = Rpc::new("https://127.0.0.1:1/hidden").unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadRequest);
    let text = error.to_string();
    assert!(text.contains("SSL_CERT_FILE") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn an_endpoint_that_limits_requests_is_asked_again() {
    let chain = chain().await;
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let proxy = Proxy::before(&chain, move |_, _| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Deed::Status(429),
        1 => Deed::Status(503),
        2 => Deed::Hang,
        _ => Deed::Forward,
    })
    .await;
    let options = RpcOptions { attempts: 4, backoff: Duration::from_millis(1), ..RpcOptions::default() };
    let rpc = Rpc::with_options(&proxy.url, options).unwrap();
    assert_eq!(rpc.chain_id().await.unwrap(), chain.chain_id());
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_would_fail_again_is_not_repeated() {
    let chain = chain().await;
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let proxy = Proxy::before(&chain, move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Deed::Status(401)
    })
    .await;
    let error = hasty(&proxy.url).chain_id().await.unwrap_err();
    assert!(error.to_string().contains("401"), "{error}");
    proxy.judge(|_, _| Deed::Refuse("no such method"));
    let error = hasty(&proxy.url).chain_id().await.unwrap_err();
    assert!(matches!(&error, ChainError::Refused { message, .. } if message == "no such method"), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up() {
    // A socket that accepts and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let options = RpcOptions {
        timeout: Duration::from_millis(200),
        attempts: 2,
        backoff: Duration::from_millis(1),
        ..RpcOptions::default()
    };
    let started = Instant::now();
    let error = Rpc::with_options(&url, options).unwrap().head().await.unwrap_err();
    assert!(error.to_string().contains("does not answer in time"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
    silent.abort();
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let chain = chain().await;
    let options = RpcOptions { max_response: 100, attempts: 1, ..RpcOptions::default() };
    let error = Rpc::with_options(chain.url(), options).unwrap().head().await.unwrap_err();
    assert!(error.to_string().contains("more than 100 bytes"), "{error}");
}

#[tokio::test]
async fn a_page_that_is_no_endpoint_is_recognised() {
    let chain = chain().await;
    let proxy = Proxy::before(&chain, |_, _| Deed::Status(200)).await;
    let error = hasty(&proxy.url).chain_id().await.unwrap_err();
    assert!(error.to_string().contains("does not speak JSON-RPC"), "{error}");
    proxy.judge(|_, _| Deed::Status(308));
    let error = hasty(&proxy.url).chain_id().await.unwrap_err();
    assert!(error.to_string().contains("use the address that it leads to"), "{error}");
}
