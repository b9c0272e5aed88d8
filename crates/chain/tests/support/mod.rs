//! Small contracts, a clock that stands still, and an endpoint that misbehaves on demand.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "every test file uses another part of it")]

use alloy::{
    primitives::{Address, B256, Bytes, U256, hex},
    providers::Provider,
    sol_types::{SolError, SolEvent},
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use zkpool_bindings::IZKPool;
use zkpool_chain::{
    Clock, MemoryJournal, Rpc, RpcOptions, Sender, SenderOptions, TxJournal, TxRecord, TxRequest,
    testing::{Anvil, AnvilOptions},
};

/// A contract that counts its calls in storage slot 0.
pub const COUNTER: Address = Address::repeat_byte(0xc0);
/// A contract that emits what it is told: four topics, then data.
pub const EMITTER: Address = Address::repeat_byte(0xe0);

const COUNTER_CODE: &[u8] = &hex!("5f546001015f5500");
const EMITTER_CODE: &[u8] = &hex!("606035604035602035" "5f35" "60803603" "8060805f37" "5fa400");

pub async fn chain() -> Anvil {
    chain_with(AnvilOptions::default()).await
}

pub async fn chain_with(options: AnvilOptions) -> Anvil {
    let chain = Anvil::start_with(&options).unwrap();
    chain.set_code(COUNTER, COUNTER_CODE.into()).await.unwrap();
    chain.set_code(EMITTER, EMITTER_CODE.into()).await.unwrap();
    chain
}

/// Makes every call of the counter revert with the pool's `SlotBusy()`.
pub async fn break_counter(chain: &Anvil) {
    let mut code = vec![0x63];
    code.extend_from_slice(&IZKPool::SlotBusy::SELECTOR);
    code.extend_from_slice(&hex!("60e01b5f5260045ffd"));
    chain.set_code(COUNTER, code.into()).await.unwrap();
}

pub async fn mend_counter(chain: &Anvil) {
    chain.set_code(COUNTER, COUNTER_CODE.into()).await.unwrap();
}

pub async fn counted(chain: &Anvil) -> u64 {
    chain.rpc().provider().get_storage_at(COUNTER, U256::ZERO).await.unwrap().to()
}

/// Has the emitter emit `Published` for task number `n`.
pub async fn publish(chain: &Anvil, n: u64) {
    let event = IZKPool::Published {
        task: task(n),
        operator: Address::repeat_byte(1),
        requester: Address::repeat_byte(2),
        slot: U256::from(3),
    };
    let log = event.encode_log_data();
    let mut data: Vec<u8> = log.topics().iter().flat_map(|topic| topic.0).collect();
    data.extend_from_slice(&log.data);
    chain.send(chain.account(9), Some(EMITTER), data.into(), U256::ZERO).await.unwrap();
}

pub fn task(n: u64) -> B256 {
    U256::from(n).into()
}

/// A clock that moves when it is told to.
#[derive(Clone, Debug, Default)]
pub struct Hands(Arc<AtomicU64>);

impl Hands {
    pub fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let hands = self.0.clone();
        Clock::from_fn(move || 1_000_000 + hands.load(Ordering::SeqCst))
    }
}

/// A sender of account 0 with its journal and clock.
pub struct Desk {
    pub sender: Sender,
    pub journal: Arc<MemoryJournal>,
    pub hands: Hands,
}

pub fn options() -> SenderOptions {
    SenderOptions { confirmations: 1, ..SenderOptions::default() }
}

pub fn desk(chain: &Anvil) -> Desk {
    desk_with(chain.rpc(), chain, options())
}

pub fn desk_with(rpc: Rpc, chain: &Anvil, options: SenderOptions) -> Desk {
    let (journal, hands) = (Arc::new(MemoryJournal::new()), Hands::default());
    let sender = sender(rpc, chain, journal.clone(), &hands, options);
    Desk { sender, journal, hands }
}

pub fn sender(rpc: Rpc, chain: &Anvil, journal: Arc<dyn TxJournal>, hands: &Hands, options: SenderOptions) -> Sender {
    Sender::new(rpc, chain.chain_id(), chain.key(0), journal, options).with_clock(hands.clock())
}

/// A call of the counter.
pub fn count(purpose: &str) -> TxRequest {
    TxRequest::call(purpose, COUNTER, Vec::new())
}

impl Desk {
    pub async fn state(&self, purpose: &str) -> TxRecord {
        self.sender.get(purpose).await.unwrap().unwrap()
    }

    pub async fn tick(&self) {
        self.sender.tick().await.unwrap();
    }
}

/// An endpoint handle that gives up fast.
pub fn hasty(url: &str) -> Rpc {
    let options = RpcOptions {
        attempts: 2,
        backoff: std::time::Duration::from_millis(1),
        timeout: std::time::Duration::from_secs(5),
        ..RpcOptions::default()
    };
    Rpc::with_options(url, options).unwrap()
}

/// What an endpoint does with a request.
pub enum Deed {
    /// Passes it on.
    Forward,
    /// Answers it with an error.
    Refuse(&'static str),
    /// Passes it on and then breaks the connection off without an answer.
    Swallow,
    /// Breaks the connection off.
    Hang,
    /// Answers with this HTTP status and nothing else.
    Status(u16),
}

type Judge = dyn Fn(&str, &Value) -> Deed + Send + Sync;

/// An endpoint between a handle and anvil that misbehaves as `judge` decides, by method and parameters.
pub struct Proxy {
    pub url: String,
    judge: Arc<Mutex<Arc<Judge>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn before(chain: &Anvil, judge: impl Fn(&str, &Value) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let judge: Arc<Mutex<Arc<Judge>>> = Arc::new(Mutex::new(Arc::new(judge)));
        let (upstream, current) = (chain.url().to_owned(), judge.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let judge = current.lock().unwrap().clone();
                tokio::spawn(serve(stream, upstream.clone(), judge));
            }
        });
        Self { url, judge, task }
    }

    pub fn judge(&self, judge: impl Fn(&str, &Value) -> Deed + Send + Sync + 'static) {
        *self.judge.lock().unwrap() = Arc::new(judge);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, upstream: String, judge: Arc<Judge>) -> Option<()> {
    let mut read = Vec::new();
    let (head, body) = loop {
        let mut chunk = [0; 8192];
        let n = stream.read(&mut chunk).await.ok()?;
        if n == 0 {
            return None;
        }
        read.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&read).to_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length: usize =
                text[..end].lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()?;
            if read.len() >= end + 4 + length {
                break (end, read[end + 4..end + 4 + length].to_vec());
            }
        }
    };
    let _ = head;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let deed = judge(request["method"].as_str().unwrap_or_default(), &request["params"]);
    let forward = || async {
        let answer = reqwest::Client::new()
            .post(&upstream)
            .header("content-type", "application/json")
            .body(body.clone())
            .send()
            .await
            .ok()?;
        answer.bytes().await.ok()
    };
    let (status, answer) = match deed {
        Deed::Forward => (200, forward().await?.to_vec()),
        Deed::Refuse(message) => {
            let answer = json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32602, "message": message}});
            (200, answer.to_string().into_bytes())
        }
        Deed::Swallow => {
            forward().await;
            return None;
        }
        Deed::Hang => return None,
        Deed::Status(status) => (status, Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&answer).await.ok()?;
    stream.shutdown().await.ok()
}

/// Raw bytes, for calls that need none.
pub fn nothing() -> Bytes {
    Bytes::new()
}
