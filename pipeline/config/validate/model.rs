//! The YAML beside a model's SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{check_column, check_identifier};
use crate::config::document::Findings;
use crate::config::raw::{
    RawCheck, RawColumnCheck, RawColumnCheckArguments, RawColumnCheckKey, RawMaterialization, RawModel, RawModelColumn,
    Text,
};
use crate::config::text::{Unfit, Value, parse_data_type};
use crate::config::yaml::{Place, Placed};
use crate::config::{Check, CheckKind, DataType, History, Materialization, Model, ModelColumn, Severity, TableName};

/// A model, and what the checks across files need of it.
#[derive(Debug)]
pub(crate) struct CheckedModel {
    pub model: Model,
    pub findings: Findings,
    pub relationships: Vec<Relationship>,
    /// Its YAML could be read; if not, nothing but its name is known.
    pub is_read: bool,
}

/// A reference to another table's column, with its places.
#[derive(Debug)]
pub(crate) struct Relationship {
    pub table: Text,
    pub column: Text,
}

/// The files of a model.
#[derive(Debug, Clone)]
pub(crate) struct ModelFiles {
    pub name: TableName,
    pub sql: String,
    pub sql_file: PathBuf,
    pub yaml_file: PathBuf,
}

pub(crate) fn validate_model(
    mut findings: Findings,
    raw: RawModel,
    places: BTreeMap<String, (usize, usize)>,
    files: ModelFiles,
) -> CheckedModel {
    let mut checks = Checks { table: files.name.table.clone(), names: BTreeSet::new(), checks: Vec::new() };
    let mut relationships = Vec::new();
    let raw_columns = raw.columns.as_deref().unwrap_or_default();
    if raw.columns.is_some() && raw_columns.is_empty() {
        findings.report_file("`columns` is an empty list, expected the table's columns", None);
    }
    let names: Vec<&str> =
        raw_columns.iter().filter_map(|column| column.value.name.as_ref()).map(|name| name.value.as_str()).collect();

    for (position, column) in raw.grain.iter().enumerate() {
        check_column(&mut findings, "grain", column, &names);
        if raw.grain[..position].iter().any(|other| other.value == column.value) {
            findings.report(column.place, format!("`grain` names `{}` twice", column.value), None);
        }
    }
    let grain: Vec<String> = raw.grain.iter().map(|column| column.value.clone()).collect();
    checks.add_grain(&grain);

    let mut columns: Vec<ModelColumn> = Vec::new();
    for column in raw_columns {
        let (Some(checked), Some(name)) = (validate_column(&mut findings, &column.value, &columns), &column.value.name)
        else {
            continue;
        };
        let is_in_grain = grain.contains(&name.value);
        for check in &column.value.checks {
            let read = column_check(&mut findings, check, &checked);
            for (what, kind, severity) in read.kinds {
                if !(is_in_grain && matches!(kind, CheckKind::NotNull(_))) {
                    checks.add(&mut findings, check.place, format!("{}.{what}", name.value), kind, severity, None);
                }
            }
            relationships.extend(read.relationship);
        }
        columns.push(checked);
    }
    for check in &raw.checks {
        table_check(&mut findings, check, &names, &mut checks);
    }

    let materialized = materialization(&mut findings, &raw, &files.name, &columns);
    let history = raw.history.as_ref().map_or(History::None, |history| history.value);
    if let (Some(place), Materialization::View) = (raw.history.as_ref().map(|history| history.place), &materialized)
        && history != History::None
    {
        findings.report(
            place,
            "`history` needs a table, but the model is a view",
            Some("set `materialized: table`".to_owned()),
        );
    }
    for tag in &raw.tags {
        check_identifier(&mut findings, "the tag", &tag.value, tag.place);
    }
    let model = Model {
        name: files.name,
        sql: files.sql,
        sql_file: files.sql_file,
        yaml_file: files.yaml_file,
        description: raw.description.map(|text| text.value).unwrap_or_default(),
        materialized,
        grain,
        columns,
        checks: checks.checks,
        history,
        owner: raw.owner.map(|text| text.value),
        tags: raw.tags.into_iter().map(|tag| tag.value).collect(),
        places,
    };
    CheckedModel { model, findings, relationships, is_read: true }
}

