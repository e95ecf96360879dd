//! The types of models' columns in Arrow, and the last projection of a model onto its promised columns.

use std::sync::Arc;

use arrow::datatypes::{DataType as Arrow, Field, Schema, SchemaRef, TimeUnit};
use datafusion::logical_expr::{Expr, cast, col, ident};

use crate::config::{DataType, Model, ModelColumn};
use crate::storage::COLUMN_COMMENT;

use super::TransformError;

/// The Arrow type of a column's declared type.
pub fn arrow_type(data_type: DataType) -> Arrow {
    match data_type {
        DataType::String => Arrow::Utf8,
        DataType::Integer => Arrow::Int64,
        DataType::Double => Arrow::Float64,
        DataType::Decimal { precision, scale } => Arrow::Decimal128(precision, scale),
        DataType::Boolean => Arrow::Boolean,
        DataType::Date => Arrow::Date32,
        DataType::Timestamp => Arrow::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
    }
}

/// The columns of a model or seed as an Arrow schema, all nullable.
pub fn arrow_schema(columns: &[ModelColumn]) -> SchemaRef {
    let fields = columns.iter().map(|column| Field::new(&column.name, arrow_type(column.data_type), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// [`arrow_schema`] with each column's description as its comment, as the metadata of Delta tables holds it.
pub fn described_schema(columns: &[ModelColumn]) -> SchemaRef {
    let fields = columns.iter().map(|column| {
        let words = column.description.split_whitespace().collect::<Vec<_>>().join(" ");
        let comment = (!words.is_empty()).then(|| (COLUMN_COMMENT.to_owned(), words));
        Field::new(&column.name, arrow_type(column.data_type), true).with_metadata(comment.into_iter().collect())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Expressions that bring a query's columns into the order and the exact types that the model's YAML promises.
///
/// Only casts that cannot change a value's meaning are made for the author: widths of integers, precisions of decimals
/// with at most the promised scale, text's representations, units and zones of UTC instants.
///
/// # Errors
/// All columns that are missing, of another kind, or not promised.
pub(super) fn promised_columns(model: &Model, given: &Schema) -> Result<Vec<Expr>, Vec<TransformError>> {
    let mut mistakes = Vec::new();
    let mut expressions = Vec::new();
    for column in &model.columns {
        let expected = arrow_type(column.data_type);
        match given.field_with_name(&column.name) {
            Ok(field) if *field.data_type() == expected => expressions.push(ident(&column.name)),
            Ok(field) if is_same_kind(field.data_type(), &expected) => {
                expressions.push(cast(ident(&column.name), expected).alias(&column.name));
            }
            Ok(field) => mistakes.push(TransformError::ColumnType {
                model: model.name.to_string(),
                column: column.name.clone(),
                found: type_name(field.data_type()),
                expected: type_name(&expected),
            }),
            Err(_) => mistakes
                .push(TransformError::ColumnMissing { model: model.name.to_string(), column: column.name.clone() }),
        }
    }
    let promised = |name: &str| model.columns.iter().any(|column| column.name == name);
    mistakes.extend(
        given.fields().iter().filter(|field| !promised(field.name())).map(|field| TransformError::ColumnUnpromised {
            model: model.name.to_string(),
            column: field.name().clone(),
        }),
    );
    if mistakes.is_empty() { Ok(expressions) } else { Err(mistakes) }
}

fn is_same_kind(found: &Arrow, expected: &Arrow) -> bool {
    match (found, expected) {
        (Arrow::Null, _) | (Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View, Arrow::Utf8) => true,
        (Arrow::Decimal128(_, found), Arrow::Decimal128(_, expected)) => found <= expected,
        (Arrow::Float32, Arrow::Float64) => true,
        (Arrow::Timestamp(_, zone), Arrow::Timestamp(_, _)) => {
            zone.as_deref().is_none_or(|zone| zone == "UTC" || zone == "+00:00")
        }
        (found, Arrow::Int64) => found.is_integer(),
        _ => false,
    }
}

/// A type in the words of the YAML files.
pub(super) fn type_name(data_type: &Arrow) -> String {
    match data_type {
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => "string".to_owned(),
        found if found.is_integer() => "integer".to_owned(),
        Arrow::Float16 | Arrow::Float32 | Arrow::Float64 => "double".to_owned(),
        Arrow::Decimal128(precision, scale) | Arrow::Decimal256(precision, scale) => {
            format!("decimal({precision},{scale})")
        }
        Arrow::Boolean => "boolean".to_owned(),
        Arrow::Date32 | Arrow::Date64 => "date".to_owned(),
        Arrow::Timestamp(_, _) => "timestamp".to_owned(),
        Arrow::Null => "null".to_owned(),
        Arrow::Interval(_) | Arrow::Duration(_) => "interval".to_owned(),
        Arrow::List(_) | Arrow::LargeList(_) => "list".to_owned(),
        Arrow::Struct(_) => "struct".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// The sort that makes a table's files the same whatever the parallelism: by its grain.
pub(super) fn grain_order(model: &Model) -> Vec<datafusion::logical_expr::SortExpr> {
    model.grain.iter().map(|column| col(format!("\"{column}\"")).sort(true, false)).collect()
}
