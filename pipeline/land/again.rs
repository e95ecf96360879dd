//! Reads the refused records of objects that are gone once more, from the text that was kept of them.
//!
//! A changed contract may take what the old one refused. An object that is still there is read again as a whole; of one that
//! is gone, each refused record was kept. Some cannot be read by themselves (the rest of a damaged object, records that are not
//! UTF-8, rows of Parquet, of which only the named columns were kept): those stay refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;

use super::contract::Contract;
use super::diff::LandedObject;
use super::intake::RejectedSink;
use super::landing::LandingRequest;
use super::layout;
use super::read::{Rejected, Rows, read_kept};
use super::report::KeptRecords;
use super::sink::{RowSink, SinkError};
use crate::storage::DataFile;

/// What became of the refused records of objects that are gone.
#[derive(Default)]
pub(crate) struct Again {
    pub rows: Vec<DataFile>,
    pub rejected: Vec<DataFile>,
    /// Columns that the rows add to the contract's.
    pub added: BTreeSet<String>,
    by_object: BTreeMap<String, KeptRecords>,
}

impl Again {
    pub fn total(&self) -> KeptRecords {
        self.by_object.values().fold(KeptRecords::default(), |all, one| KeptRecords {
            landed: all.landed + one.landed,
            refused: all.refused + one.refused,
        })
    }

    /// An object's row with the counts as they are now.
    pub fn counted(&self, object: &LandedObject) -> LandedObject {
        let records = self.by_object.get(&object.name).copied().unwrap_or_default();
        LandedObject { rows: object.rows + records.landed, rejected: records.refused, ..object.clone() }
    }
}

/// Reads the rejected rows of some objects; those of all others are left out.
pub(crate) async fn read_again(
    request: &LandingRequest<'_>,
    contract: &Arc<Contract>,
    files: &[DataFile],
    objects: &[&LandedObject],
) -> Result<Again, SinkError> {
    let objects: BTreeMap<&str, &LandedObject> = objects.iter().map(|object| (object.name.as_str(), *object)).collect();
    let mut again = Again::default();
    let mut sink = RowSink::new(request.table.clone(), contract.clone(), request.sizes.buffer_bytes);
    let mut rejected_sink = RejectedSink::new(request.table);
    for file in files {
        let mut batches = request.table.read(file, layout::rejected_schema()).await?;
        while let Some(batch) = batches.try_next().await? {
            for (name, kept) in rows_of(&batch) {
                let Some(object) = objects.get(name) else { continue };
                let name: Arc<str> = name.into();
                let records = again.by_object.entry(object.name.clone()).or_default();
                for rows in read_one(contract, object, kept)? {
                    records.landed += rows.batch.num_rows() as u64;
                    records.refused += rows.rejected.len() as u64;
                    rejected_sink.push(&name, rows.rejected).await?;
                    sink.push(name.clone(), object.modified.timestamp_micros(), rows.batch).await?;
                }
            }
        }
    }
    let written = sink.close().await?;
    again.rows = written.files;
    again.added = written.added;
    again.rejected = rejected_sink.close().await?;
    Ok(again)
}

/// Rows of one record; the record as it was refused, where it cannot be read by itself.
fn read_one(contract: &Contract, object: &LandedObject, kept: Rejected) -> Result<Vec<Rows>, SinkError> {
    if kept.is_whole
        && let Some(offset) = kept.offset
        && let Some(rows) = read_kept(contract, object.header.as_deref(), &kept.raw, kept.line, offset)?
    {
        return Ok(rows);
    }
    Ok(vec![Rows { rejected: vec![kept], ..Rows::empty(contract)? }])
}

/// Rejected rows with their objects' names.
fn rows_of(batch: &RecordBatch) -> impl Iterator<Item = (&str, Rejected)> {
    let text = |column: usize| batch.column(column).as_string::<i32>();
    let number = |column: usize| batch.column(column).as_primitive::<Int64Type>();
    let whole = batch.column(6).as_boolean();
    (0..batch.num_rows()).map(move |row| {
        let rejected = Rejected {
            line: number(1).value(row).unsigned_abs(),
            offset: number(2).is_valid(row).then(|| number(2).value(row).unsigned_abs()),
            reason: text(3).value(row).to_owned(),
            column: text(4).is_valid(row).then(|| text(4).value(row).to_owned()),
            raw: text(5).value(row).to_owned(),
            is_whole: whole.is_valid(row) && whole.value(row),
        };
        (text(0).value(row), rejected)
    })
}
