//! `lifecycle tables`: what is published.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};

use super::arguments::TablesArguments;
use super::batches::{BatchPrinter, DataFormat};
use super::context::Context;
use super::surroundings::surroundings;
use super::{ExitCode, Failure};
use crate::config::TableName;
use crate::run::warehouse;

/// One published table.
struct Row {
    table: String,
    rows: u64,
    version: u64,
    release: u64,
    as_of: String,
    location: String,
    description: String,
}

/// Lists the tables of every job's current release.
pub async fn execute(arguments: &TablesArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let surroundings = surroundings(context, &project);
    let warehouse = warehouse(&project, &surroundings.stores);
    let mut rows = Vec::new();
    for job in project.jobs.keys() {
        let Some(release) = warehouse.current_release(job).await? else { continue };
        for (name, table) in release.tables.iter().filter(|(name, _)| name.starts_with("marts.")) {
            let location = crate::storage::join(warehouse.root(), &name.replace('.', "/"));
            rows.push(Row {
                table: name.clone(),
                rows: table.rows,
                version: table.version,
                release: release.number,
                as_of: release.as_of.to_string(),
                location: location.to_string(),
                description: description(&project, name),
            });
        }
    }
    if project.jobs.is_empty() {
        context.output.message("the project has no job now, and tables are listed by job: write one under jobs/");
    } else if rows.is_empty() {
        context.output.message("nothing is published yet: `lifecycle run JOB` publishes the first release");
    }
    let schema = Arc::new(Schema::new(vec![
        Field::new("table", DataType::Utf8, false),
        Field::new("rows", DataType::UInt64, false),
        Field::new("version", DataType::UInt64, false),
        Field::new("release", DataType::UInt64, false),
        Field::new("as_of", DataType::Utf8, false),
        Field::new("location", DataType::Utf8, false),
        Field::new("description", DataType::Utf8, false),
    ]));
    let text =
        |column: fn(&Row) -> &String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(column))) };
    let number =
        |column: fn(&Row) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(rows.iter().map(column))) };
    let columns = vec![
        text(|row| &row.table),
        number(|row| row.rows),
        number(|row| row.version),
        number(|row| row.release),
        text(|row| &row.as_of),
        text(|row| &row.location),
        text(|row| &row.description),
    ];
    let failed = |error: arrow::error::ArrowError| Failure::failed(&error);
    let batch = RecordBatch::try_new(schema, columns).map_err(failed)?;
    // A person's screen is narrow; programs get everything.
    let batch = match arguments.format {
        DataFormat::Table => narrow(&batch).map_err(failed)?,
        _ => batch,
    };
    let schema = batch.schema();
    let mut printer = BatchPrinter::new(&context.output, arguments.format, schema, None)?;
    printer.write(&batch)?;
    printer.finish()?;
    Ok(ExitCode::Done)
}

/// Table, rows, day, and as much of the description as a line holds.
fn narrow(batch: &RecordBatch) -> Result<RecordBatch, arrow::error::ArrowError> {
    const WIDTH: usize = 100;
    let batch = batch.project(&[0, 1, 4, 6])?;
    let cut = |text: &str| match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text).trim_end()),
        None => text.to_owned(),
    };
    let descriptions: StringArray = batch.column(3).as_string::<i32>().iter().map(|text| text.map(cut)).collect();
    let mut columns = batch.columns().to_vec();
    columns.truncate(3);
    columns.push(Arc::new(descriptions));
    RecordBatch::try_new(batch.schema(), columns)
}

/// The first sentence of a table's description; a history has that of its table.
fn description(project: &crate::config::Project, name: &str) -> String {
    let (name, is_history) = match name.strip_suffix("_history") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let Some((schema, table)) = name.split_once('.') else { return String::new() };
    let text = project.models.get(&TableName::new(schema, table)).map(|model| model.description.trim());
    let sentence = text.map(|text| text.split_once(". ").map_or(text, |(first, _)| first)).unwrap_or_default();
    let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = sentence.trim_end_matches('.');
    if is_history { format!("Snapshots by as_of: {sentence}") } else { sentence.to_owned() }
}
