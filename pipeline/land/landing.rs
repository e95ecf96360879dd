//! Lands one source: lists, compares, reads, writes, settles keys, commits once.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use url::Url;

use super::again::{Again, read_again};
use super::contract::Contract;
use super::diff::{Diff, LandedObject, Reland, Why, diff};
use super::discover::{discover_template, parse_location};
use super::error::LandError;
use super::intake::{Intake, take_in};
use super::layout::{self, LandedFiles, landed_files};
use super::merge::merge_small;
use super::newest::{self, KeySizes, Settled, settle};
use super::read::ReadSizes;
use super::replace::{Replacement, convert_rows, remove_objects};
use super::report::{LandingReport, TouchedDays};
use super::sink::SinkError;
use super::tables::{KindWriter, object_batch, read_objects};
use super::template::Template;
use crate::config::{MaxRejected, Source};
use crate::progress::Progress;
use crate::storage::{Change, DataFile, Snapshot, StorageError, Stores, Table};

/// How often a landing starts anew because another one committed first, or an object changed.
const ATTEMPTS: u32 = 5;
/// More columns than this are not added to a contract's.
const MOST_TABLE_COLUMNS: usize = 1000;
/// More rows than this that went are not followed key by key: all keys are settled anew.
const MOST_GONE_KEYS: usize = 8_000_000;
/// Marks the contract of an object whose rows were converted to it, not read under it.
const CONVERTED: &str = " converted";

/// Bounds of a landing's memory.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    pub read: ReadSizes,
    pub keys: KeySizes,
    /// Bytes of rows that are gathered and sorted before they are written. A file holds several such runs, one after the other.
    pub buffer_bytes: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { read: ReadSizes::default(), keys: KeySizes::default(), buffer_bytes: 16 << 20 }
    }
}

/// One source to land.
#[derive(Clone)]
pub struct LandingRequest<'a> {
    pub source: &'a Source,
    pub stores: &'a Stores,
    /// `warehouse/landed/<source>`.
    pub table: &'a Table,
    /// The environment's raw location: objects are named relative to it.
    pub raw: &'a Url,
    /// Business days are days in this zone.
    pub timezone: Tz,
    /// Objects that are read at once.
    pub parallelism: usize,
    pub reland: Reland,
    /// The run that lands; kept with the commit.
    pub run: Option<&'a str>,
    pub now: DateTime<Utc>,
    pub sizes: Sizes,
    /// Advances by compressed bytes.
    pub progress: &'a dyn Progress,
}

/// What a landing would do.
#[derive(Debug, Clone, Default)]
pub struct LandingPlan {
    pub diff: Diff,
    /// Objects in the folder that are not the source's.
    pub others: usize,
    /// Objects that were landed under another contract.
    pub other_contract: usize,
    /// The landed table as it was compared with; `None` where there is none yet.
    pub snapshot: Option<Snapshot>,
}

impl LandingPlan {
    /// The version of the landed table.
    pub fn version(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.version)
    }
}

/// Where a landing starts from.
struct Start {
    contract: Arc<Contract>,
    template: Template,
    files: LandedFiles,
    landed: BTreeMap<String, LandedObject>,
    /// Landed rows are of another contract.
    is_stale: bool,
    plan: LandingPlan,
}

/// Compares a source's drop zone with its landed table. Reads listings and the log, no data.
pub async fn plan_landing(request: &LandingRequest<'_>) -> Result<LandingPlan, LandError> {
    Ok(start(request).await?.plan)
}

/// Lands what is new or changed, in one commit.
///
/// # Errors
/// The landed table is as it was. Files that were written stay invisible, for `vacuum` to sweep; so it is when the
/// future is dropped.
pub async fn land(request: &LandingRequest<'_>) -> Result<LandingReport, LandError> {
    for _ in 1..ATTEMPTS {
        match attempt(request).await {
            Err(LandError::Table { source: StorageError::Conflict { .. }, .. } | LandError::ObjectChanged { .. }) => {}
            outcome => return outcome,
        }
    }
    match attempt(request).await {
        Err(LandError::Table { source: StorageError::Conflict { .. }, .. }) => {
            Err(LandError::Contended { source_name: request.source.name.clone(), attempts: ATTEMPTS })
        }
        outcome => outcome,
    }
}

