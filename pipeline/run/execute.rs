//! One run, from lease to record.

use std::time::Instant;

use tracing::Instrument;
use uuid::Uuid;

use crate::check::{Finding, check_row_count, check_tables};
use crate::config::Project;
use crate::land::LandingReport;
use crate::plan::{Action, ModelStep, RunPlan};
use crate::state::{Lease, RunStart, SourceRecord, State};
use crate::storage::{Release, require_conditional_put};
use crate::transform::{Bindings, Workspace};

use super::build::{Builder, BuiltTable, build_tables, checks_at_once, sweep};
use super::carried::{Carried, Left};
use super::exports::{export, export_changed, export_unchanged};
use super::histories::Histories;
use super::landed::Landed;
use super::landing::land_source;
use super::lease::HeldLease;
use super::prepare::{Prepared, check_request, find_job, prepare};
use super::record::record;
use super::release::{Publication, pin, publish, settle};
use super::repair::{Repair, RepairReport};
use super::retry::Attempt;
use super::turns;
use super::watched::{self, Watched};
use super::{RunError, RunRequest, Surroundings, session_settings, warehouse};

/// What a run did.
#[derive(Debug)]
pub struct RunReport {
    pub run_id: String,
    pub plan: RunPlan,
    pub landings: Vec<LandingReport>,
    pub tables: Vec<TableReport>,
    pub findings: Vec<Finding>,
    /// Days of histories that got facts which came late.
    pub repairs: Vec<RepairReport>,
    /// `None` where there was nothing to do.
    pub release: Option<Release>,
    /// What failed when the release was out; the next run makes up for it.
    pub unfinished: Option<RunError>,
    pub seconds: f64,
}

impl RunReport {
    /// Both of them: a run whose release is out, and one that made up for what it had left.
    pub(super) fn followed_by(mut self, after: Self) -> Self {
        self.run_id = after.run_id;
        self.landings.extend(after.landings);
        self.tables.extend(after.tables.into_iter().filter(|table| table.step.action.is_build()));
        self.findings.extend(after.findings);
        let is_told = |told: &RepairReport| {
            after.repairs.iter().any(|again| (&again.table, again.as_of) == (&told.table, told.as_of))
        };
        self.repairs.retain(|told| !is_told(told));
        self.repairs.extend(after.repairs);
        self.release = after.release.or(self.release);
        self.unfinished = after.unfinished;
        self.seconds += after.seconds;
        self
    }
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
pub(super) struct Progressed {
    pub sources: Vec<SourceRecord>,
    pub landings: Vec<LandingReport>,
    pub tables: Vec<TableReport>,
    pub findings: Vec<Finding>,
    pub repairs: Vec<RepairReport>,
    pub unfinished: Option<RunError>,
}

/// A run that was recorded as begun.
pub(super) struct RunAtWork {
    pub run_id: String,
    pub started: Instant,
    pub attempt: Attempt,
    pub done: Progressed,
    /// What is logged within has the run's id.
    pub span: tracing::Span,
}

impl RunAtWork {
    /// Records the beginning of a run under the job's lease.
    pub async fn start(
        project: &Project,
        state: &State,
        surroundings: &Surroundings,
        request: &RunRequest,
        lease: &Lease,
        attempt: &mut Attempt,
    ) -> Result<Self, RunError> {
        let run_id = Uuid::now_v7().to_string();
        let start = RunStart {
            run_id: run_id.clone(),
            job: request.job.clone(),
            as_of: request.as_of,
            trigger: request.trigger,
            environment: project.environment.name.clone(),
            started_at: (surroundings.clock)(),
            lease: lease.clone(),
            backfill_id: request.backfill_id.clone(),
        };
        state.start_run(&start).await?;
        if attempt.number > 1 {
            state.note_attempt(&run_id, attempt.number, attempt.first_run.as_deref()).await?;
        }
        attempt.first_run.get_or_insert_with(|| run_id.clone());
        watched::tell_start(surroundings, request, &run_id);
        let span = watched::span(request, &run_id);
        Ok(Self { run_id, started: Instant::now(), attempt: attempt.clone(), done: Progressed::default(), span })
    }

