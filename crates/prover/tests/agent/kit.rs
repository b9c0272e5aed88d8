//! An agent with a test's hands on it.

use super::{backend::Conductor, operator::FakeOperator};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};
use zkpool_api::Identity;
use zkpool_backends::Backend;
use zkpool_protocol::{Address, Bytes};
use zkpool_prover::{Agent, Backoff, Capacity, Event, ProverConfig, ProverError, Stop};

/// Bound on every wait of these tests.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.expect("the signal came in time")
}

/// The address under which the agent works.
pub(crate) fn prover() -> Address {
    Address::repeat_byte(0xaa)
}

fn identity() -> Identity {
    Identity::new(prover(), |_message| async { Ok::<_, String>(Bytes::from(vec![0u8; 65])) })
}

pub(crate) fn config(operators: &[&FakeOperator], state: &Path) -> ProverConfig {
    let urls = operators.iter().map(|operator| operator.url()).collect();
    let capacity = Capacity { jobs: 1, threads: 1, memory: 1 << 20 };
    let backoff = Backoff { first: Duration::from_millis(5), max: Duration::from_millis(50) };
    ProverConfig { backoff, ..ProverConfig::new(urls, state.to_owned(), "laptop".into(), capacity) }
}

/// A running agent.
pub(crate) struct Running {
    pub(crate) stop: Stop,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    task: JoinHandle<Result<(), ProverError>>,
}

impl Running {
    pub(crate) fn open(config: ProverConfig, conductor: &Conductor) -> Result<Self, ProverError> {
        let (tell, events) = mpsc::unbounded_channel();
        let observer = move |event: &Event| {
            let _ = tell.send(event.clone());
        };
        let stop = Stop::new();
        let backends: Vec<Arc<dyn Backend>> = vec![Arc::clone(&conductor.backend) as _];
        let agent = Agent::open(config, identity(), backends, Arc::new(observer), stop.clone())?;
        Ok(Self { stop, events, task: tokio::spawn(agent.run()) })
    }

    pub(crate) fn start(config: ProverConfig, conductor: &Conductor) -> Self {
        Self::open(config, conductor).unwrap()
    }

    /// Waits until `wanted` picks an event; what comes before is dropped.
    pub(crate) async fn tells<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        within(async {
            loop {
                let event = self.events.recv().await.expect("the agent lives");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        })
        .await
    }

    pub(crate) async fn ended(self) -> Result<(), ProverError> {
        within(self.task).await.unwrap()
    }

    /// Ends it as kill -9 does: nothing more is done, nothing is tidied up.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _ = within(self.task).await;
    }

    pub(crate) async fn stop_in_order(self) {
        self.stop.wind_down();
        self.ended().await.unwrap();
    }
}

/// How many job records are on disk.
pub(crate) fn records(state: &Path) -> usize {
    std::fs::read_dir(state.join("jobs")).unwrap().count()
}

/// Whether any file under `dir` holds `needle`.
pub(crate) fn on_disk(dir: &Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            on_disk(&path, needle)
        } else {
            std::fs::read(&path).unwrap_or_default().windows(needle.len()).any(|window| window == needle)
        }
    })
}
