//! What watchers hear of a run.

use tokio::task::JoinHandle;
use tracing::Instrument;

use super::execute::{Progressed, RunAtWork};
use super::{Clock, RunError, RunRequest, Surroundings};
use crate::config::{Job, Project};
use crate::state::State;
use crate::watch::{Lineage, LineageEnd, LineageRun, LineageTable, Recorder};

/// A run whose progress goes to the state and whose beginning has been told.
pub(super) struct Watched {
    recorder: Recorder,
    told: Option<(Lineage, LineageRun, JoinHandle<()>)>,
    clock: Clock,
}

impl Watched {
    /// Begins to watch; the run works in the surroundings that come back.
    pub fn begin(
        project: &Project,
        state: &State,
        surroundings: &Surroundings,
        request: &RunRequest,
        run: &RunAtWork,
    ) -> (Self, Surroundings) {
        let clock = surroundings.clock.clone();
        let recorder = Recorder::start(state.clone(), run.run_id.clone(), surroundings.progress.clone(), clock.clone());
        let told = surroundings.watch.lineage.clone().zip(project.jobs.get(&request.job)).map(|(lineage, job)| {
            let begun = LineageRun {
                run_id: run.run_id.clone(),
                job: job.name.clone(),
                description: job.description.clone(),
                as_of: request.as_of,
                started_at: clock(),
                inputs: inputs(job, &Progressed::default()),
                outputs: Vec::new(),
            };
            // The run does not wait for whoever listens.
            let (speaker, event) = (lineage.clone(), begun.clone());
            let telling = tokio::spawn(async move { speaker.started(&event).await }.in_current_span());
            (lineage, begun, telling)
        });
        let watching = Surroundings { progress: recorder.progress(), ..surroundings.clone() };
        (Self { recorder, told, clock }, watching)
    }

    /// Ends the recording of the progress, and prepares what is told of the end: to be awaited when nobody waits for
    /// the run any more.
    pub async fn end(
        self,
        project: &Project,
        done: &Progressed,
        outcome: Result<(), &RunError>,
    ) -> impl Future<Output = ()> + use<> {
        self.recorder.stop().await;
        let ended_at = (self.clock)();
        let told = self.told.map(|(lineage, begun, telling)| {
            let end = match outcome {
                Ok(()) => LineageEnd::Complete,
                Err(RunError::Interrupted) => LineageEnd::Abort,
                Err(error) => LineageEnd::Fail(super::error::chain(error)),
            };
            let inputs = project.jobs.get(&begun.job).map(|job| inputs(job, done)).unwrap_or_default();
            (lineage, LineageRun { inputs, outputs: outputs(project, done), ..begun }, telling, end)
        });
        async move {
            if let Some((lineage, run, telling, end)) = told {
                // Its end comes after its beginning.
                let _ = telling.await;
                lineage.ended(&run, ended_at, &end).await;
            }
        }
    }
}

/// The drop zones of a job's sources, with what each brought.
fn inputs(job: &Job, done: &Progressed) -> Vec<LineageTable> {
    job.sources
        .iter()
        .map(|source| {
            let landed = done.sources.iter().find(|landed| landed.source == source.name);
            LineageTable {
                location: folder_of(&source.location),
                columns: source
                    .columns
                    .iter()
                    .map(|column| (column.name.clone(), column.data_type.to_string()))
                    .collect(),
                description: None,
                rows: landed.map(|landed| landed.rows_in),
                bytes: landed.map(|landed| landed.bytes),
            }
        })
        .collect()
}

/// The tables that a run published.
fn outputs(project: &Project, done: &Progressed) -> Vec<LineageTable> {
    let warehouse = project.environment.warehouse.0.as_str();
    let published = done.tables.iter().filter(|table| table.version.is_some());
    published
        .filter_map(|table| {
            let model = project.models.get(&table.step.model)?;
            Some(LineageTable {
                location: format!("{warehouse}/{}/{}", model.name.schema, model.name.table),
                columns: model
                    .columns
                    .iter()
                    .map(|column| (column.name.clone(), column.data_type.to_string()))
                    .collect(),
                description: Some(model.description.clone()),
                rows: table.rows,
                bytes: table.bytes,
            })
        })
        .collect()
}

/// The part of a location before its first `{day}` or glob.
fn folder_of(location: &str) -> String {
    let end = location.find(['{', '*', '?', '[']).unwrap_or(location.len());
    let plain = &location[..end];
    let folder = if end == location.len() { plain } else { plain.rsplit_once('/').map_or(plain, |(folder, _)| folder) };
    folder.trim_end_matches('/').to_owned()
}

/// The span of a run: its fields are in every line that is logged within.
pub(super) fn span(request: &RunRequest, run_id: &str) -> tracing::Span {
    // Of the highest level, so that no filter of levels takes the fields away.
    tracing::error_span!(
        "run",
        run_id,
        job = %request.job,
        as_of = %request.as_of,
        trigger = %request.trigger,
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
    )
}

/// Marks the current span as failed.
pub(super) fn note_failure(span: &tracing::Span, error: &RunError) {
    span.record("otel.status_code", "error");
    span.record("otel.status_description", error.to_string());
}

/// Tells whoever wants to know that a run has begun.
pub(super) fn tell_start(surroundings: &Surroundings, request: &RunRequest, run_id: &str) {
    if let Some(on_start) = &surroundings.watch.on_start {
        on_start(&crate::watch::RunFacts { run_id: run_id.to_owned(), job: request.job.clone(), as_of: request.as_of });
    }
}
