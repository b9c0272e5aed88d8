//! Nodes under test, and what they are asked for.

use super::{
    operator::FakeOperator,
    world::{IMAGE, World},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use zkpool_api::OpenAttestation;
use zkpool_attester::{AttesterError, Backoff, Check, Config, Event, Node, Refusal, Wrong};
use zkpool_chain::{Key, Rpc};
use zkpool_protocol::{B256, BlobId, Bytes, ErrorCode, ProofKind, TaskId};

/// The longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.expect("it takes too long")
}

/// A receipt is what it proves, written out, with a salt in front.
pub(crate) fn receipt(salt: u8, image: B256, journal: &[u8]) -> Vec<u8> {
    [&[salt], image.as_slice(), journal].concat()
}

/// Takes such receipts.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) checks: AtomicUsize,
}

impl Check for Written {
    fn check(&self, _: ProofKind, bytes: &[u8], image: B256, journal: &[u8]) -> Result<(), Wrong> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        if bytes.get(1..) == Some(&receipt(0, image, journal)[1..]) {
            return Ok(());
        }
        Err(Wrong { code: ErrorCode::ProofInvalid, reason: "it proves something else".into() })
    }
}

/// A member that takes anything.
pub(crate) struct Gullible;

impl Check for Gullible {
    fn check(&self, _: ProofKind, _: &[u8], _: B256, _: &[u8]) -> Result<(), Wrong> {
        Ok(())
    }
}

/// That the program answered `journal`, shown by `receipt`.
pub(crate) fn claim(task: u8, image: B256, journal: &[u8], receipt: &[u8]) -> OpenAttestation {
    OpenAttestation {
        task: TaskId::repeat_byte(task),
        kind: ProofKind::Risc0Composite,
        image_id: image,
        journal: Bytes::copy_from_slice(journal),
        receipt: BlobId::of(receipt),
        size: receipt.len() as u64,
        deadline: 2_000_000_000,
    }
}

impl FakeOperator {
    /// Asks for an honest claim; the task's number is the receipt's salt.
    pub(crate) fn ask_honestly(&self, task: u8, journal: &[u8]) -> OpenAttestation {
        let receipt = receipt(task, IMAGE, journal);
        let open = claim(task, IMAGE, journal, &receipt);
        self.ask(open.clone(), &receipt);
        open
    }
}

/// A running node.
pub(crate) struct Running {
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) stop: CancellationToken,
    running: JoinHandle<Result<(), AttesterError>>,
}

/// What a node needs that outlives it.
pub(crate) struct Seat {
    pub(crate) key: Key,
    pub(crate) dir: TempDir,
    pub(crate) check: Arc<dyn Check>,
}

impl Seat {
    pub(crate) fn new(key: &Key) -> Self {
        Self { key: key.clone(), dir: tempfile::tempdir().unwrap(), check: Arc::new(Written::default()) }
    }

    pub(crate) fn config(&self, world: &World, operators: &[&FakeOperator]) -> Config {
        let urls = operators.iter().map(|operator| operator.url()).collect();
        let mut config = Config::new(urls, world.chain.chain_id(), world.committee, self.dir.path());
        config.backoff = Backoff { first: Duration::from_millis(20), max: Duration::from_millis(200) };
        config.wait = 5;
        config.new_state = true;
        config
    }

    pub(crate) fn open(&self, config: Config, rpc: Rpc) -> Result<Running, AttesterError> {
        let (tell, events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let observer = Arc::new(move |event: &Event| {
            let _ = tell.send(event.clone());
        });
        let node = Node::open(config, rpc, self.key.clone(), Arc::clone(&self.check), observer, stop.clone())?;
        assert!(node.dir().starts_with(self.dir.path()));
        Ok(Running { events, stop, running: tokio::spawn(node.run()) })
    }

    pub(crate) fn run(&self, world: &World, operators: &[&FakeOperator]) -> Running {
        self.open(self.config(world, operators), world.chain.rpc()).unwrap()
    }

    /// The directory of its signatures.
    pub(crate) fn signatures(&self, world: &World) -> std::path::PathBuf {
        let name = format!("{}-{}-{}", world.chain.chain_id(), world.committee, self.key.address());
        Path::new(self.dir.path()).join(name.to_lowercase())
    }
}

impl Running {
    /// Waits until `wanted` picks something that happened; what comes before is dropped.
    pub(crate) async fn hears<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        within(async {
            loop {
                let event = self.events.recv().await.expect("the node lives");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        })
        .await
    }

    /// Waits until it has signed for this receipt.
    pub(crate) async fn signs(&mut self, open: &OpenAttestation) {
        let receipt = open.receipt;
        self.hears(|event| match event {
            Event::Signed { receipt: signed, .. } => (signed == receipt).then_some(()),
            Event::Refused { receipt: refused, refusal, .. } if refused == receipt => panic!("refused: {refusal}"),
            _ => None,
        })
        .await;
    }

    /// Waits until it has refused this receipt.
    pub(crate) async fn refuses(&mut self, open: &OpenAttestation) -> Refusal {
        let (task, receipt) = (open.task, open.receipt);
        self.hears(|event| match event {
            Event::Refused { task: t, receipt: r, refusal, .. } => ((t, r) == (task, receipt)).then_some(refusal),
            Event::Signed { task: t, receipt: r, .. } if (t, r) == (task, receipt) => panic!("it has signed"),
            _ => None,
        })
        .await
    }

    /// Ends it politely.
    pub(crate) async fn stop(self) -> Result<(), AttesterError> {
        self.stop.cancel();
        self.ends().await
    }

    /// Waits until it ends.
    pub(crate) async fn ends(self) -> Result<(), AttesterError> {
        within(self.running).await.unwrap()
    }

    /// Ends it as kill -9 does.
    pub(crate) async fn kill(mut self) {
        self.running.abort();
        let _ = self.running.await;
        // Every part of it is gone when nobody is left who could tell.
        within(async { while self.events.recv().await.is_some() {} }).await;
    }
}
