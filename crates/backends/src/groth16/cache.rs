//! Parsed programs, kept in memory: for small circuits reading the key costs as much as proving.

use crate::{BackendError, Control};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};
use zkpool_protocol::BlobId;

/// Values by their blob's id, the least recently used dropped first, up to a number of bytes.
pub(super) struct Cache<V> {
    max: u64,
    state: Mutex<State<V>>,
    /// Held while a value is made, so that two calls that want the same large key do not both read it.
    making: Mutex<()>,
}

struct State<V> {
    values: HashMap<BlobId, Kept<V>>,
    bytes: u64,
    /// Counts uses.
    clock: u64,
}

struct Kept<V> {
    value: Arc<V>,
    bytes: u64,
    used: u64,
}

impl<V> Cache<V> {
    /// Of at most `max` bytes.
    pub(super) fn new(max: u64) -> Self {
        let state = State { values: HashMap::new(), bytes: 0, clock: 0 };
        Self { max, state: Mutex::new(state), making: Mutex::new(()) }
    }

    /// The value for `id`; if it is not there, `make` makes it and says how many bytes it takes. One that is larger than
    /// the whole cache is not kept.
    pub(super) fn get_or_make(
        &self,
        id: BlobId,
        control: &Control,
        make: impl FnOnce() -> Result<(V, u64), BackendError>,
    ) -> Result<Arc<V>, BackendError> {
        if let Some(value) = self.get(&id) {
            return Ok(value);
        }
        let _making = self.wait_to_make(control)?;
        if let Some(value) = self.get(&id) {
            return Ok(value);
        }
        let (value, bytes) = make()?;
        let value = Arc::new(value);
        if bytes <= self.max {
            self.state().keep(id, Arc::clone(&value), bytes, self.max);
        }
        Ok(value)
    }

    fn get(&self, id: &BlobId) -> Option<Arc<V>> {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let kept = state.values.get_mut(id)?;
        kept.used = clock;
        Some(Arc::clone(&kept.value))
    }

    /// Waits for its turn, but not longer than the control allows.
    fn wait_to_make(&self, control: &Control) -> Result<MutexGuard<'_, ()>, BackendError> {
        loop {
            control.check()?;
            match self.making.try_lock() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(guard)) => return Ok(guard.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> State<V> {
    fn keep(&mut self, id: BlobId, value: Arc<V>, bytes: u64, max: u64) {
        while self.bytes + bytes > max {
            let Some(oldest) = self.values.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| *id) else { break };
            self.bytes -= self.values.remove(&oldest).map_or(0, |kept| kept.bytes);
        }
        self.clock += 1;
        self.bytes += bytes;
        self.values.insert(id, Kept { value, bytes, used: self.clock });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn id(n: u8) -> BlobId {
        BlobId::of(&[n])
    }

    #[test]
    fn keeps_what_was_used_last_within_its_bound() {
        let cache = Cache::new(100);
        let made = AtomicUsize::new(0);
        let get = |n: u8, bytes| {
            let before = made.load(Ordering::Relaxed);
            let make = || {
                made.fetch_add(1, Ordering::Relaxed);
                Ok((n, bytes))
            };
            assert_eq!(*cache.get_or_make(id(n), &Control::new(), make).unwrap(), n);
            made.load(Ordering::Relaxed) == before
        };
        assert!(!get(1, 40) && !get(2, 40));
        assert!(get(1, 40), "kept");
        assert!(!get(3, 40), "2 was used longest ago and is dropped");
        assert!(get(1, 40) && !get(2, 40));
        assert!(!get(4, 101) && !get(4, 101), "too large to keep");
        assert!(get(2, 40), "and nothing was dropped for it");
    }

    #[test]
    fn a_failure_is_not_kept_and_a_panic_does_not_lock_it() {
        let cache = Cache::new(100);
        let control = Control::new();
        assert!(cache.get_or_make(id(1), &control, || Err(BackendError::WitnessUnsatisfied)).is_err());
        let panics = || cache.get_or_make(id(1), &control, || panic!("on purpose")).is_ok();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
        assert_eq!(*cache.get_or_make(id(1), &control, || Ok((7, 1))).unwrap(), 7);
    }

    #[test]
    fn two_that_want_the_same_make_it_once() {
        let cache = Cache::new(100);
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let make = || {
                        std::thread::sleep(Duration::from_millis(30));
                        made.fetch_add(1, Ordering::Relaxed);
                        Ok(((), 1))
                    };
                    cache.get_or_make(id(1), &Control::new(), make).unwrap();
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
