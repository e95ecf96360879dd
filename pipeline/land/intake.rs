//! Reads the objects of a landing and writes what they bring: rows, rejected rows, and what became of each object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::contract::Contract;
use super::diff::{Diff, FoundObject, LandedObject, Why};
use super::error::LandError;
use super::landing::{LandingRequest, sink_error};
use super::layout;
use super::mask::mask_raw;
use super::read::{Event, ObjectReader, Rejected, Rows};
use super::rejected::RejectedRow;
use super::report::{LandingReport, ObjectReport, count_reason};
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

/// What one object has brought so far.
#[derive(Default)]
struct Taken {
    rows_in: u64,
    landed: u64,
    rejected: u64,
    /// Some of the rejected rows: enough of each reason, should no other object have any.
    samples: Vec<Rejected>,
    header: Option<Vec<String>>,
    is_cut: bool,
}

/// One object that is being read.
struct Taking {
    /// Among the objects of the landing.
    place: usize,
    name: Arc<str>,
    modified: i64,
    size: u64,
    reader: ObjectReader,
    /// Compressed bytes that the progress knows of.
    bytes: u64,
    sampled: BTreeMap<String, u64>,
    taken: Taken,
}

impl Taking {
    fn new(place: usize, object: &FoundObject, reader: ObjectReader) -> Self {
        Self {
            place,
            name: object.name.as_str().into(),
            modified: object.modified.timestamp_micros(),
            size: object.size,
            reader,
            bytes: 0,
            sampled: BTreeMap::new(),
            taken: Taken::default(),
        }
    }

    /// Waits for the next stretch.
    async fn next(mut self) -> (Self, Option<Result<Event, LandError>>) {
        let event = self.reader.next().await;
        (self, event)
    }

    fn count(&mut self, rows: &Rows, report: &mut LandingReport) {
        self.taken.rows_in += rows.records;
        self.taken.landed += rows.batch.num_rows() as u64;
        self.taken.rejected += rows.rejected.len() as u64;
        for row in &rows.rejected {
            report.count_reason(&row.reason);
            if self.taken.samples.len() < SAMPLES && count_reason(&mut self.sampled, &row.reason) < SAMPLES_OF_A_REASON
            {
                self.taken.samples.push(row.clone());
            }
        }
    }

    /// Compressed bytes that were read since this was asked last.
    fn bytes_since(&mut self) -> u64 {
        let before = self.bytes;
        self.bytes = self.reader.bytes().min(self.size).max(before);
        self.bytes - before
    }
}

/// Reads new and changed objects, several at once, and takes what they bring as it comes: an object that is long must
/// not keep those beside it waiting. What a landing tells is in the order of names all the same.
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
    let mut taken: Vec<Option<Taken>> = (0..work.len()).map(|_| None).collect();
    let mut waiting = work.iter().enumerate();
    let mut reading = FuturesUnordered::new();
    loop {
        while reading.len() < request.parallelism.max(1)
            && let Some((place, (object, _))) = waiting.next()
        {
            let (compression, sizes) = (request.source.compression, request.sizes.read);
            let reader =
                ObjectReader::start(store.clone(), FoundObject::clone(object), contract.clone(), compression, sizes);
            progress.message(&object.name);
            reading.push(Taking::new(place, object, reader).next());
        }
        let Some((mut taking, event)) = reading.next().await else { break };
        match event.ok_or(LandError::Stopped)?? {
            Event::Rows(rows) => {
                taking.count(&rows, report);
                rejected_sink.push(&taking.name, rows.rejected).await.map_err(failed)?;
                sink.push(taking.name.clone(), taking.modified, rows.batch).await.map_err(failed)?;
                progress.advance(taking.bytes_since());
                reading.push(taking.next());
            }
            Event::End { header, is_cut } => {
                let object = work[taking.place].0;
                let Taken { rows_in, landed, rejected, .. } = &taking.taken;
                let (rows_in, landed, rejected) = (*rows_in, *landed, *rejected);
                if rows_in != landed + rejected {
                    return Err(LandError::Unbalanced { object: object.name.clone(), read: rows_in, landed, rejected });
                }
                progress.advance(object.size - taking.bytes);
                taken[taking.place] = Some(Taken { header, is_cut, ..taking.taken });
            }
        }
    }
    let mut objects = Vec::with_capacity(work.len());
    let mut shown = BTreeMap::new();
    for ((object, again), taken) in work.into_iter().zip(taken) {
        let Taken { rows_in, landed, rejected, samples, header, is_cut } = taken.ok_or(LandError::Stopped)?;
        for row in samples {
            if report.samples.len() < SAMPLES && count_reason(&mut shown, &row.reason) < SAMPLES_OF_A_REASON {
                report.samples.push(RejectedRow {
                    source: request.source.name.clone(),
                    object: object.name.clone(),
                    line: row.line,
                    offset: row.offset,
                    raw: mask_raw(request.source, header.as_deref(), &row.raw),
                    reason: row.reason,
                    column: row.column,
                });
            }
        }
        let name = object.name.clone();
        report.objects.push(ObjectReport { name, bytes: object.size, rows_in, landed, rejected, again, is_cut });
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
