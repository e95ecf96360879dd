//! Reads the objects of a landing and writes what they bring: rows, rejected rows, and what became of each object.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::contract::Contract;
use super::diff::{Diff, FoundObject, LandedObject, Why};
use super::error::LandError;
use super::landing::{LandingRequest, sink_error};
use super::layout;
use super::mask::mask_raw;
use super::read::{Event, ObjectReader, Rejected};
use super::rejected::RejectedRow;
use super::report::{LandingReport, ObjectReport};
use super::sink::{RowSink, SinkError};
use super::tables::{KindWriter, rejected_batch};
use super::template::Template;
use crate::storage::{DataFile, Table};

/// Rejected rows that are gathered before they are written, in bytes of their text.
const REJECTED_BUFFER_BYTES: usize = 8 << 20;

/// Rejected rows that a report shows, in all and for each reason.
const SAMPLES: usize = 20;
const SAMPLES_OF_A_REASON: u64 = 3;

/// What a landing's objects brought; nothing of it is committed yet.
pub(crate) struct Intake {
    pub rows: Vec<DataFile>,
    pub rejected: Vec<DataFile>,
    pub objects: Vec<LandedObject>,
    /// Days of the rows, since 1970.
    pub days: BTreeSet<i32>,
    /// Columns that objects added to the contract's.
    pub added: BTreeSet<String>,
}

/// Writes rejected rows, a few megabytes at a time.
pub(crate) struct RejectedSink {
    writer: KindWriter,
    buffer: Vec<(Arc<str>, Rejected)>,
    bytes: usize,
}

impl RejectedSink {
    pub fn new(table: &Table) -> Self {
        Self { writer: KindWriter::new(table, layout::rejected_schema()), buffer: Vec::new(), bytes: 0 }
    }

    pub async fn push(&mut self, object: &Arc<str>, rejected: Vec<Rejected>) -> Result<(), SinkError> {
        for row in rejected {
            self.bytes += row.raw.len() + row.reason.len();
            self.buffer.push((object.clone(), row));
        }
        if self.bytes >= REJECTED_BUFFER_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.buffer);
        Ok(self.writer.write(&rejected_batch(&rows)?).await?)
    }

    pub async fn close(mut self) -> Result<Vec<DataFile>, SinkError> {
        self.flush().await?;
        Ok(self.writer.close().await?)
    }
}

/// Reads new and changed objects, several at once, and takes what they bring in the order of their names.
pub(crate) async fn take_in(
    request: &LandingRequest<'_>,
    contract: &Arc<Contract>,
    template: &Template,
    diff: &Diff,
    report: &mut LandingReport,
) -> Result<Intake, LandError> {
    let failed = |error| sink_error(&request.source.name, error);
    let mut work: Vec<(&FoundObject, Option<Why>)> = diff.new.iter().map(|object| (object, None)).collect();
    work.extend(diff.changed.iter().map(|(object, why)| (object, Some(*why))));
    work.sort_by(|one, other| one.0.name.cmp(&other.0.name));
    let progress = request.progress.start(&format!("landing {}", request.source.name), Some(diff.bytes()));

    let (store, _) = request
        .stores
        .open(&template.folder)
        .map_err(|source| LandError::Table { source_name: request.source.name.clone(), source })?;
    let mut sink = RowSink::new(request.table.clone(), contract.clone(), request.sizes.buffer_bytes);
    let mut rejected_sink = RejectedSink::new(request.table);
    let mut objects = Vec::with_capacity(work.len());
    let mut waiting = work.iter();
    let mut reading: VecDeque<ObjectReader> = VecDeque::new();
    for (object, again) in &work {
        while reading.len() < request.parallelism.max(1)
            && let Some((next, _)) = waiting.next()
        {
            reading.push_back(ObjectReader::start(
                store.clone(),
                FoundObject::clone(next),
                contract.clone(),
                request.source.compression,
                request.sizes.read,
            ));
        }
        let mut reader = reading.pop_front().ok_or(LandError::Stopped)?;
        let name: Arc<str> = object.name.as_str().into();
        let modified = object.modified.timestamp_micros();
        let (mut rows_in, mut landed, mut rejected, mut bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
        let mut samples: Vec<Rejected> = Vec::new();
        progress.message(&object.name);
        let (header, is_cut) = loop {
            match reader.next().await.ok_or(LandError::Stopped)?? {
                Event::Rows(rows) => {
                    rows_in += rows.records;
                    landed += rows.batch.num_rows() as u64;
                    rejected += rows.rejected.len() as u64;
                    for row in &rows.rejected {
                        let is_rare = report.count_reason(&row.reason) < SAMPLES_OF_A_REASON;
                        if is_rare && report.samples.len() + samples.len() < SAMPLES {
                            samples.push(row.clone());
                        }
                    }
                    rejected_sink.push(&name, rows.rejected).await.map_err(failed)?;
                    sink.push(name.clone(), modified, rows.batch).await.map_err(failed)?;
                    let now = reader.bytes().min(object.size);
                    progress.advance(now.saturating_sub(bytes));
                    bytes = bytes.max(now);
                }
                Event::End { header, is_cut } => break (header, is_cut),
            }
        };
        if rows_in != landed + rejected {
            return Err(LandError::Unbalanced { object: object.name.clone(), read: rows_in, landed, rejected });
        }
        progress.advance(object.size - bytes);
        let shown = |row: Rejected| RejectedRow {
            source: request.source.name.clone(),
            object: object.name.clone(),
            line: row.line,
            offset: row.offset,
            raw: mask_raw(request.source, header.as_deref(), &row.raw),
            reason: row.reason,
            column: row.column,
        };
        report.samples.extend(samples.into_iter().map(shown));
        let name = object.name.clone();
        let bytes = object.size;
        report.objects.push(ObjectReport { name, bytes, rows_in, landed, rejected, again: *again, is_cut });
        objects.push(LandedObject {
            name: object.name.clone(),
            etag: object.etag.clone(),
            size: object.size,
            modified: object.modified,
            rows: landed,
            rejected,
            landed_at: request.now,
            contract: contract.mark(is_cut),
            header,
        });
    }
    progress.finish();
    let written = sink.close().await.map_err(failed)?;
    let rejected = rejected_sink.close().await.map_err(failed)?;
    check_written(request, report, &written.files, &rejected)?;
    Ok(Intake { rows: written.files, rejected, objects, days: written.days, added: written.added })
}

/// Compares the counts with what the files themselves say they hold.
fn check_written(
    request: &LandingRequest<'_>,
    report: &LandingReport,
    rows: &[DataFile],
    rejected: &[DataFile],
) -> Result<(), LandError> {
    let count = |files: &[DataFile]| files.iter().map(DataFile::rows).sum::<u64>();
    let (landed, rejected) = (count(rows), count(rejected));
    if landed == report.landed() && rejected == report.rejected() {
        return Ok(());
    }
    let object = format!("all of source {}", request.source.name);
    Err(LandError::Unbalanced { object, read: report.rows_in(), landed, rejected })
}
