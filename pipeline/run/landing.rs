//! Lands the sources of a run.

use crate::config::{Project, Source};
use crate::land::{LandError, LandingPlan, LandingReport, LandingRequest, Reland, Sizes, land, plan_landing};
use crate::progress::{Progress, Silent};
use crate::state::SourceRecord;
use crate::storage::Table;

use super::Surroundings;
use super::prepare::PreparedSource;

/// Compares a source's drop zone with what was landed.
pub(super) async fn plan(
    project: &Project,
    surroundings: &Surroundings,
    source: &Source,
    table: &Table,
) -> Result<LandingPlan, LandError> {
    plan_landing(&request(project, surroundings, source, table, None, &Silent)).await
}

/// Compares a source's drop zone with what was landed; objects with refused rows are read again.
pub(super) async fn plan_replay(
    project: &Project,
    surroundings: &Surroundings,
    source: &Source,
    table: &Table,
) -> Result<LandingPlan, LandError> {
    let request = request(project, surroundings, source, table, None, &Silent);
    plan_landing(&LandingRequest { reland: Reland::WithRejected, ..request }).await
}

/// Lands what waits, and again the objects with refused rows.
pub(super) async fn replay_source(
    project: &Project,
    surroundings: &Surroundings,
    source: &Source,
    table: &Table,
    id: &str,
) -> Result<LandingReport, LandError> {
    let request = request(project, surroundings, source, table, Some(id), surroundings.progress.as_ref());
    land(&LandingRequest { reland: Reland::WithRejected, ..request }).await
}

/// Lands what waits, and times it.
pub(super) async fn land_source(
    project: &Project,
    surroundings: &Surroundings,
    source: &PreparedSource,
    run_id: &str,
) -> Result<(LandingReport, SourceRecord), LandError> {
    let started = std::time::Instant::now();
    let progress = surroundings.progress.as_ref();
    let request = request(project, surroundings, &source.source, &source.table, Some(run_id), progress);
    let report = land(&request).await?;
    let again = report.objects.iter().filter(|object| object.again.is_some()).count() as u64;
    let record = SourceRecord {
        source: report.source.clone(),
        objects_new: report.objects.len() as u64 - again,
        objects_changed: again,
        objects_unchanged: report.unchanged as u64,
        rows_in: report.rows_in(),
        landed: report.landed(),
        rejected: report.rejected(),
        bytes: report.bytes(),
        seconds: started.elapsed().as_secs_f64(),
        version: report.version,
    };
    Ok((report, record))
}

fn request<'a>(
    project: &'a Project,
    surroundings: &'a Surroundings,
    source: &'a Source,
    table: &'a Table,
    run: Option<&'a str>,
    progress: &'a dyn Progress,
) -> LandingRequest<'a> {
    LandingRequest {
        source,
        stores: &surroundings.stores,
        table,
        raw: &project.environment.raw.0,
        timezone: project.environment.timezone,
        parallelism: project.environment.parallelism,
        reland: Reland::Nothing,
        run,
        now: (surroundings.clock)(),
        sizes: Sizes::default(),
        progress,
    }
}
