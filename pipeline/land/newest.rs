//! Settles which landed row is the newest version of its key.
//!
//! Newest is the greatest (`_modified`, `_object`, `_line`), so the order in which objects land does not matter. Keys are
//! compared by their hashes first: of all rows only the hash is read, and the keys themselves only where hashes meet.
//! Hashes are taken range by range, so that memory stays flat however many rows there are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Date32Type, Int64Type, SchemaRef, TimestampMicrosecondType};
use arrow::row::{RowConverter, SortField};
use futures::TryStreamExt;

use super::contract::Contract;
use super::layout;
use super::sink::SinkError;
use super::tables::{KindWriter, Superseded, project, read_files, superseded_batch};
use crate::storage::{DataFile, Table};

/// Bounds of memory; results do not depend on them.
#[derive(Debug, Clone, Copy)]
pub struct KeySizes {
    /// Hashes that are compared at once.
    pub hashes: usize,
    /// Rows whose keys are compared at once.
    pub rows: usize,
}

impl Default for KeySizes {
    fn default() -> Self {
        Self { hashes: 8_000_000, rows: 200_000 }
    }
}

/// The landed rows among which the newest are to be found.
pub(crate) struct Rows<'a> {
    /// Files that were there before, without what replaced objects brought.
    pub kept: &'a [DataFile],
    /// Files of this landing.
    pub new: &'a [DataFile],
    /// Hashes of the keys of rows that went.
    pub gone: Vec<i64>,
    /// Superseded rows that were there before, without those of replaced objects.
    pub superseded: &'a [DataFile],
}

/// What settling the newest versions takes.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub add: Vec<DataFile>,
    pub remove: Vec<DataFile>,
    /// Days of rows that were superseded or came back, since 1970.
    pub days: BTreeSet<i32>,
    pub superseded: u64,
    pub restored: u64,
}

/// A stretch of the 64-bit hashes: part `index` of `count` equal ones.
#[derive(Debug, Clone, Copy)]
struct HashRange {
    index: u64,
    count: u64,
}

impl HashRange {
    fn contains(self, hash: i64) -> bool {
        (u128::from(hash as u64) * u128::from(self.count)) >> 64 == u128::from(self.index)
    }
}

/// Rows by their object and line.
#[derive(Default)]
struct Places {
    lines: HashMap<String, HashSet<i64>>,
    count: u64,
}

impl Places {
    fn insert(&mut self, object: String, line: i64) {
        self.count += u64::from(self.lines.entry(object).or_default().insert(line));
    }

    fn contains(&self, object: &str, line: i64) -> bool {
        self.lines.get(object).is_some_and(|lines| lines.contains(&line))
    }
}

/// Sorted hashes, with a bitmap before them that answers most questions in one step.
struct HashSetOfKeys {
    sorted: Vec<i64>,
    bits: Vec<u64>,
    shift: u32,
}

