//! What commands hand to the conductor, and how its errors become the command's.

use super::context::{Context, clock};
use super::failure::{Failure, Report};
use crate::config::{Environment, Project};
use crate::land::LandingReport;
use crate::publish::PublishError;
use crate::run::{RunError, Surroundings};
use crate::storage::{RetryPolicy, Stores};

/// Stores, clock, progress and interrupt for one command.
pub fn surroundings(context: &Context, project: &Project) -> Surroundings {
    Surroundings {
        stores: stores(&project.environment),
        clock: clock(),
        progress: context.progress.clone(),
        interrupt: context.interrupt.clone(),
        watch: context.watch(project),
    }
}

/// The stores of an environment: opened with its options, and waited for as long as it says.
pub fn stores(environment: &Environment) -> Stores {
    Stores::new(&environment.storage).with_retries(RetryPolicy::within(environment.store_patience))
}

/// Says which objects hold more than their source allows.
pub fn warn_of_cut_objects(landing: &LandingReport, context: &Context) {
    for object in landing.objects.iter().filter(|object| object.is_cut) {
        let text = format!(
            "object {} of source {} holds more than `max_object_bytes`: the rest of it was not read",
            object.name, landing.source
        );
        let hint = "if it is no mistake, raise `max_object_bytes` of the source: the next run reads the object again";
        context.output.warning(&text, Some(hint));
    }
}

/// The job a command means when none is named: the only one that builds anything.
pub fn only_job(project: &Project, named: Option<&str>) -> Result<String, Failure> {
    let names: Vec<&str> = project.jobs.keys().map(String::as_str).collect();
    match (named, names.as_slice()) {
        (Some(name), known) if !known.contains(&name) => Err(Failure::unknown_name("job", name, known)),
        (Some(name), _) => Ok(name.to_owned()),
        (None, [one]) => Ok((*one).to_owned()),
        (None, []) => Err(Failure::Usage(Report::new("the project has no job").hint("write one under jobs/"))),
        (None, several) => Err(Failure::Usage(
            Report::new("the project has several jobs").hint(format!("say which with --job: {}", several.join(", "))),
        )),
    }
}

/// What is said about a run's error: what, why, and what to do.
pub fn run_report(error: &RunError) -> Report {
    let mut report = Report::from_error(error).maybe_hint(error.hint());
    match error {
        RunError::NoDays { table } => {
            report.hint(format!("ask without a day, or for a day of {table}_history if it has one"))
        }
        RunError::Parameter(error) => report.maybe_hint(error.hint()),
        RunError::Selector(error) => report.maybe_hint(error.hint().map(str::to_owned)),
        RunError::NotOfJob { .. } => report.hint("add it to the job's `models`, or name one that the job builds"),
        RunError::Busy { .. } => {
            report.hint("wait until it has ended, then repeat the command; `lifecycle run` does so with `--wait`")
        }
        RunError::BackfillBusy { .. } => report.hint("wait until it has ended, or `lifecycle backfill cancel` it"),
        RunError::Checks(_) => {
            report.causes = error.details();
            report
        }
        RunError::Land(_) => {
            report.causes.extend(error.details());
            report
        }
        _ => report,
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let report = run_report(&error);
        match error {
            RunError::UnknownJob { job, known } => {
                Failure::unknown_name("job", &job, &known.iter().map(String::as_str).collect::<Vec<_>>())
            }
            RunError::UnknownTable { table, known } => {
                Failure::unknown_name("table", &table, &known.iter().map(String::as_str).collect::<Vec<_>>())
            }
            RunError::Problems(problems) => Failure::Problems(problems),
            RunError::State(error) => error.into(),
            RunError::Interrupted => Failure::interrupted(),
            RunError::ExportsLeft { .. } | RunError::RepairsLeft { .. } => Failure::Partial(report),
            RunError::Checks(_) => Failure::ChecksFailed(report),
            RunError::NoDays { .. }
            | RunError::Parameter(_)
            | RunError::Selector(_)
            | RunError::NotOfJob { .. }
            | RunError::NothingPublished { .. }
            | RunError::Publish(PublishError::NoRelease { .. } | PublishError::Vacuumed { .. }) => {
                Failure::Usage(report)
            }
            RunError::Busy { .. }
            | RunError::BackfillBusy { .. }
            | RunError::Land(_)
            | RunError::Storage(_)
            | RunError::LeaseLost { .. }
            | RunError::Transform(_)
            | RunError::Publish(_) => Failure::Failed(report),
        }
    }
}
