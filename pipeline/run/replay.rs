//! Lands refused rows again, when the contract that refused them has been mended.
//!
//! A replay is the landing of a source and nothing else: what waits in its drop zone lands as in a run, and objects with
//! refused rows are read again. It is one commit for each source, so a replay that was killed did a source or did not, and it
//! may be repeated. It publishes nothing and is no run: the job's next run builds the days that it touched.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::config::{Job, Project, Source};
use crate::land::{LandingPlan, LandingReport, RefusedRows, Why, refused_rows};
use crate::state::State;
use crate::storage::{Table, require_conditional_put};

use super::lease::HeldLease;
use super::{RunError, Surroundings, landing, warehouse};

/// What a replay of one source would do.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    pub source: String,
    pub job: String,
    /// Refused rows, and the objects that they are of.
    pub refused: u64,
    pub objects: u64,
    /// Refused rows of objects that are no longer in the drop zone.
    pub refused_of_gone: u64,
    /// Objects to read, new and changed ones included, and their bytes.
    pub to_read: u64,
    pub bytes: u64,
    /// The contract is another one than when the objects were landed.
    pub is_contract_changed: bool,
}

/// What a replay of one source did.
#[derive(Debug, Clone)]
pub struct ReplayReport {
    pub refused_before: u64,
    /// Rows that had been refused and are landed now.
    pub landed: u64,
    /// Rows that had been refused and still are.
    pub still_refused: u64,
    /// Rows that had been refused, of objects that were delivered anew.
    pub replaced: u64,
    /// Rows that are refused now and were not.
    pub newly_refused: u64,
    /// By reason, without values: all that are refused now.
    pub reasons: BTreeMap<String, u64>,
    pub is_contract_changed: bool,
    pub landing: LandingReport,
}

/// How the replay of one source ended.
#[derive(Debug)]
pub struct Replayed {
    pub source: String,
    pub job: String,
    pub outcome: Result<ReplayReport, RunError>,
}

/// A source with its landed table and what it refused so far.
struct Candidate<'p> {
    job: &'p Job,
    source: &'p Source,
    table: Table,
    refused: RefusedRows,
}

/// Sources with refused rows, in the order of jobs; `name`: only this one.
async fn candidates<'p>(
    project: &'p Project,
    surroundings: &Surroundings,
    name: Option<&str>,
) -> Result<Vec<Candidate<'p>>, RunError> {
    let warehouse = warehouse(project, &surroundings.stores);
    let mut found = Vec::new();
    for job in project.jobs.values() {
        for source in job.sources.iter().filter(|source| name.is_none_or(|name| source.name == name)) {
            let table = warehouse.table("landed", &source.name)?;
            let Some(snapshot) = table.snapshot().await? else { continue };
            let refused = refused_rows(&table, &snapshot).await?;
            if refused.count() > 0 {
                found.push(Candidate { job, source, table, refused });
            }
        }
    }
    Ok(found)
}

/// Says what a replay would do; reads listings, logs and refused rows, and changes nothing.
pub async fn plan_replay(
    project: &Project,
    surroundings: &Surroundings,
    source: Option<&str>,
) -> Result<Vec<ReplayPlan>, RunError> {
    let mut plans = Vec::new();
    for candidate in candidates(project, surroundings, source).await? {
        let landing = landing::plan_replay(project, surroundings, candidate.source, &candidate.table).await?;
        plans.push(plan(&candidate, &landing));
    }
    Ok(plans)
}

fn plan(candidate: &Candidate<'_>, landing: &LandingPlan) -> ReplayPlan {
    let refused = &candidate.refused;
    let of_gone = landing.diff.gone.iter().filter_map(|object| refused.by_object.get(object));
    ReplayPlan {
        source: candidate.source.name.clone(),
        job: candidate.job.name.clone(),
        refused: refused.count(),
        objects: refused.by_object.len() as u64,
        refused_of_gone: of_gone.sum(),
        to_read: landing.diff.objects() as u64,
        bytes: landing.diff.bytes(),
        is_contract_changed: landing.other_contract > 0,
    }
}

/// Replays one source, or all that have refused rows, each under the lease of its job.
///
/// A source that fails is as it was, and does not stop the others.
///
/// # Errors
/// Nothing was landed, but for [`RunError::Interrupted`]: sources before the one that was interrupted are done.
pub async fn replay_rejected(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    source: Option<&str>,
) -> Result<Vec<Replayed>, RunError> {
    let waiting = candidates(project, surroundings, source).await?;
    if !waiting.is_empty() {
        require_conditional_put(&surroundings.stores, &project.environment.warehouse.0).await?;
    }
    let jobs: BTreeSet<&str> = waiting.iter().map(|candidate| candidate.job.name.as_str()).collect();
    let mut done = Vec::new();
    for job in jobs {
        let lease = HeldLease::take(state, job, &surroundings.clock).await;
        let lease = match lease {
            Ok(lease) => lease,
            Err(RunError::Busy { job, owner, since }) => {
                for candidate in waiting.iter().filter(|candidate| candidate.job.name == job) {
                    let busy = RunError::Busy { job: job.clone(), owner: owner.clone(), since };
                    done.push(replayed(candidate, Err(busy)));
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut outcome = Ok(());
        for candidate in waiting.iter().filter(|candidate| candidate.job.name == job) {
            match replay(project, surroundings, candidate).await {
                Err(RunError::Interrupted) => {
                    outcome = Err(RunError::Interrupted);
                    break;
                }
                one => done.push(replayed(candidate, one)),
            }
        }
        lease.give_back().await?;
        outcome?;
    }
    Ok(done)
}

fn replayed(candidate: &Candidate<'_>, outcome: Result<ReplayReport, RunError>) -> Replayed {
    Replayed { source: candidate.source.name.clone(), job: candidate.job.name.clone(), outcome }
}

async fn replay(
    project: &Project,
    surroundings: &Surroundings,
    candidate: &Candidate<'_>,
) -> Result<ReplayReport, RunError> {
    let (source, table) = (candidate.source, &candidate.table);
    // Another process may have landed the source since it was looked at.
    let before = refused_now(table).await?;
    let plan = landing::plan_replay(project, surroundings, source, table).await?;
    let id = format!("replay {}", Uuid::now_v7());
    let mut interrupt = surroundings.interrupt.clone();
    let landing = tokio::select! {
        landing = landing::replay_source(project, surroundings, source, table, &id) => landing?,
        () = interrupt.interrupted() => return Err(RunError::Interrupted),
    };
    let after = refused_now(table).await?;
    let is_replaced =
        |name: &String| landing.objects.iter().any(|object| object.name == *name && object.again == Some(Why::Content));
    let replaced: u64 = before.by_object.iter().filter(|(name, _)| is_replaced(name)).map(|(_, rows)| rows).sum();
    let still_refused = before.in_common(&after);
    let report = ReplayReport {
        refused_before: before.count(),
        landed: before.count().saturating_sub(still_refused).saturating_sub(replaced),
        still_refused,
        replaced,
        newly_refused: after.count() - still_refused,
        reasons: after.by_reason,
        is_contract_changed: plan.other_contract > 0,
        landing,
    };
    tracing::info!(source = %source.name, landed = report.landed, still_refused, "replayed");
    Ok(report)
}

async fn refused_now(table: &Table) -> Result<RefusedRows, RunError> {
    match table.snapshot().await? {
        Some(snapshot) => Ok(refused_rows(table, &snapshot).await?),
        None => Ok(RefusedRows::default()),
    }
}
