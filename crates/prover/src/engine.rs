//! Proving on threads of its own: the agent's connections stay alive whatever the processor is doing.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::oneshot;
use zkpool_api::KindSpeed;
use zkpool_backends::{Backend, BackendError, Control};
use zkpool_protocol::{ErrorCode, ProofKind};

/// A backend, and the kinds of work that it did here when it was last asked.
type Known = (Arc<dyn Backend>, Mutex<Vec<ProofKind>>);

/// What this machine can prove, and with how many threads.
#[derive(Clone)]
pub(crate) struct Engine {
    backends: Arc<[Known]>,
    /// The kinds of work to take; if it is empty, all that the machine is up to.
    wanted: Arc<[ProofKind]>,
    threads: usize,
}

/// Why a computation came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// The backend says why.
    #[error("{}", .0.report())]
    Backend(#[from] BackendError),
    /// A fault of the backend itself.
    #[error("the prover itself failed: {0}")]
    Panicked(String),
    /// The threads cannot be started.
    #[error("cannot start the prover's threads: {0}")]
    Threads(String),
}

impl EngineError {
    /// What the operator is told.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Backend(error) => error.code(),
            Self::Panicked(_) | Self::Threads(_) => ErrorCode::Internal,
        }
    }
}

/// Cancels the computation when nobody waits for it any more.
struct CancelOnDrop(Control);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Engine {
    /// Of what the backends do on this machine, only the kinds in `wanted`; all, if it is empty.
    pub(crate) fn new(backends: Vec<Arc<dyn Backend>>, threads: usize, wanted: &[ProofKind]) -> Self {
        let backends = backends.into_iter().map(|backend| (backend, Mutex::default())).collect();
        let engine = Self { backends, wanted: wanted.into(), threads };
        engine.kinds();
        engine
    }

    /// What it can prove now: a wrap takes a daemon, which comes and goes. Asking for it can take seconds.
    pub(crate) fn kinds(&self) -> Vec<ProofKind> {
        let now = |(backend, known): &(Arc<dyn Backend>, Mutex<Vec<ProofKind>>)| {
            let mut kinds = backend.kinds();
            kinds.retain(|kind| self.wanted.is_empty() || self.wanted.contains(kind));
            known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&kinds);
            kinds
        };
        self.backends.iter().flat_map(now).collect()
    }

    /// The speeds of what it can prove now. What it could not when they were measured is as fast as what else is done by
    /// the same proof system.
    pub(crate) fn speeds(&self, measured: &[KindSpeed]) -> Vec<KindSpeed> {
        let of = |kind: ProofKind| {
            let same = |other: &&KindSpeed| other.kind.is_risc0() == kind.is_risc0();
            let speed = measured.iter().find(|other| other.kind == kind).or_else(|| measured.iter().find(same));
            speed.map(|speed| KindSpeed { kind, units_per_second: speed.units_per_second })
        };
        self.kinds().into_iter().filter_map(of).collect()
    }

    /// The backend for a kind that it does.
    pub(crate) fn backend(&self, kind: ProofKind) -> Option<Arc<dyn Backend>> {
        let does = |known: &Mutex<Vec<_>>| known.lock().unwrap_or_else(PoisonError::into_inner).contains(&kind);
        self.backends.iter().find(|(_, known)| does(known)).map(|(backend, _)| Arc::clone(backend))
    }

    /// Runs `work` in a pool of its own. Dropping the future cancels it; `held` is dropped only when the computation
    /// has really ended.
    pub(crate) async fn run<T, H>(
        &self,
        control: Control,
        held: H,
        work: impl FnOnce(&Control) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, EngineError>
    where
        T: Send + 'static,
        H: Send + 'static,
    {
        let _cancel = CancelOnDrop(control.clone());
        let (answer, result) = oneshot::channel();
        let threads = self.threads;
        std::thread::Builder::new()
            .name("zkpool-job".into())
            .spawn(move || {
                let outcome = compute(threads, || work(&control));
                drop(held);
                let _ = answer.send(outcome);
            })
            .map_err(|error| EngineError::Threads(error.to_string()))?;
        result.await.unwrap_or_else(|_| Err(EngineError::Panicked("its thread ended early".into())))
    }
}

