//! A seed's YAML, and the CSV beside it.

use std::path::PathBuf;

use super::check_identifier;
use crate::config::csv::parse_csv;
use crate::config::document::Findings;
use crate::config::raw::RawSeed;
use crate::config::text::{Value, did_you_mean, one_of, parse_data_type};
use crate::config::yaml::Place;
use crate::config::{ModelColumn, Seed};

/// Validates a seed; mistakes in the CSV go to its own findings.
pub(crate) fn validate_seed(
    yaml: &mut Findings,
    csv: &mut Findings,
    raw: RawSeed,
    name: &str,
    csv_file: PathBuf,
) -> Seed {
    let mut columns: Vec<ModelColumn> = Vec::new();
    let mut is_complete = raw.columns.is_some();
    for column in raw.columns.iter().flatten() {
        let column = &column.value;
        let data_type = column.data_type.as_ref().and_then(|text| yaml.parse("type", text, parse_data_type));
        let (Some(data_type), Some(name)) = (data_type, &column.name) else {
            is_complete = false;
            continue;
        };
        check_identifier(yaml, "the column", &name.value, name.place);
        if columns.iter().any(|other| other.name == name.value) {
            yaml.report(name.place, format!("the column `{}` stands here for the second time", name.value), None);
            is_complete = false;
            continue;
        }
        columns.push(ModelColumn { name: name.value.clone(), data_type, description: column.description.clone() });
    }
    check_csv(csv, is_complete.then_some(&columns), &yaml.file.display().to_string());
    Seed {
        name: name.to_owned(),
        csv_file,
        csv: csv.text().to_owned(),
        description: raw.description.map(|text| text.value).unwrap_or_default(),
        columns,
    }
}

/// `columns` are `None` where the YAML does not tell them: then only the CSV itself is checked.
fn check_csv(csv: &mut Findings, columns: Option<&Vec<ModelColumn>>, yaml_file: &str) {
    let records = match parse_csv(csv.text()) {
        Ok(records) => records,
        Err(error) => {
            csv.report(Place { line: error.line, column: 1 }, error.message, None);
            return;
        }
    };
    let Some(columns) = columns else { return };
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let Some((header, rows)) = records.split_first() else {
        csv.report_file(format!("the file is empty, expected the header `{}`", names.join(",")), None);
        return;
    };
    let written: Vec<&str> = header.fields.iter().map(|field| field.as_deref().unwrap_or_default()).collect();
    if written != names {
        let message =
            format!("the header is `{}`, expected `{}` as in {yaml_file}", written.join(","), names.join(","));
        let unknown = written.iter().find(|name| !names.contains(name));
        let hint = unknown.and_then(|name| did_you_mean(name, names.iter().copied()));
        csv.report(Place { line: header.line, column: 1 }, message, hint);
        return;
    }
    for row in rows {
        let place = Place { line: row.line, column: 1 };
        if row.fields.len() != columns.len() {
            let message = format!(
                "the row has {} fields, expected {}: {}",
                row.fields.len(),
                columns.len(),
                one_of(&names).trim_start_matches("one of ")
            );
            csv.report(place, message, None);
            continue;
        }
        for (column, field) in columns.iter().zip(&row.fields) {
            if let Some(text) = field
                && Value::parse(text, column.data_type).is_none()
            {
                let message =
                    format!("`{}` is `{text}`, which is not a value of type `{}`", column.name, column.data_type);
                csv.report(place, message, None);
            }
        }
    }
}
