//! Arrow data on stdout or in a file: as a table for people, or as CSV, JSON or Parquet.

use std::io::Write;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{JsonArray, LineDelimited};
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use clap::ValueEnum;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::failure::{Failure, Report};
use super::numbers;
use super::output::{DataWriter, Output, OutputWatch};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DataFormat {
    // Columns for people.
    Table,
    // Comma-separated, with a header.
    Csv,
    // One array of objects.
    Json,
    // One object per line.
    Ndjson,
    // Apache Parquet; binary, so to a file or a pipe.
    Parquet,
}

/// A table for people ends after so many rows: its columns' widths need all of them in memory.
const TABLE_ROWS: usize = 10_000;

/// Prints batches of one schema, one after the other.
pub struct BatchPrinter {
    kind: Printer,
    watch: OutputWatch,
    output: Output,
    schema: SchemaRef,
}

enum Printer {
    Table { writer: DataWriter, batches: Vec<RecordBatch>, rows: usize, left_out: u64 },
    Csv(Box<arrow::csv::Writer<DataWriter>>),
    Json(arrow::json::Writer<DataWriter, JsonArray>),
    NdJson(arrow::json::Writer<DataWriter, LineDelimited>),
    Parquet(Box<ArrowWriter<DataWriter>>),
}

impl BatchPrinter {
    /// Begins to print to `file`, or to stdout.
    pub fn new(output: &Output, format: DataFormat, schema: SchemaRef, file: Option<&Path>) -> Result<Self, Failure> {
        let writer = match file {
            Some(path) => DataWriter::to_file(path)?,
            None if format == DataFormat::Parquet && output.is_terminal() => {
                return Err(Failure::Usage(
                    Report::new("Parquet is binary and would garble the terminal")
                        .hint("redirect stdout to a file, or choose another format with -o"),
                ));
            }
            None => output.data(),
        };
        let watch = writer.watch();
        let json = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
        let kind = match format {
            DataFormat::Table => Printer::Table { writer, batches: Vec::new(), rows: 0, left_out: 0 },
            DataFormat::Csv => Printer::Csv(Box::new(arrow::csv::WriterBuilder::new().with_header(true).build(writer))),
            DataFormat::Json => Printer::Json(json.build(writer)),
            DataFormat::Ndjson => Printer::NdJson(json.build(writer)),
            DataFormat::Parquet => {
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
                let writer = ArrowWriter::try_new(writer, schema.clone(), Some(properties))
                    .map_err(|error| watch.failure(&error))?;
                Printer::Parquet(Box::new(writer))
            }
        };
        let mut printer = Self { kind, watch, output: output.clone(), schema };
        // An empty result still has a header.
        if matches!(format, DataFormat::Csv) {
            printer.write(&RecordBatch::new_empty(printer.schema.clone()))?;
        }
        Ok(printer)
    }

    /// Prints a batch.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        match &mut self.kind {
            Printer::Table { batches, rows, left_out, .. } => {
                let shown = batch.num_rows().min(TABLE_ROWS - *rows);
                *rows += shown;
                *left_out += (batch.num_rows() - shown) as u64;
                if shown > 0 {
                    batches.push(batch.slice(0, shown));
                }
                Ok(())
            }
            Printer::Csv(writer) => writer.write(batch).map_err(|error| match error {
                // A list or a struct has no place in a CSV cell.
                arrow::error::ArrowError::CsvError(_) | arrow::error::ArrowError::InvalidArgumentError(_) => {
                    nested(&error)
                }
                error => self.watch.failure(&error),
            }),
            Printer::Json(writer) => writer.write(batch).map_err(|error| self.watch.failure(&error)),
            Printer::NdJson(writer) => writer.write(batch).map_err(|error| self.watch.failure(&error)),
            Printer::Parquet(writer) => writer.write(batch).map_err(|error| self.watch.failure(&error)),
        }
    }

    /// Prints what is left.
    pub fn finish(self) -> Result<(), Failure> {
        let watch = self.watch;
        let flush = |mut writer: DataWriter| writer.flush().map_err(|error| watch.failure(&error));
        match self.kind {
            Printer::Table { mut writer, mut batches, left_out, .. } => {
                if batches.is_empty() {
                    batches.push(RecordBatch::new_empty(self.schema));
                }
                let options = FormatOptions::default().with_null("null").with_display_error(true);
                let table =
                    pretty_format_batches_with_options(&batches, &options).map_err(|error| watch.failure(&error))?;
                writeln!(writer, "{table}").map_err(|error| watch.failure(&error))?;
                flush(writer)?;
                if left_out > 0 {
                    self.output.warning(
                        &format!("{} more were left out", numbers::plural(left_out, "row", "rows")),
                        Some("-o csv, json, ndjson and parquet print all rows"),
                    );
                }
                Ok(())
            }
            Printer::Csv(writer) => flush(writer.into_inner()),
            Printer::Json(mut writer) => {
                writer.finish().map_err(|error| watch.failure(&error))?;
                let mut writer = writer.into_inner();
                writeln!(writer).map_err(|error| watch.failure(&error))?;
                flush(writer)
            }
            Printer::NdJson(mut writer) => {
                writer.finish().map_err(|error| watch.failure(&error))?;
                flush(writer.into_inner())
            }
            Printer::Parquet(writer) => {
                let writer = writer.into_inner().map_err(|error| watch.failure(&error))?;
                flush(writer)
            }
        }
    }
}

/// Prints one batch whole.
pub fn print(output: &Output, format: DataFormat, batch: &RecordBatch) -> Result<(), Failure> {
    let mut printer = BatchPrinter::new(output, format, batch.schema(), None)?;
    printer.write(batch)?;
    printer.finish()
}

fn nested(error: &arrow::error::ArrowError) -> Failure {
    Failure::Usage(
        Report::from_error(error)
            .while_doing("a column does not fit into CSV")
            .hint("choose its fields one by one in the query, or print with -o json or -o parquet"),
    )
}
