//! A stretch of an object, scanned into records and cells, and what the contract makes of it.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringBuilder};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Date32Type, Field, Schema, TimestampMicrosecondType};
use arrow::error::ArrowError;

use super::super::contract::{Cell, CellKind, CellSource, Contract, DayCache, Refusals, cast_column, hide_value};
use super::super::key::hash_keys;
use super::super::layout;

/// Longest part that is kept of what is no whole record, in bytes.
const LONGEST_RAW_BYTES: usize = 64 * 1024;

/// Where one record stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record {
    /// Range in the scanned text, without the line break.
    pub start: u32,
    pub end: u32,
    /// From 1.
    pub line: u64,
    /// Where its cells begin; a refused record has none.
    pub cells: Option<u32>,
}

/// A scanned stretch: records, their values, and those that are not even records.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub records: Vec<Record>,
    /// Of all records that are not refused as a whole.
    pub cells: Vec<Cell>,
    /// Text of cells that had to be unescaped.
    pub scratch: Vec<u8>,
    pub refusals: Refusals,
    /// Values of unknown columns that are to be added: record, position in the object's added columns, value.
    pub added: Vec<(u32, u32, Cell)>,
    /// Refused records whose text cannot be kept as it came, or stands for more than itself. In their order.
    pub partial: Vec<u32>,
    /// Records with fewer fields than columns: values may stand in the wrong ones. In their order.
    pub short: Vec<u32>,
}

/// A chunk holds no more: short lines of wide objects would take a thousand times their own size.
const MOST_CELLS: usize = 1 << 20;
const MOST_RECORDS: usize = 1 << 16;

impl Chunk {
    /// Adds a record that is refused as a whole.
    pub fn refuse(&mut self, record: Record, reason: impl Into<String>) {
        self.refusals.record(self.records.len(), reason);
        self.records.push(Record { cells: None, ..record });
    }

    /// Adds a refused record whose text is not all that is refused with it.
    pub fn refuse_more_than(&mut self, record: Record, reason: impl Into<String>) {
        self.partial.push(self.records.len() as u32);
        self.refuse(record, reason);
    }

    /// Whether what was scanned should become rows before more is scanned.
    pub fn is_full(&self) -> bool {
        self.cells.len() >= MOST_CELLS || self.records.len() >= MOST_RECORDS
    }

    /// The bytes of a cell.
    pub fn bytes<'a>(&'a self, text: &'a [u8], cell: Cell) -> &'a [u8] {
        let range = cell.start as usize..cell.start as usize + cell.length as usize;
        match cell.kind {
            CellKind::Missing => &[],
            CellKind::Unescaped => &self.scratch[range],
            CellKind::Text | CellKind::Bare | CellKind::Nested => &text[range],
        }
    }
}

/// One column of a chunk; `None` as position: the object does not have it.
struct ChunkColumn<'a> {
    chunk: &'a Chunk,
    text: &'a [u8],
    position: Option<usize>,
}

impl CellSource for ChunkColumn<'_> {
    fn rows(&self) -> usize {
        self.chunk.records.len()
    }

    fn value(&self, row: usize) -> (CellKind, &[u8]) {
        match (self.position, self.chunk.records[row].cells) {
            (Some(position), Some(first)) => {
                let cell = self.chunk.cells[first as usize + position];
                (cell.kind, self.chunk.bytes(self.text, cell))
            }
            _ => (CellKind::Missing, &[]),
        }
    }
}

/// A record that the contract refuses, with all that is needed to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// From 1: the physical line at which the record starts, or the row of a Parquet object.
    pub line: u64,
    /// In the decompressed object; `None` for Parquet.
    pub offset: Option<u64>,
    pub reason: String,
    pub column: Option<String>,
    pub raw: String,
    /// `raw` is the record as it came, so that it can be read again without its object.
    pub is_whole: bool,
}

/// Good rows and refused records of one stretch of an object.
#[derive(Debug)]
pub(crate) struct Rows {
    /// The contract's columns, `_line`, `_day`, `_key`, and added columns.
    pub batch: RecordBatch,
    pub rejected: Vec<Rejected>,
    /// Records as the scanner counted them.
    pub records: u64,
}

impl Rows {
    /// No rows.
    pub fn empty(contract: &Contract) -> Result<Self, ArrowError> {
        let columns = layout::contract_fields(contract)
            .iter()
            .map(|field| arrow::array::new_empty_array(field.data_type()))
            .collect();
        let batch = assemble(contract, columns, Int64Array::new_null(0), Vec::new(), &Refusals::default())?;
        Ok(Self { batch, rejected: Vec::new(), records: 0 })
    }
}

