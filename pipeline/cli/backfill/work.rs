//! Works on a backfill, and says how each day went.

use serde_json::{Map, Value, json};

use super::super::context::Context;
use super::super::failure::Report;
use super::super::surroundings::surroundings;
use super::super::{ExitCode, Failure, numbers};
use crate::config::Project;
use crate::run::{BackfillListener, BackfillProgress, BackfillWork, DayReport, EndedDay, RunError, run_backfill};
use crate::state::{Backfill, BackfillShare, DaysLeft, State};

/// Runs so many days of a backfill and says what came of them.
pub(super) async fn work(
    work: BackfillWork,
    days: u64,
    context: &Context,
    project: &Project,
    state: &State,
) -> Result<ExitCode, Failure> {
    let (id, job) = (work.backfill.backfill_id.clone(), work.backfill.job.clone());
    let short = numbers::short_id(&id);
    let resume = format!("`lifecycle backfill resume {short}` goes on with the days that are left");
    let which = match work.resume {
        Some(DaysLeft::Failed) => " that failed",
        Some(DaysLeft::Waiting) if days < work.backfill.days() - work.backfill.done => " that waited",
        _ => "",
    };
    let days = numbers::plural(days, "day", "days");
    context.output.message(&format!("backfill {short}: {days} of {job}{which}"));
    let teller = Teller { context, id: &id, job: &job };
    let backfill = match run_backfill(project, state, &surroundings(context, project), &work, &teller).await {
        Ok(backfill) => backfill,
        Err(RunError::Interrupted) => return Err(Failure::Interrupted(Report::new("interrupted").hint(resume))),
        Err(error) => {
            // What is wrong with the command itself is not mended by going on.
            let failure = Failure::from(error);
            if failure.exit_code() != ExitCode::Usage {
                context.output.message(&resume);
            }
            return Err(failure);
        }
    };
    let left = format!("{} of {} days are not done", backfill.days() - backfill.done, backfill.days());
    if let Some(pause) = &backfill.pause {
        let at = numbers::instant(pause.at, project.environment.timezone);
        return Err(Failure::Partial(Report::new(format!("paused by {} at {at}: {left}", pause.by)).hint(resume)));
    }
    end(&backfill, short, &left, resume, context)
}

/// How the work ended, when it was not stopped.
fn end(backfill: &Backfill, short: &str, left: &str, resume: String, context: &Context) -> Result<ExitCode, Failure> {
    let partial = |message: String, hint: String| Err(Failure::Partial(Report::new(message).hint(hint)));
    if backfill.failed > 0 {
        let message = format!("{} of {} days failed", backfill.failed, backfill.days());
        return partial(message, format!("mend the cause, then `lifecycle backfill resume {short}`"));
    }
    if backfill.cancelled > 0 {
        return partial(format!("cancelled: {left}"), resume);
    }
    if backfill.pending > 0 {
        return partial(left.to_owned(), resume);
    }
    context.output.message(&format!("backfill {short}: {} done", numbers::plural(backfill.done, "day", "days")));
    Ok(ExitCode::Done)
}

/// Says how each day went.
struct Teller<'a> {
    context: &'a Context,
    id: &'a str,
    job: &'a str,
}

impl BackfillListener for Teller<'_> {
    fn waits(&self, owner: &str) {
        self.context.output.message(&format!("waiting: {owner} is at work on the job"));
    }

    fn landed(&self, objects: u64, rows: u64, rejected: u64) {
        let (objects, rows) = (numbers::plural(objects, "object", "objects"), numbers::plural(rows, "row", "rows"));
        self.context.output.message(&format!("landed {rows} from {objects}, {} rejected", numbers::count(rejected)));
    }

    fn is_limited(&self, share: BackfillShare, at_most: u64) {
        let others = format!("other backfills have {} of the {at_most} that the environment allows", share.taken);
        let days = numbers::plural(share.granted, "day", "days");
        let text = if share.granted == 0 { "waiting".to_owned() } else { format!("{days} at once") };
        self.context.output.message(&format!("{text}: {others}"));
    }

    fn day_ended(&self, day: &EndedDay<'_>, outcome: Result<&DayReport, &RunError>, progress: &BackfillProgress) {
        let output = &self.context.output;
        let facts = self.facts(day, outcome, progress);
        let day = day.as_of;
        let far = match progress.left_in_words() {
            Some(left) => format!(" ({} of {}, {left})", progress.done, progress.days()),
            None => format!(" ({} of {})", progress.done, progress.days()),
        };
        match outcome {
            Ok(DayReport { release: None, .. }) => output.event(&format!("{day}: nothing to do{far}"), facts),
            Ok(DayReport { release: Some(release), is_current, histories, seconds, .. }) => {
                let written = numbers::plural(*histories as u64, "history", "histories");
                let what = if *is_current { format!("current tables and {written}") } else { written };
                let took = numbers::duration(*seconds);
                output.event(&format!("{day}: {what} in {took}, release {release}{far}"), facts);
            }
            Err(RunError::Interrupted) => output.event(&format!("{day}: interrupted, waits"), facts),
            Err(error) => {
                let report = Report::from_error(error);
                let causes: String = report.causes.iter().map(|cause| format!(": {cause}")).collect();
                output.warning_event(&format!("{day}: {}{causes}", report.message), report.hint.as_deref(), facts);
            }
        }
    }
}

impl Teller<'_> {
    /// What a line of JSON has beside its text.
    fn facts(
        &self,
        day: &EndedDay<'_>,
        outcome: Result<&DayReport, &RunError>,
        progress: &BackfillProgress,
    ) -> Map<String, Value> {
        let status = match outcome {
            Ok(_) => "done",
            Err(RunError::Interrupted) => "pending",
            Err(_) => "failed",
        };
        let report = outcome.ok();
        let facts = [
            ("job", json!(self.job)),
            ("backfill_id", json!(self.id)),
            ("as_of", json!(day.as_of.to_string())),
            ("status", json!(status)),
            ("run_id", json!(day.run_id)),
            ("seconds", json!(report.map(|report| report.seconds))),
            ("days_done", json!(progress.done)),
            ("days_failed", json!(progress.failed)),
            ("days", json!(progress.days())),
            ("seconds_left", json!(progress.seconds_left())),
        ];
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
