//! One run, from lease to record.

use std::time::Instant;

use uuid::Uuid;

use crate::check::{Finding, Outcome, check_row_count, check_table};
use crate::config::Project;
use crate::land::LandingReport;
use crate::plan::{Action, ModelStep, RunPlan};
use crate::state::{
    CheckRecord, CheckStatus, RunFinish, RunOutcome, RunStart, SourceRecord, State, TableAction, TableRecord,
};
use crate::storage::{Release, require_conditional_put};
use crate::transform::{Bindings, Workspace};

use super::build::{Builder, BuiltTable, landed_tables, sweep};
use super::landing::land_source;
use super::lease::HeldLease;
use super::prepare::{Prepared, check_request, find_job, plan_after_landing, prepare};
use super::release::{Publication, export, pin, publish, settle};
use super::{RunError, RunRequest, Surroundings, session_settings, warehouse};

/// What a run did.
#[derive(Debug, Clone)]
pub struct RunReport {
    pub run_id: String,
    pub plan: RunPlan,
    pub landings: Vec<LandingReport>,
    pub tables: Vec<TableReport>,
    pub findings: Vec<Finding>,
    /// `None` where there was nothing to do.
    pub release: Option<Release>,
    pub seconds: f64,
}

/// What a run did with one table.
#[derive(Debug, Clone)]
pub struct TableReport {
    pub step: ModelStep,
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    pub seconds: f64,
    /// The version that was published.
    pub version: Option<u64>,
    pub is_replanned: bool,
}

/// What a run has done so far, to be recorded however it ends.
#[derive(Default)]
struct Progressed {
    sources: Vec<SourceRecord>,
    landings: Vec<LandingReport>,
    tables: Vec<TableReport>,
    findings: Vec<Finding>,
}

/// Runs a job for one day.
///
/// # Errors
/// The published tables are as they were; what had landed stays landed. The end of the run is recorded either way.
pub async fn run_job(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    request: &RunRequest,
) -> Result<RunReport, RunError> {
    let started = Instant::now();
    check_request(project, request)?;
    let lease = HeldLease::take(state, &request.job, &surroundings.clock).await?;
    let run_id = Uuid::now_v7().to_string();
    let start = RunStart {
        run_id: run_id.clone(),
        job: request.job.clone(),
        as_of: request.as_of,
        trigger: request.trigger,
        environment: project.environment.name.clone(),
        started_at: (surroundings.clock)(),
        lease: lease.lease.clone(),
        backfill_id: request.backfill_id.clone(),
    };
    let outcome = match state.start_run(&start).await {
        Ok(()) => {
            let mut done = Progressed::default();
            let outcome = work(project, surroundings, request, &lease, &run_id, &mut done).await;
            let recorded = record(state, surroundings, &run_id, &done, &outcome).await;
            outcome.and_then(|worked| recorded.map(|()| worked)).map(|(plan, release)| RunReport {
                run_id,
                plan,
                landings: done.landings,
                tables: done.tables,
                findings: done.findings,
                release,
                seconds: started.elapsed().as_secs_f64(),
            })
        }
        Err(error) => Err(error.into()),
    };
    let given_back = lease.give_back().await;
    let report = outcome?;
    given_back?;
    Ok(report)
}

type Worked = (RunPlan, Option<Release>);

