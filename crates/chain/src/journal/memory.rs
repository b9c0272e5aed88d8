//! A journal that dies with the process: for tests, and for one-shot commands that are safe to repeat.

use super::{TxJournal, TxRecord};
use crate::JournalError;
use alloy::primitives::Address;
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// In memory only.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    records: Mutex<BTreeMap<String, TxRecord>>,
}

impl MemoryJournal {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn from_records(records: impl IntoIterator<Item = TxRecord>) -> Self {
        Self { records: Mutex::new(records.into_iter().map(|record| (record.purpose.clone(), record)).collect()) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, TxRecord>> {
        // A writer that panicked left whole records behind: they are replaced, never edited in place.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TxJournal for MemoryJournal {
    async fn insert(&self, record: TxRecord) -> Result<TxRecord, JournalError> {
        Ok(self.lock().entry(record.purpose.clone()).or_insert(record).clone())
    }

    async fn save(&self, record: &TxRecord) -> Result<(), JournalError> {
        self.lock().insert(record.purpose.clone(), record.clone());
        Ok(())
    }

    async fn get(&self, purpose: &str) -> Result<Option<TxRecord>, JournalError> {
        Ok(self.lock().get(purpose).cloned())
    }

    async fn open(&self, from: Address) -> Result<Vec<TxRecord>, JournalError> {
        let records = self.lock();
        let mut open: Vec<_> =
            records.values().filter(|record| record.from == from && !record.state.is_final()).cloned().collect();
        open.sort_by_key(|record| record.order);
        Ok(open)
    }

    async fn highest_nonce(&self, from: Address) -> Result<Option<u64>, JournalError> {
        Ok(self.lock().values().filter(|record| record.from == from).filter_map(|record| record.nonce).max())
    }

    async fn at_nonce(&self, from: Address, nonce: u64) -> Result<Option<TxRecord>, JournalError> {
        Ok(self.lock().values().find(|record| record.from == from && record.nonce == Some(nonce)).cloned())
    }
}
