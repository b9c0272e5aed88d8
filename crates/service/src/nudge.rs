//! Who wakes whom: nudges for reconcilers, and the news of changes for those who wait for one.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Notify, broadcast};
use zkpool_protocol::JobId;
use zkpool_store::TaskKey;

/// A reconciler's wake-up call. A call while it works makes it run once more.
#[derive(Debug, Default)]
pub struct Nudge(Notify);

impl Nudge {
    /// Wakes it.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Waits for a call.
    pub async fn called(&self) {
        self.0.notified().await;
    }
}

/// One wake-up call per reconciler.
#[derive(Debug, Default)]
pub struct Nudges {
    /// Requests to look at.
    pub preflight: Nudge,
    /// The chain moved.
    pub follow: Nudge,
    /// Tasks to plan.
    pub plan: Nudge,
    /// Programs to run.
    pub execute: Nudge,
    /// Jobs or provers are there.
    pub dispatch: Nudge,
    /// Receipts to put together, signatures that have come.
    pub seal: Nudge,
    /// Legs that may complete a bundle.
    pub gather: Nudge,
    /// Proofs to submit, transactions to drive.
    pub submit: Nudge,
    /// Tasks of others are late.
    pub rescue: Nudge,
    /// Slots or balances changed.
    pub account: Nudge,
    /// Tasks ended, or a verifier may be halted.
    pub aftermath: Nudge,
    /// Provers have joined or earned something, or money was kept apart for them.
    pub pay: Nudge,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A task's state, its transactions or its place on chain.
    Task(TaskKey),
    /// A job's state or progress.
    Job(TaskKey, JobId),
    /// A prover may have been given a job.
    Leases,
    /// A receipt may wait for signatures.
    Receipts,
}

/// News of changes. A reader that falls behind learns that it did and looks again; nothing is lost by it.
#[derive(Debug)]
pub struct Changes {
    sender: broadcast::Sender<Change>,
    count: AtomicU64,
}

impl Default for Changes {
    fn default() -> Self {
        Self { sender: broadcast::channel(1024).0, count: AtomicU64::new(0) }
    }
}

impl Changes {
    /// Tells everyone who listens.
    pub fn announce(&self, change: Change) {
        self.count.fetch_add(1, Ordering::Relaxed);
        // No listener is no fault.
        let _ = self.sender.send(change);
    }

    /// Listens from now on: subscribe before looking, or a change in between is missed.
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.sender.subscribe()
    }
}