async fn work(
    project: &Project,
    surroundings: &Surroundings,
    request: &RunRequest,
    lease: &HeldLease,
    run_id: &str,
    done: &mut Progressed,
) -> Result<Worked, RunError> {
    settle(&warehouse(project, &surroundings.stores), lease, run_id).await?;
    let prepared = prepare(project, surroundings, request).await?;
    if prepared.plan.has_nothing_to_do() {
        let tables = prepared.plan.models.iter().filter(|step| !matches!(step.action, Action::View | Action::Empty));
        done.tables = tables.map(kept_report).collect();
        // A process may have died between a release and its exports.
        if let Some(release) = &prepared.current {
            let warehouse = warehouse(project, &surroundings.stores);
            export(project, &warehouse, find_job(project, &request.job)?, release, None).await?;
        }
        return Ok((prepared.plan, None));
    }
    land_sources(project, surroundings, &prepared, lease, run_id, done).await?;
    let (plan, versions) = plan_after_landing(project, surroundings, request, &prepared).await?;
    let warehouse = warehouse(project, &surroundings.stores);
    let job = find_job(project, &request.job)?;
    let bindings = Bindings::new(request.as_of, &prepared.parameters);
    let workspace = Workspace::new(&session_settings(project), bindings, &surroundings.stores)?;
    // Another job may land the same source meanwhile: what is built is what was planned.
    let landed = landed_tables(&warehouse, job, |source| versions.get(source).copied()).await?;
    let builder = Builder {
        project,
        graph: &prepared.graph,
        warehouse: &warehouse,
        current: prepared.current.as_ref(),
        workspace: &workspace,
        landed,
    };
    let mut built = Vec::new();
    let outcome = build_and_check(&builder, surroundings, &plan, &prepared, done, &mut built).await;
    let publication = Publication {
        project,
        warehouse: &warehouse,
        job,
        run_id,
        as_of: request.as_of,
        current: prepared.current.as_ref(),
        built: &built,
        landed: versions,
        now: (surroundings.clock)(),
    };
    let pinned = match outcome {
        Ok(()) => pin(&publication, lease).await,
        Err(error) => Err(error),
    };
    let pinned = match pinned {
        Ok(pinned) => pinned,
        Err(error) => {
            sweep(&built, |_| false).await;
            return Err(error);
        }
    };
    let release = publish(&publication, pinned, lease, surroundings).await?;
    for table in &mut done.tables {
        if table.step.publishes && table.step.action.is_build() {
            let released = release.tables.get(&table.step.model.to_string());
            table.version = released.map(|released| released.version);
        }
    }
    sweep(&built, |built| built.step.publishes).await;
    Ok((plan, Some(release)))
}

/// Lands what waits.
///
/// A process that slept through its lease may land late, and does no harm: its commit goes on top of the version that it
/// compared the drop zone with. Either nobody has landed since, and it lands what its successor would have; or somebody
/// has, it compares anew and finds nothing left. No release names what it lands until a run has built from it. At worst
/// it lands everything again under a contract that has been edited while it slept, and the next run sees that and
/// lands everything under the new one; asking for the lease before each source makes that all but impossible.
async fn land_sources(
    project: &Project,
    surroundings: &Surroundings,
    prepared: &Prepared,
    lease: &HeldLease,
    run_id: &str,
    done: &mut Progressed,
) -> Result<(), RunError> {
    require_conditional_put(&surroundings.stores, &project.environment.warehouse.0).await?;
    for source in prepared.sources.iter().filter(|source| needs_landing(source)) {
        lease.require().await?;
        let (report, record) =
            interruptible(surroundings, async { Ok(land_source(project, surroundings, source, run_id).await?) })
                .await?;
        tracing::info!(source = %report.source, objects = report.objects.len(), landed = report.landed(), rejected = report.rejected(), "landed");
        done.landings.push(report);
        done.sources.push(record);
    }
    Ok(())
}

fn needs_landing(source: &super::prepare::PreparedSource) -> bool {
    source.landing.diff.objects() > 0
}

async fn build_and_check(
    builder: &Builder<'_>,
    surroundings: &Surroundings,
    plan: &RunPlan,
    prepared: &Prepared,
    done: &mut Progressed,
    built: &mut Vec<BuiltTable>,
) -> Result<(), RunError> {
    builder.register_inputs()?;
    let builds = plan.models.iter().filter(|step| step.action.is_build()).count();
    let stage = surroundings.progress.start("building", Some(builds as u64));
    for step in &plan.models {
        stage.message(&step.model.to_string());
        let table = interruptible(surroundings, builder.build(step, plan)).await?;
        if step.action.is_build() {
            stage.advance(1);
            tracing::info!(model = %step.model, seconds = table.seconds, "built");
        }
        if !matches!(step.action, Action::View | Action::Empty) {
            done.tables.push(table_report(&table));
        }
        built.push(table);
    }
    stage.finish();
    let stage = surroundings.progress.start("checking", Some(builds as u64));
    for table in built.iter().filter(|table| table.step.action.is_build()) {
        if let Some(model) = builder.project.models.get(&table.step.model) {
            stage.message(&table.step.model.to_string());
            let counted = table.candidate.as_ref().and_then(|candidate| candidate.counted.as_ref());
            let findings =
                interruptible(surroundings, async { Ok(check_table(builder.workspace, model, counted).await) }).await?;
            done.findings.extend(findings);
            if let Some(before) = rows_before(prepared, table) {
                let now = table.candidate.as_ref().map_or(0, crate::transform::Candidate::rows);
                done.findings.push(check_row_count(model, before, now));
            }
            stage.advance(1);
        }
    }
    stage.finish();
    let stopping: Vec<Finding> = done.findings.iter().filter(|finding| finding.stops_release()).cloned().collect();
    if stopping.is_empty() { Ok(()) } else { Err(RunError::Checks(stopping)) }
}

