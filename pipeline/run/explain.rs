//! What people are told about a run that failed, beyond its error: what led to it, and what to do.

use super::RunError;
use crate::check::{Finding, Outcome};
use crate::land::{LandError, LandingReport};
use crate::publish::PublishError;
use crate::state::RunTrouble;

/// How many findings and reasons are listed.
const LISTED: usize = 10;
/// How many objects are named.
const OBJECTS: usize = 3;
/// How many refused rows are shown: where nothing was landed they can be seen nowhere else.
const ROWS: usize = 5;

impl RunError {
    /// What led to it, beyond the chain of its sources: findings, reasons for refused rows. Never holds a value of a
    /// column that is marked `pii`.
    pub fn details(&self) -> Vec<String> {
        match self {
            RunError::Checks(findings) => {
                let mut details: Vec<String> = findings.iter().take(LISTED).map(finding_text).collect();
                if findings.len() > LISTED {
                    details.push(format!("and {} more: see `lifecycle runs show`", findings.len() - LISTED));
                }
                details
            }
            RunError::Land(LandError::TooManyRejected { report, .. }) => reasons(report),
            _ => Vec::new(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            RunError::Checks(_) => "the published tables are as they were; mend the data or the model, and run again",
            RunError::Land(LandError::TooManyRejected { .. }) => {
                "mend the source's contract or the objects, or raise `max_rejected`; nothing was landed"
            }
            RunError::Land(LandError::LocationMissing { .. }) => {
                "check `location` in the job and `raw` in the environment's configuration"
            }
            RunError::Land(LandError::LocationForbidden { location, .. }) if location.starts_with("file:") => {
                "let this user read the folder"
            }
            RunError::Land(LandError::LocationForbidden { .. }) => {
                "check the credentials in the environment, and the store's policy"
            }
            RunError::LeaseLost { .. }
            | RunError::Publish(PublishError::Overtaken { .. } | PublishError::ReleaseTaken { .. }) => {
                "see what it did with `lifecycle runs`, then run this again if it is still needed"
            }
            RunError::ExportsLeft { .. } => "the next run writes them, also where it has nothing else to do",
            RunError::RepairsLeft { .. } => "the next run goes on with them",
            RunError::State(error) => return error.hint(),
            RunError::Storage(error) => return error.hint().map(str::to_owned),
            _ => return None,
        };
        Some(hint.to_owned())
    }

    pub(super) fn trouble(&self) -> RunTrouble {
        RunTrouble { causes: self.details(), hint: self.hint() }
    }
}

/// Why rows were refused, the most frequent reasons first, in which objects, and some of the rows, masked.
fn reasons(landing: &LandingReport) -> Vec<String> {
    let mut reasons: Vec<(&String, &u64)> = landing.reasons.iter().collect();
    reasons.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
    let mut objects: Vec<_> = landing.objects.iter().filter(|object| object.rejected > 0).collect();
    objects.sort_by_key(|object| std::cmp::Reverse(object.rejected));
    let reasons = reasons.iter().take(LISTED).map(|(reason, count)| format!("{count} times: {reason}"));
    let objects = objects
        .iter()
        .take(OBJECTS)
        .map(|object| format!("object {}: {} of {} rows", object.name, object.rejected, object.rows_in));
    let mut samples: Vec<_> = landing.samples.iter().collect();
    samples.sort_by_key(|row| std::cmp::Reverse(count_of(landing, &row.reason)));
    let samples = samples.iter().take(ROWS);
    let rows = samples.map(|row| format!("{} line {}: {}: {}", row.object, row.line, row.reason, start_of(&row.raw)));
    reasons.chain(objects).chain(rows).collect()
}

/// How often a reason was given, whatever the value.
fn count_of(landing: &LandingReport, reason: &str) -> u64 {
    let kind = reason.split_once(": ").map_or(reason, |(kind, _)| kind);
    landing.reasons.get(kind).copied().unwrap_or_default()
}

/// The beginning of a record, in one line.
fn start_of(raw: &str) -> String {
    const MOST: usize = 200;
    let line: String = raw.chars().take(MOST).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if raw.chars().nth(MOST).is_some() { format!("{line}…") } else { line }
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
