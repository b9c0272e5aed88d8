//! Over a socket, with the real client.

use crate::support::{CHAIN, Service, key};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use zkpool_api::{
    ClaimRequest, Client, ClientError, ClientOptions, EventKind, FailRequest, HeartbeatRequest, Identity, JoinRequest,
    KindSpeed, LeaveRequest,
};
use zkpool_protocol::{BlobId, ErrorCode, JobState, ProofKind, TaskState};
use zkpool_service::http::{App, Bounds, serve};
use zkpool_store::ProverId;

/// A service on a port.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Served {
    async fn start(service: &Service, address: SocketAddr, bounds: Bounds) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let app = App::new(Arc::clone(&service.ctx), address, bounds, stop.clone());
        let running = tokio::spawn(serve(app, listener));
        Self { address, stop, running }
    }

    async fn any(service: &Service, bounds: Bounds) -> Self {
        Self::start(service, "127.0.0.1:0".parse().unwrap(), bounds).await
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.running).await.expect("it stops").unwrap();
    }

    fn client(&self, n: u8) -> Client {
        let key = key(n);
        let identity = Identity::new(key.address(), move |message| {
            let key = key.clone();
            async move {
                use alloy::signers::Signer;
                let signature = key.sign_message(message.as_bytes()).await.map_err(|e| e.to_string())?;
                Ok::<_, String>(signature.as_bytes().to_vec().into())
            }
        });
        let options = ClientOptions { chain_id: Some(CHAIN), retries: 1, ..ClientOptions::default() };
        Client::new(&format!("http://{}", self.address), identity, options).unwrap()
    }
}

fn join() -> JoinRequest {
    JoinRequest {
        device: "rig".into(),
        cpus: 1,
        memory: 1 << 30,
        kinds: vec![KindSpeed { kind: ProofKind::Groth16Bn254, units_per_second: 100.0 }],
        asks: vec![],
        concurrency: 1,
        enclaves: vec![],
        unpaid: false,
    }
}

fn claim(wait: u32) -> ClaimRequest {
    ClaimRequest { device: "rig".into(), holding: vec![], wait }
}

#[tokio::test]
async fn client_and_service_understand_each_other() {
    let service = Service::start().await;
    let work = service.work().await;
    let served = Served::any(&service, Bounds::default()).await;
    let client = served.client(2);
    client.sign_in().await.unwrap();
    assert_eq!(client.info().await.unwrap().chain_id, CHAIN);

    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i % 253) as u8).collect();
    let blob = client.upload(bytes.clone()).await.unwrap();
    assert!(client.has_blob(blob.id).await.unwrap());
    assert_eq!(client.download(blob.id, 3_000_000).await.unwrap(), bytes);
    assert!(!client.has_blob(work.input).await.unwrap());
    assert_eq!(client.program(BlobId::of(b"none")).await.unwrap_err().code(), ErrorCode::UnknownProgram);
    assert_eq!(client.quote(BlobId::of(b"none")).await.unwrap_err().code(), ErrorCode::NotFound);

    assert_eq!(client.join(&join()).await.unwrap().prover, key(2).address());
    assert_eq!(client.claim(&claim(0)).await.unwrap().job, None);
    // A job that comes while the claim waits ends the wait.
    let request = claim(30);
    let (claimed, _) = tokio::join!(client.claim(&request), async {
        let prover = ProverId { address: key(2).address(), device: "rig".into() };
        while service.ctx.status.waiting(&prover) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        service.lease(&work, key(2).address()).await
    });
    let job = claimed.unwrap().job.unwrap();
    assert_eq!(job.id, work.job);
    assert_eq!(client.download(job.inputs[0], 1000).await.unwrap(), b"input");

    let mut events = client.task_events(work.id, None);
    let first = events.next().await.unwrap().unwrap();
    assert_eq!((first.kind, first.task.state), (EventKind::Snapshot, TaskState::Proving));
    let beat = HeartbeatRequest { fence: job.lease.fence, stage: "msm".into(), progress: 0.25 };
    assert_eq!(client.heartbeat(job.id, &beat).await.unwrap().cancelled, None);
    let progress = events.next().await.unwrap().unwrap();
    assert_eq!(progress.task.jobs[0].stage.as_deref(), Some("msm"));
    let fail = FailRequest { fence: job.lease.fence, code: ErrorCode::Internal, message: "no".into() };
    assert_eq!(client.fail(job.id, &fail).await.unwrap().job, JobState::Ready);
    assert_eq!(client.heartbeat(job.id, &beat).await.unwrap_err().code(), ErrorCode::LeaseLost);
    client.leave(&LeaveRequest { device: "rig".into() }).await.unwrap();
    service.deliver(&work).await;
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event.unwrap());
    }
    assert_eq!(last.unwrap().kind, EventKind::Final);
    assert_eq!(client.task(work.id).await.unwrap().state, TaskState::Delivered);
    served.stop().await;
}