fn rows_before(prepared: &Prepared, table: &BuiltTable) -> Option<u64> {
    let release = prepared.current.as_ref()?;
    if !table.step.publishes {
        return None;
    }
    release.tables.get(&table.step.model.to_string()).map(|released| released.rows)
}

/// Drops the work when the process is asked to stop.
async fn interruptible<T>(
    surroundings: &Surroundings,
    work: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    let mut interrupt = surroundings.interrupt.clone();
    tokio::select! {
        result = work => result,
        () = interrupt.interrupted() => Err(RunError::Interrupted),
    }
}

fn table_report(built: &BuiltTable) -> TableReport {
    TableReport {
        step: built.step.clone(),
        rows: built.candidate.as_ref().map(crate::transform::Candidate::rows),
        bytes: built.candidate.as_ref().map(crate::transform::Candidate::bytes),
        seconds: built.seconds,
        version: None,
        is_replanned: built.candidate.as_ref().is_some_and(|candidate| candidate.is_replanned),
    }
}

fn kept_report(step: &ModelStep) -> TableReport {
    TableReport { step: step.clone(), rows: None, bytes: None, seconds: 0.0, version: None, is_replanned: false }
}

async fn record(
    state: &State,
    surroundings: &Surroundings,
    run_id: &str,
    done: &Progressed,
    outcome: &Result<Worked, RunError>,
) -> Result<(), RunError> {
    state.record_sources(run_id, &done.sources).await?;
    state.record_tables(run_id, &done.tables.iter().map(table_record).collect::<Vec<_>>()).await?;
    state.record_checks(run_id, &done.findings.iter().map(check_record).collect::<Vec<_>>()).await?;
    let (run_outcome, message, release) = match outcome {
        Ok((_, Some(release))) => (RunOutcome::Succeeded, None, Some(release.number)),
        Ok((_, None)) => (RunOutcome::NothingToDo, Some("nothing changed since the last release".to_owned()), None),
        Err(error @ RunError::Checks(_)) => (RunOutcome::ChecksFailed, Some(error.to_string()), None),
        Err(error @ RunError::Interrupted) => (RunOutcome::Interrupted, Some(error.to_string()), None),
        Err(error) => (RunOutcome::Failed, Some(super::error::chain(error)), None),
    };
    let finish = RunFinish { outcome: run_outcome, finished_at: (surroundings.clock)(), message, release };
    state.finish_run(run_id, &finish).await?;
    Ok(())
}

fn table_record(table: &TableReport) -> TableRecord {
    TableRecord {
        table: table.step.model.to_string(),
        action: if table.step.action.is_build() { TableAction::Built } else { TableAction::Skipped },
        reason: table.step.reason.clone(),
        rows: table.rows,
        bytes: table.bytes,
        seconds: table.seconds,
        version: table.version,
    }
}

fn check_record(finding: &Finding) -> CheckRecord {
    let (status, bad_rows, sample) = match &finding.outcome {
        Outcome::Passed => (CheckStatus::Passed, 0, None),
        Outcome::BadRows { count, sample } => (CheckStatus::Failed, *count, Some(sample.clone())),
        Outcome::Broken { message } => (CheckStatus::Error, 0, Some(message.clone())),
    };
    CheckRecord {
        table: finding.table.clone(),
        check: finding.check.clone(),
        severity: finding.severity,
        status,
        bad_rows,
        sample,
        seconds: finding.seconds,
    }
}
