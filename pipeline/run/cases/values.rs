//! Rows as cases write them, as Arrow tables and back.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Float64Type, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::config::CaseRow;

/// A value of a table, to compare and to show.
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
                one == other || (one - other).abs() <= (largest * 1e-9).max(1e-12)
            }
            (one, other) => one == other,
        }
    }

    /// The value in words.
    pub fn text(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Double(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Makes a table of rows whose columns are left out where they are null.
pub fn batch(schema: &SchemaRef, rows: &[CaseRow]) -> Result<RecordBatch, ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema.fields().iter().map(|field| {
        let texts = rows.iter().map(|row| row.get(field.name()).cloned().flatten()).collect::<Vec<_>>();
        cast_with_options(&StringArray::from(texts), field.data_type(), &strict)
    });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<Vec<_>, _>>()?)
}

/// Reads the rows of a table.
pub fn cells(batches: &[RecordBatch]) -> Result<Vec<BTreeMap<String, Cell>>, ArrowError> {
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| row_of(batch, row))).collect()
}

fn row_of(batch: &RecordBatch, row: usize) -> Result<BTreeMap<String, Cell>, ArrowError> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    columns.map(|(field, column)| Ok((field.name().clone(), cell(column, row)?))).collect()
}

fn cell(column: &ArrayRef, row: usize) -> Result<Cell, ArrowError> {
    if column.is_null(row) {
        return Ok(Cell::Null);
    }
    if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
        return Ok(Cell::Double(doubles.value(row)));
    }
    let options = FormatOptions::default();
    Ok(Cell::Text(ArrayFormatter::try_new(column.as_ref(), &options)?.value(row).try_to_string()?))
}

/// The rows that a case expects, in the types of the table in which they are expected, with the columns that matter.
pub fn expected_cells(schema: &SchemaRef, rows: &[CaseRow]) -> Result<Vec<BTreeMap<String, Cell>>, ArrowError> {
    let all = cells(&[batch(schema, rows)?])?;
    let only = |cells: BTreeMap<String, Cell>, row: &CaseRow| {
        cells.into_iter().filter(|(name, _)| row.contains_key(name)).collect()
    };
    Ok(all.into_iter().zip(rows).map(|(cells, row)| only(cells, row)).collect())
}
