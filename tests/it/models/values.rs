//! Rows as YAML writes them, as Arrow tables.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use lifecycle::config::CaseRow;
use serde_yaml::Value;

/// Reads a list of mappings from columns to values.
pub fn yaml_rows(text: &str) -> Vec<CaseRow> {
    let rows: Vec<std::collections::BTreeMap<String, Value>> = serde_yaml::from_str(text).expect("rows");
    rows.into_iter().map(|row| row.into_iter().map(|(name, value)| (name, cell(value))).collect()).collect()
}

fn cell(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(boolean) => Some(boolean.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text),
        other => panic!("{other:?} is no value"),
    }
}

/// Makes a table of such rows; every column of theirs must be one of the table's.
pub fn table(schema: &SchemaRef, text: &str) -> RecordBatch {
    let rows = yaml_rows(text);
    for name in rows.iter().flat_map(|row| row.keys()) {
        assert!(schema.field_with_name(name).is_ok(), "there is no column `{name}`");
    }
    lifecycle::run::batch(schema, &rows).expect("rows that fit")
}
