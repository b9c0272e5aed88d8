//! Proving on threads of its own: the agent's connections stay alive whatever the processor is doing.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use tokio::sync::oneshot;
use zkpool_backends::{Backend, BackendError, Control};
use zkpool_protocol::{ErrorCode, ProofKind};

/// What this machine can prove, and with how many threads.
#[derive(Clone)]
pub(crate) struct Engine {
    /// Each with the kinds of work that it does here.
    backends: Arc<[(Arc<dyn Backend>, Vec<ProofKind>)]>,
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
        let kinds = |backend: &Arc<dyn Backend>| {
            let mut kinds = backend.kinds();
            kinds.retain(|kind| wanted.is_empty() || wanted.contains(kind));
            kinds
        };
        let backends = backends.into_iter().map(|backend| (Arc::clone(&backend), kinds(&backend)));
        Self { backends: backends.filter(|(_, kinds)| !kinds.is_empty()).collect(), threads }
    }

    /// What it can prove.
    pub(crate) fn kinds(&self) -> Vec<ProofKind> {
        self.backends.iter().flat_map(|(_, kinds)| kinds.iter().copied()).collect()
    }

    /// The backend for a kind.
    pub(crate) fn backend(&self, kind: ProofKind) -> Option<Arc<dyn Backend>> {
        self.backends.iter().find(|(_, kinds)| kinds.contains(&kind)).map(|(backend, _)| Arc::clone(backend))
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
}