async fn start(request: &LandingRequest<'_>) -> Result<Start, LandError> {
    let source = request.source;
    let contract = Arc::new(Contract::compile(source, request.timezone)?);
    let template = parse_location(source)?;
    let table_error = |error| LandError::Table { source_name: source.name.clone(), source: error };
    let snapshot = request.table.snapshot().await.map_err(table_error)?;
    let files = snapshot.as_ref().map(landed_files).unwrap_or_default();
    let landed = read_objects(request.table, &files.objects).await.map_err(table_error)?;
    let other_contract = landed.values().filter(|object| !contract.is_of(&object.contract)).count();
    let is_stale = other_contract > 0;
    let listing = discover_template(request.stores, source, &template, request.raw).await?;
    let reads_alike = |object: &LandedObject| contract.reads_alike(&object.contract);
    let diff = diff(&listing.objects, &landed, reads_alike, request.reland);
    let plan = LandingPlan { diff, others: listing.others, other_contract, snapshot };
    Ok(Start { contract, template, files, landed, is_stale, plan })
}

async fn attempt(request: &LandingRequest<'_>) -> Result<LandingReport, LandError> {
    let start = start(request).await?;
    let mut report = LandingReport {
        source: request.source.name.clone(),
        unchanged: start.plan.diff.unchanged,
        gone: start.plan.diff.gone.clone(),
        version: start.plan.version(),
        delivered: start.plan.diff.delivered(),
        ..LandingReport::default()
    };
    if start.plan.diff.objects() == 0 && !start.is_stale {
        return Ok(report);
    }
    let intake = take_in(request, &start.contract, &start.template, &start.plan.diff, &mut report).await?;
    check_rejected(request.source, &report)?;
    if request.reland == Reland::WithRejected && changes_nothing(&start, &report) {
        request.table.discard(&intake.rows).await;
        request.table.discard(&intake.rejected).await;
        return Ok(report);
    }
    let change = change(request, &start, intake, &mut report).await?;
    let snapshot = request
        .table
        .commit(start.plan.snapshot.as_ref(), change)
        .await
        .map_err(|source| LandError::Table { source_name: request.source.name.clone(), source })?;
    report.version = Some(snapshot.version);
    report.committed = true;
    Ok(report)
}

/// Whether objects that were only read again gave what they had given before.
fn changes_nothing(start: &Start, report: &LandingReport) -> bool {
    !start.is_stale
        && report.objects.iter().all(|object| {
            let before = start.landed.get(&object.name).map(|before| (before.rows, before.rejected));
            object.again == Some(Why::Replay) && before == Some((object.landed, object.rejected))
        })
}

fn check_rejected(source: &Source, report: &LandingReport) -> Result<(), LandError> {
    // Objects that are only read again have been within the limit, among the others with which they came.
    let objects = || report.objects.iter().filter(|object| object.again != Some(Why::Replay));
    let rejected: u64 = objects().map(|object| object.rejected).sum();
    let rows: u64 = objects().map(|object| object.rows_in).sum();
    let (is_over, limit) = match source.max_rejected {
        MaxRejected::Rows(most) => (rejected > most, most.to_string()),
        MaxRejected::Share(share) => {
            // A share of a count: both are far below 2^52.
            let percent = (share * 1e8).round() / 1e6;
            (rejected as f64 > share * rows as f64, format!("{percent}%"))
        }
    };
    if is_over { Err(LandError::TooManyRejected { limit, report: Box::new(report.clone()) }) } else { Ok(()) }
}

/// Maps what went wrong while files were written or read back.
pub(crate) fn sink_error(source_name: &str, error: SinkError) -> LandError {
    let source_name = source_name.to_owned();
    match error {
        SinkError::Storage(source) => LandError::Table { source_name, source },
        SinkError::Columns(source) => LandError::Layout { source_name, source },
        SinkError::Unfit(column) => LandError::KeptRows { source_name, objects: 0, column },
        SinkError::Stopped => LandError::Stopped,
    }
}

/// Files of each kind that stay, and what is added and removed to get there.
#[derive(Default)]
struct Kept {
    rows: Vec<DataFile>,
    superseded: Vec<DataFile>,
    add: Vec<DataFile>,
    remove: Vec<DataFile>,
    days: BTreeSet<i32>,
    gone_keys: Vec<i64>,
    /// The newest versions of all keys are to be settled, not only of those that this landing touches.
    is_all_anew: bool,
}

