//! `lifecycle run`: one run.

use super::arguments::RunArguments;
use super::context::Context;
use super::plan::request;
use super::surroundings::{surroundings, warn_of_cut_objects};
use super::{ExitCode, Failure, Report, notify, numbers};
use crate::run::{FailedAttempt, RetryListener, RunError, RunReport, WhenBusy, finding_text, run_with_retries};

/// Runs a job for one day and says what became of it.
pub async fn execute(arguments: &RunArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let state = context.open_state(&project.environment).await?;
    let request = request(&arguments.selection, context, &project);
    let listener = Attempts { context, wait: arguments.wait, attempts: arguments.attempts };
    let outcome = run_with_retries(&project, &state, &surroundings(context, &project), &request, &listener).await;
    if arguments.notify {
        notify::run_ended(&project, &state, context).await;
    }
    tell(&outcome?, context);
    Ok(ExitCode::Done)
}

/// Tells a person about attempts that fail. A job that is taken is not tried again behind a person's back.
struct Attempts<'a> {
    context: &'a Context,
    wait: bool,
    attempts: Option<u32>,
}

impl RetryListener for Attempts<'_> {
    fn tries_again(&self, failed: &FailedAttempt<'_>) {
        let (attempt, attempts) = (failed.attempt, failed.attempts);
        let error = Report::from_error(failed.error).line();
        let pause = numbers::duration(failed.pause.as_secs_f64());
        let text = format!("attempt {attempt} of {attempts} failed: {error}");
        self.context.output.warning(&text, Some(&format!("it is tried again in {pause}; Ctrl-C ends it")));
    }

    fn waits(&self, busy: &RunError) {
        self.context.output.message(&format!("{busy}; waiting until that has ended"));
    }

    fn when_busy(&self) -> WhenBusy {
        if self.wait { WhenBusy::Wait } else { WhenBusy::Tell }
    }

    fn attempts(&self) -> Option<u32> {
        self.attempts
    }
}

/// Tells a person what a run did.
pub fn tell(report: &RunReport, context: &Context) {
    for landing in &report.landings {
        warn_of_cut_objects(landing, context);
        if landing.kept.landed > 0 {
            let rows = numbers::plural(landing.kept.landed, "refused row", "refused rows");
            let of = format!("of objects of {} that are gone landed from the text that was kept", landing.source);
            context.output.message(&format!("{rows} {of}"));
        }
    }
    for finding in report.findings.iter().filter(|finding| !finding.is_passed()) {
        context.output.warning(&finding_text(finding), None);
    }
    for table in report.tables.iter().filter(|table| table.is_replanned) {
        let text = format!("{} ran out of memory and was planned again with joins that spill", table.step.model);
        context.output.warning(&text, Some("raise `memory_limit` to build it faster"));
    }
    context.output.message(&summary(report));
}

fn summary(report: &RunReport) -> String {
    let plan = &report.plan;
    let head = format!("{} as of {}", plan.job, plan.as_of);
    let Some(release) = &report.release else {
        return format!("{head}: nothing to do, nothing changed since the last release");
    };
    let landed: u64 = report.landings.iter().map(crate::land::LandingReport::landed).sum();
    let rejected: u64 = report.landings.iter().map(crate::land::LandingReport::rejected).sum();
    let objects: usize = report.landings.iter().map(|landing| landing.objects.len()).sum();
    let built = report.tables.iter().filter(|table| table.step.action.is_build()).count();
    let kept = report.tables.len() - built;
    let histories = report.tables.iter().filter(|table| table.step.writes_history).count();
    format!(
        "{head}: release {} in {}\n  landed   {} from {}, {} rejected\n  built    {}, {kept} kept, {} written\n  checked  {}",
        release.number,
        numbers::duration(report.seconds),
        numbers::plural(landed, "row", "rows"),
        numbers::plural(objects as u64, "object", "objects"),
        numbers::count(rejected),
        numbers::plural(built as u64, "table", "tables"),
        numbers::plural(histories as u64, "history", "histories"),
        numbers::plural(report.findings.len() as u64, "check", "checks"),
    )
}
