//! The data dictionary: what every table is, as Markdown and as one HTML page. Pure: facts in, text out.

mod html;
mod markdown;

pub use html::html;
pub use markdown::markdown;

use std::collections::BTreeMap;

use chrono::NaiveDate;

use crate::config::{Check, CheckKind, History, Materialization, Severity, TableName};

/// Everything that the pages say.
#[derive(Debug, Clone, PartialEq)]
pub struct Dictionary {
    /// The zone of business days, and the currency of money.
    pub timezone: String,
    pub currency: String,
    /// What each job has published last.
    pub releases: Vec<ReleaseEntry>,
    /// Marts first, then the rest in the order in which data flows back to its sources.
    pub tables: Vec<TableEntry>,
    /// By name.
    pub parameters: Vec<ParameterEntry>,
}

/// The newest release of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseEntry {
    pub job: String,
    pub number: u64,
    pub as_of: NaiveDate,
}

/// One table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableEntry {
    pub name: TableName,
    pub description: String,
    /// How it is made: `table`, `view`, `incremental by day`, `seed`, `source`.
    pub made_as: String,
    pub grain: Vec<String>,
    /// Which snapshots its history keeps, in words; `None`: it has none.
    pub history: Option<String>,
    pub owner: Option<String>,
    pub tags: Vec<String>,
    /// The file that makes it, relative to the project.
    pub file: String,
    /// Rows of the newest release.
    pub rows: Option<u64>,
    pub columns: Vec<ColumnEntry>,
    /// Names of the parameters that its SQL uses.
    pub parameters: Vec<String>,
    pub reads: Vec<TableName>,
    pub read_by: Vec<TableName>,
    pub checks: Vec<CheckEntry>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnEntry {
    pub name: String,
    pub data_type: String,
    pub description: String,
    /// The columns that its values are made of.
    pub from: Vec<(TableName, String)>,
}

/// One check, and what it found last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckEntry {
    pub name: String,
    /// What it demands.
    pub demand: String,
    pub severity: Severity,
    pub last: Option<CheckResult>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// `passed`, `3 bad rows`, `could not run`.
    pub words: String,
    pub is_passed: bool,
    pub as_of: NaiveDate,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterEntry {
    pub name: String,
    pub description: String,
    /// The standard value; `None` for a parameter of the project's own.
    pub default: Option<String>,
    /// The value in use by job, where it is not the same for all; under an empty name where it is.
    pub values: BTreeMap<String, String>,
    pub used_by: Vec<TableName>,
}

/// How a model is made, in words.
pub fn materialization_words(materialized: &Materialization) -> String {
    match materialized {
        Materialization::View => "view".to_owned(),
        Materialization::Table => "table".to_owned(),
        Materialization::Incremental { day } => format!("table, incremental by `{day}`"),
    }
}

/// Which snapshots are kept, in words.
pub fn history_words(history: History) -> Option<String> {
    match history {
        History::None => None,
        History::Monthly => Some("month ends, and the newest".to_owned()),
        History::Daily => Some("every day".to_owned()),
    }
}

/// What a check demands, in words: the author's where there are any.
pub fn demand_words(check: &Check) -> String {
    if let Some(description) = &check.description {
        return one_line(description);
    }
    match &check.kind {
        CheckKind::Unique(columns) => format!("{} is unique", columns.join(", ")),
        CheckKind::NotNull(column) => format!("{column} is never null"),
        CheckKind::AcceptedValues { column, values } => format!("{column} is one of {}", values.join(", ")),
        CheckKind::Relationship { column, to, to_column } => format!("every {column} is a {to_column} of {to}"),
        CheckKind::Query(_) => "the check's query returns no row".to_owned(),
    }
}

/// A text without line breaks.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warn => "warn",
    }
}

/// The schemas with what their tables are, in the order in which a reader wants them.
const SCHEMAS: [(&str, &str); 5] = [
    ("marts", "Published tables"),
    ("intermediate", "Steps between"),
    ("staging", "The contract with the raw data"),
    ("seeds", "Small tables that analysts edit"),
    ("landed", "Landed sources"),
];

/// The tables by heading; schemas of the project's own stand behind the known ones.
fn sections(dictionary: &Dictionary) -> Vec<(String, Vec<&TableEntry>)> {
    let mut sections: Vec<(String, Vec<&TableEntry>)> = Vec::new();
    let of = |schema: &str| -> Vec<&TableEntry> {
        dictionary.tables.iter().filter(|table| table.name.schema == schema).collect()
    };
    for (schema, words) in SCHEMAS {
        sections.push((format!("{schema}: {}", words.to_lowercase()), of(schema)));
    }
    let mut others: Vec<&str> = dictionary.tables.iter().map(|table| table.name.schema.as_str()).collect();
    others.retain(|schema| SCHEMAS.iter().all(|(known, _)| known != schema));
    others.sort_unstable();
    others.dedup();
    sections.extend(others.into_iter().map(|schema| (schema.to_owned(), of(schema))));
    sections.retain(|(_, tables)| !tables.is_empty());
    sections
}

/// The values of a parameter, in words.
fn values_words(parameter: &ParameterEntry) -> String {
    let mut words: Vec<String> = Vec::new();
    for (job, value) in &parameter.values {
        words.push(if job.is_empty() { value.clone() } else { format!("{value} in {job}") });
    }
    words.join(", ")
}
