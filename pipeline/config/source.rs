//! A source's contract: where its objects are, how they are read, and which rows are good.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DataType;

/// One feed of raw objects and the contract that its rows must keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Landed as `landed.<name>`.
    pub name: String,
    /// The location with `${raw}` and `${env:…}` resolved; `{day}` (yyyy-mm-dd) and globs (`*`, `?`, `[…]`, `**`) remain.
    /// A full URL such as `s3://bucket/orders/date={day}/*.csv.gz`: up to the last slash before the first `{day}` or glob it
    /// is percent-encoded, behind it is text to compare with the objects' decoded paths. Without any it is all encoded.
    pub location: String,
    pub format: Format,
    /// `None`: by the object's ending (`.gz`, `.zst`).
    pub compression: Option<Compression>,
    /// The newest version of a key wins; empty: every row counts.
    pub key: Vec<String>,
    /// The column whose business day is the row's day; `None` for a dimension.
    pub event_time: Option<String>,
    /// In the order of the contract.
    pub columns: Vec<ColumnContract>,
    pub unknown_columns: UnknownColumns,
    pub max_rejected: MaxRejected,
    /// More decompressed bytes of one object than these are not read: one rejected row stands for the rest.
    pub max_object_bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    Csv(CsvOptions),
    NdJson,
    Parquet,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CsvOptions {
    pub delimiter: Delimiter,
    /// `false`: the contract's columns are the file's columns, by position.
    pub header: bool,
    /// Quote character; `None` for files without quoting.
    pub quote: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    Byte(u8),
    /// Runs of blanks and tabs separate fields; those at a line's start and end are ignored.
    Whitespace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What happens to a column that the contract does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownColumns {
    /// It is not landed.
    Ignore,
    /// A row that has one is rejected.
    Reject,
    /// It is landed as a string.
    Add,
}

/// More rejected rows than this fail the run. Of the rows read in the run from this source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejected {
    /// 0.01 for `1%`.
    Share(f64),
    Rows(u64),
}

/// What a value of a column must be.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnContract {
    /// The landed column.
    pub name: String,
    /// The column's name in the raw objects, where it differs (`from: "Customer ID"`).
    pub from: Option<String>,
    pub data_type: DataType,
    /// A null or missing value rejects the row.
    pub required: bool,
    /// Masked in logs, errors and listings of rejected rows.
    pub pii: bool,
    /// Compared as text, before casting; empty: any.
    pub accepted_values: Vec<String>,
    /// In the column's type, as text; inclusive.
    pub min: Option<String>,
    pub max: Option<String>,
    /// strftime patterns for dates and timestamps, tried in order; empty: ISO 8601.
    pub formats: Vec<String>,
    /// The zone of timestamps that carry none; `None`: UTC.
    pub timezone: Option<chrono_tz::Tz>,
    /// Texts that mean null, besides the empty one in CSV.
    pub null_values: Vec<String>,
}