fn validate_column(findings: &mut Findings, raw: &RawModelColumn, before: &[ModelColumn]) -> Option<ModelColumn> {
    let data_type = raw.data_type.as_ref().and_then(|text| findings.parse("type", text, parse_data_type));
    let name = raw.name.as_ref()?;
    check_identifier(findings, "the column", &name.value, name.place);
    if before.iter().any(|other| other.name == name.value) {
        findings.report(name.place, format!("the column `{}` stands here for the second time", name.value), None);
        return None;
    }
    let data_type = data_type.unwrap_or(DataType::String);
    Some(ModelColumn { name: name.value.clone(), data_type, description: raw.description.clone() })
}

fn materialization(
    findings: &mut Findings,
    raw: &RawModel,
    name: &TableName,
    columns: &[ModelColumn],
) -> Materialization {
    let by_folder = if name.schema == "staging" { RawMaterialization::View } else { RawMaterialization::Table };
    let kind = raw.materialized.as_ref().map_or(by_folder, |kind| kind.value);
    match (kind, &raw.day) {
        (RawMaterialization::Incremental, Some(day)) => {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            if check_column(findings, "day", day, &names)
                && let Some(column) = columns.iter().find(|column| column.name == day.value)
                && column.data_type != DataType::Date
            {
                let message = format!("`day` names `{}`, which is a {}, expected a date", day.value, column.data_type);
                findings.report(day.place, message, None);
            }
            Materialization::Incremental { day: day.value.clone() }
        }
        (RawMaterialization::Incremental, None) => {
            if let Some(kind) = &raw.materialized {
                let hint = "add `day: <column>`: a row of that day depends on input rows of that day only";
                findings.report(kind.place, "an incremental model needs the key `day`", Some(hint.to_owned()));
            }
            Materialization::Table
        }
        (RawMaterialization::View | RawMaterialization::Table, day) => {
            if let Some(day) = day {
                let hint = "set `materialized: incremental`, or remove the key".to_owned();
                findings.report(day.place, "`day` is for incremental models", Some(hint));
            }
            if kind == RawMaterialization::View { Materialization::View } else { Materialization::Table }
        }
    }
}

/// The checks of one model; each name stands once.
struct Checks {
    table: String,
    names: BTreeSet<String>,
    checks: Vec<Check>,
}

impl Checks {
    fn add_grain(&mut self, grain: &[String]) {
        if grain.is_empty() {
            return;
        }
        let not_null = grain.iter().map(|column| (format!("{column}.not_null"), CheckKind::NotNull(column.clone())));
        for (what, kind) in std::iter::once(("grain".to_owned(), CheckKind::Unique(grain.to_vec()))).chain(not_null) {
            let name = format!("{}.{what}", self.table);
            if self.names.insert(name.clone()) {
                self.checks.push(Check { name, kind, severity: Severity::Error, description: None });
            }
        }
    }

    fn add(
        &mut self,
        findings: &mut Findings,
        place: Place,
        what: String,
        kind: CheckKind,
        severity: Severity,
        description: Option<String>,
    ) {
        let name = format!("{}.{what}", self.table);
        if !self.names.insert(name.clone()) {
            findings.report(place, format!("the check `{what}` stands here for the second time"), None);
            return;
        }
        self.checks.push(Check { name, kind, severity, description });
    }
}

