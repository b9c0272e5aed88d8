//! A backend that proves when it is told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
    mpsc,
};
use std::time::Duration;
use tokio::sync::mpsc as async_mpsc;
use zkpool_backends::{
    Backend, BackendError, Control, Input, Outcome, Preflight, PreflightOptions, ProgramFiles, ProgramInfo, Step,
    Throughput, Work,
};
use zkpool_protocol::{B256, ProofKind, WorkUnits};

/// How a proof ends.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With this proof of the usual statement.
    Proof(&'static [u8]),
    /// With a step's receipt.
    Receipt(&'static [u8]),
    /// With a proof of another statement.
    OtherStatement,
    /// With an error.
    Error(BackendError),
    /// With a fault of the backend.
    Panic,
}

/// What the backend tells the test.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// A proof began, with these program parts and this witness file.
    Began { parts: Vec<Vec<u8>>, witness: Option<std::path::PathBuf> },
    /// A proof was stopped.
    Stopped,
}

/// See the module.
pub(crate) struct FakeBackend {
    told: async_mpsc::UnboundedSender<Told>,
    endings: Mutex<mpsc::Receiver<Ending>>,
    pub(crate) memory: AtomicU64,
    pub(crate) benchmarks: AtomicU64,
    pub(crate) running: AtomicU64,
    pub(crate) most_running: AtomicU64,
}

/// The test's end of a backend.
pub(crate) struct Conductor {
    pub(crate) backend: Arc<FakeBackend>,
    pub(crate) told: async_mpsc::UnboundedReceiver<Told>,
    end: mpsc::Sender<Ending>,
}

impl Conductor {
    pub(crate) fn new() -> Self {
        let (tell, told) = async_mpsc::unbounded_channel();
        let (end, endings) = mpsc::channel();
        let backend = FakeBackend {
            told: tell,
            endings: Mutex::new(endings),
            memory: AtomicU64::new(1),
            benchmarks: AtomicU64::new(0),
            running: AtomicU64::new(0),
            most_running: AtomicU64::new(0),
        };
        Self { backend: Arc::new(backend), told, end }
    }

    /// Lets one proof end.
    pub(crate) fn end(&self, ending: Ending) {
        self.end.send(ending).unwrap();
    }

    pub(crate) async fn began(&mut self) -> Told {
        let told = super::kit::within(self.told.recv()).await.unwrap();
        assert!(matches!(told, Told::Began { .. }), "{told:?}");
        told
    }

    pub(crate) async fn stopped(&mut self) {
        assert_eq!(super::kit::within(self.told.recv()).await, Some(Told::Stopped));
    }
}

/// The statement of every job in these tests.
pub(crate) fn statement() -> B256 {
    B256::repeat_byte(7)
}

impl Backend for FakeBackend {
    fn kinds(&self) -> Vec<ProofKind> {
        vec![ProofKind::Groth16Bn254, ProofKind::Risc0Composite, ProofKind::Risc0Succinct]
    }

    fn inspect(&self, _: &ProgramFiles, _: &Control) -> Result<ProgramInfo, BackendError> {
        Ok(ProgramInfo {
            constraints: 1,
            wires: 1,
            public_inputs: 0,
            work: WorkUnits(1),
            memory: self.memory.load(Ordering::Relaxed),
            verifying_key: Vec::new(),
        })
    }

    fn preflight(
        &self,
        _: &ProgramFiles,
        _: &Input,
        _: &PreflightOptions,
        _: &Control,
    ) -> Result<Preflight, BackendError> {
        Err(BackendError::Cancelled)
    }

    fn memory(&self, _: &Work, _: &Control) -> Result<u64, BackendError> {
        Ok(self.memory.load(Ordering::Relaxed))
    }

    fn prove(&self, work: &Work, control: &Control) -> Result<Outcome, BackendError> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let witness = match &work.step {
            Step::Single(Input::Witness(path)) => Some(path.clone()),
            _ => None,
        };
        let parts = match &work.step {
            Step::Single(_) => {
                work.program.manifest.blobs().iter().map(|id| work.program.files[id].as_path()).collect()
            }
            step => step.files(),
        };
        let parts = parts.into_iter().map(|path| std::fs::read(path).unwrap()).collect();
        let _ = self.told.send(Told::Began { parts, witness });
        let ending = loop {
            if let Err(stopped) = control.check() {
                self.running.fetch_sub(1, Ordering::SeqCst);
                let _ = self.told.send(Told::Stopped);
                return Err(stopped);
            }
            let next = self.endings.lock().unwrap().recv_timeout(Duration::from_millis(1));
            if let Ok(ending) = next {
                break ending;
            }
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        match ending {
            Ending::Proof(proof) => Ok(Outcome { result: proof.to_vec(), statement: Some(statement()) }),
            Ending::Receipt(receipt) => Ok(Outcome { result: receipt.to_vec(), statement: None }),
            Ending::OtherStatement => Ok(Outcome { result: vec![1], statement: Some(B256::ZERO) }),
            Ending::Error(error) => Err(error),
            Ending::Panic => panic!("division by zero"),
        }
    }

    fn benchmark(&self, _: &Control) -> Result<Vec<(ProofKind, Throughput)>, BackendError> {
        self.benchmarks.fetch_add(1, Ordering::Relaxed);
        let speed = Throughput { work: WorkUnits(1000), elapsed: Duration::from_secs(2) };
        Ok(self.kinds().into_iter().map(|kind| (kind, speed)).collect())
    }
}
