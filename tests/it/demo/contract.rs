//! The contracts of `jobs/nightly.yaml`, judged by a plain reading of the file: a second opinion beside the landing stage.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Europe::London;
use serde_yaml::Value;

use super::files::Row;

pub struct Contract(Value);

/// The contracts by source.
pub fn contracts() -> BTreeMap<String, Contract> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/nightly.yaml");
    let job: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let sources = job["sources"].as_mapping().unwrap();
    sources.iter().map(|(name, source)| (name.as_str().unwrap().to_owned(), Contract(source.clone()))).collect()
}

impl Contract {
    pub fn location(&self) -> &str {
        self.0["location"].as_str().unwrap()
    }

    pub fn key(&self) -> Vec<String> {
        self.0["key"].as_sequence().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    pub fn column(&self, name: &str) -> &Value {
        &self.0["columns"][name]
    }

    /// The share of a run's rows that may be refused.
    pub fn max_rejected(&self) -> f64 {
        self.0["max_rejected"].as_str().unwrap().trim_end_matches('%').parse::<f64>().unwrap() / 100.0
    }

    /// What is wrong with a row; `None`: nothing.
    pub fn fault(&self, row: &Row) -> Option<String> {
        let row = match row {
            Ok(row) => row,
            Err(fault) => return Some(fault.clone()),
        };
        let columns = self.0["columns"].as_mapping().unwrap();
        if self.0["unknown_columns"] == "reject"
            && let Some(unknown) = row.keys().find(|name| !columns.contains_key(name.as_str()))
        {
            return Some(format!("unknown column {unknown}"));
        }
        columns.iter().find_map(|(name, column)| {
            let name = name.as_str().unwrap();
            match row.get(name).and_then(|value| value.as_deref()) {
                None => (column["required"] == true).then(|| format!("{name} is missing")),
                Some(value) => fault_of(value, column).map(|fault| format!("{name}: {fault}")),
            }
        })
    }
}

fn fault_of(value: &str, column: &Value) -> Option<String> {
    let fits = match column["type"].as_str().unwrap() {
        "string" => true,
        "integer" => value.parse::<i64>().is_ok(),
        "double" => value.parse::<f64>().is_ok(),
        "boolean" => ["true", "false"].contains(&value),
        "date" => date(value, column),
        "timestamp" => timestamp(value, column).is_some(),
        decimal if decimal.starts_with("decimal") => {
            let digits = value.trim_start_matches('-');
            let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
            let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            !whole.is_empty() && are_digits(whole) && are_digits(part) && part.len() <= 3
        }
        other => panic!("unknown type {other}"),
    };
    if !fits {
        return Some(format!("{value:?} is no {}", column["type"].as_str().unwrap()));
    }
    if let Some(accepted) = column["accepted_values"].as_sequence()
        && !accepted.iter().any(|word| word == value)
    {
        return Some(format!("{value:?} is not accepted"));
    }
    let bound = |name: &str| column[name].as_f64();
    let number = value.parse::<f64>().ok();
    let below = bound("min").zip(number).is_some_and(|(min, number)| number < min);
    let above = bound("max").zip(number).is_some_and(|(max, number)| number > max);
    (below || above).then(|| format!("{value} is out of range"))
}

fn date(value: &str, column: &Value) -> bool {
    let pattern = column["formats"][0].as_str().unwrap_or("%Y-%m-%d");
    NaiveDate::parse_from_str(value, pattern).is_ok()
}

/// The instant of a timestamp; of a wall clock without a zone, the only one: none of them falls into a change of clocks.
pub fn timestamp(value: &str, column: &Value) -> Option<chrono::DateTime<Utc>> {
    if column["timezone"].is_null() {
        return chrono::DateTime::parse_from_rfc3339(value).ok().map(|time| time.to_utc());
    }
    let pattern = column["formats"][0].as_str().unwrap_or("%Y-%m-%d %H:%M:%S");
    let local = NaiveDateTime::parse_from_str(value, pattern).ok()?;
    Some(London.from_local_datetime(&local).single().expect("a London time that exists once").to_utc())
}
