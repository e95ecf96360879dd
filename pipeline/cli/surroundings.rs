//! What commands hand to the conductor, and how its errors become the command's.

use std::sync::Arc;

use chrono::Utc;

use super::context::Context;
use super::failure::{Failure, Report};
use crate::check::{Finding, Outcome};
use crate::config::{Environment, Project};
use crate::land::{LandError, LandingReport};
use crate::publish::PublishError;
use crate::run::{RunError, Surroundings};
use crate::storage::{RetryPolicy, Stores};

/// How many findings and reasons an error lists.
const LISTED: usize = 10;

/// Stores, clock, progress and interrupt for one command.
#[allow(clippy::disallowed_methods, reason = "the clock of all runs")]
pub fn surroundings(context: &Context, project: &Project) -> Surroundings {
    Surroundings {
        stores: stores(&project.environment),
        clock: Arc::new(Utc::now),
        progress: context.progress.clone(),
        interrupt: context.interrupt.clone(),
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

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let report = Report::from_error(&error);
        match error {
            RunError::UnknownJob { job, known } => {
                Failure::unknown_name("job", &job, &known.iter().map(String::as_str).collect::<Vec<_>>())
            }
            RunError::UnknownTable { table, known } => {
                Failure::unknown_name("table", &table, &known.iter().map(String::as_str).collect::<Vec<_>>())
            }
            RunError::NoDays { table } => {
                Failure::Usage(report.hint(format!("ask without a day, or for a day of {table}_history if it has one")))
            }
            RunError::Problems(problems) => Failure::Problems(problems),
            RunError::Parameter(error) => Failure::Usage(report.maybe_hint(error.hint())),
            RunError::Selector(error) => Failure::Usage(report.maybe_hint(error.hint().map(str::to_owned))),
            RunError::NotOfJob { .. } => {
                Failure::Usage(report.hint("add it to the job's `models`, or name one that the job builds"))
            }
            RunError::Busy { .. } => Failure::Failed(
                report.hint("wait until that run has ended, then run it again; `lifecycle run --wait` does so"),
            ),
            RunError::BackfillBusy { .. } => {
                Failure::Failed(report.hint("wait until it has ended, or `lifecycle backfill cancel` it"))
            }
            RunError::Checks(findings) => Failure::ChecksFailed(checks_report(report, &findings)),
            RunError::Interrupted => Failure::interrupted(),
            RunError::Land(error) => Failure::Failed(land_report(report, &error)),
            RunError::NothingPublished { .. }
            | RunError::Publish(PublishError::NoRelease { .. } | PublishError::Vacuumed { .. }) => {
                Failure::Usage(report)
            }
            RunError::State(error) => error.into(),
            RunError::Storage(error) => Failure::Failed(report.maybe_hint(error.hint().map(str::to_owned))),
            RunError::LeaseLost { .. }
            | RunError::Publish(PublishError::Overtaken { .. } | PublishError::ReleaseTaken { .. }) => Failure::Failed(
                report.hint("see what it did with `lifecycle runs`, then run this again if it is still needed"),
            ),
            RunError::Transform(_) | RunError::Publish(_) => Failure::Failed(report),
        }
    }
}

fn checks_report(mut report: Report, findings: &[Finding]) -> Report {
    report.causes = findings.iter().take(LISTED).map(finding_text).collect();
    if findings.len() > LISTED {
        report.causes.push(format!("and {} more: see `lifecycle runs show`", findings.len() - LISTED));
    }
    report.hint("the published tables are as they were; mend the data or the model, and run again")
}

/// One line about a check that found something.
pub fn finding_text(finding: &Finding) -> String {
    match &finding.outcome {
        Outcome::Passed => format!("{} passed", finding.check),
        Outcome::BadRows { count: 1, sample } => format!("{}: 1 bad row: {sample}", finding.check),
        Outcome::BadRows { count, sample } => format!("{}: {count} bad rows, such as {sample}", finding.check),
        Outcome::Broken { message, .. } => format!("{} could not run: {message}", finding.check),
    }
}

fn land_report(mut report: Report, error: &LandError) -> Report {
    match error {
        LandError::TooManyRejected { report: landing, .. } => {
            let mut reasons: Vec<(&String, &u64)> = landing.reasons.iter().collect();
            reasons.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
            report.causes.extend(reasons.iter().take(LISTED).map(|(reason, count)| format!("{count} times: {reason}")));
            let mut objects: Vec<_> = landing.objects.iter().filter(|object| object.rejected > 0).collect();
            objects.sort_by_key(|object| std::cmp::Reverse(object.rejected));
            report.causes.extend(
                objects
                    .iter()
                    .take(3)
                    .map(|object| format!("object {}: {} of {} rows", object.name, object.rejected, object.rows_in)),
            );
            report.hint("mend the source's contract or the objects, or raise `max_rejected`; nothing was landed")
        }
        LandError::LocationMissing { .. } => {
            report.hint("check `location` in the job and `raw` in the environment's configuration")
        }
        LandError::LocationForbidden { .. } => {
            report.hint("check the credentials in the environment, and the store's policy")
        }
        _ => report,
    }
}
