//! What to generate, and what can go wrong.

use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};

use super::calendar::{Calendar, DAYS_AFTER};

/// What to generate. The same settings give the same bytes, whenever and wherever they are used.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoSettings {
    /// `raw/` is written below it.
    pub directory: PathBuf,
    /// Profiles in the shop's books by the last day, people from bought lists included. At most 20 million.
    pub customers: u32,
    /// Days of the window; at most 10,000.
    pub days: u32,
    pub seed: u64,
    /// The window's last day.
    pub last_day: NaiveDate,
}

const MOST_CUSTOMERS: u32 = 20_000_000;
const MOST_DAYS: u32 = 10_000;

impl DemoSettings {
    /// 5,000 customers over two years that end on 2025-12-31, with seed 1.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let last_day = NaiveDate::from_ymd_opt(2025, 12, 31).unwrap_or_default();
        Self { directory: directory.into(), customers: 5_000, days: 730, seed: 1, last_day }
    }

    /// The window's first day; the last one where the window is empty or begins before the calendar does.
    pub fn first_day(&self) -> NaiveDate {
        let back = u64::from(self.days.saturating_sub(1));
        self.last_day.checked_sub_days(Days::new(back)).unwrap_or(self.last_day)
    }

    pub(super) fn raw(&self) -> PathBuf {
        self.directory.join("raw")
    }

    pub(super) fn calendar(&self) -> Result<Calendar, DemoError> {
        let refuse = |message: &str| Err(DemoError::Settings { message: message.to_owned() });
        if self.customers > MOST_CUSTOMERS {
            return refuse("customers must be at most 20000000");
        }
        if self.days == 0 || self.days > MOST_DAYS {
            return refuse("days must be between 1 and 10000");
        }
        let last = self.last_day.checked_add_days(Days::new(u64::from(DAYS_AFTER)));
        let first = self.last_day.checked_sub_days(Days::new(u64::from(self.days)));
        match (last, first, Calendar::new(self.first_day(), self.days)) {
            (Some(_), Some(_), Some(calendar)) => Ok(calendar),
            _ => refuse("the window lies outside the calendar"),
        }
    }
}

/// How far the generator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoProgress {
    /// The day that has just been written.
    pub day: NaiveDate,
    pub days_done: u32,
    pub days: u32,
    /// Rows written so far, broken ones included.
    pub rows: u64,
}

/// Why the demo's files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("demo settings: {message}")]
    Settings { message: String },
    #[error("folder {} already holds raw objects\nhint: choose another folder, or delete this one", .path.display())]
    NotEmpty { path: PathBuf },
    #[error("folder {} cannot be used", .path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("raw object {} cannot be written", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("raw object {} cannot be written as Parquet", .path.display())]
    Parquet { path: PathBuf, source: parquet::errors::ParquetError },
    #[error("raw object {} cannot be read", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("raw object {} holds no order line that can be corrected", .path.display())]
    NothingToCorrect { path: PathBuf },
}

impl DemoError {
    pub(super) fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }

    pub(super) fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder { path, source }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }
}
