//! Holding a job: heartbeats from the moment it is claimed until its result is accepted, whatever else is going on.

use crate::{
    backoff::Backoff,
    report::{Event, Observer},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use zkpool_api::{Client, HeartbeatRequest, Lease, MAX_STAGE};
use zkpool_protocol::{ErrorCode, JobId};

/// The most often that a lease is renewed, whatever the operator asks for.
const MIN_INTERVAL: Duration = Duration::from_millis(20);
/// The least often.
const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// What a job is at; shared by whoever works on it, the heartbeat and the owner's terminal.
pub(crate) struct Progress {
    job: JobId,
    observer: Arc<dyn Observer>,
    at: Mutex<(String, f32)>,
}

impl Progress {
    pub(crate) fn new(job: JobId, observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self { job, observer, at: Mutex::new(("claimed".into(), 0.0)) })
    }

    /// Records where the job is.
    pub(crate) fn set(&self, stage: &str, fraction: f32) {
        let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
        let mut end = stage.len().min(MAX_STAGE);
        while !stage.is_char_boundary(end) {
            end -= 1;
        }
        let stage = stage[..end].to_owned();
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = (stage.clone(), fraction);
        self.observer.on(&Event::Progress { job: self.job, stage, fraction });
    }

    fn get(&self) -> (String, f32) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps a lease alive until it is dropped.
pub(crate) struct Holder {
    lost: CancellationToken,
    reason: Arc<Mutex<String>>,
    _task: AbortOnDropHandle<()>,
}

impl Holder {
    /// Starts renewing. `check_now`: the lease comes from an earlier run and may be gone already.
    pub(crate) fn start(
        client: Client,
        job: JobId,
        lease: Lease,
        progress: Arc<Progress>,
        backoff: Backoff,
        check_now: bool,
    ) -> Self {
        let (lost, reason) = (CancellationToken::new(), Arc::new(Mutex::new(String::new())));
        let keeper = Keeper { client, job, lease, progress, backoff };
        let task = tokio::spawn({
            let (lost, reason) = (lost.clone(), Arc::clone(&reason));
            async move {
                let why = keeper.run(check_now).await;
                *reason.lock().unwrap_or_else(PoisonError::into_inner) = why;
                lost.cancel();
            }
        });
        Self { lost, reason, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits until the operator says that the job is not ours any more; says why.
    pub(crate) async fn lost(&self) -> String {
        self.lost.cancelled().await;
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Keeper {
    client: Client,
    job: JobId,
    lease: Lease,
    progress: Arc<Progress>,
    backoff: Backoff,
}

impl Keeper {
    /// Renews until the job is lost; returns why.
    ///
    /// An operator that cannot be reached is no reason to stop: the lease may have run out meanwhile, but only the
    /// operator knows whether somebody else has the job, and a late result can still count.
    async fn run(self, check_now: bool) -> String {
        let every = interval(self.lease);
        let mut attempts = self.backoff.start();
        let mut wait = if check_now { Duration::ZERO } else { every };
        loop {
            tokio::time::sleep(wait).await;
            let (stage, progress) = self.progress.get();
            let request = HeartbeatRequest { fence: self.lease.fence, stage, progress };
            match self.client.heartbeat(self.job, &request).await {
                Ok(reply) => {
                    if let Some(reason) = reply.cancelled {
                        return format!("the operator does not need it any more: {}", printable(&reason));
                    }
                    attempts.succeeded();
                    wait = every;
                }
                Err(error) if ends_the_lease(error.code()) && !error.is_transient() => return error.to_string(),
                Err(error) => {
                    wait = attempts.failed().min(every);
                    tracing::debug!(job.id = %self.job, %error, "cannot renew the lease; trying again");
                }
            }
        }
    }
}

/// How often to renew: as asked, but at least three times in a lease.
fn interval(lease: Lease) -> Duration {
    let third = Duration::from_millis(lease.valid_for_ms / 3);
    Duration::from_millis(lease.renew_every_ms).min(third).clamp(MIN_INTERVAL, MAX_INTERVAL)
}

const fn ends_the_lease(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::LeaseLost | ErrorCode::NotFound | ErrorCode::Forbidden)
}

/// An operator's text, made fit for a terminal and a log.
pub(crate) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_in_time_whatever_the_operator_asks() {
        let every = |valid_for_ms, renew_every_ms| {
            interval(Lease { fence: 1, until_ms: 0, valid_for_ms, renew_every_ms }).as_millis()
        };
        assert_eq!(every(30_000, 10_000), 10_000);
        assert_eq!(every(30_000, 29_000), 10_000);
        assert_eq!(every(0, 0), 20, "never a hot loop");
        assert_eq!(every(u64::MAX, u64::MAX), 60_000);
    }

    #[test]
    fn progress_is_what_the_api_takes() {
        let progress = Progress::new(JobId { task: Default::default(), index: 0 }, Arc::new(|_: &Event| {}));
        progress.set(&"ä".repeat(100), f32::NAN);
        let (stage, fraction) = progress.get();
        assert!(stage.len() <= MAX_STAGE && fraction == 0.0);
        progress.set("x", 7.0);
        assert_eq!(progress.get().1, 1.0);
    }

    #[test]
    fn an_operators_text_cannot_draw_on_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\nc"), "a[2Jbc");
    }
}