#[tokio::test]
async fn a_restarted_service_is_signed_in_to_again_without_a_word() {
    let service = Service::start().await;
    let served = Served::any(&service, Bounds::default()).await;
    let (client, address) = (served.client(1), served.address);
    let id = client.upload(&b"bytes"[..]).await.unwrap().id;
    served.stop().await;
    let gone = client.download(id, 10).await.unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable { .. }), "{gone}");
    let served = Served::start(&service, address, Bounds::default()).await;
    assert_eq!(client.download(id, 10).await.unwrap(), b"bytes");
    served.stop().await;
}

#[tokio::test]
async fn a_claim_ends_when_its_client_hangs_up_or_the_service_stops() {
    let service = Service::start().await;
    let served = Served::any(&service, Bounds::default()).await;
    let client = served.client(2);
    client.join(&join()).await.unwrap();
    let prover = ProverId { address: key(2).address(), device: "rig".into() };
    let waiting = async |n: u32| {
        let until = async {
            while service.ctx.status.waiting(&prover) != n {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), until).await.expect("the claim is noticed");
    };
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.claim(&claim(30)).await }
    });
    waiting(1).await;
    waits.abort();
    waiting(0).await;
    let waits = tokio::spawn(async move { client.claim(&claim(30)).await });
    waiting(1).await;
    served.stop().await;
    assert_eq!(waits.await.unwrap().unwrap().job, None, "it is answered, not cut off");
}

#[tokio::test]
async fn heads_that_do_not_come_and_connections_that_idle_are_dropped() {
    let service = Service::start().await;
    let bounds = Bounds { head: Duration::from_millis(100), ..Bounds::default() };
    let served = Served::any(&service, bounds).await;
    let closed = async |mut stream: TcpStream| {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest));
        let _ = read.await.expect("the connection is closed");
        String::from_utf8_lossy(&rest).into_owned()
    };
    let silent = TcpStream::connect(served.address).await.unwrap();
    closed(silent).await;
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    slow.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    closed(slow).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answered = closed(idle).await;
    assert!(answered.starts_with("HTTP/1.1 404"), "{answered}");
    let mut large = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    let _ = large.write_all(head.as_bytes()).await;
    let answered = closed(large).await;
    assert!(answered.is_empty() || answered.starts_with("HTTP/1.1 431"), "{answered}");
    served.stop().await;
}

#[tokio::test]
async fn connections_are_bounded_and_given_back() {
    // An eighth of sixteen for one place.
    let service = Service::with(json!({ "http": { "connections": 16 } }), Bounds::default()).await;
    let served = Served::any(&service, Bounds::default()).await;
    let ask = async |stream: &mut TcpStream| {
        stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.map(|_| head)
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        assert_eq!(&ask(&mut stream).await.unwrap(), b"HTTP/1.1 404");
        held.push(stream);
    }
    let mut third = TcpStream::connect(served.address).await.unwrap();
    let mut byte = [0];
    assert_eq!(third.read(&mut byte).await.unwrap_or(0), 0, "closed at once");
    drop(held);
    let answered = async {
        loop {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            if ask(&mut stream).await.is_ok() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await.expect("places are given back");
    served.stop().await;
}

#[tokio::test]
async fn what_hangs_does_not_hold_the_service_up() {
    let service = Service::start().await;
    let work = service.work().await;
    let bounds = Bounds { grace: Duration::from_millis(200), ..Bounds::default() };
    let served = Served::any(&service, bounds).await;
    // An upload that never ends.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let token = served.client(1);
    token.sign_in().await.unwrap();
    let head =
        "POST /v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut events = served.client(1).task_events(work.id, None);
    events.next().await.unwrap().unwrap();
    served.stop().await;
}

#[tokio::test]
async fn a_refused_upload_is_told_why_though_nobody_reads_it() {
    let service = Service::with(json!({ "limits": { "blob": 1000 } }), Bounds::default()).await;
    let served = Served::any(&service, Bounds::default()).await;
    let client = served.client(1);
    for _ in 0..5 {
        let error = client.upload(vec![7; 32 << 20]).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge, "{error}");
    }
    served.stop().await;
}
