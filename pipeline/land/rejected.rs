//! Looks at rejected rows again, with the values of pii columns hidden.

use std::collections::HashMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::layout::{self, landed_files};
use super::mask::mask_raw;
use super::tables::read_objects;
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
                rows.push(Ok(RejectedRow {
                    source: source.name.clone(),
                    object: object.to_owned(),
                    line: number(1).value(row).unsigned_abs(),
                    offset: number(2).is_valid(row).then(|| number(2).value(row).unsigned_abs()),
                    reason: text(3).value(row).to_owned(),
                    column: text(4).is_valid(row).then(|| text(4).value(row).to_owned()),
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