impl Kept {
    fn take(&mut self, replacement: Replacement) -> Vec<DataFile> {
        self.add.extend(replacement.add);
        self.remove.extend(replacement.remove);
        replacement.kept
    }
}

async fn change(
    request: &LandingRequest<'_>,
    start: &Start,
    intake: Intake,
    report: &mut LandingReport,
) -> Result<Change, LandError> {
    let name = &request.source.name;
    let failed = |error: SinkError| sink_error(name, error);
    let (table, contract) = (request.table, &start.contract);
    let replaced: HashSet<String> = start.plan.diff.changed.iter().map(|(object, _)| object.name.clone()).collect();
    let kept_objects: Vec<&LandedObject> =
        start.landed.values().filter(|object| !replaced.contains(&object.name)).collect();

    let again = if start.is_stale && !kept_objects.is_empty() {
        read_again(request, contract, &start.files.rejected, &kept_objects).await.map_err(failed)?
    } else {
        Again::default()
    };
    report.kept = again.total();
    let written = [&again.rows, &again.rejected].map(|files| files.iter().map(DataFile::rows).sum::<u64>());
    if written != [report.kept.landed, report.kept.refused] {
        let object = format!("kept records of source {name}");
        let [landed, rejected] = written;
        return Err(LandError::Unbalanced { object, read: report.kept.landed + report.kept.refused, landed, rejected });
    }
    let added = added_columns(start, &intake, &again, &kept_objects);
    if added.len() > MOST_TABLE_COLUMNS {
        return Err(LandError::TooManyColumns { source_name: name.clone(), limit: MOST_TABLE_COLUMNS });
    }
    let schema = layout::row_schema(contract, &added);
    let mut kept = keep(request, start, &replaced, (&kept_objects, again), &schema, &added).await?;

    let settled = if contract.key.is_empty() {
        Settled::default()
    } else {
        let all: Vec<DataFile>;
        let rows = if kept.is_all_anew {
            all = intake.rows.iter().chain(&kept.rows).cloned().collect();
            newest::Rows { kept: &[], new: &all, gone: Vec::new(), superseded: &[] }
        } else {
            let gone = std::mem::take(&mut kept.gone_keys);
            newest::Rows { kept: &kept.rows, new: &intake.rows, gone, superseded: &kept.superseded }
        };
        settle(table, contract, &schema, rows, request.sizes.keys).await.map_err(failed)?
    };
    report.superseded = settled.superseded;
    report.restored = settled.restored;
    report.touched = if contract.event_time.is_none() || kept.is_all_anew {
        TouchedDays::All
    } else {
        let days = intake.days.iter().chain(&kept.days).chain(&settled.days);
        TouchedDays::Days(days.filter_map(|day| NaiveDate::from_epoch_days(*day)).collect())
    };

    let mut writer = KindWriter::new(table, layout::object_schema());
    let objects = object_batch(&intake.objects).map_err(|error| failed(error.into()))?;
    writer.write(&objects).await.map_err(|error| failed(error.into()))?;
    let mut add = writer.close().await.map_err(|error| failed(error.into()))?;
    add.extend(intake.rows);
    add.extend(intake.rejected);
    add.extend(kept.add);
    add.extend(settled.add);
    let mut remove = kept.remove;
    remove.extend(settled.remove);
    // A file that was rewritten for its object and then again for a row that came back was never committed.
    let dropped: HashSet<String> = remove.iter().map(|file| file.path().to_owned()).collect();
    let fresh: HashSet<String> = add.iter().map(|file| file.path().to_owned()).collect();
    add.retain(|file| !dropped.contains(file.path()));
    remove.retain(|file| !fresh.contains(file.path()));
    Ok(Change {
        add,
        remove,
        schema: layout::table_schema(contract, &added),
        partition_columns: vec![layout::KIND.to_owned()],
        description: Some(format!("Landed rows of source {name}, with its rejected rows, objects and superseded rows")),
        metadata: report.commit_metadata(request.run),
        transaction: Some((
            format!("lifecycle.land.{name}"),
            start.plan.version().map_or(0, |version| version as i64 + 1),
        )),
    })
}

