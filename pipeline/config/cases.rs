//! Cases of models: `tests/sql/<model>.yaml`, validated.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::NaiveDate;

use super::{Parameters, TableName};

/// Given rows, and the rows that a model makes of them.
#[derive(Debug, Clone)]
pub struct Case {
    pub model: TableName,
    /// The file that holds it, relative to the project's root.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    pub name: String,
    pub as_of: NaiveDate,
    /// Business days are days in this zone.
    pub timezone: chrono_tz::Tz,
    /// The defaults of the standard parameters, the project's own, and what the case sets.
    pub parameters: Parameters,
    /// Rows in the place of what would be built, by table.
    pub given: BTreeMap<TableName, Vec<CaseRow>>,
    /// All rows, in any order.
    pub expect: Option<Vec<CaseRow>>,
    /// Some rows.
    pub expect_some: Vec<CaseRow>,
    pub expect_rows: Option<u64>,
}

/// Values by column, as text that fits the column's type; `None` is null. Columns that do not matter are left out.
pub type CaseRow = BTreeMap<String, Option<String>>;
