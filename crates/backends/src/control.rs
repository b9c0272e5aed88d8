//! How a running proof is watched and stopped.

use crate::BackendError;
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// What a backend is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Reads the program.
    Load,
    /// Runs the program on the input.
    Witness,
    /// Makes the proof.
    Prove,
    /// Checks the proof that was made.
    Verify,
}

impl Stage {
    /// The name in logs and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Witness => "witness",
            Self::Prove => "prove",
            Self::Verify => "verify",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Of the whole call, from 0 to 1. It never falls.
    pub fraction: f64,
}

/// Watches and stops one call of a backend. Clones are the same control.
///
/// A call notices a cancellation or its deadline within some 100 ms, whatever the size of the program, and returns
/// [`BackendError::Cancelled`] or [`BackendError::DeadlineExceeded`].
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    cancelled: AtomicBool,
    deadline: Option<Instant>,
    progress: Option<Box<dyn Fn(Progress) + Send + Sync>>,
    /// The last that was reported.
    last: Mutex<Option<Progress>>,
}

impl Control {
    /// Without deadline and progress; it can be cancelled.
    pub fn new() -> Self {
        Self::with(None, None)
    }

    /// With a deadline, if any, and a callback, if any. The callback is called from the threads that prove, one call
    /// at a time and at most a hundred times or so: it should be short.
    pub fn with(deadline: Option<Instant>, progress: Option<Box<dyn Fn(Progress) + Send + Sync>>) -> Self {
        Self(Arc::new(Inner { cancelled: AtomicBool::new(false), deadline, progress, last: Mutex::new(None) }))
    }

    /// Stops the call, from any thread.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// [`BackendError::Cancelled`], [`BackendError::DeadlineExceeded`].
    pub fn check(&self) -> Result<(), BackendError> {
        if self.0.cancelled.load(Ordering::Relaxed) {
            return Err(BackendError::Cancelled);
        }
        if self.0.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(BackendError::DeadlineExceeded);
        }
        Ok(())
    }

    /// Reports progress: dropped if it is less than a hundredth further, in the same stage, than the last.
    pub(crate) fn report(&self, stage: Stage, fraction: f64) {
        let Some(callback) = &self.0.progress else { return };
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let fraction = fraction.clamp(0.0, 1.0);
        if let Some(last) = *last
            && (fraction < last.fraction
                || stage < last.stage
                || (stage == last.stage && fraction < 1.0 && fraction - last.fraction < 0.01))
        {
            return;
        }
        let progress = Progress { stage, fraction };
        *last = Some(progress);
        callback(progress);
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("cancelled", &self.0.cancelled)
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn stops_by_any_clone_and_at_the_deadline() {
        let control = Control::new();
        control.check().unwrap();
        control.clone().cancel();
        assert!(matches!(control.check(), Err(BackendError::Cancelled)));

        let now = Instant::now();
        Control::with(Some(now + Duration::from_secs(3600)), None).check().unwrap();
        assert!(matches!(Control::with(Some(now), None).check(), Err(BackendError::DeadlineExceeded)));
    }

    #[test]
    fn progress_never_falls_and_is_not_chatty() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let control = Control::with(None, Some(Box::new(move |p| sink.lock().unwrap().push(p))));
        for i in 0..10_000 {
            control.report(Stage::Prove, f64::from(i) / 10_000.0);
        }
        control.report(Stage::Load, 0.9);
        control.report(Stage::Verify, 0.5);
        control.report(Stage::Verify, 7.0);
        let seen = seen.lock().unwrap();
        assert!(seen.len() < 110, "{}", seen.len());
        assert!(seen.windows(2).all(|pair| pair[0].fraction <= pair[1].fraction && pair[0].stage <= pair[1].stage));
        assert_eq!(seen.last().unwrap().fraction, 1.0);
    }
}
