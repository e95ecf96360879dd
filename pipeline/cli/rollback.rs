//! `lifecycle rollback`: an earlier release again.

use super::arguments::RollbackArguments;
use super::context::Context;
use super::surroundings::{only_job, surroundings};
use super::{ExitCode, Failure};
use crate::run::rollback_job;

/// Publishes an earlier release again.
pub async fn execute(arguments: &RollbackArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let job = only_job(&project, arguments.job.as_deref())?;
    let state = context.open_state(&project.environment).await?;
    let release = rollback_job(&project, &state, &surroundings(context, &project), &job, arguments.release).await?;
    context.output.message(&format!(
        "release {} has the tables of release {}, as of {}\nthe next run builds from the models as they are: mend them first",
        release.number,
        release.rollback_of.unwrap_or_default(),
        release.as_of,
    ));
    Ok(ExitCode::Done)
}
