//! The cases of a model against the project: tables, columns, values, parameters.

use std::collections::BTreeMap;

use super::schedule::parse_zone;
use crate::config::cases::{Case, CaseRow};
use crate::config::document::Findings;
use crate::config::raw::{RawCase, RawCases, RawRow};
use crate::config::text::{Value, closest, did_you_mean};
use crate::config::yaml::Place;
use crate::config::{DataType, ParameterError, Parameters, Project, TableName};

/// Validates a file's cases; what is wrong is reported and left out.
pub(crate) fn validate_cases(findings: &mut Findings, raw: RawCases, stem: &str, project: &Project) -> Vec<Case> {
    let Some(written) = &raw.model else { return Vec::new() };
    let Some(model) = known_table(findings, "model", &written.value, written.place, project) else {
        return Vec::new();
    };
    if !project.models.contains_key(&model) {
        findings.report(written.place, format!("`model` is `{model}`, expected a model, which it is not"), None);
        return Vec::new();
    }
    if model.to_string() != stem {
        let message = format!("the file holds the cases of `{model}`, expected those of `{stem}`");
        findings.report(written.place, message, Some(format!("rename the file to `{model}.yaml`")));
    }
    let zone = raw.timezone.as_ref().and_then(|zone| findings.parse("timezone", zone, parse_zone));
    let zone = zone.unwrap_or(project.environment.timezone);
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut cases = Vec::new();
    for case in raw.cases.unwrap_or_default() {
        let place = case.value.name.as_ref().map_or(case.place, |name| name.place);
        let case = validate_case(findings, case.value, place, &model, zone, project);
        if let Some(line) = names.insert(case.name.clone(), place.line).filter(|_| !case.name.is_empty()) {
            let message = format!("the case `{}` stands here for the second time", case.name);
            findings.report(place, message, Some(format!("it stands in line {line} already")));
        }
        cases.push(case);
    }
    cases
}

fn validate_case(
    findings: &mut Findings,
    raw: RawCase,
    place: Place,
    model: &TableName,
    zone: chrono_tz::Tz,
    project: &Project,
) -> Case {
    let as_of = raw.as_of.as_ref().and_then(|day| {
        findings.parse("as_of", day, |text| match Value::parse(text, DataType::Date) {
            Some(Value::Date(day)) => Ok(day),
            _ => Err(crate::config::text::Unfit::new("a date such as 2025-12-31")),
        })
    });
    let own_zone = raw.timezone.as_ref().and_then(|zone| findings.parse("timezone", zone, parse_zone));
    let parameters = parameters(findings, &raw, project);
    let mut given = BTreeMap::new();
    for (table, rows) in raw.given.0 {
        let Some(name) = known_table(findings, "given", &table.value, table.place, project) else { continue };
        let columns = columns(project, &name);
        given.insert(name, rows.into_iter().map(|row| validate_row(findings, row, &table.value, &columns)).collect());
    }
    if raw.expect.is_none() && raw.expect_some.is_none() && raw.expect_rows.is_none() {
        let message = "the case expects nothing, expected `expect`, `expect_some` or `expect_rows`";
        findings.report(place, message, None);
    }
    let columns = columns(project, model);
    let mut rows = |rows: Vec<RawRow>| -> Vec<CaseRow> {
        rows.into_iter().map(|row| validate_row(findings, row, &model.to_string(), &columns)).collect()
    };
    let expect = raw.expect.map(&mut rows);
    let expect_some = rows(raw.expect_some.unwrap_or_default());
    Case {
        model: model.clone(),
        file: findings.file.clone(),
        line: place.line,
        name: raw.name.map(|name| name.value).unwrap_or_default(),
        as_of: as_of.unwrap_or_default(),
        timezone: own_zone.unwrap_or(zone),
        parameters,
        given,
        expect,
        expect_some,
        expect_rows: raw.expect_rows.map(|rows| rows.value),
    }
}

/// The defaults, so that a case means the same in every environment, and what the case sets.
fn parameters(findings: &mut Findings, raw: &RawCase, project: &Project) -> Parameters {
    let mut parameters = Parameters::standard();
    for (name, value) in &project.environment.parameters.0 {
        parameters.0.entry(name.clone()).or_insert_with(|| value.clone());
    }
    for (name, value) in &raw.parameters.0.0 {
        match parameters.with_override(&name.value, &value.value.to_string()) {
            Ok(changed) => parameters = changed,
            Err(error @ ParameterError::Unknown { .. }) => findings.report(name.place, error.to_string(), error.hint()),
            Err(error @ ParameterError::Unfit { .. }) => findings.report(value.place, error.to_string(), error.hint()),
        }
    }
    parameters
}

fn validate_row(findings: &mut Findings, row: RawRow, table: &str, columns: &BTreeMap<String, DataType>) -> CaseRow {
    let mut values = CaseRow::new();
    for (name, cell) in row.value.0 {
        let Some(data_type) = columns.get(&name.value) else {
            let names = columns.keys().map(String::as_str);
            let message = format!("`{table}` has no column `{}`", name.value);
            findings.report(name.place, message, did_you_mean(&name.value, names));
            continue;
        };
        if let Some(text) = &cell.value.0
            && Value::parse(text, *data_type).is_none()
        {
            let message = format!("`{}` is `{text}`, which is not a value of type `{data_type}`", name.value);
            findings.report(cell.place, message, None);
            continue;
        }
        values.insert(name.value, cell.value.0);
    }
    values
}

/// The table of that name: a model, a seed, or a landed source of a job.
fn known_table(findings: &mut Findings, key: &str, text: &str, place: Place, project: &Project) -> Option<TableName> {
    let name = text.split_once('.').map(|(schema, table)| TableName::new(schema, table));
    if let Some(name) = name.filter(|name| !columns(project, name).is_empty()) {
        return Some(name);
    }
    let models = project.models.keys().map(ToString::to_string);
    let seeds = project.seeds.keys().map(|seed| format!("seeds.{seed}"));
    let sources = project.sources().map(|source| format!("landed.{}", source.name));
    let known: Vec<String> = models.chain(seeds).chain(sources).collect();
    let hint = closest(text, known.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
    findings.report(place, format!("`{key}` names `{text}`, expected a model, a seed or a landed source"), hint);
    None
}

/// The columns of a table with their types; none where there is no such table.
fn columns(project: &Project, name: &TableName) -> BTreeMap<String, DataType> {
    if let Some(model) = project.models.get(name) {
        return model.columns.iter().map(|column| (column.name.clone(), column.data_type)).collect();
    }
    match name.schema.as_str() {
        "seeds" => {
            let seed = project.seeds.get(&name.table);
            let columns = seed.into_iter().flat_map(|seed| &seed.columns);
            columns.map(|column| (column.name.clone(), column.data_type)).collect()
        }
        "landed" => {
            let sources = project.sources();
            let source = sources.into_iter().find(|source| source.name == name.table);
            let columns = source.into_iter().flat_map(|source| &source.columns);
            let mut columns: BTreeMap<String, DataType> =
                columns.map(|column| (column.name.clone(), column.data_type)).collect();
            if !columns.is_empty() {
                columns.insert("_object".to_owned(), DataType::String);
                columns.insert("_line".to_owned(), DataType::Integer);
            }
            columns
        }
        _ => BTreeMap::new(),
    }
}
