//! `lifecycle run`: one run.

use std::collections::BTreeSet;

use super::arguments::RunArguments;
use super::context::Context;
use super::plan::request;
use super::surroundings::{surroundings, warn_of_cut_objects};
use super::{ExitCode, Failure, Report, notify, numbers};
use crate::plan::{days_in_words, late_in_words};
use crate::run::{
    FailedAttempt, RepairOutcome, RetryListener, RunError, RunReport, WhenBusy, finding_text, run_with_retries,
};
use crate::transform::Moved;

/// Days of histories that are named one by one.
const LISTED_REPAIRS: usize = 20;

/// Runs a job for one day and says what became of it.
pub async fn execute(arguments: &RunArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let state = context.open_state(&project.environment).await?;
    let request = request(&arguments.selection, context, &project)?;
    let listener = Attempts { context, wait: arguments.wait, attempts: arguments.attempts };
    let outcome = run_with_retries(&project, &state, &surroundings(context, &project), &request, &listener).await;
    if arguments.notify {
        notify::run_ended(&project, &state, context).await;
    }
    let report = outcome?;
    tell(&report, context);
    Ok(report.outcome().into())
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
    tell_repairs(report, context);
    if let Some(error) = &report.unfinished {
        context.output.warning(&Report::from_error(error).line(), error.hint().as_deref());
    }
}

/// Tells what facts that came late moved in the histories.
fn tell_repairs(report: &RunReport, context: &Context) {
    let of = |is: fn(&RepairOutcome) -> bool| report.repairs.iter().filter(move |repair| is(&repair.outcome));
    let mut lines = Vec::new();
    for repair in of(|outcome| matches!(outcome, RepairOutcome::Moved(_))) {
        if let RepairOutcome::Moved(moved) = repair.outcome {
            let late = late_in_words(&repair.late);
            let Moved { added, removed, changed } = moved;
            let rows = [(added, "added"), (removed, "removed"), (changed, "changed")];
            let rows = rows.iter().filter(|(count, _)| *count > 0);
            let rows: Vec<String> = rows.map(|(count, what)| format!("{} {what}", numbers::count(*count))).collect();
            lines.push(format!("{} {}  {}, for {late}", repair.table, repair.as_of, rows.join(", ")));
        }
    }
    let unmoved = of(|outcome| *outcome == RepairOutcome::Unmoved).count() as u64;
    if !lines.is_empty() || unmoved > 0 {
        let moved = numbers::plural(lines.len() as u64, "day", "days");
        let more = lines.len().saturating_sub(LISTED_REPAIRS);
        lines.truncate(LISTED_REPAIRS);
        let mut text = format!("  repaired {moved} of histories for late facts, {unmoved} built again and unmoved");
        text.extend(lines.iter().map(|line| format!("\n    {line}")));
        if more > 0 {
            text.push_str(&format!("\n    and {more} more: see `lifecycle runs show`"));
        }
        context.output.message(&text);
    }
    for repair in of(|outcome| matches!(outcome, RepairOutcome::Failed(_))).take(LISTED_REPAIRS) {
        if let RepairOutcome::Failed(error) = &repair.outcome {
            let text = format!("{} of {} could not be repaired: {error}", repair.table, repair.as_of);
            context.output.warning(&text, Some("it stays as it was; the next run tries again"));
        }
    }
    let left: Vec<_> = of(|outcome| *outcome == RepairOutcome::Left).collect();
    let days = left.iter().map(|repair| repair.as_of).collect::<BTreeSet<_>>();
    if let (Some(repair), Some(first), Some(last)) = (left.first(), days.first(), days.last()) {
        let late = late_in_words(&repair.late);
        let text = format!(
            "{late} came late, but {} of histories before `repair_window` are left as they are: {}",
            numbers::plural(left.len() as u64, "day", "days"),
            days_in_words(&days),
        );
        let job = &report.plan.job;
        let hint = format!("`lifecycle backfill {job} --from {first} --to {last} --only all` builds them again");
        context.output.warning(&text, Some(&hint));
    }
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
