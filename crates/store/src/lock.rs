//! One service per database: an operating-system lock on a file beside it, which dies with the process.

use crate::StoreError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

/// Held for as long as the store is open.
#[derive(Debug)]
pub(crate) struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Locks `<database>.lock`, at once or not at all.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        const WHAT: &str = "lock the database";
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|error| StoreError::io(WHAT, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: database.to_owned() }),
            Err(TryLockError::Error(error)) => Err(StoreError::io(WHAT, error)),
        }
    }
}
