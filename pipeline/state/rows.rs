//! Reads typed values out of rows.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::any::AnyRow;
use sqlx::{Any, Row};

use super::{Place, StateError};

/// A row of the state at `place`, which errors name.
pub(super) struct Record<'a> {
    pub row: &'a AnyRow,
    pub place: &'a Place,
}

impl Record<'_> {
    pub fn value<'row, T>(&'row self, column: &str) -> Result<T, StateError>
    where
        T: sqlx::Decode<'row, Any> + sqlx::Type<Any>,
    {
        self.row.try_get(column).map_err(|error| StateError::Corrupt {
            place: self.place.clone(),
            detail: format!("column `{column}` cannot be read: {error}"),
        })
    }

    pub fn text(&self, column: &str) -> Result<String, StateError> {
        self.value(column)
    }

    /// A yes or no, which is stored as 1 or 0.
    pub fn flag(&self, column: &str) -> Result<bool, StateError> {
        Ok(self.value::<i64>(column)? != 0)
    }

    pub fn count(&self, column: &str) -> Result<u64, StateError> {
        let value: i64 = self.value(column)?;
        u64::try_from(value).map_err(|_| StateError::unreadable(self.place, column, value))
    }

    pub fn optional_count(&self, column: &str) -> Result<Option<u64>, StateError> {
        let value: Option<i64> = self.value(column)?;
        value
            .map(|value| u64::try_from(value).map_err(|_| StateError::unreadable(self.place, column, value)))
            .transpose()
    }

    pub fn instant(&self, column: &str) -> Result<DateTime<Utc>, StateError> {
        let value: i64 = self.value(column)?;
        DateTime::from_timestamp_micros(value).ok_or_else(|| StateError::unreadable(self.place, column, value))
    }

    pub fn optional_instant(&self, column: &str) -> Result<Option<DateTime<Utc>>, StateError> {
        match self.value::<Option<i64>>(column)? {
            None => Ok(None),
            Some(_) => self.instant(column).map(Some),
        }
    }

    pub fn day(&self, column: &str) -> Result<NaiveDate, StateError> {
        let value: String = self.value(column)?;
        value.parse().map_err(|_| StateError::unreadable(self.place, column, value))
    }

    /// Reads an enum from its stored text.
    pub fn named<T>(&self, column: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, StateError> {
        let value: String = self.value(column)?;
        read(&value).ok_or_else(|| StateError::unreadable(self.place, column, value))
    }
}
