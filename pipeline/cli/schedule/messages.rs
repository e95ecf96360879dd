//! What the daemon does, in words for stderr.

use chrono_tz::Tz;

use super::super::context::Context;
use super::super::failure::{Failure, Report};
use super::super::numbers;
use super::super::run::tell;
use super::super::surroundings::run_report;
use crate::schedule::{Event, Listener, NotRun, RunEnd};
use crate::state::{Claim, NotRunReason, Verdict};

/// Says what happens on stderr.
pub struct Messages {
    pub context: Context,
    /// The zone of the times.
    pub zone: Tz,
}

impl Listener for Messages {
    fn hear(&self, event: &Event<'_>) {
        let output = &self.context.output;
        match event {
            Event::Started { claim } => self.started(claim),
            Event::TriesAgain { request, failed } => {
                let (attempt, attempts) = (failed.attempt, failed.attempts);
                let error = Report::from_error(failed.error).line();
                let pause = numbers::duration(failed.pause.as_secs_f64());
                let head = format!("{} as of {}", request.job, request.as_of);
                let text = format!("{head}: attempt {attempt} of {attempts} failed: {error}");
                output.warning(&text, Some(&format!("it is tried again in {pause}")));
            }
            Event::Ended { claim, end } => self.ended(claim, end),
            Event::Returned { claim, why } => {
                output.message(&format!("{} as of {} waits again: {why}", claim.job, claim.as_of));
            }
            Event::NotRun(not_run) => self.not_run(not_run),
            Event::Looked(look) => {
                tracing::debug!(jobs = look.jobs, at_work = look.at_work.len(), waiting = look.waiting, "looked");
            }
            Event::Reloaded { jobs, .. } => {
                let count = numbers::plural(jobs.len() as u64, "job with a schedule", "jobs with a schedule");
                output.message(&format!("the project's files have changed and are in use: {count}"));
            }
            Event::Broken(problems) => {
                output.warning(
                    "the project's files have changed and have mistakes; what was read before stays in use",
                    None,
                );
                output.failure(&Failure::Problems((*problems).clone()));
            }
            Event::StateLost(error) => {
                let report = Report::from_error(*error);
                let causes: String = report.causes.iter().map(|cause| format!(": {cause}")).collect();
                let hint = error.hint();
                let text = format!("the state cannot be used, so nothing starts: {}{causes}", report.message);
                output.warning(&text, hint.as_deref());
            }
            Event::StateBack => output.message("the state can be used again"),
            Event::Leaving { jobs } => {
                let jobs = jobs.join(", ");
                output.message(&format!("starting nothing more; waiting for {jobs}; press Ctrl-C again to interrupt"));
            }
        }
    }
}

impl Messages {
    fn started(&self, claim: &Claim) {
        let scheduled = numbers::instant(claim.scheduled_at, self.zone);
        tracing::info!(job = %claim.job, as_of = %claim.as_of, %scheduled, attempt = claim.attempt, "started");
        let what = match (claim.attempt, claim.is_made_up) {
            (2.., _) => " (taken over)".to_owned(),
            (_, true) => {
                let late = (claim.claimed_at - claim.scheduled_at).num_milliseconds() as f64 / 1e3;
                format!(" ({} late: nobody was there at its time)", numbers::duration(late))
            }
            (_, false) => String::new(),
        };
        self.context.output.message(&format!("{} as of {}: due {scheduled}, started{what}", claim.job, claim.as_of));
    }

    fn ended(&self, claim: &Claim, end: &RunEnd) {
        tracing::info!(job = %claim.job, as_of = %claim.as_of, outcome = %end.outcome, run_id = end.run_id, "ended");
        let head = format!("{} as of {}", claim.job, claim.as_of);
        match (&end.report, &end.error) {
            (Some(report), _) => tell(report, &self.context),
            (None, Some(error)) => {
                let mut report = run_report(error).while_doing(format!("{head} failed"));
                let see =
                    end.run_id.as_deref().map(|id| format!("see `lifecycle runs show {}`", numbers::short_id(id)));
                report.hint = match (report.hint.take(), see) {
                    (Some(hint), Some(see)) => Some(format!("{hint}; {see}")),
                    (hint, see) => hint.or(see),
                };
                self.context.output.failure(&Failure::Failed(report));
            }
            (None, None) => {
                let why = end.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
                self.context.output.warning(&format!("{head}: {}{why}", end.outcome), None);
            }
        }
    }

    fn not_run(&self, not_run: &NotRun<'_>) {
        let instant = numbers::instant(not_run.instant, self.zone);
        let text = match not_run.instants {
            1 => format!("{} as of {}: due {instant}, {}", not_run.job, not_run.as_of, words(not_run.verdict)),
            count => {
                let runs = numbers::plural(count, "run", "runs");
                format!("{}: {runs} due up to {instant}, {}", not_run.job, words(not_run.verdict))
            }
        };
        match not_run.verdict {
            Verdict::Missed(NotRunReason::Deadline | NotRunReason::After) => self.context.output.warning(&text, None),
            _ => self.context.output.message(&text),
        }
    }
}

/// `skipped: a blackout day`.
pub fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Start { is_made_up: false } => "run".to_owned(),
        Verdict::Start { is_made_up: true } => "run, late".to_owned(),
        Verdict::Missed(reason) => format!("missed: {}", reason.words()),
        Verdict::Skipped(reason) => format!("skipped: {}", reason.words()),
    }
}