/// The columns that objects add to the contract's, from now on.
fn added_columns(start: &Start, intake: &Intake, again: &Again, kept_objects: &[&LandedObject]) -> Vec<String> {
    let mut added = intake.added.clone();
    added.extend(again.added.iter().cloned());
    if let Some(snapshot) = &start.plan.snapshot
        && !kept_objects.is_empty()
    {
        let contract = start.contract.columns.iter().map(|column| column.name.as_str());
        added.extend(layout::added_columns(contract, &snapshot.schema).into_iter().filter(|name| {
            // A column that an older contract named is none that was added.
            !start.is_stale
                || snapshot
                    .schema
                    .field_with_name(name)
                    .is_ok_and(|field| field.data_type() == &arrow::datatypes::DataType::Utf8)
        }));
    }
    added.into_iter().collect()
}

/// Takes out what the replaced objects brought, and brings the rest under the contract.
async fn keep(
    request: &LandingRequest<'_>,
    start: &Start,
    replaced: &HashSet<String>,
    (kept_objects, again): (&[&LandedObject], Again),
    schema: &arrow::datatypes::SchemaRef,
    added: &[String],
) -> Result<Kept, LandError> {
    let failed = |error: SinkError| sink_error(&request.source.name, error);
    let mut kept = Kept::default();
    let Some(snapshot) = &start.plan.snapshot else {
        return Ok(kept);
    };
    let table = request.table;
    if kept_objects.is_empty() {
        kept.remove = snapshot.files.clone();
        kept.is_all_anew = !start.landed.is_empty();
        return Ok(kept);
    }
    let others = [(&start.files.rejected, layout::rejected_schema()), (&start.files.objects, layout::object_schema())];
    if start.is_stale {
        let rows = convert_rows(table, &start.files.rows, &snapshot.schema, &start.contract, added, replaced)
            .await
            .map_err(|error| match error {
                SinkError::Unfit(column) => LandError::KeptRows {
                    source_name: request.source.name.clone(),
                    objects: kept_objects.len(),
                    column,
                },
                error => failed(error),
            })?;
        kept.rows = kept.take(rows);
        kept.rows.extend(again.rows.iter().cloned());
        kept.add.extend(again.rows.iter().chain(&again.rejected).cloned());
        kept.remove.extend(start.files.rejected.iter().cloned());
        let converted: Vec<LandedObject> = kept_objects
            .iter()
            .map(|object| {
                let contract = format!("{}{CONVERTED}", start.contract.fingerprint);
                again.counted(&LandedObject { contract, ..LandedObject::clone(object) })
            })
            .collect();
        let mut writer = KindWriter::new(table, layout::object_schema());
        let batch = object_batch(&converted).map_err(|error| failed(error.into()))?;
        writer.write(&batch).await.map_err(|error| failed(error.into()))?;
        kept.add.extend(writer.close().await.map_err(|error| failed(error.into()))?);
        kept.remove.extend(start.files.objects.iter().chain(&start.files.superseded).cloned());
        kept.is_all_anew = true;
        return Ok(kept);
    }
    let mut rows = remove_objects(table, &start.files.rows, schema, replaced).await.map_err(failed)?;
    kept.days = std::mem::take(&mut rows.days);
    kept.gone_keys = std::mem::take(&mut rows.keys);
    let rows = kept.take(rows);
    let merged = merge_small(table, &rows, schema).await.map_err(failed)?;
    kept.rows = kept.take(merged);
    for (files, schema) in others {
        let replacement = remove_objects(table, files, &schema, replaced).await.map_err(failed)?;
        let files = kept.take(replacement);
        let merged = merge_small(table, &files, &schema).await.map_err(failed)?;
        kept.take(merged);
    }
    if kept.gone_keys.len() > MOST_GONE_KEYS {
        kept.remove.extend(start.files.superseded.iter().cloned());
        kept.is_all_anew = true;
        return Ok(kept);
    }
    let superseded =
        remove_objects(table, &start.files.superseded, &layout::superseded_schema(), replaced).await.map_err(failed)?;
    kept.superseded = kept.take(superseded);
    let merged = merge_small(table, &kept.superseded, &layout::superseded_schema()).await.map_err(failed)?;
    kept.superseded = kept.take(merged);
    Ok(kept)
}
