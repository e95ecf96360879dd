//! Why a run did not publish.

use chrono::{DateTime, Utc};

use crate::check::Finding;
use crate::config::{ParameterError, Problems, SelectorError};
use crate::land::LandError;
use crate::publish::PublishError;
use crate::state::StateError;
use crate::storage::{StorageError, may_pass};
use crate::transform::TransformError;

/// Why a run did not publish, and the published tables are as they were; or why it did not do all that follows.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("there is no job `{job}`")]
    UnknownJob { job: String, known: Vec<String> },
    #[error("the project has mistakes")]
    Problems(Problems),
    #[error(transparent)]
    Parameter(ParameterError),
    #[error(transparent)]
    Selector(SelectorError),
    #[error("job `{job}` does not build `{model}`")]
    NotOfJob { job: String, model: String },
    #[error("no job builds `{table}`")]
    UnknownTable { table: String, known: Vec<String> },
    #[error("`{table}` is not built by days")]
    NoDays { table: String },
    #[error("job `{job}` is being run by {owner} since {since}")]
    Busy { job: String, owner: String, since: DateTime<Utc> },
    #[error("a backfill of job `{job}` is being run by {owner} since {since}")]
    BackfillBusy { job: String, owner: String, since: DateTime<Utc> },
    #[error("landing failed")]
    Land(#[from] LandError),
    #[error(transparent)]
    Transform(#[from] TransformError),
    #[error("{} stopped the release", match .0.len() { 1 => "a check".to_owned(), count => format!("{count} checks") })]
    Checks(Vec<Finding>),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("another process took over job `{job}`; nothing was published")]
    LeaseLost { job: String },
    #[error("job `{job}` has published nothing yet")]
    NothingPublished { job: String },
    /// What failed after a release was out.
    #[error("release {release} is published, but its exports are not all written")]
    ExportsLeft { release: u64, source: Box<RunError> },
    /// What failed after a release was out.
    #[error("release {release} is published, but days of histories still lack facts that came late")]
    RepairsLeft { release: u64, source: Box<RunError> },
    #[error("interrupted")]
    Interrupted,
}

impl RunError {
    /// Whether the same run may succeed when it is tried again a little later.
    pub fn may_pass(&self) -> bool {
        match self {
            error if error.is_about_others() => true,
            RunError::Land(error) => error.is_transient(),
            RunError::State(error) => error.is_transient(),
            RunError::Storage(error) | RunError::Transform(TransformError::Storage(error)) => error.is_transient(),
            RunError::Transform(error) => may_pass(error),
            RunError::Publish(error) => may_pass(error),
            RunError::Checks(findings) => findings.iter().all(Finding::may_pass),
            RunError::ExportsLeft { source, .. } | RunError::RepairsLeft { source, .. } => source.may_pass(),
            _ => false,
        }
    }

    /// Whether another process works on the job, has taken it over, or has changed what this one was about to change.
    pub fn is_about_others(&self) -> bool {
        matches!(self, RunError::Busy { .. } | RunError::BackfillBusy { .. }) || self.is_overtaken()
    }

    /// Whether somebody else has taken over the job.
    pub(super) fn is_overtaken(&self) -> bool {
        let is_overtaken =
            |error: &PublishError| matches!(error, PublishError::Overtaken { .. } | PublishError::ReleaseTaken { .. });
        match self {
            RunError::LeaseLost { .. } => true,
            RunError::Publish(error) => is_overtaken(error),
            _ => false,
        }
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