impl HashSetOfKeys {
    fn new(sorted: Vec<i64>) -> Self {
        let size = (sorted.len() * 16).next_power_of_two().max(64);
        let shift = 64 - size.trailing_zeros();
        let mut bits = vec![0_u64; size / 64];
        for hash in &sorted {
            let bit = (*hash as u64) >> shift;
            bits[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        Self { sorted, bits, shift }
    }

    fn contains(&self, hash: i64) -> bool {
        let bit = (hash as u64) >> self.shift;
        self.bits[(bit / 64) as usize] >> (bit % 64) & 1 == 1 && self.sorted.binary_search(&hash).is_ok()
    }
}

/// Finds the rows that are superseded now and were not, and the reverse.
pub(crate) async fn settle(
    table: &Table,
    contract: &Contract,
    schema: &SchemaRef,
    rows: Rows<'_>,
    sizes: KeySizes,
) -> Result<Settled, SinkError> {
    let mut settled = Settled::default();
    let mut writer = KindWriter::new(table, layout::superseded_schema());
    let mut restored = Places::default();
    let new_rows: u64 = rows.new.iter().map(DataFile::rows).sum();
    let count = (new_rows + rows.gone.len() as u64).div_ceil(sizes.hashes.max(1) as u64).max(1);
    for index in 0..count {
        let found = candidates(table, schema, &rows, HashRange { index, count }).await?;
        // Rows, not hashes, are what the next step holds: one key may have many.
        let parts = found.rows.div_ceil(sizes.rows.max(1) as u64).max(1);
        for part in 0..parts {
            let range = HashRange { index: index * parts + part, count: count * parts };
            let hashes: Vec<i64> = found.hashes.iter().copied().filter(|hash| range.contains(*hash)).collect();
            if hashes.is_empty() {
                continue;
            }
            let hashes = Arc::new(HashSetOfKeys::new(hashes));
            let mut before = read_superseded(table, rows.superseded, &hashes).await?;
            let files = rows.new.iter().chain(found.kept.iter().map(|file| &rows.kept[*file]));
            let now = losers(table, contract, schema, files, &hashes).await?;
            let mut fresh = Vec::new();
            for row in now {
                if before.remove(&(row.object.clone(), row.line)).is_none() {
                    settled.days.extend(row.day);
                    fresh.push(row);
                }
            }
            settled.superseded += fresh.len() as u64;
            writer.write(&superseded_batch(&fresh)?).await?;
            for ((object, line), day) in before {
                settled.days.extend(day);
                restored.insert(object, line);
            }
        }
    }
    settled.restored = restored.count;
    rewrite_without(table, rows.superseded, &restored, &mut writer, &mut settled).await?;
    settled.add = writer.close().await?;
    Ok(settled)
}

/// Hashes whose rows must be looked at, and the files that were there before and hold such.
struct Candidates {
    /// Sorted, each once.
    hashes: Vec<i64>,
    /// About how many rows have them.
    rows: u64,
    /// Positions among the kept files.
    kept: Vec<usize>,
}

async fn candidates(
    table: &Table,
    schema: &SchemaRef,
    rows: &Rows<'_>,
    range: HashRange,
) -> Result<Candidates, SinkError> {
    let key_only = project(schema, &[layout::KEY]);
    let in_range = move |batch: RecordBatch| {
        let hashes = batch.column(0).as_primitive::<Int64Type>().iter().flatten();
        Ok(Some(hashes.filter(|hash| range.contains(*hash)).collect::<Vec<i64>>()))
    };
    let mut affected: Vec<i64> = Vec::new();
    let mut reading = read_files(table, rows.new.to_vec(), &key_only, in_range);
    while let Some((_, hashes)) = reading.try_next().await? {
        hashes.iter().for_each(|hashes| affected.extend(hashes));
    }
    affected.sort_unstable();
    let (mut hashes, mut count) = (Vec::new(), 0);
    for run in affected.chunk_by(|one, other| one == other).filter(|run| run.len() > 1) {
        hashes.push(run[0]);
        count += run.len() as u64;
    }
    let gone = rows.gone.iter().copied().filter(|hash| range.contains(*hash));
    let before = hashes.len();
    hashes.extend(gone.clone());
    count += (hashes.len() - before) as u64;
    affected.extend(gone);
    affected.sort_unstable();
    affected.dedup();
    let affected = Arc::new(HashSetOfKeys::new(affected));
    let is_affected = move |batch: RecordBatch| {
        let hashes = batch.column(0).as_primitive::<Int64Type>().iter().flatten();
        Ok(Some(hashes.filter(|hash| range.contains(*hash) && affected.contains(*hash)).collect::<Vec<i64>>()))
    };
    let mut kept = Vec::new();
    let mut reading = read_files(table, rows.kept.to_vec(), &key_only, is_affected);
    while let Some((position, met)) = reading.try_next().await? {
        let met: Vec<i64> = met.into_iter().flatten().collect();
        if !met.is_empty() {
            // Each stands for a row here and, most likely, one that came.
            count += 2 * met.len() as u64;
            kept.push(position);
            hashes.extend(met);
        }
    }
    drop(reading);
    hashes.sort_unstable();
    hashes.dedup();
    Ok(Candidates { hashes, rows: count, kept })
}

/// Superseded rows with these hashes, and their days.
async fn read_superseded(
    table: &Table,
    files: &[DataFile],
    hashes: &HashSetOfKeys,
) -> Result<HashMap<(String, i64), Option<i32>>, SinkError> {
    let schema = project(&layout::superseded_schema(), &[layout::OBJECT, layout::LINE, layout::DAY, layout::KEY]);
    let mut rows = HashMap::new();
    for file in files {
        let mut batches = table.read(file, schema.clone()).await?;
        while let Some(batch) = batches.try_next().await? {
            let keys = batch.column(3).as_primitive::<Int64Type>();
            let (objects, lines) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
            let days = batch.column(2).as_primitive::<Date32Type>();
            for row in (0..batch.num_rows()).filter(|row| hashes.contains(keys.value(*row))) {
                let day = days.is_valid(row).then(|| days.value(row));
                rows.insert((objects.value(row).to_owned(), lines.value(row)), day);
            }
        }
    }
    Ok(rows)
}

/// Of all rows with these hashes, those that are not the newest of their key.
async fn losers(
    table: &Table,
    contract: &Contract,
    schema: &SchemaRef,
    files: impl Iterator<Item = &DataFile>,
    hashes: &Arc<HashSetOfKeys>,
) -> Result<Vec<Superseded>, SinkError> {
    let key_names: Vec<&str> = contract.key.iter().map(|column| contract.columns[*column].name.as_str()).collect();
    let mut names = key_names.clone();
    names.extend([layout::KEY, layout::OBJECT, layout::LINE, layout::DAY, layout::MODIFIED]);
    let wanted = project(schema, &names);
    let key_place = key_names.len();
    let hashes = hashes.clone();
    let with_hashes = move |batch: RecordBatch| {
        let keys = batch.column(key_place).as_primitive::<Int64Type>();
        let mask: BooleanArray = keys.iter().map(|key| Some(key.is_some_and(|key| hashes.contains(key)))).collect();
        if mask.has_true() { Ok(Some(filter_record_batch(&batch, &mask)?)) } else { Ok(None) }
    };
    let mut found: Vec<RecordBatch> = Vec::new();
    let mut reading = read_files(table, files.cloned().collect(), &wanted, with_hashes);
    while let Some((_, batches)) = reading.try_next().await? {
        found.extend(batches);
    }
    drop(reading);
    let all = concat_batches(&wanted, &found)?;
    drop(found);
    if all.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let converter = RowConverter::new(
        all.columns()[..key_names.len()].iter().map(|column| SortField::new(column.data_type().clone())).collect(),
    )?;
    let keys = converter.convert_columns(&all.columns()[..key_names.len()])?;
    let base = key_names.len();
    let hashes = all.column(base).as_primitive::<Int64Type>();
    let objects = all.column(base + 1).as_string::<i32>();
    let lines = all.column(base + 2).as_primitive::<Int64Type>();
    let days = all.column(base + 3).as_primitive::<Date32Type>();
    let modified = all.column(base + 4).as_primitive::<TimestampMicrosecondType>();
    let mut newest: HashMap<_, usize> = HashMap::new();
    let age = |row: usize| (modified.value(row), objects.value(row), lines.value(row));
    for row in 0..all.num_rows() {
        let best = newest.entry(keys.row(row)).or_insert(row);
        if age(row) > age(*best) {
            *best = row;
        }
    }
    let mut result = Vec::new();
    for row in 0..all.num_rows() {
        let Some(&best) = newest.get(&keys.row(row)) else { continue };
        if best != row {
            result.push(Superseded {
                object: objects.value(row).to_owned(),
                line: lines.value(row),
                day: days.is_valid(row).then(|| days.value(row)),
                key: hashes.value(row),
                by: format!("{}:{}", objects.value(best), lines.value(best)),
            });
        }
    }
    Ok(result)
}

/// Rewrites the files of superseded rows that hold some of those that came back.
async fn rewrite_without(
    table: &Table,
    files: &[DataFile],
    restored: &Places,
    writer: &mut KindWriter,
    settled: &mut Settled,
) -> Result<(), SinkError> {
    if restored.count == 0 {
        return Ok(());
    }
    for file in files {
        let mut batches = table.read(file, writer.schema().clone()).await?;
        let mut kept = Vec::new();
        let mut has_restored = false;
        while let Some(batch) = batches.try_next().await? {
            let (objects, lines) = (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<Int64Type>());
            let keep: BooleanArray = (0..batch.num_rows())
                .map(|row| Some(!restored.contains(objects.value(row), lines.value(row))))
                .collect();
            has_restored |= keep.true_count() < batch.num_rows();
            kept.push(filter_record_batch(&batch, &keep)?);
        }
        if has_restored {
            settled.remove.push(file.clone());
            for batch in kept {
                writer.write(&batch).await?;
            }
        }
    }
    Ok(())
}
