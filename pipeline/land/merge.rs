//! Merges small files: each landing adds a few, and every one costs each reader a request.

use arrow::array::RecordBatch;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;

use super::layout;
use super::replace::Replacement;
use super::sink::SinkError;
use super::tables::{KindWriter, read_files};
use crate::storage::{DataFile, Table};

/// So many small files of one kind are merged into one.
const FILES: usize = 16;
/// A file with more is not small.
const SMALL_ROWS: u64 = 50_000;
const SMALL_BYTES: u64 = 4 << 20;
/// At most so many are merged at once: they are sorted in memory.
const MERGED_ROWS: u64 = 400_000;
const MERGED_BYTES: u64 = 24 << 20;

/// Merges the small ones among files of one kind, whose columns are `schema`, where there are many.
pub(crate) async fn merge_small(
    table: &Table,
    files: &[DataFile],
    schema: &SchemaRef,
) -> Result<Replacement, SinkError> {
    let mut result = Replacement { kept: files.to_vec(), ..Replacement::default() };
    let (mut rows, mut bytes) = (0, 0);
    let mut small = Vec::new();
    for file in files.iter().filter(|file| file.rows() < SMALL_ROWS && file.size() < SMALL_BYTES) {
        rows += file.rows();
        bytes += file.size();
        if rows > MERGED_ROWS || bytes > MERGED_BYTES {
            break;
        }
        small.push(file.clone());
    }
    if small.len() < FILES {
        return Ok(result);
    }
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut reading = read_files(table, small.clone(), schema, |batch| Ok(Some(batch)));
    while let Some((_, more)) = reading.try_next().await? {
        batches.extend(more);
    }
    let all = concat_batches(schema, &batches)?;
    drop(batches);
    let order: Vec<SortColumn> = [layout::DAY, layout::OBJECT, layout::LINE]
        .iter()
        .filter_map(|name| Some(SortColumn { values: all.column_by_name(name)?.clone(), options: None }))
        .collect();
    let sorted = take_record_batch(&all, &lexsort_to_indices(&order, None)?)?;
    let mut writer = KindWriter::new(table, schema.clone());
    writer.write(&sorted).await?;
    result.add = writer.close().await?;
    result.kept.retain(|file| small.iter().all(|merged| merged.path() != file.path()));
    result.kept.extend(result.add.iter().cloned());
    result.remove = small;
    Ok(result)
}
