//! Lands the sources of a run.

use std::sync::Arc;

use crate::config::{Project, Source};
use crate::land::{
    LandError, LandingPlan, LandingReport, LandingRequest, Progress as LandingProgress, ProgressListener, Reland,
    Sizes, land, plan_landing,
};
use crate::progress::{Silent, StageProgress};
use crate::state::SourceRecord;
use crate::storage::Table;

use super::Surroundings;
use super::prepare::PreparedSource;

/// Tells a progress bar what landing says.
struct Listener(Arc<dyn StageProgress>, std::sync::atomic::AtomicU64);

impl ProgressListener for Listener {
    fn progress(&self, progress: LandingProgress) {
        let done = progress.objects_done as u64;
        let before = self.1.swap(done, std::sync::atomic::Ordering::Relaxed);
        self.0.set_total(progress.objects as u64);
        self.0.advance(done.saturating_sub(before));
    }
}

/// Compares a source's drop zone with what was landed.
pub(super) async fn plan(
    project: &Project,
    surroundings: &Surroundings,
    source: &Source,
    table: &Table,
) -> Result<LandingPlan, LandError> {
    let listener = Listener(Arc::new(Silent), 0.into());
    plan_landing(&request(project, surroundings, source, table, None, &listener)).await
}

/// Lands what waits, and times it.
pub(super) async fn land_source(
    project: &Project,
    surroundings: &Surroundings,
    source: &PreparedSource,
    run_id: &str,
) -> Result<(LandingReport, SourceRecord), LandError> {
    let started = std::time::Instant::now();
    let total = source.landing.diff.objects() as u64;
    let stage = surroundings.progress.start(&format!("landing {}", source.source.name), Some(total));
    let listener = Listener(stage, 0.into());
    let request = request(project, surroundings, &source.source, &source.table, Some(run_id), &listener);
    let report = land(&request).await?;
    listener.0.finish();
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
    progress: &'a dyn ProgressListener,
) -> LandingRequest<'a> {
    LandingRequest {
        source,
        stores: &surroundings.stores,
        table,
        raw: &project.environment.raw.0,
        timezone: project.environment.timezone,
        parallelism: project.environment.parallelism,
        days: None,
        reland: Reland::Nothing,
        run,
        now: (surroundings.clock)(),
        sizes: Sizes::default(),
        progress,
    }
}
