//! Tasks that failed, each with a time before which it is not tried again: one that always fails holds up no other.

use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;
use zkpool_store::TaskKey;

/// How long a task is left alone: longer with each failure in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    /// After the first failure; doubles with each...
    pub(crate) first: Duration,
    /// ... up to this.
    pub(crate) longest: Duration,
    /// After so many failures it has most likely no chance: then this.
    pub(crate) hopeless: (u32, Duration),
}

/// What is left alone for now. Forgotten with the process: then everything is tried once more.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    tasks: HashMap<TaskKey, Failed>,
}

#[derive(Debug)]
struct Failed {
    times: u32,
    until: Instant,
}

impl Backoff {
    /// Whether a task may be tried now.
    pub(crate) fn may(&self, task: TaskKey) -> bool {
        self.tasks.get(&task).is_none_or(|failed| failed.until <= Instant::now())
    }

    /// It failed once more. Returns how long it is left alone.
    pub(crate) fn failed(&mut self, task: TaskKey, pauses: &Pauses) -> Duration {
        let times = self.tasks.get(&task).map_or(0, |failed| failed.times);
        let (hopeless, long) = pauses.hopeless;
        let pause = match times.saturating_add(1) >= hopeless {
            true => long,
            false => pauses.first.saturating_mul(1 << times.min(16)).min(pauses.longest),
        };
        self.tasks.insert(task, Failed { times: times.saturating_add(1), until: Instant::now() + pause });
        pause
    }

    /// It worked, or is over.
    pub(crate) fn forget(&mut self, task: TaskKey) {
        self.tasks.remove(&task);
    }

    /// Forgets all but these.
    pub(crate) fn keep(&mut self, live: impl Fn(TaskKey) -> bool) {
        self.tasks.retain(|task, _| live(*task));
    }

    /// When the next of those that are left alone may be tried.
    pub(crate) fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        self.tasks.values().map(|failed| failed.until).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_and_a_hopeless_task_is_hardly_tried() {
        let seconds = Duration::from_secs;
        let pauses = Pauses { first: seconds(1), longest: seconds(5), hopeless: (5, seconds(600)) };
        let mut backoff = Backoff::default();
        let all: Vec<_> = (0..6).map(|_| backoff.failed(7, &pauses).as_secs()).collect();
        assert_eq!(all, [1, 2, 4, 5, 600, 600]);
        assert!(!backoff.may(7) && backoff.may(8));
        assert_eq!(backoff.next(), Some(Instant::now() + seconds(600)));
        tokio::time::advance(seconds(600)).await;
        assert!(backoff.may(7));
        assert_eq!(backoff.next(), None);
        backoff.forget(7);
        assert_eq!(backoff.failed(7, &pauses), seconds(1), "it had worked in between");
        backoff.keep(|task| task != 7);
        assert!(backoff.may(7));
    }
}