/// Casts a chunk by the contract and parts good rows from refused records.
///
/// `positions` gives each contract column's place among a record's cells; `base` is the offset of `text` in the object.
pub(crate) fn finish(
    contract: &Contract,
    mut chunk: Chunk,
    text: &[u8],
    base: u64,
    positions: &[Option<usize>],
    added_names: &[String],
) -> Result<Rows, ArrowError> {
    refuse_broken_text(&mut chunk, text);
    let mut refusals = std::mem::take(&mut chunk.refusals);
    let mut columns = Vec::with_capacity(contract.columns.len());
    for (column, position) in contract.columns.iter().zip(positions) {
        let cells = ChunkColumn { chunk: &chunk, text, position: *position };
        columns.push(cast_column(column, &cells, &mut refusals)?);
    }
    let mut added = Vec::with_capacity(added_names.len());
    let mut values: Vec<Vec<(u32, Cell)>> = vec![Vec::new(); added_names.len()];
    for (row, position, cell) in &chunk.added {
        values[*position as usize].push((*row, *cell));
    }
    for (name, values) in added_names.iter().zip(&values) {
        added.push((name.clone(), added_column(&chunk, text, values, &refusals)));
    }
    let lines = Int64Array::from_iter_values(chunk.records.iter().map(|record| record.line as i64));
    let batch = assemble(contract, columns, lines, added, &refusals)?;
    let rejected = refusals
        .into_sorted()
        .into_iter()
        .map(|refusal| {
            let record = chunk.records[refusal.row as usize];
            let raw = &text[record.start as usize..record.end as usize];
            let is_shifted = contract.has_pii() && chunk.short.binary_search(&refusal.row).is_ok();
            let is_whole = chunk.partial.binary_search(&refusal.row).is_err();
            Rejected {
                line: record.line,
                offset: Some(base + u64::from(record.start)),
                reason: if is_shifted { hide_value(&refusal.reason) } else { refusal.reason },
                column: refusal.column,
                raw: if is_whole { String::from_utf8_lossy(raw).into_owned() } else { start_of(raw) },
                is_whole,
            }
        })
        .collect();
    Ok(Rows { batch, rejected, records: chunk.records.len() as u64 })
}

/// Puts a batch of good rows together: drops refused ones, adds the day and the key's hash.
pub(crate) fn assemble(
    contract: &Contract,
    columns: Vec<ArrayRef>,
    lines: Int64Array,
    added: Vec<(String, ArrayRef)>,
    refusals: &Refusals,
) -> Result<RecordBatch, ArrowError> {
    let mut fields = layout::contract_fields(contract);
    let mut arrays = columns;
    fields.push(Field::new(layout::LINE, arrow::datatypes::DataType::Int64, true));
    arrays.push(Arc::new(lines));
    for (name, array) in added {
        fields.push(Field::new(name, arrow::datatypes::DataType::Utf8, true));
        arrays.push(array);
    }
    let mut batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    if !refusals.is_empty() {
        let keep: BooleanArray = (0..batch.num_rows()).map(|row| Some(!refusals.is_refused(row))).collect();
        batch = filter_record_batch(&batch, &keep)?;
    }
    with_day_and_key(contract, batch)
}

/// Appends `_day` and `_key`, computed from the contract's columns, which come first in the batch.
pub(crate) fn with_day_and_key(contract: &Contract, batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let day = contract.event_time.map(|position| days(contract, batch.column(position)));
    let day = day.unwrap_or_else(|| Date32Array::new_null(batch.num_rows()));
    let keys: Vec<ArrayRef> = contract.key.iter().map(|&position| batch.column(position).clone()).collect();
    let key = if keys.is_empty() { Int64Array::new_null(batch.num_rows()) } else { hash_keys(&keys)? };
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(layout::DAY, arrow::datatypes::DataType::Date32, true)));
    fields.push(Arc::new(Field::new(layout::KEY, arrow::datatypes::DataType::Int64, true)));
    let mut arrays = batch.columns().to_vec();
    arrays.push(Arc::new(day));
    arrays.push(Arc::new(key));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

fn days(contract: &Contract, events: &ArrayRef) -> Date32Array {
    use arrow::array::cast::AsArray;
    if let Some(dates) = events.as_primitive_opt::<Date32Type>() {
        return dates.clone();
    }
    let mut cache = DayCache::new(contract.timezone);
    match events.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(instants) => instants.iter().map(|instant| instant.map(|instant| cache.day(instant))).collect(),
        None => Date32Array::new_null(events.len()),
    }
}

fn added_column(chunk: &Chunk, text: &[u8], values: &[(u32, Cell)], refusals: &Refusals) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(chunk.records.len(), 0);
    for (row, cell) in values {
        // Rows come in order; those between have no value.
        while builder_len(&builder) < *row as usize {
            builder.append_null();
        }
        match std::str::from_utf8(chunk.bytes(text, *cell)) {
            Ok(value) if cell.kind != CellKind::Missing && !refusals.is_refused(*row as usize) => {
                builder.append_value(value);
            }
            _ => builder.append_null(),
        }
    }
    while builder_len(&builder) < chunk.records.len() {
        builder.append_null();
    }
    Arc::new(builder.finish())
}

fn builder_len(builder: &StringBuilder) -> usize {
    arrow::array::ArrayBuilder::len(builder)
}

/// Refuses records that are not UTF-8; the whole stretch is checked at once first.
fn refuse_broken_text(chunk: &mut Chunk, text: &[u8]) {
    let (Some(first), Some(last)) = (chunk.records.first(), chunk.records.last()) else { return };
    if std::str::from_utf8(&text[first.start as usize..last.end as usize]).is_ok() {
        return;
    }
    for (row, record) in chunk.records.iter().enumerate() {
        if let Err(error) = std::str::from_utf8(&text[record.start as usize..record.end as usize]) {
            let at = error.valid_up_to() + 1;
            chunk
                .refusals
                .record(row, format!("the record is not UTF-8: byte {at} of it; shown with replacement characters"));
            if let Err(place) = chunk.partial.binary_search(&(row as u32)) {
                chunk.partial.insert(place, row as u32);
            }
        }
    }
}

/// The start of a text of which not all is kept.
pub(crate) fn start_of(raw: &[u8]) -> String {
    String::from_utf8_lossy(&raw[..raw.len().min(LONGEST_RAW_BYTES)]).into_owned()
}
