//! Rows as YAML writes them, as Arrow tables and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_yaml::Value;

/// Columns by name; those that are left out are null.
pub type Row = BTreeMap<String, Value>;

/// A value of a table, to compare.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Double(f64),
    /// Any other value, in its type's own words.
    Text(String),
}

impl Cell {
    /// Whether two values are the same; doubles may differ in the last digits.
    pub fn is_close(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Double(one), Self::Double(other)) => {
                let largest = one.abs().max(other.abs());
                (one - other).abs() <= (largest * 1e-9).max(1e-12)
            }
            (one, other) => one == other,
        }
    }
}

/// Makes a table of rows; the error names a column or value that does not fit.
pub fn batch(schema: &SchemaRef, rows: &[Row]) -> Result<RecordBatch, String> {
    if let Some(name) = rows.iter().flat_map(BTreeMap::keys).find(|name| schema.field_with_name(name).is_err()) {
        return Err(format!("there is no column `{name}`"));
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let values = rows.iter().map(|row| row.get(field.name()));
            column(field.data_type(), values).map_err(|error| format!("column `{}`: {error}", field.name()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema.clone(), columns).map_err(|error| error.to_string())
}

fn column<'a>(data_type: &DataType, values: impl Iterator<Item = Option<&'a Value>>) -> Result<ArrayRef, String> {
    let texts = values.map(|value| value.map_or(Ok(None), text)).collect::<Result<Vec<_>, _>>()?;
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&StringArray::from(texts), data_type, &strict).map_err(|error| error.to_string())
}

fn text(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(boolean) => Ok(Some(boolean.to_string())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(format!("{other:?} is no value")),
    }
}

/// Reads the rows of a table.
pub fn cells(batches: &[RecordBatch]) -> Vec<BTreeMap<String, Cell>> {
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| row_of(batch, row))).collect()
}

fn row_of(batch: &RecordBatch, row: usize) -> BTreeMap<String, Cell> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns.map(|(field, column)| (field.name().clone(), cell(column, row))).collect()
}

fn cell(column: &ArrayRef, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
        return Cell::Double(doubles.value(row));
    }
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column.as_ref(), &options).expect("every type can be written");
    Cell::Text(formatter.value(row).to_string())
}

/// The rows that a case expects, in the types of the table they are expected in.
pub fn expected_cells(schema: &SchemaRef, rows: &[Row]) -> Result<Vec<BTreeMap<String, Cell>>, String> {
    let table = batch(schema, rows)?;
    let all = cells(&[table]);
    let only = |cells: BTreeMap<String, Cell>, row: &Row| {
        cells.into_iter().filter(|(name, _)| row.contains_key(name)).collect()
    };
    Ok(all.into_iter().zip(rows).map(|(cells, row)| only(cells, row)).collect())
}

/// Makes a table without rows.
pub fn empty(schema: &SchemaRef) -> RecordBatch {
    RecordBatch::new_empty(Arc::clone(schema))
}
