//! What there is to tell about runs, in words. Pure.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::message::Message;
use super::standing::{Standing, outcome_words, span};
use crate::state::{CheckStatus, RunDetails, RunOutcome, RunStatus, RunSummary, RunTrouble};

/// Where a notice comes from.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub project: String,
    pub environment: String,
    pub zone: Tz,
}

/// How much of a run's id commands show: enough to find it again.
const SHORT_ID: usize = 13;

impl Sender {
    pub fn failure(&self, details: &RunDetails, trouble: &RunTrouble) -> Message {
        let run = &details.run;
        let words = match run.status {
            RunStatus::Ended(outcome) => outcome_words(outcome),
            RunStatus::Running => "failed",
        };
        let headline = match &run.message {
            Some(message) => format!("{} {words}: {message}", run.job),
            None => format!("{} {words}", run.job),
        };
        let mut commands = vec![self.show(run)];
        let has_rejected = details.sources.iter().any(|source| source.rejected > 0);
        let rejected_source = trouble.causes.iter().find_map(|cause| source_in(cause)).or_else(|| {
            let worst = details.sources.iter().max_by_key(|source| source.rejected).filter(|_| has_rejected);
            worst.map(|source| source.source.as_str())
        });
        let in_message = run.message.as_deref().filter(|text| text.contains("rejected")).and_then(source_in);
        if let Some(source) = in_message.or(rejected_source) {
            commands.push(self.command(&format!("rejected {source}")));
        }
        let causes = if trouble.causes.is_empty() { bad_checks(details) } else { trouble.causes.clone() };
        Message {
            headline,
            word: match run.status {
                RunStatus::Ended(RunOutcome::ChecksFailed) => "stopped by checks".to_owned(),
                RunStatus::Ended(RunOutcome::PartlyFailed) => "failed in part".to_owned(),
                _ => "failed".to_owned(),
            },
            causes,
            hint: trouble.hint.clone(),
            commands,
            ..self.about_run(run)
        }
    }

    pub fn recovery(&self, run: &RunSummary, failed_since: DateTime<Utc>) -> Message {
        let release = run.release.map(|number| format!(", release {number}")).unwrap_or_default();
        Message {
            headline: format!("{} works again{release}", run.job),
            word: "works again".to_owned(),
            causes: vec![format!("it had failed at {}", self.instant(failed_since))],
            commands: vec![self.show(run)],
            ..self.about_run(run)
        }
    }

    pub fn never_began(&self, job: &str, due: DateTime<Utc>, message: &str) -> Message {
        Message {
            headline: format!("{job} failed: {message}"),
            word: "failed".to_owned(),
            causes: vec![format!("it was due at {}", self.instant(due))],
            commands: vec![self.command(&format!("schedule log {job}")), self.command("doctor")],
            ..self.about(job)
        }
    }

    pub fn missed(&self, job: &str, due: DateTime<Utc>, reason: &str) -> Message {
        Message {
            headline: format!("{job} did not run at {}: {reason}", self.instant(due)),
            word: "was missed".to_owned(),
            hint: Some(format!("`lifecycle run {job}` makes up for it")),
            commands: vec![self.command(&format!("status {job}"))],
            ..self.about(job)
        }
    }

    pub fn stale(&self, standing: &Standing) -> Option<Message> {
        let (freshness, job) = (&standing.freshness, &standing.job);
        let (late, day, age) = (freshness.late_by()?, freshness.newest_day?, freshness.age?);
        let target = span(chrono::TimeDelta::from_std(freshness.target?).ok()?);
        let last = standing.last_run.as_ref().map(|run| match run.status {
            RunStatus::Running => format!("a run works since {}", self.instant(run.started_at)),
            RunStatus::Ended(outcome) => {
                format!("the last run began at {} and {}", self.instant(run.started_at), outcome_words(outcome))
            }
        });
        Some(Message {
            headline: format!(
                "the data of {job} are late by {}: published up to {day}, {} old, where {target} are allowed",
                span(late),
                span(age)
            ),
            word: "has stale data".to_owned(),
            as_of: Some(day.to_string()),
            causes: last.into_iter().collect(),
            commands: vec![self.command(&format!("status {job}"))],
            ..self.about(job)
        })
    }

    /// To try whether messages arrive.
    pub fn test(&self, job: &str) -> Message {
        Message {
            headline: format!("This is a test: notices of {job} arrive here"),
            word: "sends a test".to_owned(),
            commands: vec![self.command(&format!("status {job}"))],
            ..self.about(job)
        }
    }

    fn about(&self, job: &str) -> Message {
        Message {
            headline: String::new(),
            word: String::new(),
            project: self.project.clone(),
            environment: self.environment.clone(),
            job: job.to_owned(),
            as_of: None,
            run_id: None,
            causes: Vec::new(),
            hint: None,
            commands: Vec::new(),
        }
    }

    fn about_run(&self, run: &RunSummary) -> Message {
        Message {
            environment: run.environment.clone(),
            as_of: Some(run.as_of.to_string()),
            run_id: Some(run.run_id.clone()),
            ..self.about(&run.job)
        }
    }

    fn show(&self, run: &RunSummary) -> String {
        self.command(&format!("runs show {}", run.run_id.get(..SHORT_ID).unwrap_or(&run.run_id)))
    }

    fn command(&self, what: &str) -> String {
        const DEFAULT: &str = "local";
        match self.environment.as_str() {
            DEFAULT => format!("lifecycle {what}"),
            environment => format!("lifecycle {what} --env {environment}"),
        }
    }

    fn instant(&self, instant: DateTime<Utc>) -> String {
        instant.with_timezone(&self.zone).format("%Y-%m-%d %H:%M %Z").to_string()
    }
}

/// The name in ``source `orders`: …``.
fn source_in(text: &str) -> Option<&str> {
    text.split_once("source `")?.1.split_once('`').map(|(name, _)| name)
}

fn bad_checks(details: &RunDetails) -> Vec<String> {
    let bad = details.checks.iter().filter(|check| check.status != CheckStatus::Passed);
    bad.map(|check| match check.status {
        CheckStatus::Error => format!("{} could not run", check.check),
        _ => format!("{}: {} bad rows", check.check, check.bad_rows),
    })
    .collect()
}
