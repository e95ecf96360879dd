//! `lifecycle validate`: every mistake of the project, without reading data.

use super::arguments::ValidateArguments;
use super::context::{Context, read_variable};
use super::{ExitCode, Failure, numbers};
use crate::config::check_other_environments;
use crate::run::validate_project;

/// Prints all mistakes, or what is sound.
pub async fn execute(_arguments: &ValidateArguments, context: &Context) -> Result<ExitCode, Failure> {
    // What is wrong in the environments that are not in use, too.
    let mut problems = check_other_environments(&context.project, &context.environment, &read_variable);
    let project = match context.load_project() {
        Ok(project) => project,
        Err(Failure::Problems(found)) => {
            problems.extend(found.0);
            return problems.into_result(ExitCode::Done).map_err(Failure::Problems);
        }
        Err(other) => return Err(other),
    };
    problems.extend(validate_project(&project).await?.0);
    problems.into_result(()).map_err(Failure::Problems)?;
    context.output.message(&format!(
        "no mistakes in {}, {} and {}",
        numbers::plural(project.jobs.len() as u64, "job", "jobs"),
        numbers::plural(project.models.len() as u64, "model", "models"),
        numbers::plural(project.seeds.len() as u64, "seed", "seeds"),
    ));
    Ok(ExitCode::Done)
}
