//! Looks at rejected rows again, with the values of pii columns hidden.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use twox_hash::XxHash64;

use super::contract::hide_value;
use super::layout::{self, landed_files};
use super::mask::mask_raw;
use super::report::{MOST_REASONS, count_one};
use super::tables::{project, read_objects};
use crate::config::Source;
use crate::storage::{Snapshot, StorageError, Table};

/// Which rejected rows to list.
#[derive(Debug, Clone, Default)]
pub struct RejectedFilter {
    /// Only those whose object's name contains this.
    pub object: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A row that a source's contract refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    pub source: String,
    pub object: String,
    /// From 1: the physical line at which the record starts, or the row of a Parquet object.
    pub line: u64,
    /// Bytes from the start of the decompressed object; `None` for Parquet.
    pub offset: Option<u64>,
    /// Plain words.
    pub reason: String,
    pub column: Option<String>,
    /// The record as it came, but for values of pii columns.
    pub raw: String,
}

/// Lists the rejected rows of a source, in no particular order, as a stream.
pub async fn rejected_rows(
    table: &Table,
    snapshot: &Snapshot,
    source: &Source,
    filter: &RejectedFilter,
) -> Result<BoxStream<'static, Result<RejectedRow, StorageError>>, StorageError> {
    let files = landed_files(snapshot);
    let headers: HashMap<String, Vec<String>> = read_objects(table, &files.objects)
        .await?
        .into_values()
        .filter_map(|object| Some((object.name, object.header?)))
        .collect();
    let (table, source, wanted) = (table.clone(), source.clone(), filter.object.clone());
    let rows = futures::stream::iter(files.rejected)
        .then(move |file| {
            let table = table.clone();
            async move { table.read(&file, layout::rejected_schema()).await }
        })
        .try_flatten()
        .map_ok(move |batch| {
            let text = |column: usize| batch.column(column).as_string::<i32>();
            let number = |column: usize| batch.column(column).as_primitive::<Int64Type>();
            let mut rows = Vec::new();
            for row in 0..batch.num_rows() {
                let object = text(0).value(row);
                if wanted.as_ref().is_some_and(|wanted| !object.contains(wanted.as_str())) {
                    continue;
                }
                let column = text(4).is_valid(row).then(|| text(4).value(row).to_owned());
                rows.push(Ok(RejectedRow {
                    source: source.name.clone(),
                    object: object.to_owned(),
                    line: number(1).value(row).unsigned_abs(),
                    offset: number(2).is_valid(row).then(|| number(2).value(row).unsigned_abs()),
                    reason: masked_reason(&source, column.as_deref(), text(3).value(row)),
                    column,
                    raw: mask_raw(&source, headers.get(object).map(Vec::as_slice), text(5).value(row)),
                }));
            }
            futures::stream::iter(rows)
        })
        .try_flatten();
    Ok(match filter.limit {
        Some(limit) => rows.take(limit).boxed(),
        None => rows.boxed(),
    })
}

/// A reason as it may be listed: a column may have become pii after the row was refused.
fn masked_reason(source: &Source, column: Option<&str>, reason: &str) -> String {
    let is_pii = source.columns.iter().any(|known| known.pii && Some(known.name.as_str()) == column);
    if is_pii { hide_value(reason) } else { reason.to_owned() }
}

/// The refused rows of a source, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedRows {
    /// A hash of each row's object and line, sorted.
    places: Vec<u64>,
    pub by_object: BTreeMap<String, u64>,
    /// By reason, without values.
    pub by_reason: BTreeMap<String, u64>,
}

impl RefusedRows {
    pub fn count(&self) -> u64 {
        self.places.len() as u64
    }

    /// How many of these rows are among others.
    pub fn in_common(&self, others: &Self) -> u64 {
        self.places.iter().filter(|place| others.places.binary_search(place).is_ok()).count() as u64
    }
}

/// Counts the rejected rows of a source, by object and reason.
pub async fn refused_rows(table: &Table, snapshot: &Snapshot) -> Result<RefusedRows, StorageError> {
    let columns = project(&layout::rejected_schema(), &[layout::OBJECT, layout::LINE, layout::REASON]);
    let mut refused = RefusedRows::default();
    for file in landed_files(snapshot).rejected {
        let mut batches = table.read(&file, columns.clone()).await?;
        while let Some(batch) = batches.try_next().await? {
            let (objects, reasons) = (batch.column(0).as_string::<i32>(), batch.column(2).as_string::<i32>());
            let lines = batch.column(1).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let object = objects.value(row);
                refused.places.push(XxHash64::oneshot(lines.value(row) as u64, object.as_bytes()));
                count_one(&mut refused.by_object, object, usize::MAX);
                let reason = reasons.value(row);
                count_one(
                    &mut refused.by_reason,
                    reason.split_once(": ").map_or(reason, |(kind, _)| kind),
                    MOST_REASONS,
                );
            }
        }
    }
    refused.places.sort_unstable();
    Ok(refused)
}
