//! Reads a Parquet object: columns by name, cast by the contract.

use std::cell::Cell;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{can_cast_types, cast, filter_record_batch};
use arrow::datatypes::{DataType, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
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

use super::super::contract::{CellKind, CellSource, Column, Contract, Refusals, cast_array, cast_column, shown_text};
use super::super::diff::FoundObject;
use super::super::error::LandError;
use super::super::layout::{MOST_ADDED_COLUMNS, added_name};
use super::chunk::{Rejected, Rows, assemble};
use super::{Event, Events, get_options, read_error, thrift, too_large};
use crate::config::UnknownColumns;

/// Rows that are cast at once. Where a broken object ends depends on it, so it is fixed.
const BATCH_ROWS: usize = 8192;

/// Reads byte ranges of one version of an object, and keeps the store's error apart from Parquet's.
struct Ranges {
    store: Arc<dyn ObjectStore>,
    object: FoundObject,
    failure: Arc<Mutex<Option<object_store::Error>>>,
    /// The footer has been read: what is read now are columns.
    has_footer: bool,
}

/// The footer's length and the format's mark, at the end of an object.
const FOOTER_TAIL_BYTES: u64 = 8;

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            // The store would call it a failure of its own.
            if range.start >= range.end || range.end > self.object.size {
                return Err(ParquetError::General("it speaks of data beyond its end".to_owned()));
            }
            let is_tail = !self.has_footer && range.end - range.start == FOOTER_TAIL_BYTES;
            let mut options = get_options(&self.object);
            options.range = Some(GetRange::Bounded(range));
            let got = match self.store.get_opts(&self.object.path, options).await {
                Ok(got) => got.bytes().await,
                Err(error) => Err(error),
            };
            let bytes = got.map_err(|error| {
                let text = error.to_string();
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                ParquetError::General(text)
            })?;
            let checked = match (self.has_footer, is_tail) {
                (true, _) => thrift::check_pages(&bytes),
                (false, true) => Ok(()),
                (false, false) => thrift::check_footer(&bytes),
            };
            checked.map(|()| bytes).map_err(|reason| ParquetError::General(reason.to_owned()))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.object.size;
            let metadata = ParquetMetaDataReader::new().load_and_finish(&mut *self, size).await?;
            self.has_footer = true;
            Ok(Arc::new(metadata))
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
    let (mut rows_read, mut bytes_read, mut is_cut) = (0_u64, 0_u64, false);
    let broken = 'reading: {
        // An object without a byte has no rows.
        if object.size == 0 {
            break 'reading None;
        }
        let ranges = Ranges { store, object: object.clone(), failure: failure.clone(), has_footer: false };
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
            bytes_read = bytes_read.saturating_add(batch.get_array_memory_size() as u64);
            if bytes_read > contract.max_object_bytes {
                is_cut = true;
                break 'reading Some(too_large(contract.max_object_bytes));
            }
            let rows = convert(contract, &plan, &batch, rows_read).map_err(columns_error)?;
            rows_read += batch.num_rows() as u64;
            if events.send(Ok(Event::Rows(rows))).await.is_err() {
                return Ok(());
            }
        }
    };
    if let Some(reason) = broken {
        let line = rows_read + 1;
        let rejected = vec![Rejected { line, offset: None, reason, column: None, raw: String::new(), is_whole: false }];
        let empty = Rows::empty(contract).map_err(columns_error)?;
        // Without a listener the end does not matter, here and below.
        let _ = events.send(Ok(Event::Rows(Rows { rejected, records: 1, ..empty }))).await;
    }
    let _ = events.send(Ok(Event::End { header: None, is_cut })).await;
    Ok(())
}

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is decoding data that may be damaged: a panic is caught, and needs not be told.
pub fn is_decoding() -> bool {
    IS_GUARDED.get()
}