#[derive(Default)]
struct ColumnChecks {
    kinds: Vec<(&'static str, CheckKind, Severity)>,
    relationship: Option<Relationship>,
}

fn column_check(findings: &mut Findings, check: &Placed<RawColumnCheck>, column: &ModelColumn) -> ColumnChecks {
    let mut read = ColumnChecks::default();
    let not_null = || ("not_null", CheckKind::NotNull(column.name.clone()));
    let unique = || ("unique", CheckKind::Unique(vec![column.name.clone()]));
    let arguments: &RawColumnCheckArguments = match &check.value {
        RawColumnCheck::Name(key) => {
            let (what, kind) = if *key == RawColumnCheckKey::NotNull { not_null() } else { unique() };
            read.kinds.push((what, kind, Severity::Error));
            return read;
        }
        RawColumnCheck::Arguments(arguments) => arguments,
    };
    let severity = arguments.severity.unwrap_or(Severity::Error);
    if arguments.not_null == Some(true) {
        let (what, kind) = not_null();
        read.kinds.push((what, kind, severity));
    }
    if arguments.unique == Some(true) {
        let (what, kind) = unique();
        read.kinds.push((what, kind, severity));
    }
    if let Some(values) = &arguments.accepted_values {
        for value in values {
            if Value::parse(&value.value.0, column.data_type).is_none() {
                let message = format!(
                    "`accepted_values` holds `{}`, which is not a value of type `{}`",
                    value.shown_text(),
                    column.data_type
                );
                findings.report(value.place, message, None);
            }
        }
        let values = values.iter().map(|value| value.value.0.clone()).collect();
        let kind = CheckKind::AcceptedValues { column: column.name.clone(), values };
        read.kinds.push(("accepted_values", kind, severity));
    }
    if let Some(relationship) = &arguments.relationships
        && let (Some(to), Some(to_column)) = (&relationship.to, &relationship.column)
        && let Some(table) = findings.parse("to", to, parse_table_name)
    {
        let kind =
            CheckKind::Relationship { column: column.name.clone(), to: table, to_column: to_column.value.clone() };
        read.kinds.push(("relationships", kind, severity));
        read.relationship = Some(Relationship { table: to.clone(), column: to_column.clone() });
    }
    if read.kinds.is_empty() && arguments.relationships.is_none() {
        let message =
            "the check checks nothing, expected one of `not_null`, `unique`, `accepted_values`, `relationships`";
        findings.report(check.place, message, None);
    }
    read
}

/// Parses `schema.table`.
pub(super) fn parse_table_name(text: &str) -> Result<TableName, Unfit> {
    match text.split('.').collect::<Vec<_>>().as_slice() {
        [schema, table] if !schema.is_empty() && !table.is_empty() => Ok(TableName::new(*schema, *table)),
        _ => Err(Unfit::new("a table with its schema such as `staging.customers`")),
    }
}

fn table_check(findings: &mut Findings, check: &Placed<RawCheck>, columns: &[&str], checks: &mut Checks) {
    let raw = &check.value;
    if let Some(name) = &raw.name {
        check_identifier(findings, "the check", &name.value, name.place);
    }
    let severity = raw.severity.unwrap_or(Severity::Error);
    let description = raw.description.as_ref().map(|text| text.value.clone());
    let (what, kind) = match (&raw.sql, &raw.unique) {
        (Some(sql), None) => {
            if sql.value.trim().is_empty() {
                findings.report(sql.place, "`sql` is empty, expected a query that returns the bad rows", None);
                return;
            }
            let Some(name) = &raw.name else {
                findings.report(check.place, "the key `name` is missing in the check", None);
                return;
            };
            (name.value.clone(), CheckKind::Query(sql.value.clone()))
        }
        (None, Some(unique)) => {
            for column in &unique.value {
                check_column(findings, "unique", column, columns);
            }
            let key: Vec<String> = unique.value.iter().map(|column| column.value.clone()).collect();
            if key.is_empty() {
                findings.report(unique.place, "`unique` is an empty list, expected columns", None);
                return;
            }
            let name = raw.name.as_ref().map(|name| name.value.clone());
            (name.unwrap_or_else(|| format!("{}.unique", key.join("_"))), CheckKind::Unique(key))
        }
        (Some(_), Some(unique)) => {
            findings.report(unique.place, "a check has either `sql` or `unique`, not both", None);
            return;
        }
        (None, None) => {
            findings.report(check.place, "the check checks nothing, expected `sql` or `unique`", None);
            return;
        }
    };
    checks.add(findings, check.place, what, kind, severity, description);
}
