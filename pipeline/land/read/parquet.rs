//! Reads a Parquet object: columns by name, cast by the contract.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use object_store::{GetRange, ObjectStore};
use parquet::arrow::ParquetRecordBatchStreamBuilder;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::super::contract::{CellKind, CellSource, Column, Contract, Refusals, cast_array, cast_column};
use super::super::diff::FoundObject;
use super::super::error::LandError;
use super::super::layout::{MOST_ADDED_COLUMNS, added_name};
use super::chunk::{Rejected, Rows, assemble};
use super::{Event, Events, get_options, read_error};
use crate::config::UnknownColumns;

/// Rows that are cast at once. Where a broken object ends depends on it, so it is fixed.
const BATCH_ROWS: usize = 8192;

/// Reads byte ranges of one version of an object, and keeps the store's error apart from Parquet's.
struct Ranges {
    store: Arc<dyn ObjectStore>,
    object: FoundObject,
    failure: Arc<Mutex<Option<object_store::Error>>>,
}

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let mut options = get_options(&self.object);
            options.range = Some(GetRange::Bounded(range));
            let got = match self.store.get_opts(&self.object.path, options).await {
                Ok(got) => got.bytes().await,
                Err(error) => Err(error),
            };
            got.map_err(|error| {
                let text = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                ParquetError::General(text)
            })
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.object.size;
            Ok(Arc::new(ParquetMetaDataReader::new().load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

/// How an object's columns meet the contract's.
struct Plan {
    /// Each contract column's place in a batch.
    positions: Vec<Option<usize>>,
    added: Vec<(usize, String)>,
    /// A column that the contract refuses.
    unknown: Option<String>,
    /// Columns to read, by their place in the object.
    roots: Vec<usize>,
}

/// Reads an object. One that cannot be read, or not further, is one rejected row at that place.
pub(super) async fn read(
    store: Arc<dyn ObjectStore>,
    object: &FoundObject,
    contract: &Contract,
    events: &Events,
) -> Result<(), LandError> {
    let columns_error = |source| LandError::Columns { object: object.name.clone(), source };
    let failure = Arc::new(Mutex::new(None));
    let take_failure = || failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    let mut rows_read = 0_u64;
    let broken = 'reading: {
        // An object without a byte has no rows.
        if object.size == 0 {
            break 'reading None;
        }
        let ranges = Ranges { store, object: object.clone(), failure: failure.clone() };
        let builder = match guarded(ParquetRecordBatchStreamBuilder::new(ranges)).await {
            Ok(builder) => builder,
            Err(error) => match take_failure() {
                Some(error) => return Err(read_error(object, error)),
                None => break 'reading Some(format!("the object is not Parquet: {error}")),
            },
        };
        let plan = match plan(contract, builder.schema()) {
            Ok(plan) => plan,
            Err(reason) => break 'reading Some(reason),
        };
        let mask = ProjectionMask::roots(builder.parquet_schema(), plan.roots.iter().copied());
        let mut stream = match builder.with_projection(mask).with_batch_size(BATCH_ROWS).build() {
            Ok(stream) => stream,
            Err(error) => break 'reading Some(format!("the Parquet data is damaged: {error}")),
        };
        loop {
            let batch = match guarded(async { stream.next().await.transpose() }).await {
                Ok(Some(batch)) => batch,
                Ok(None) => break 'reading None,
                Err(error) => match take_failure() {
                    Some(error) => return Err(read_error(object, error)),
                    None => break 'reading Some(format!("the Parquet data is damaged: {error}")),
                },
            };
            let rows = convert(contract, &plan, &batch, rows_read).map_err(columns_error)?;
            rows_read += batch.num_rows() as u64;
            if events.send(Ok(Event::Rows(rows))).await.is_err() {
                return Ok(());
            }
        }
    };
    if let Some(reason) = broken {
        let line = rows_read + 1;
        let rejected = vec![Rejected { line, offset: None, reason, column: None, raw: String::new() }];
        let empty = empty_rows(contract).map_err(columns_error)?;
        // Without a listener the end does not matter, here and below.
        let _ = events.send(Ok(Event::Rows(Rows { rejected, records: 1, ..empty }))).await;
    }
    let _ = events.send(Ok(Event::End { header: None })).await;
    Ok(())
}

/// Damaged Parquet can make a decoder panic: that is an error like others.
async fn guarded<T>(work: impl Future<Output = Result<T, ParquetError>>) -> Result<T, ParquetError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => Err(ParquetError::General("the decoder gave up".to_owned())),
    }
}

fn empty_rows(contract: &Contract) -> Result<Rows, ArrowError> {
    let columns = super::super::layout::contract_fields(contract)
        .iter()
        .map(|field| arrow::array::new_empty_array(field.data_type()))
        .collect();
    let batch = assemble(contract, columns, Int64Array::new_null(0), Vec::new(), &Refusals::default())?;
    Ok(Rows { batch, rejected: Vec::new(), records: 0 })
}