fn compute<T: Send>(threads: usize, work: impl FnOnce() -> Result<T, BackendError> + Send) -> Result<T, EngineError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("zkpool-prove-{i}"))
        .build()
        .map_err(|error| EngineError::Threads(error.to_string()))?;
    match catch_unwind(AssertUnwindSafe(|| pool.install(work))) {
        Ok(result) => Ok(result?),
        Err(panic) => Err(EngineError::Panicked(panic_text(&*panic))),
    }
}

/// Errors of backends hold no inputs; a panic's text comes from arithmetic, and is kept short all the same.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a reason").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use zkpool_backends::{Input, Outcome, Preflight, PreflightOptions, ProgramFiles, ProgramInfo, Throughput, Work};

    fn engine() -> Engine {
        Engine::new(Vec::new(), 2, &[])
    }

    #[tokio::test]
    async fn work_runs_in_a_pool_of_the_configured_size() {
        let threads = engine().run(Control::new(), (), |_| Ok(rayon::current_num_threads())).await.unwrap();
        assert_eq!(threads, 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_job_runs() {
        let engine = engine();
        let error = engine.run::<(), _>(Control::new(), (), |_| panic!("index out of range")).await.unwrap_err();
        assert_eq!(error.to_string(), "the prover itself failed: index out of range");
        assert_eq!(error.code(), ErrorCode::Internal);
        assert_eq!(engine.run(Control::new(), (), |_| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn dropping_the_wait_cancels_and_what_is_held_is_held_to_the_end() {
        let (started, has_started) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        struct Held(mpsc::Sender<&'static str>);
        impl Drop for Held {
            fn drop(&mut self) {
                let _ = self.0.send("released");
            }
        }
        let engine = engine();
        let held = Held(end.clone());
        let run = engine.run(Control::new(), held, move |control| {
            let _ = started.send(());
            while control.check().is_ok() {
                std::thread::yield_now();
            }
            let _ = end.send("cancelled");
            control.check()
        });
        tokio::select! {
            _ = run => panic!("it ends only when it is cancelled"),
            _ = has_started => {}
        }
        assert_eq!(ended.recv().unwrap(), "cancelled");
        assert_eq!(ended.recv().unwrap(), "released");
    }

    /// A backend of the zkVM, whose wrap comes and goes.
    struct Wraps(std::sync::atomic::AtomicBool);

    impl Backend for Wraps {
        fn kinds(&self) -> Vec<ProofKind> {
            let mut kinds = vec![ProofKind::Risc0Composite];
            kinds.extend(self.0.load(std::sync::atomic::Ordering::SeqCst).then_some(ProofKind::Risc0Groth16));
            kinds
        }
        fn inspect(&self, _: &ProgramFiles, _: &Control) -> Result<ProgramInfo, BackendError> {
            Err(BackendError::OtherSystem)
        }
        fn preflight(
            &self,
            _: &ProgramFiles,
            _: &Input,
            _: &PreflightOptions,
            _: &Control,
        ) -> Result<Preflight, BackendError> {
            Err(BackendError::OtherSystem)
        }
        fn memory(&self, _: &Work, _: &Control) -> Result<u64, BackendError> {
            Err(BackendError::OtherSystem)
        }
        fn prove(&self, _: &Work, _: &Control) -> Result<Outcome, BackendError> {
            Err(BackendError::OtherSystem)
        }
        fn benchmark(&self, _: &Control) -> Result<Vec<(ProofKind, Throughput)>, BackendError> {
            Err(BackendError::OtherSystem)
        }
    }

    #[test]
    fn what_is_offered_is_what_can_be_done_now() {
        let backend = Arc::new(Wraps(false.into()));
        let engine = Engine::new(vec![Arc::clone(&backend) as Arc<dyn Backend>], 1, &[]);
        let measured = [KindSpeed { kind: ProofKind::Risc0Composite, units_per_second: 7.0 }];
        let kinds = || engine.speeds(&measured).into_iter().map(|speed| speed.kind).collect::<Vec<_>>();
        assert_eq!(kinds(), [ProofKind::Risc0Composite]);
        assert!(engine.backend(ProofKind::Risc0Groth16).is_none());
        backend.0.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(kinds(), [ProofKind::Risc0Composite, ProofKind::Risc0Groth16]);
        assert_eq!(engine.speeds(&measured)[1].units_per_second, 7.0);
        assert!(engine.backend(ProofKind::Risc0Groth16).is_some());
        backend.0.store(false, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(kinds(), [ProofKind::Risc0Composite]);
    }
}
