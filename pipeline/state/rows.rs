//! Reads typed values out of SQLite rows.

use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite};

use super::StateError;

/// A row of the file at `path`, which errors name.
pub(super) struct Record<'a> {
    pub row: &'a SqliteRow,
    pub path: &'a Path,
}

impl Record<'_> {
    pub fn value<'row, T>(&'row self, column: &str) -> Result<T, StateError>
    where
        T: sqlx::Decode<'row, Sqlite> + sqlx::Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|error| StateError::Corrupt {
            path: self.path.to_owned(),
            detail: format!("column `{column}` cannot be read: {error}"),
        })
    }

    pub fn text(&self, column: &str) -> Result<String, StateError> {
        self.value(column)
    }

    pub fn count(&self, column: &str) -> Result<u64, StateError> {
        let value: i64 = self.value(column)?;
        u64::try_from(value).map_err(|_| StateError::unreadable(self.path, column, value))
    }

    pub fn optional_count(&self, column: &str) -> Result<Option<u64>, StateError> {
        let value: Option<i64> = self.value(column)?;
        value
            .map(|value| u64::try_from(value).map_err(|_| StateError::unreadable(self.path, column, value)))
            .transpose()
    }

    pub fn instant(&self, column: &str) -> Result<DateTime<Utc>, StateError> {
        let value: i64 = self.value(column)?;
        DateTime::from_timestamp_micros(value).ok_or_else(|| StateError::unreadable(self.path, column, value))
    }

    pub fn optional_instant(&self, column: &str) -> Result<Option<DateTime<Utc>>, StateError> {
        match self.value::<Option<i64>>(column)? {
            None => Ok(None),
            Some(_) => self.instant(column).map(Some),
        }
    }

    pub fn day(&self, column: &str) -> Result<NaiveDate, StateError> {
        let value: String = self.value(column)?;
        value.parse().map_err(|_| StateError::unreadable(self.path, column, value))
    }

    pub fn optional_day(&self, column: &str) -> Result<Option<NaiveDate>, StateError> {
        match self.value::<Option<String>>(column)? {
            None => Ok(None),
            Some(_) => self.day(column).map(Some),
        }
    }

    /// Reads an enum from its stored text.
    pub fn named<T>(&self, column: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, StateError> {
        let value: String = self.value(column)?;
        read(&value).ok_or_else(|| StateError::unreadable(self.path, column, value))
    }
}
