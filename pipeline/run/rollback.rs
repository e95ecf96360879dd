//! Publishes an earlier release of a job again.

use uuid::Uuid;

use crate::config::{Job, Project};
use crate::publish::plan_rollback;
use crate::state::State;
use crate::storage::{Announcement, Release, ReleasedTable, require_conditional_put};

use super::exports::export;
use super::lease::HeldLease;
use super::release::{announce, record, set_back, settle};
use super::released::is_history;
use super::{RunError, Surroundings, warehouse};

/// Publishes an earlier release of a job again; without a number, the one before the current.
///
/// # Errors
/// [`RunError::ExportsLeft`] where the release is out; else the published tables are as they were.
pub async fn rollback_job(
    project: &Project,
    state: &State,
    surroundings: &Surroundings,
    job: &str,
    number: Option<u64>,
) -> Result<Release, RunError> {
    let job = super::prepare::find_job(project, job)?;
    let lease = HeldLease::take(state, &job.name, &surroundings.clock).await?;
    let outcome = roll_back(project, surroundings, &lease, job, number).await;
    let given_back = lease.give_back().await;
    let release = outcome?;
    given_back?;
    Ok(release)
}

async fn roll_back(
    project: &Project,
    surroundings: &Surroundings,
    lease: &HeldLease,
    job: &Job,
    number: Option<u64>,
) -> Result<Release, RunError> {
    let warehouse = warehouse(project, &surroundings.stores);
    let run_id = Uuid::now_v7().to_string();
    settle(&warehouse, lease, &run_id).await?;
    let current = warehouse
        .current_release(&job.name)
        .await?
        .ok_or_else(|| RunError::NothingPublished { job: job.name.clone() })?;
    let number = number.unwrap_or(current.number.saturating_sub(1));
    require_conditional_put(&surroundings.stores, &project.environment.warehouse.0).await?;
    let is_history = |name: &str, released: &ReleasedTable| is_history(project, name, released);
    let rollback = plan_rollback(&warehouse, &current, number, &run_id, (surroundings.clock)(), is_history).await?;
    let announcement = Announcement {
        job: job.name.clone(),
        run_id: run_id.clone(),
        release: rollback.number(),
        tables: rollback.tables(),
        is_fenced: false,
    };
    announce(&warehouse, &announcement, lease).await?;
    let recorded = match rollback.commit().await {
        Ok(release) => record(&warehouse, &announcement, release, lease).await,
        Err(error) => Err(error.into()),
    };
    let release = match recorded {
        Ok(release) => release,
        Err(error) => {
            set_back(&warehouse, &announcement, lease, &error).await;
            return Err(error);
        }
    };
    export(project, &warehouse, job, &release, None).await?;
    Ok(release)
}