    /// Records what was done, and how it ended: the release, none where there was nothing to do, or why it failed.
    pub async fn record(
        &self,
        state: &State,
        surroundings: &Surroundings,
        outcome: Result<Option<&Release>, &RunError>,
    ) -> Result<(), RunError> {
        if let Some(error) = outcome.err().or(self.done.unfinished.as_ref()) {
            watched::note_failure(&self.span, error);
        }
        record(state, surroundings, self, outcome).instrument(self.span.clone()).await
    }
}

/// Runs a job for one day, once.
///
/// # Errors
/// The published tables are as they were; what had landed stays landed. The end of the run is recorded either way. What
/// fails when the release is out is in the report.
pub async fn run_job(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    request: &RunRequest,
) -> Result<RunReport, RunError> {
    let mut carried = Carried::default();
    let outcome = run_attempt(project, state, surroundings, request, &mut Attempt::default(), &mut carried).await;
    carried.sweep().await;
    outcome
}

/// Runs a job for one day, going on from what an earlier attempt left; what it leaves itself is carried to the next.
pub(super) async fn run_attempt(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    request: &RunRequest,
    attempt: &mut Attempt,
    carried: &mut Carried,
) -> Result<RunReport, RunError> {
    let started = Instant::now();
    check_request(project, request)?;
    let lease = turns::take(state, &request.job, surroundings).await?;
    let mut telling = None;
    let outcome = match RunAtWork::start(project, state, surroundings, request, &lease.lease, attempt).await {
        Ok(mut run) => {
            let span = run.span.clone();
            let (watched, watching) = span.in_scope(|| Watched::begin(project, state, surroundings, request, &run));
            // On the heap: what a run holds while it works is large.
            let working = Box::pin(work(project, &watching, request, &lease, &mut run, carried));
            let outcome = working.instrument(span.clone()).await;
            let ended = outcome.as_ref().map(|(_, release)| release.as_ref());
            let recorded = run.record(state, surroundings, ended).await;
            let told = watched.end(project, &run.done, outcome.as_ref().map(|_| ())).await;
            telling = Some(told.instrument(span));
            outcome.and_then(|worked| recorded.map(|()| worked)).map(|(plan, release)| RunReport {
                run_id: run.run_id,
                plan,
                landings: run.done.landings,
                tables: run.done.tables,
                findings: run.done.findings,
                repairs: run.done.repairs,
                release,
                unfinished: run.done.unfinished,
                seconds: started.elapsed().as_secs_f64(),
            })
        }
        Err(error) => Err(error),
    };
    let given_back = lease.give_back().await;
    if let Some(telling) = telling {
        telling.await;
    }
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
    run: &mut RunAtWork,
    carried: &mut Carried,
) -> Result<Worked, RunError> {
    let warehouse_at_work = warehouse(project, &surroundings.stores);
    let is_settled = settle(&warehouse_at_work, lease, &run.run_id).await?;
    let prepared = prepare(project, surroundings, request).await?;
    if prepared.plan.has_nothing_to_do() {
        if !is_settled {
            // The record of what was set back may have arrived after all: then there is nothing to do but this.
            settle(&warehouse_at_work, lease, &run.run_id).await?;
        }
        stand_still(project, surroundings, &prepared.plan, prepared.current.as_ref(), run).await?;
        return Ok((prepared.plan, None));
    }
    let sources = prepared.plan.sources.clone();
    let landed = land_and_look(project, surroundings, prepared, lease, run).await?;
    let plan = RunPlan { sources, ..landed.plan(project, request) };
    let release = build_and_publish(project, surroundings, request, lease, (&landed, &plan), run, carried).await?;
    Ok((plan, Some(release)))
}

/// Does what is left where nothing is to be done: a process may have died between a release and its exports.
pub(super) async fn stand_still(
    project: &Project,
    surroundings: &Surroundings,
    plan: &RunPlan,
    current: Option<&Release>,
    run: &mut RunAtWork,
) -> Result<(), RunError> {
    let tables = plan.models.iter().filter(|step| !matches!(step.action, Action::View | Action::Empty));
    run.done.tables.extend(tables.map(kept_report));
    match current {
        Some(release) => {
            let warehouse = warehouse(project, &surroundings.stores);
            let job = find_job(project, &plan.job)?;
            run.done.unfinished = export(project, &warehouse, job, release, None).await.err();
            Ok(())
        }
        None => Ok(()),
    }
}

/// Lands what waits, and looks at what there is then.
pub(super) async fn land_and_look(
    project: &Project,
    surroundings: &Surroundings,
    prepared: Prepared,
    lease: &HeldLease,
    run: &mut RunAtWork,
) -> Result<Landed, RunError> {
    land_sources(project, surroundings, &prepared, lease, &run.run_id, &mut run.done).await?;
    Landed::look(project, surroundings, prepared).await
}

/// Builds what a plan says, checks it, and makes it the job's next release.
pub(super) async fn build_and_publish(
    project: &Project,
    surroundings: &Surroundings,
    request: &RunRequest,
    lease: &HeldLease,
    (landed, plan): (&Landed, &RunPlan),
    run: &mut RunAtWork,
    carried: &mut Carried,
) -> Result<Release, RunError> {
    let warehouse = warehouse(project, &surroundings.stores);
    let job = find_job(project, &request.job)?;
    let prepared = &landed.prepared;
    let bindings = Bindings::new(request.as_of, &prepared.parameters);
    let workspace = Workspace::new(&session_settings(project), bindings, &surroundings.stores)?;
    let tables = landed.tables(project, surroundings).await?;
    carried.begin(prepared.current.as_ref().map(|release| release.number)).await;
    let builder = Builder {
        project,
        graph: &prepared.graph,
        warehouse: &warehouse,
        current: prepared.current.as_ref(),
        workspace: &workspace,
        landed: &tables,
        carried: Some(carried),
    };
    let mut built = Vec::new();
    let building = build_and_check(&builder, surroundings, plan, prepared, &mut run.done, &mut built);
    let outcome = Box::pin(building).await;
    let repaired = match outcome {
        Ok(()) => {
            let day = (&workspace, built.as_slice(), run.done.findings.as_slice());
            let is_tried_again = run.attempt.number < run.attempt.of;
            Box::pin(Repair::begin(project, surroundings, landed, plan, day, is_tried_again)).await
        }
        Err(error) => Err(error),
    };
    let (mut repair, ready) = match repaired {
        Ok(repaired) => repaired,
        Err(error) => {
            let (graph, findings) = (&prepared.graph, run.done.findings.as_slice());
            carried.take(built, Left { plan, graph, findings, is_tried: false }).await;
            return Err(error);
        }
    };
    let publication = Publication {
        project,
        warehouse: &warehouse,
        job,
        run_id: &run.run_id,
        as_of: request.as_of,
        current: prepared.current.as_ref(),
        built: &built,
        staged: ready.staged.clone(),
        histories: Histories { planned: plan.histories.clone(), verified: ready.verified.clone() },
        is_selection: !request.select.is_empty(),
        landed: landed.versions(),
        now: (surroundings.clock)(),
    };
    let published = match pin(&publication, lease).await {
        Ok(pinned) => {
            let publishing = publish(&publication, pinned, lease, surroundings);
            let publishing = publishing.instrument(tracing::info_span!("publish", tables = built.len()));
            publishing.await.map_err(|error| (error, true))
        }
        Err(error) => {
            repair.discard(&ready).await;
            Err((error, false))
        }
    };
    match published {
        Ok(release) => {
            note_versions(&mut run.done.tables, &release);
            carried.forget(&built);
            sweep(&built, |built| built.step.publishes).await;
            run.done.repairs.extend(ready.reports);
            let mut exported = export_changed(&publication, &release).await;
            let (own, mut last) = (release.number, release);
            let repaired = Box::pin(repair.go_on(&mut last, &publication, lease, &mut run.done.repairs)).await;
            if last.number > own {
                exported = export_unchanged(&publication, own, &last).await;
            }
            let left = |error| RunError::RepairsLeft { release: last.number, source: Box::new(error) };
            run.done.unfinished = note_left(exported, repaired.map_err(left));
            Ok(last)
        }
        Err((error, is_tried)) => {
            let (graph, findings) = (&prepared.graph, run.done.findings.as_slice());
            carried.take(built, Left { plan, graph, findings, is_tried }).await;
            Err(error)
        }
    }
}

/// What failed when a release was out: one is told, all are logged.
fn note_left(exported: Result<(), RunError>, repaired: Result<(), RunError>) -> Option<RunError> {
    let left = [exported.err(), repaired.err()].into_iter().flatten();
    left.inspect(|error| tracing::warn!(error = super::error::chain(error), "the run is not finished"))
        .reduce(|one, _| one)
}

/// Notes which versions of its tables a run published.
pub(super) fn note_versions(tables: &mut [TableReport], release: &Release) {
    for table in tables.iter_mut().filter(|table| table.step.publishes && table.step.action.is_build()) {
        table.version = release.tables.get(&table.step.model.to_string()).map(|released| released.version);
    }
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
                .instrument(tracing::info_span!("land", source = %source.source.name))
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
    let outcome = build_tables(builder, surroundings, plan, built).await;
    let tables = built.iter().filter(|table| !matches!(table.step.action, Action::View | Action::Empty));
    done.tables.extend(tables.map(table_report));
    outcome?;
    let fresh: Vec<&BuiltTable> = built.iter().filter(|table| table.step.action.is_build()).collect();
    let known = |table: &BuiltTable| builder.carried?.findings(&table.step.model, plan, &prepared.graph);
    let known: Vec<Option<Vec<Finding>>> = fresh.iter().map(|table| known(table)).collect();
    let stage = surroundings.progress.start("checking", Some(fresh.len() as u64));
    let models = fresh.iter().zip(&known).filter(|(_, known)| known.is_none()).filter_map(|(table, _)| {
        let counted = table.candidate.as_ref().and_then(|candidate| candidate.counted.clone());
        Some((builder.project.models.get(&table.step.model)?.clone(), counted))
    });
    let checking = check_tables(builder.workspace, models.collect(), checks_at_once(builder.project), |model| {
        stage.message(&model.to_string());
        stage.advance(1);
    });
    let checking = interruptible(surroundings, async { Ok(checking.await) });
    done.findings.extend(checking.instrument(tracing::info_span!("check", tables = fresh.len())).await?);
    for (table, known) in fresh.into_iter().zip(known) {
        if let Some(known) = known {
            done.findings.extend(known);
        } else if let (Some(model), Some(before)) =
            (builder.project.models.get(&table.step.model), rows_before(prepared.current.as_ref(), table))
        {
            let now = table.candidate.as_ref().map_or(0, crate::transform::Candidate::rows);
            done.findings.push(check_row_count(model, before, now));
        }
    }
    stage.finish();
    let stopping: Vec<Finding> = done.findings.iter().filter(|finding| finding.stops_release()).cloned().collect();
    if stopping.is_empty() { Ok(()) } else { Err(RunError::Checks(stopping)) }
}

pub(super) fn rows_before(current: Option<&Release>, table: &BuiltTable) -> Option<u64> {
    let release = current?;
    if !table.step.publishes {
        return None;
    }
    release.tables.get(&table.step.model.to_string()).map(|released| released.rows)
}

/// Drops the work when the process is asked to stop.
pub(super) async fn interruptible<T>(
    surroundings: &Surroundings,
    work: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    let mut interrupt = surroundings.interrupt.clone();
    tokio::select! {
        result = work => result,
        () = interrupt.interrupted() => Err(RunError::Interrupted),
    }
}

pub(super) fn table_report(built: &BuiltTable) -> TableReport {
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
