//! Rows, read with their meaning: a value that cannot have been written is damage, not a default.

use crate::{StoreError, StoreResult};
use sqlx::{Row, Sqlite, ValueRef, sqlite::SqliteRow};
use zkpool_protocol::{Address, B256, BlobId, U256};

/// A row's fields by name.
pub(super) struct Fields(SqliteRow);

impl Fields {
    pub(super) const fn of(row: SqliteRow) -> Self {
        Self(row)
    }

    fn get<'r, T>(&'r self, column: &'static str) -> StoreResult<T>
    where
        T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
    {
        self.0.try_get(column).map_err(|error| damaged(column, error))
    }

    pub(super) fn is_null(&self, column: &'static str) -> StoreResult<bool> {
        Ok(self.0.try_get_raw(column).map_err(|error| damaged(column, error))?.is_null())
    }

    /// `None` where the column is null.
    pub(super) fn optional<T>(
        &self,
        column: &'static str,
        read: impl FnOnce(&Self, &'static str) -> StoreResult<T>,
    ) -> StoreResult<Option<T>> {
        if self.is_null(column)? { Ok(None) } else { read(self, column).map(Some) }
    }

    pub(super) fn i64(&self, column: &'static str) -> StoreResult<i64> {
        self.get(column)
    }

    pub(super) fn u64(&self, column: &'static str) -> StoreResult<u64> {
        let value = self.i64(column)?;
        u64::try_from(value).map_err(|_| damaged(column, value))
    }

    pub(super) fn u32(&self, column: &'static str) -> StoreResult<u32> {
        let value = self.i64(column)?;
        u32::try_from(value).map_err(|_| damaged(column, value))
    }

    pub(super) fn bool(&self, column: &'static str) -> StoreResult<bool> {
        Ok(self.i64(column)? != 0)
    }

    pub(super) fn f64(&self, column: &'static str) -> StoreResult<f64> {
        self.get(column)
    }

    pub(super) fn text(&self, column: &'static str) -> StoreResult<String> {
        self.get(column)
    }

    pub(super) fn bytes(&self, column: &'static str) -> StoreResult<Vec<u8>> {
        self.get(column)
    }

    pub(super) fn optional_bytes(&self, column: &'static str) -> StoreResult<Option<Vec<u8>>> {
        self.get(column)
    }

    pub(super) fn word(&self, column: &'static str) -> StoreResult<B256> {
        let bytes: &[u8] = self.get(column)?;
        B256::try_from(bytes).map_err(|_| damaged(column, format_args!("{} bytes", bytes.len())))
    }

    pub(super) fn blob(&self, column: &'static str) -> StoreResult<BlobId> {
        Ok(self.word(column)?.into())
    }

    pub(super) fn address(&self, column: &'static str) -> StoreResult<Address> {
        let bytes: &[u8] = self.get(column)?;
        Address::try_from(bytes).map_err(|_| damaged(column, format_args!("{} bytes", bytes.len())))
    }

    pub(super) fn amount(&self, column: &'static str) -> StoreResult<u128> {
        let text: &str = self.get(column)?;
        text.parse().map_err(|_| damaged(column, text))
    }

    pub(super) fn big(&self, column: &'static str) -> StoreResult<U256> {
        let text: &str = self.get(column)?;
        text.parse().map_err(|_| damaged(column, text))
    }

    /// One of a set of names.
    pub(super) fn name<T>(&self, column: &'static str, from_name: impl FnOnce(&str) -> Option<T>) -> StoreResult<T> {
        let text: &str = self.get(column)?;
        from_name(text).ok_or_else(|| damaged(column, text))
    }

    pub(super) fn parsed<T: std::str::FromStr>(&self, column: &'static str) -> StoreResult<T> {
        self.name(column, |text| text.parse().ok())
    }
}

pub(super) fn damaged(column: &'static str, found: impl std::fmt::Display) -> StoreError {
    let found: String = found.to_string().chars().take(80).collect();
    StoreError::Damaged { column, found }
}

/// SQLite's integers are signed.
pub(super) fn int(value: u64) -> StoreResult<i64> {
    i64::try_from(value).map_err(|_| damaged("a number", value))
}
