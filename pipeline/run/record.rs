//! What is written down about a run.

use crate::check::{Finding, Outcome};
use crate::state::{CheckRecord, CheckStatus, RunFinish, RunOutcome, State, TableAction, TableRecord};
use crate::storage::Release;

use super::error::chain;
use super::execute::{RunAtWork, TableReport};
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
    let (run_outcome, message, release) = match outcome {
        Ok(Some(release)) => (RunOutcome::Succeeded, None, Some(release.number)),
        Ok(None) => (RunOutcome::NothingToDo, Some("nothing changed since the last release".to_owned()), None),
        Err(error @ RunError::Checks(_)) => (RunOutcome::ChecksFailed, Some(error.to_string()), None),
        Err(error @ RunError::Interrupted) => (RunOutcome::Interrupted, Some(error.to_string()), None),
        Err(error) => (RunOutcome::Failed, Some(chain(error)), None),
    };
    let attempt = run.attempt.words(outcome.err());
    let message = match (attempt, message) {
        (Some(attempt), Some(message)) => Some(format!("{attempt}: {message}")),
        (attempt, message) => attempt.or(message),
    };
    if let Err(error) = outcome {
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
