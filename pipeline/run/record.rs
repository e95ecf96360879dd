//! What is written down about a run.

use crate::check::{Finding, Outcome};
use crate::plan::late_in_words;
use crate::state::{
    CheckRecord, CheckStatus, RepairRecord, RepairStatus, RunFinish, RunOutcome, State, TableAction, TableRecord,
};
use crate::storage::Release;
use crate::transform::Moved;

use super::error::chain;
use super::execute::{RunAtWork, RunReport, TableReport};
use super::repair::{RepairOutcome, RepairReport};
use super::{RunError, Surroundings};

/// Writes down what a run did, and how it ended.
pub(super) async fn record(
    state: &State,
    surroundings: &Surroundings,
    run: &RunAtWork,
    outcome: Result<Option<&Release>, &RunError>,
) -> Result<(), RunError> {
    let (run_id, done) = (run.run_id.as_str(), &run.done);
    state.record_sources(run_id, &done.sources).await?;
    state.record_tables(run_id, &done.tables.iter().map(table_record).collect::<Vec<_>>()).await?;
    state.record_checks(run_id, &done.findings.iter().map(check_record).collect::<Vec<_>>()).await?;
    state.record_repairs(run_id, &done.repairs.iter().map(repair_record).collect::<Vec<_>>()).await?;
    let left = done.unfinished.as_ref();
    let (run_outcome, message, release) = match outcome {
        Ok(release) => match outcome_of(release.is_some(), &done.repairs, left) {
            RunOutcome::NothingToDo => {
                (RunOutcome::NothingToDo, Some("nothing changed since the last release".to_owned()), None)
            }
            outcome => (outcome, afterwards_in_words(&done.repairs, left), release.map(|release| release.number)),
        },
        Err(error) => {
            let message = if matches!(error, RunError::Checks(_)) { error.to_string() } else { chain(error) };
            (error.outcome(), Some(message), None)
        }
    };
    let error = outcome.err().or(left);
    let attempt = run.attempt.words(error);
    let message = match (attempt, message) {
        (Some(attempt), Some(message)) => Some(format!("{attempt}: {message}")),
        (attempt, message) => attempt.or(message),
    };
    if let Some(error) = error {
        state.record_trouble(run_id, &error.trouble()).await?;
    }
    let finish = RunFinish { outcome: run_outcome, finished_at: (surroundings.clock)(), message, release };
    state.finish_run(run_id, &finish).await?;
    Ok(())
}

fn table_record(table: &TableReport) -> TableRecord {
    TableRecord {
        table: table.step.model.to_string(),
        action: if table.step.action.is_build() { TableAction::Built } else { TableAction::Skipped },
        reason: table.step.reason.clone(),
        rows: table.rows,
        bytes: table.bytes,
        seconds: table.seconds,
        version: table.version,
    }
}

fn check_record(finding: &Finding) -> CheckRecord {
    let (status, bad_rows, sample) = match &finding.outcome {
        Outcome::Passed => (CheckStatus::Passed, 0, None),
        Outcome::BadRows { count, sample } => (CheckStatus::Failed, *count, Some(sample.clone())),
        Outcome::Broken { message, .. } => (CheckStatus::Error, 0, Some(message.clone())),
    };
    CheckRecord {
        table: finding.table.clone(),
        check: finding.check.clone(),
        severity: finding.severity,
        status,
        bad_rows,
        sample,
        seconds: finding.seconds,
    }
}

fn repair_record(repair: &RepairReport) -> RepairRecord {
    let late = late_in_words(&repair.late);
    let (status, reason, moved) = match &repair.outcome {
        RepairOutcome::Moved(moved) => (RepairStatus::Moved, late, *moved),
        RepairOutcome::Unmoved => (RepairStatus::Unmoved, late, Moved::default()),
        RepairOutcome::Failed(error) => (RepairStatus::Failed, format!("{late}: {error}"), Moved::default()),
        RepairOutcome::Left => (RepairStatus::Left, late, Moved::default()),
    };
    RepairRecord {
        table: repair.table.to_string(),
        as_of: repair.as_of,
        status,
        reason,
        added: moved.added,
        removed: moved.removed,
        changed: moved.changed,
    }
}

/// How a run ended that did not fail as a whole.
fn outcome_of(has_release: bool, repairs: &[RepairReport], unfinished: Option<&RunError>) -> RunOutcome {
    let has_failed = repairs.iter().any(|repair| matches!(repair.outcome, RepairOutcome::Failed(_)));
    match has_release {
        _ if has_failed || unfinished.is_some() => RunOutcome::PartlyFailed,
        true => RunOutcome::Succeeded,
        false => RunOutcome::NothingToDo,
    }
}

impl RunReport {
    /// How the run ended, as it is recorded.
    pub fn outcome(&self) -> RunOutcome {
        outcome_of(self.release.is_some(), &self.repairs, self.unfinished.as_ref())
    }

    /// What failed when its release was out, and what came of days that got late facts, in words; `None` where there is
    /// nothing to tell.
    pub fn repairs_in_words(&self) -> Option<String> {
        afterwards_in_words(&self.repairs, self.unfinished.as_ref())
    }
}

impl RunError {
    /// How a run ended that ended with it.
    pub fn outcome(&self) -> RunOutcome {
        match self {
            RunError::Checks(_) => RunOutcome::ChecksFailed,
            RunError::Interrupted => RunOutcome::Interrupted,
            RunError::ExportsLeft { .. } | RunError::RepairsLeft { .. } => RunOutcome::PartlyFailed,
            _ => RunOutcome::Failed,
        }
    }
}

fn afterwards_in_words(repairs: &[RepairReport], unfinished: Option<&RunError>) -> Option<String> {
    match (unfinished.map(|error| chain(error)), repairs_in_words(repairs)) {
        (Some(unfinished), Some(repairs)) => Some(format!("{unfinished}; {repairs}")),
        (unfinished, repairs) => unfinished.or(repairs),
    }
}

/// `late facts moved 3 days of histories`; `None` where nothing moved or failed.
fn repairs_in_words(repairs: &[RepairReport]) -> Option<String> {
    let days = |count: usize| if count == 1 { "1 day".to_owned() } else { format!("{count} days") };
    let count = |is: fn(&RepairOutcome) -> bool| repairs.iter().filter(|repair| is(&repair.outcome)).count();
    let moved = count(|outcome| matches!(outcome, RepairOutcome::Moved(_)));
    let failed = count(|outcome| matches!(outcome, RepairOutcome::Failed(_)));
    let moved = (moved > 0).then(|| format!("late facts moved {} of histories", days(moved)));
    let failed = (failed > 0).then(|| format!("{} of histories could not be repaired", days(failed)));
    match (moved, failed) {
        (Some(moved), Some(failed)) => Some(format!("{moved}; {failed}")),
        (moved, failed) => moved.or(failed),
    }
}
