//! One model: a SQL file and the YAML beside it, validated. Seeds too.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use chrono::Datelike;

use schemars::JsonSchema;
use serde::Deserialize;

use super::csv::{Record, parse_csv};
use super::text::Value;

/// `schema.table`: the schema is the folder under the SQL root (`staging`, `intermediate`, `marts`) or `seeds`, `landed`, `ops`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    pub schema: String,
    pub table: String,
}

impl TableName {
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.schema, self.table)
    }
}

/// The types that contracts and models use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataType {
    String,
    /// 64 bits.
    Integer,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Boolean,
    Date,
    /// A UTC instant in microseconds.
    Timestamp,
}

impl fmt::Display for DataType {
    /// As YAML writes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String => formatter.write_str("string"),
            Self::Integer => formatter.write_str("integer"),
            Self::Double => formatter.write_str("double"),
            Self::Decimal { precision, scale } => write!(formatter, "decimal({precision},{scale})"),
            Self::Boolean => formatter.write_str("boolean"),
            Self::Date => formatter.write_str("date"),
            Self::Timestamp => formatter.write_str("timestamp"),
        }
    }
}

/// A table of the project: its SQL, and what its YAML promises.
#[derive(Debug, Clone)]
pub struct Model {
    pub name: TableName,
    /// The text of the `.sql` file.
    pub sql: String,
    /// Relative to the project's root where it lies inside it.
    pub sql_file: PathBuf,
    pub yaml_file: PathBuf,
    pub description: String,
    pub materialized: Materialization,
    /// The columns that identify a row; checked unique and not null. Nulls never occur in them.
    pub grain: Vec<String>,
    /// In the order of the table.
    pub columns: Vec<ModelColumn>,
    pub checks: Vec<Check>,
    pub history: History,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    /// Where each YAML key stands, for messages: path (`columns.2.type`) to line and column, from 1.
    pub places: BTreeMap<String, (usize, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Materialization {
    /// Expanded where it is used.
    View,
    /// Built whole.
    Table,
    /// Built by day: a row of day d depends on input rows of day d only. `day` is the column that holds it.
    Incremental { day: String },
}

#[derive(Debug, Clone)]
pub struct ModelColumn {
    pub name: String,
    pub data_type: DataType,
    pub description: String,
}

/// Which as-of snapshots `<table>_history` keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum History {
    /// None.
    None,
    /// Month ends, and the newest.
    Monthly,
    /// Every day's.
    Daily,
}

impl History {
    /// Whether the rows of a day are kept when a newer day has come.
    pub fn keeps_past(self, day: chrono::NaiveDate) -> bool {
        match self {
            History::None => false,
            History::Monthly => day.succ_opt().is_none_or(|next| next.month() != day.month()),
            History::Daily => true,
        }
    }
}

/// A query for bad rows.
#[derive(Debug, Clone)]
pub struct Check {
    /// `<table>.<what>`: unique in the model.
    pub name: String,
    pub kind: CheckKind,
    pub severity: Severity,
    pub description: Option<String>,
}

#[derive(Debug, Clone)]
pub enum CheckKind {
    /// The grain, and `unique: [a, b]`.
    Unique(Vec<String>),
    NotNull(String),
    AcceptedValues {
        column: String,
        values: Vec<String>,
    },
    /// Every value of the column is in the other table's column; nulls pass.
    Relationship {
        column: String,
        to: TableName,
        to_column: String,
    },
    /// A query that returns the bad rows.
    Query(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It stops the release.
    Error,
    /// It is recorded.
    Warn,
}

/// A small CSV under `sql/seeds/`, with a YAML of its columns' types beside it.
#[derive(Debug, Clone)]
pub struct Seed {
    pub name: String,
    pub csv_file: PathBuf,
    /// The text of the CSV file, header included.
    pub csv: String,
    pub description: String,
    /// In the order of the file's header.
    pub columns: Vec<ModelColumn>,
}

impl Seed {
    /// The values of each row, in the order of `columns`; an empty field without quotes is null.
    ///
    /// A loaded seed's values all fit their types; one built by hand may not, then the value is null.
    pub fn rows(&self) -> Vec<Vec<Option<Value>>> {
        let records = parse_csv(&self.csv).unwrap_or_default();
        let values = |record: &Record| {
            let fields = self.columns.iter().zip(&record.fields);
            fields.map(|(column, field)| Value::parse(field.as_deref()?, column.data_type)).collect()
        };
        records.iter().skip(1).map(values).collect()
    }
}
