//! A journal in a directory: one file per transaction, each written whole and durably.
//!
//! For a program that is alone on its directory (the requester's SDK locks its own).

use super::{MemoryJournal, TxJournal, TxRecord};
use crate::JournalError;
use alloy::primitives::{Address, keccak256};
use async_trait::async_trait;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// On disk, with a copy in memory.
#[derive(Debug)]
pub struct DirJournal {
    dir: PathBuf,
    memory: MemoryJournal,
}

impl DirJournal {
    /// Opens, or makes, the journal in `dir`. Blocks shortly.
    ///
    /// # Errors
    /// The directory cannot be made or read, or a file in it is not what this journal writes.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let dir = dir.into();
        let records = load(&dir).map_err(|source| {
            JournalError::new(format!("read the transaction journal in {}", dir.display()), source)
        })?;
        Ok(Self { dir, memory: MemoryJournal::from_records(records) })
    }

    async fn write(&self, record: &TxRecord) -> Result<(), JournalError> {
        // The purpose can hold anything; its hash is a safe name.
        let path = self.dir.join(format!("tx-{}.json", hex::encode(keccak256(record.purpose.as_bytes()))));
        let what = || format!("write the transaction journal in {}", self.dir.display());
        let bytes = serde_json::to_vec_pretty(record).map_err(|e| JournalError::new(what(), e))?;
        let written = tokio::task::spawn_blocking(move || write_durably(&path, &bytes)).await;
        match written {
            Ok(result) => result.map_err(|e| JournalError::new(what(), e)),
            Err(error) => Err(JournalError::new(what(), error)),
        }
    }
}

fn load(dir: &Path) -> io::Result<Vec<TxRecord>> {
    fs::create_dir_all(dir)?;
    let mut records = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("tx-") && name.ends_with(".json") {
            let record = serde_json::from_slice(&fs::read(&path)?)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}")))?;
            records.push(record);
        }
    }
    Ok(records)
}

/// Writes a file so that after a crash it holds either the old or the new bytes, and the new ones once this returns.
pub fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = dir.join(name);
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(dir)?.sync_all()
}

#[async_trait]
impl TxJournal for DirJournal {
    async fn insert(&self, record: TxRecord) -> Result<TxRecord, JournalError> {
        if let Some(found) = self.memory.get(&record.purpose).await? {
            return Ok(found);
        }
        self.write(&record).await?;
        self.memory.insert(record).await
    }

    async fn save(&self, record: &TxRecord) -> Result<(), JournalError> {
        self.write(record).await?;
        self.memory.save(record).await
    }

    async fn get(&self, purpose: &str) -> Result<Option<TxRecord>, JournalError> {
        self.memory.get(purpose).await
    }

    async fn open(&self, from: Address) -> Result<Vec<TxRecord>, JournalError> {
        self.memory.open(from).await
    }

    async fn highest_nonce(&self, from: Address) -> Result<Option<u64>, JournalError> {
        self.memory.highest_nonce(from).await
    }

    async fn at_nonce(&self, from: Address, nonce: u64) -> Result<Option<TxRecord>, JournalError> {
        self.memory.at_nonce(from, nonce).await
    }
}
