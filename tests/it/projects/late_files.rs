//! Real files that come in two parts, with a run between: nothing differs from one run over all of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::online_retail::AS_OF;
use super::{Project, Row};

/// Two files are late, one of them by a month.
fn is_there_first(day: &str) -> bool {
    day < "2011-12-01" && day != "2011-11-01" && day != "2011-11-30"
}

/// Compares every published table with that of `whole`, which landed all files in one run.
pub fn give_the_tables_of_one_run(whole: &Project) {
    let datasets = tempfile::tempdir().unwrap();
    let parts = Project::in_folder(whole.name, datasets.path()).only(whole.marts);
    let folder = "online_retail/by-day";
    let deliver = |first: bool| {
        let drop_zone = datasets.path().join(folder);
        std::fs::create_dir_all(&drop_zone).unwrap();
        copy(&whole.datasets.join(folder), &drop_zone, &|day| is_there_first(day) == first)
    };
    deliver(true);
    parts.run("2011-11-30");
    let late = deliver(false);
    // Incremental tables are rebuilt for those days alone, and the plan says so beforehand.
    let (plan, _) = parts.succeed(&["plan", "nightly", "--as-of", AS_OF]);
    let touched = format!("touched {late} days from 2011-11-01 to {AS_OF}");
    assert!(plan.contains(&touched), "{plan}");
    let said = parts.run(AS_OF);
    assert!(said.contains(&format!("from {late} objects, 0 rejected")), "{late} files are late: {said}");

    let tables = tables(whole);
    assert!(tables.len() > 4, "{tables:?}");
    for table in tables {
        let sql = format!("select * from {table}");
        same_rows(&table, &whole.rows(&sql), &parts.rows(&sql));
    }
}

/// Copies the files of some days; returns how many.
fn copy(from: &Path, to: &Path, is_wanted: &dyn Fn(&str) -> bool) -> usize {
    let paths = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| is_wanted(path.file_stem().unwrap().to_str().unwrap()));
    let mut files = 0;
    for path in wanted {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        files += 1;
    }
    files
}

/// The published tables but the histories: the run between wrote one more day of those.
fn tables(project: &Project) -> Vec<String> {
    let (text, _) = project.succeed(&["tables", "-o", "json"]);
    let rows: Vec<Row> = serde_json::from_str(&text).unwrap();
    let names = rows.iter().map(|row| row["table"].as_str().unwrap().to_owned());
    names.filter(|name| !name.ends_with("_history")).collect()
}

/// Compares rows in any order. Fractions may differ by what the order of a sum does to a fit.
fn same_rows(table: &str, whole: &[Row], parts: &[Row]) {
    let (whole, parts) = (by_exact_columns(table, whole), by_exact_columns(table, parts));
    assert_eq!(whole.len(), parts.len(), "{table}");
    for (key, fractions) in &whole {
        let others = parts.get(key).unwrap_or_else(|| panic!("{table}: only one run over all gives {key}"));
        for ((column, one), (_, other)) in fractions.iter().zip(others) {
            let tolerance = 1e-6 * one.abs().max(other.abs()).max(1e-9);
            assert!((one - other).abs() <= tolerance, "{table}: {column} is {one} and {other} of {key}");
        }
    }
}

type Fractions = Vec<(String, f64)>;

fn by_exact_columns(table: &str, rows: &[Row]) -> BTreeMap<String, Fractions> {
    let mut keyed = BTreeMap::new();
    for row in rows {
        let mut exact = Row::new();
        let mut fractions = Fractions::new();
        for (column, value) in row {
            match value {
                Value::Number(number) if number.is_f64() => fractions.push((column.clone(), number.as_f64().unwrap())),
                value => {
                    exact.insert(column.clone(), value.clone());
                }
            }
        }
        let key = Value::Object(exact).to_string();
        assert!(keyed.insert(key.clone(), fractions).is_none(), "{table}: two rows are {key}");
    }
    keyed
}