/// Damaged Parquet can make a decoder panic: that is an error like others.
async fn guarded<T>(work: impl Future<Output = Result<T, ParquetError>>) -> Result<T, ParquetError> {
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let outcome = std::future::poll_fn(|context| {
        IS_GUARDED.set(true);
        let polled = work.as_mut().poll(context);
        IS_GUARDED.set(false);
        polled
    });
    match outcome.await {
        Ok(outcome) => outcome,
        Err(_) => Err(ParquetError::General("the decoder gave up".to_owned())),
    }
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
            refusals.record(row, format!("{} is not a column of the contract", shown_text(name.as_bytes())));
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
        added.push((name.clone(), as_text(name, batch.column(*position), &mut refusals)?));
    }
    let first = rows_before as i64 + 1;
    let lines = Int64Array::from_iter_values(first..first + rows as i64);
    let result = assemble(contract, columns, lines, added, &refusals)?;
    let refused: Vec<bool> = (0..rows).map(|row| refusals.is_refused(row)).collect();
    let list = refusals.into_sorted();
    let raw = if list.is_empty() { Vec::new() } else { render(batch, refused) };
    let rejected = list
        .into_iter()
        .zip(raw.into_iter().chain(std::iter::repeat(String::new())))
        .map(|(refusal, raw)| Rejected {
            line: rows_before + u64::from(refusal.row) + 1,
            offset: None,
            reason: refusal.reason,
            column: refusal.column,
            raw,
            is_whole: false,
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
    let Some(text) = texts_of(array) else {
        for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
            refusals.value(row, column, || format!("`{}` is not text: it is {}", column.name, array.data_type()));
        }
        return cast_column(column, &Nothing(array.len()), refusals);
    };
    for row in (0..array.len()).filter(|row| array.is_valid(*row) && text.is_null(*row)) {
        refusals.value(row, column, || format!("`{}` is not text", column.name));
    }
    cast_column(column, &Texts(text.as_string::<i32>()), refusals)
}

/// An array's values as text, null where a value has none; `None`: its type has none.
fn texts_of(array: &ArrayRef) -> Option<ArrayRef> {
    if !can_cast_types(array.data_type(), &DataType::Utf8) {
        return None;
    }
    if let Ok(text) = cast(array, &DataType::Utf8) {
        return Some(text);
    }
    // One value without a form, such as a day in the year 300,000, fails all of them.
    let one = |row: usize| cast(&array.slice(row, 1), &DataType::Utf8).ok().filter(|text| text.is_valid(0));
    let texts = (0..array.len()).map(|row| one(row).map(|text| text.as_string::<i32>().value(0).to_owned()));
    Some(Arc::new(texts.collect::<StringArray>()))
}

fn is_nested(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_nested(values),
        other => other.is_nested(),
    }
}

/// Rejected rows as JSON, one for each row marked in `refused`.
fn render(batch: &RecordBatch, refused: Vec<bool>) -> Vec<String> {
    let as_json = |batch: &RecordBatch| -> Result<Vec<String>, ArrowError> {
        let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
        writer.write(batch)?;
        writer.finish()?;
        Ok(String::from_utf8_lossy(&writer.into_inner()).lines().map(str::to_owned).collect())
    };
    let Ok(batch) = filter_record_batch(batch, &refused.into()) else { return Vec::new() };
    // Some types have no form in JSON.
    as_json(&batch).unwrap_or_else(|_| as_texts(&batch))
}

/// Rows as JSON objects of texts.
fn as_texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_display_error(true);
    let schema = batch.schema();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter_map(|(field, array)| Some((field.name(), array, ArrayFormatter::try_new(array, &options).ok()?)))
        .collect();
    let row = |row: usize| -> serde_json::Map<String, serde_json::Value> {
        let valid = columns.iter().filter(|(_, array, _)| array.is_valid(row));
        valid.map(|(name, _, formatter)| ((*name).clone(), formatter.value(row).to_string().into())).collect()
    };
    (0..batch.num_rows()).map(|number| serde_json::Value::Object(row(number)).to_string()).collect()
}

/// A column that is added to the contract's, as text; nested values as JSON.
fn as_text(name: &str, array: &ArrayRef, refusals: &mut Refusals) -> Result<ArrayRef, ArrowError> {
    if !is_nested(array.data_type())
        && let Some(text) = texts_of(array)
    {
        for row in (0..array.len()).filter(|row| array.is_valid(*row) && text.is_null(*row)) {
            refusals.record(row, format!("{} is not text", shown_text(name.as_bytes())));
        }
        return Ok(text);
    }
    let options = FormatOptions::default().with_display_error(true);
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
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
