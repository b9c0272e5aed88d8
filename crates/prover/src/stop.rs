//! Being told to stop: politely, then at once.

use tokio_util::sync::CancellationToken;

/// A switch with two positions, shared by whoever may throw it and everything that runs.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    wind_down: CancellationToken,
    at_once: CancellationToken,
}

impl Stop {
    /// Not thrown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Take no more jobs; finish, within the configured bound, what is being worked on.
    pub fn wind_down(&self) {
        self.wind_down.cancel();
    }

    /// Drop everything. Finished proofs are on disk and are returned by the next run.
    pub fn at_once(&self) {
        self.wind_down.cancel();
        self.at_once.cancel();
    }

    /// What a signal does: the first asks politely, the second does not.
    pub fn signal(&self) {
        if self.wind_down.is_cancelled() { self.at_once() } else { self.wind_down() }
    }

    pub(crate) fn is_winding_down(&self) -> bool {
        self.wind_down.is_cancelled()
    }

    pub(crate) async fn winding_down(&self) {
        self.wind_down.cancelled().await;
    }

    pub(crate) async fn now(&self) {
        self.at_once.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_signal_does_not_wait() {
        let stop = Stop::new();
        stop.signal();
        stop.winding_down().await;
        assert!(!stop.at_once.is_cancelled());
        stop.signal();
        stop.now().await;
    }
}
