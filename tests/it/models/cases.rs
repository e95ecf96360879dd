//! Runs the cases of `tests/sql/*.yaml`: one file per model, each case with given rows and expected rows.
//!
//! `given` replaces tables (`staging.*` mostly; also `landed.*`, `intermediate.*`, `seeds.*`), with the columns that matter.
//! Everything between them and the model is built, and the model's own checks run too. `expect` are all rows in any order,
//! `expect_some` some of them; both with the columns that matter only. `expect_rows` is how many there are.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use lifecycle::config::{Project, TableName};
use serde::Deserialize;

use super::builder::{Builder, Setting, parameter_text, project};
use super::values::{Cell, Row, batch, cells, expected_cells};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    model: String,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    as_of: NaiveDate,
    timezone: Option<chrono_tz_name::Name>,
    #[serde(default)]
    parameters: BTreeMap<String, serde_yaml::Value>,
    given: BTreeMap<String, Vec<Row>>,
    expect: Option<Vec<Row>>,
    #[serde(default)]
    expect_some: Vec<Row>,
    expect_rows: Option<usize>,
}

/// A zone by name, as `chrono-tz` has no serde here.
mod chrono_tz_name {
    #[derive(Debug, serde::Deserialize)]
    #[serde(transparent)]
    pub struct Name(pub String);
}

#[tokio::test]
async fn every_case_gives_the_expected_rows() {
    let project = project();
    let mut failures = Vec::new();
    let mut count = 0;
    for (file, text) in case_files() {
        let cases: CaseFile = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let model = table_name(&cases.model);
        assert!(file == format!("{model}.yaml"), "{file} holds the cases of {model}");
        for case in cases.cases {
            count += 1;
            if let Err(error) = run(&project, &model, &case).await {
                failures.push(format!("{model}, {}:\n  {error}", case.name));
            }
        }
    }
    assert!(count > 0, "there are no cases");
    assert!(failures.is_empty(), "{} of {count} cases fail\n{}", failures.len(), failures.join("\n"));
}

/// A model that publishes something has cases.
#[test]
fn every_mart_has_cases() {
    let files: Vec<String> = case_files().into_iter().map(|(file, _)| file).collect();
    let project = project();
    let marts = project.models.keys().filter(|name| name.schema == "marts");
    let without: Vec<String> =
        marts.map(ToString::to_string).filter(|mart| !files.contains(&format!("{mart}.yaml"))).collect();
    assert!(without.is_empty(), "these marts have no cases in tests/sql: {}", without.join(", "));
}

fn case_files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut files: Vec<(String, String)> = std::fs::read_dir(&folder)
        .expect("tests/sql")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

fn table_name(text: &str) -> TableName {
    let (schema, table) = text.split_once('.').unwrap_or_else(|| panic!("`{text}` is no table's name"));
    TableName::new(schema, table)
}

async fn run(project: &Project, model: &TableName, case: &Case) -> Result<(), String> {
    let mut setting = Setting::new(case.as_of);
    setting.parallelism = 1;
    if let Some(chrono_tz_name::Name(zone)) = &case.timezone {
        setting.timezone = zone.parse().map_err(|_| format!("there is no zone `{zone}`"))?;
    }
    for (name, value) in &case.parameters {
        let text = parameter_text(value).ok_or_else(|| format!("parameter `{name}` has no value"))?;
        setting.set(name, &text)?;
    }
    let mut builder = Builder::new(project, &setting);
    let given = case.given.iter().map(|(name, rows)| (table_name(name), rows.as_slice()));
    let mut given: BTreeMap<TableName, &[Row]> = given.collect();
    if given.keys().any(|name| name.schema == "landed") {
        // The other feeds of the job have landed nothing yet.
        let sources = project.jobs.get("nightly").map(|job| job.sources.as_slice()).unwrap_or_default();
        for source in sources {
            given.entry(TableName::new("landed", &source.name)).or_default();
        }
    }
    for (name, rows) in given {
        let schema = builder.schema(&name).ok_or_else(|| format!("there is no table `{name}`"))?;
        let table = batch(&schema, rows).map_err(|error| format!("given {name}: {error}"))?;
        builder.give(&name, vec![table])?;
    }
    let table = builder.build(model).await?;
    let mut problems = builder.failing_checks(model).await?;
    let schema = builder.schema(model).ok_or("the model has no columns")?;
    let expected = expected_cells(&schema, case.expect.as_deref().unwrap_or_default())
        .map_err(|error| format!("expect: {error}"))?;
    let some = expected_cells(&schema, &case.expect_some).map_err(|error| format!("expect_some: {error}"))?;
    let found = cells(&table);
    if let Some(count) = case.expect_rows.or(case.expect.as_ref().map(Vec::len))
        && count != found.len()
    {
        problems.push(format!("{} rows, expected {count}", found.len()));
    }
    problems.extend(missing_rows(&found, expected.into_iter().chain(some).collect()));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n  ")) }
}

/// Each expected row takes one of the rows that fit it; those with the most columns choose first.
fn missing_rows(found: &[BTreeMap<String, Cell>], mut expected: Vec<BTreeMap<String, Cell>>) -> Vec<String> {
    expected.sort_by_key(|row| std::cmp::Reverse(row.len()));
    let mut left: Vec<&BTreeMap<String, Cell>> = found.iter().collect();
    let mut missing = Vec::new();
    for row in expected {
        let fits = |candidate: &&BTreeMap<String, Cell>| {
            row.iter().all(|(name, cell)| candidate.get(name).is_some_and(|found| found.is_close(cell)))
        };
        match left.iter().position(fits) {
            Some(place) => {
                left.swap_remove(place);
            }
            None => missing.push(row),
        }
    }
    let words = |row: &BTreeMap<String, Cell>, like: &BTreeMap<String, Cell>| {
        let shown = row.iter().filter(|(name, _)| like.contains_key(*name));
        shown.map(|(name, cell)| format!("{name}={}", cell_text(cell))).collect::<Vec<_>>().join(" ")
    };
    missing
        .iter()
        .flat_map(|row| {
            let lines = left.iter().map(|other| format!("    is   {}", words(other, row)));
            std::iter::once(format!("no row {}", words(row, row))).chain(lines).collect::<Vec<_>>()
        })
        .collect()
}

fn cell_text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Double(number) => number.to_string(),
        Cell::Text(text) => text.clone(),
    }
}
