//! `lifecycle rejected`: rows that a contract refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::TryStreamExt;

use super::arguments::{RejectedArguments, RejectedCommand};
use super::batches::BatchPrinter;
use super::context::Context;
use super::surroundings::surroundings;
use super::{ExitCode, Failure};
use crate::config::{Project, Source};
use crate::land::{RejectedFilter, RejectedRow, rejected_rows};
use crate::run::warehouse;
use crate::storage::Warehouse;

/// Prints refused rows of one source, or counts them for all.
pub async fn execute(arguments: &RejectedArguments, context: &Context) -> Result<ExitCode, Failure> {
    if let Some(RejectedCommand::Replay(arguments)) = &arguments.command {
        return super::replay::execute(arguments, context).await;
    }
    let project = context.look_at_project()?;
    let surroundings = surroundings(context, &project);
    let warehouse = warehouse(&project, &surroundings.stores);
    let sources: Vec<&Source> = project.sources().collect();
    let batch = match &arguments.source {
        Some(name) => {
            let source = find_source(&sources, name)?;
            rows_of(&warehouse, source, arguments.limit).await?
        }
        None => counts(&warehouse, &project, &sources).await?,
    };
    if batch.num_rows() == 0 {
        context.output.message("no rejected rows");
    }
    let mut printer = BatchPrinter::new(&context.output, arguments.format, batch.schema(), None)?;
    printer.write(&batch)?;
    printer.finish()?;
    Ok(ExitCode::Done)
}

/// The source of a name, or what it may have been meant to be.
pub(super) fn find_source<'s>(sources: &[&'s Source], name: &str) -> Result<&'s Source, Failure> {
    sources.iter().find(|source| source.name == name).copied().ok_or_else(|| {
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        Failure::unknown_name("source", name, &known)
    })
}

async fn read(warehouse: &Warehouse, source: &Source) -> Result<Vec<RejectedRow>, Failure> {
    let table = warehouse.table("landed", &source.name)?;
    let Some(snapshot) = table.snapshot().await? else { return Ok(Vec::new()) };
    let rows = rejected_rows(&table, &snapshot, source, &RejectedFilter::default()).await?;
    Ok(rows.try_collect().await?)
}

/// The newest objects' rows first: names hold days.
async fn rows_of(warehouse: &Warehouse, source: &Source, limit: u64) -> Result<RecordBatch, Failure> {
    let mut rows = read(warehouse, source).await?;
    rows.sort_by(|left, right| right.object.cmp(&left.object).then(left.line.cmp(&right.line)));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let text = |column: fn(&RejectedRow) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(column).collect::<StringArray>())
    };
    let columns = vec![
        text(|row| Some(&row.object)),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.line))) as ArrayRef,
        Arc::new(rows.iter().map(|row| row.offset).collect::<UInt64Array>()),
        text(|row| row.column.as_deref()),
        text(|row| Some(&row.reason)),
        text(|row| Some(&row.raw)),
    ];
    let fields = vec![
        Field::new("object", DataType::Utf8, false),
        Field::new("line", DataType::UInt64, false),
        Field::new("offset", DataType::UInt64, true),
        Field::new("column", DataType::Utf8, true),
        Field::new("reason", DataType::Utf8, false),
        Field::new("raw", DataType::Utf8, false),
    ];
    batch(fields, columns)
}

async fn counts(warehouse: &Warehouse, project: &Project, sources: &[&Source]) -> Result<RecordBatch, Failure> {
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for source in sources {
        for row in read(warehouse, source).await? {
            // The value follows a colon; without it reasons are few.
            let kind = row.reason.split_once(": ").map_or(row.reason.as_str(), |(kind, _)| kind).to_owned();
            *counts.entry((source.name.clone(), kind)).or_default() += 1;
        }
    }
    tracing::debug!(environment = %project.environment.name, reasons = counts.len(), "counted rejected rows");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(counts.keys().map(|(source, _)| source))),
        Arc::new(StringArray::from_iter_values(counts.keys().map(|(_, reason)| reason))),
        Arc::new(UInt64Array::from_iter_values(counts.values().copied())),
    ];
    let fields = vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("rows", DataType::UInt64, false),
    ];
    batch(fields, columns)
}

pub(super) fn batch(fields: Vec<Field>, columns: Vec<ArrayRef>) -> Result<RecordBatch, Failure> {
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    RecordBatch::try_new(schema, columns).map_err(|error| Failure::failed(&error))
}
