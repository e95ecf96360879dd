//! Comparison of a published table with the expected one, row by row and column by column.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value as Json};

/// Doubles that come from sums and ratios of exact values.
const EXACT: f64 = 1e-9;
/// Doubles that come from the models.
const MODEL: f64 = 1e-6;
/// What is left of sums that cancel out, such as a centre of values that are all 0.
const NOISE: f64 = 1e-12;
const SHOWN: usize = 10;

/// One expected value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Text(String),
    Integer(i64),
    /// Cents.
    Money(i64),
    Ratio(f64),
    Modelled(f64),
    Flag(bool),
    /// Not compared.
    Any,
}

pub type Row = BTreeMap<&'static str, Cell>;

/// The expected table: the columns of its grain and its rows.
pub struct Expected {
    pub grain: &'static [&'static str],
    pub rows: Vec<Row>,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<NaiveDate> for Cell {
    fn from(day: NaiveDate) -> Self {
        Self::Text(day.to_string())
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::Text(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A quotient of whole numbers; null without a denominator.
pub fn ratio(numerator: i64, denominator: i64) -> Cell {
    if denominator == 0 { Cell::Null } else { Cell::Ratio(numerator as f64 / denominator as f64) }
}

/// Compares all rows and all columns.
///
/// # Errors
/// A report of the first differences and of how much was compared.
pub fn compare(run: &str, table: &str, published: &[Map<String, Json>], expected: Expected) -> Result<(), String> {
    let mut differences = Vec::new();
    let mut found: BTreeMap<String, &Map<String, Json>> = BTreeMap::new();
    for row in published {
        let key = expected.grain.iter().map(|column| shown_json(row.get(*column))).collect::<Vec<_>>().join(" | ");
        if found.insert(key.clone(), row).is_some() {
            differences.push(format!("{key}: published twice"));
        }
    }
    let total = expected.rows.len();
    let mut compared = 0_usize;
    for row in expected.rows {
        let key = expected.grain.iter().map(|column| shown(&row[column])).collect::<Vec<_>>().join(" | ");
        let Some(actual) = found.remove(&key) else {
            differences.push(format!("{key}: expected, not published"));
            continue;
        };
        compared += 1;
        for column in actual.keys().filter(|column| !row.contains_key(column.as_str())) {
            differences.push(format!("{key}: column {column} is published, not expected"));
        }
        for (column, cell) in &row {
            let value = actual.get(*column);
            if !agrees(cell, value) {
                differences.push(format!("{key}: {column} is {}, expected {}", shown_json(value), shown(cell)));
            }
        }
    }
    differences.extend(found.keys().map(|key| format!("{key}: published, not expected")));
    if total == 0 {
        differences.push("nothing to compare".to_owned());
    }
    println!("{run}, marts.{table}: {compared} rows compared, {} differences", differences.len());
    if differences.is_empty() {
        return Ok(());
    }
    let first = differences.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n  ");
    Err(format!(
        "{run}, marts.{table}: {} differences in {compared} compared of {} published and {total} expected rows:\n  {first}",
        differences.len(),
        published.len(),
    ))
}

fn agrees(expected: &Cell, actual: Option<&Json>) -> bool {
    let Some(actual) = actual else { return false };
    match expected {
        Cell::Any => true,
        Cell::Null => actual.is_null(),
        Cell::Text(text) => actual.as_str() == Some(text),
        Cell::Integer(number) => actual.as_i64() == Some(*number),
        Cell::Money(cents) => actual.as_f64().is_some_and(|money| (money * 100.0 - *cents as f64).abs() < 1e-4),
        Cell::Ratio(number) => actual.as_f64().is_some_and(|value| near(*number, value, EXACT)),
        Cell::Modelled(number) => {
            actual.as_f64().is_some_and(|value| near(*number, value, MODEL) || (number - value).abs() <= NOISE)
        }
        Cell::Flag(flag) => actual.as_bool() == Some(*flag),
    }
}

fn near(left: f64, right: f64, tolerance: f64) -> bool {
    left == right || (left - right).abs() <= tolerance * left.abs().max(right.abs())
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Any => "anything".to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Integer(number) => number.to_string(),
        Cell::Money(cents) => format!("{:.2}", *cents as f64 / 100.0),
        Cell::Ratio(number) | Cell::Modelled(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
    }
}

fn shown_json(value: Option<&Json>) -> String {
    match value {
        None => "no such column".to_owned(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
