//! Takes what replaced objects brought before out of a landed table: rewrites the files that hold it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{DataType, Date32Type, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use futures::TryStreamExt;

use super::contract::Contract;
use super::layout;
use super::read::with_day_and_key;
use super::sink::SinkError;
use super::tables::{KindWriter, project};
use crate::storage::{DataFile, Table};

/// What is left of the files of one kind, and what it takes to get there.
#[derive(Debug, Default)]
pub(crate) struct Replacement {
    /// Files that stay, as they are or rewritten.
    pub kept: Vec<DataFile>,
    /// New files among the kept.
    pub add: Vec<DataFile>,
    pub remove: Vec<DataFile>,
    /// Days of the rows that went, since 1970.
    pub days: BTreeSet<i32>,
    /// Keys' hashes of the rows that went.
    pub keys: Vec<i64>,
}

/// Removes the rows of some objects from files of one kind, whose columns are `schema`.
pub(crate) async fn remove_objects(
    table: &Table,
    files: &[DataFile],
    schema: &SchemaRef,
    objects: &HashSet<String>,
) -> Result<Replacement, SinkError> {
    let mut result = Replacement::default();
    if objects.is_empty() {
        result.kept = files.to_vec();
        return Ok(result);
    }
    let mut writer = KindWriter::new(table, schema.clone());
    let finding = project(schema, &[layout::OBJECT, layout::DAY, layout::KEY]);
    for file in files {
        if !may_hold(file, objects) {
            result.kept.push(file.clone());
            continue;
        }
        let (mut going, mut staying) = (0, 0);
        let mut batches = table.read(file, finding.clone()).await?;
        while let Some(batch) = batches.try_next().await? {
            let mask = rows_of(&batch, objects);
            let count = mask.true_count();
            going += count;
            staying += batch.num_rows() - count;
            if count > 0 {
                note(&filter_record_batch(&batch, &mask)?, &mut result);
            }
        }
        if going == 0 {
            result.kept.push(file.clone());
            continue;
        }
        result.remove.push(file.clone());
        if staying > 0 {
            let mut batches = table.read(file, schema.clone()).await?;
            while let Some(batch) = batches.try_next().await? {
                let keep = arrow::compute::not(&rows_of(&batch, objects))?;
                writer.write(&filter_record_batch(&batch, &keep)?).await?;
            }
        }
    }
    result.add = writer.close().await?;
    result.kept.extend(result.add.iter().cloned());
    Ok(result)
}

/// Rewrites the rows of objects that are not landed again under a new contract.
///
/// Fails where a value does not fit its column's new type: the object that brought it cannot be read again.
pub(crate) async fn convert_rows(
    table: &Table,
    files: &[DataFile],
    stored: &SchemaRef,
    contract: &Contract,
    added: &[String],
    objects: &HashSet<String>,
) -> Result<Replacement, SinkError> {
    let schema = layout::row_schema(contract, added);
    let mut result = Replacement { remove: files.to_vec(), ..Replacement::default() };
    let mut writer = KindWriter::new(table, schema.clone());
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let reading = project(stored, &names);
    for file in files {
        let mut batches = table.read(file, reading.clone()).await?;
        while let Some(batch) = batches.try_next().await? {
            let keep = arrow::compute::not(&rows_of(&batch, objects))?;
            if keep.true_count() > 0 {
                let batch = filter_record_batch(&batch, &keep)?;
                writer.write(&under_contract(contract, &schema, &batch)?).await?;
            }
        }
    }
    result.add = writer.close().await?;
    result.kept = result.add.clone();
    Ok(result)
}

fn under_contract(contract: &Contract, schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let column = |name: &str, to: &DataType| match batch.column_by_name(name) {
        Some(column) => cast_with_options(column, to, &strict),
        None => Ok(arrow::array::new_null_array(to, batch.num_rows())),
    };
    let fields = layout::contract_fields(contract);
    let columns = fields.iter().map(|field| column(field.name(), field.data_type())).collect::<Result<Vec<_>, _>>()?;
    let keyed = with_day_and_key(contract, RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)?;
    let columns = schema
        .fields()
        .iter()
        .map(|field| match keyed.column_by_name(field.name()) {
            Some(column) => Ok(column.clone()),
            None => column(field.name(), field.data_type()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}

fn note(gone: &RecordBatch, result: &mut Replacement) {
    if let Some(days) = gone.column_by_name(layout::DAY) {
        result.days.extend(days.as_primitive::<Date32Type>().iter().flatten());
    }
    if let Some(keys) = gone.column_by_name(layout::KEY) {
        result.keys.extend(keys.as_primitive::<Int64Type>().iter().flatten());
    }
}

fn rows_of(batch: &RecordBatch, objects: &HashSet<String>) -> BooleanArray {
    let Some(names) = batch.column_by_name(layout::OBJECT) else {
        return BooleanArray::from(vec![false; batch.num_rows()]);
    };
    let names = names.as_string::<i32>();
    let mut last: Option<(&str, bool)> = None;
    (0..names.len())
        .map(|row| {
            let name = names.value(row);
            let is_in = match last {
                Some((known, is_in)) if known == name => is_in,
                _ => objects.contains(name),
            };
            last = Some((name, is_in));
            Some(is_in)
        })
        .collect()
}

/// Whether the file's statistics allow rows of one of the objects.
fn may_hold(file: &DataFile, objects: &HashSet<String>) -> bool {
    let bound = |value: Option<&serde_json::Value>| value.and_then(|value| value.as_str()).map(str::to_owned);
    let (min, max) = (bound(file.min_value(layout::OBJECT)), bound(file.max_value(layout::OBJECT)));
    objects.iter().any(|object| {
        min.as_deref().is_none_or(|min| object.as_str() >= min)
            && max.as_deref().is_none_or(|max| object.as_str() <= max)
    })
}