fn plan(contract: &Contract, schema: &Schema) -> Result<Plan, String> {
    let mut plan =
        Plan { positions: vec![None; contract.columns.len()], added: Vec::new(), unknown: None, roots: Vec::new() };
    for (root, field) in schema.fields().iter().enumerate() {
        let name = field.name();
        if let Some(column) = contract.by_raw_name(name.as_bytes()) {
            if plan.positions[column].replace(plan.roots.len()).is_some() {
                return Err(format!("`{name}` stands twice among the object's columns"));
            }
            plan.roots.push(root);
            continue;
        }
        match contract.unknown {
            UnknownColumns::Ignore => {}
            UnknownColumns::Reject => {
                plan.unknown.get_or_insert_with(|| name.clone());
            }
            UnknownColumns::Add => {
                if plan.added.len() == MOST_ADDED_COLUMNS {
                    return Err(format!("the object adds more than {MOST_ADDED_COLUMNS} columns to the contract's"));
                }
                let landed = added_name(contract, name, |taken| plan.added.iter().any(|(_, name)| name == taken));
                plan.added.push((plan.roots.len(), landed));
                plan.roots.push(root);
            }
        }
    }
    if plan.positions.iter().all(Option::is_none) && !contract.columns.is_empty() {
        return Err("the object has none of the contract's columns".to_owned());
    }
    Ok(plan)
}

fn convert(contract: &Contract, plan: &Plan, batch: &RecordBatch, rows_before: u64) -> Result<Rows, ArrowError> {
    let rows = batch.num_rows();
    let mut refusals = Refusals::default();
    if let Some(name) = &plan.unknown {
        for row in 0..rows {
            refusals.record(row, format!("`{name}` is not a column of the contract"));
        }
    }
    let mut columns = Vec::with_capacity(contract.columns.len());
    for (column, position) in contract.columns.iter().zip(&plan.positions) {
        columns.push(match position {
            Some(position) => cast_one(column, batch.column(*position), &mut refusals)?,
            None => cast_column(column, &Nothing(rows), &mut refusals)?,
        });
    }
    let mut added = Vec::with_capacity(plan.added.len());
    for (position, name) in &plan.added {
        added.push((name.clone(), as_text(batch.column(*position))?));
    }
    let first = rows_before as i64 + 1;
    let lines = Int64Array::from_iter_values(first..first + rows as i64);
    let result = assemble(contract, columns, lines, added, &refusals)?;
    let refused: Vec<bool> = (0..rows).map(|row| refusals.is_refused(row)).collect();
    let list = refusals.into_sorted();
    let raw = if list.is_empty() { Vec::new() } else { render(batch, refused)? };
    let rejected = list
        .into_iter()
        .zip(raw.into_iter().chain(std::iter::repeat(String::new())))
        .map(|(refusal, raw)| Rejected {
            line: rows_before + u64::from(refusal.row) + 1,
            offset: None,
            reason: refusal.reason,
            column: refusal.column,
            raw,
        })
        .collect();
    Ok(Rows { batch: result, rejected, records: rows as u64 })
}

fn cast_one(column: &Column, array: &ArrayRef, refusals: &mut Refusals) -> Result<ArrayRef, ArrowError> {
    if let Some(array) = cast_array(column, array, refusals)? {
        return Ok(array);
    }
    if is_nested(array.data_type()) {
        return cast_column(column, &Nested(array), refusals);
    }
    let text = cast(array, &DataType::Utf8)?;
    for row in (0..array.len()).filter(|row| array.is_valid(*row) && text.is_null(*row)) {
        refusals.value(row, column, || format!("`{}` is not text", column.name));
    }
    cast_column(column, &Texts(text.as_string::<i32>()), refusals)
}

fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_nested(values),
        other => other.is_nested(),
    }
}

/// Rejected rows as JSON, one for each row marked in `refused`.
fn render(batch: &RecordBatch, refused: Vec<bool>) -> Result<Vec<String>, ArrowError> {
    let batch = filter_record_batch(batch, &refused.into())?;
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    Ok(String::from_utf8_lossy(&writer.into_inner()).lines().map(str::to_owned).collect())
}

/// A column that is added to the contract's, as text; nested values as JSON.
fn as_text(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if !is_nested(array.data_type()) {
        return cast(array, &DataType::Utf8);
    }
    let options = arrow::util::display::FormatOptions::default().with_display_error(true);
    let formatter = arrow::util::display::ArrayFormatter::try_new(array.as_ref(), &options)?;
    let texts: StringArray =
        (0..array.len()).map(|row| array.is_valid(row).then(|| formatter.value(row).to_string())).collect();
    Ok(Arc::new(texts))
}

struct Nothing(usize);

impl CellSource for Nothing {
    fn rows(&self) -> usize {
        self.0
    }

    fn value(&self, _row: usize) -> (CellKind, &[u8]) {
        (CellKind::Missing, &[])
    }
}

struct Texts<'a>(&'a StringArray);

impl CellSource for Texts<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn value(&self, row: usize) -> (CellKind, &[u8]) {
        if self.0.is_null(row) { (CellKind::Missing, &[]) } else { (CellKind::Text, self.0.value(row).as_bytes()) }
    }
}

struct Nested<'a>(&'a ArrayRef);

impl CellSource for Nested<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn value(&self, row: usize) -> (CellKind, &[u8]) {
        if self.0.is_null(row) { (CellKind::Missing, &[]) } else { (CellKind::Nested, &[]) }
    }
}
