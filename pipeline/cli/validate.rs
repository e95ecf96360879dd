//! `lifecycle validate`: every mistake of the project, without reading data.

use super::arguments::ValidateArguments;
use super::context::Context;
use super::{ExitCode, Failure, numbers};
use crate::run::validate_project;

/// Prints all mistakes, or what is sound.
pub async fn execute(_arguments: &ValidateArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let problems = validate_project(&project).await?;
    if !problems.is_empty() {
        return Err(Failure::Problems(problems));
    }
    context.output.message(&format!(
        "no mistakes in {}, {} and {}",
        numbers::plural(project.jobs.len() as u64, "job", "jobs"),
        numbers::plural(project.models.len() as u64, "model", "models"),
        numbers::plural(project.seeds.len() as u64, "seed", "seeds"),
    ));
    Ok(ExitCode::Done)
}
