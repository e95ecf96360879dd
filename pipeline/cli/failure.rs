//! The edge: every way in which a command fails, its exit code, and the words that are printed.

use std::error::Error;

use super::suggest;
use crate::config::Problems;
use crate::state::{RunOutcome, StateError};
use crate::storage::StorageError;

/// What the process tells its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    Done,
    /// A run failed.
    Failed,
    /// Wrong usage or configuration: nothing was touched.
    Usage,
    /// Part of it failed: days of a backfill, or tables of a run.
    Partial,
    /// Checks stopped the release.
    ChecksFailed,
    Interrupted,
}

impl ExitCode {
    /// The number.
    pub fn number(self) -> u8 {
        match self {
            ExitCode::Done => 0,
            ExitCode::Failed => 1,
            ExitCode::Usage => 2,
            ExitCode::Partial => 3,
            ExitCode::ChecksFailed => 4,
            ExitCode::Interrupted => 130,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

impl From<RunOutcome> for ExitCode {
    fn from(outcome: RunOutcome) -> Self {
        match outcome {
            RunOutcome::Succeeded | RunOutcome::NothingToDo => ExitCode::Done,
            RunOutcome::Failed => ExitCode::Failed,
            RunOutcome::ChecksFailed => ExitCode::ChecksFailed,
            RunOutcome::PartlyFailed => ExitCode::Partial,
            RunOutcome::Interrupted => ExitCode::Interrupted,
        }
    }
}

/// Why a command ends without having done what was asked.
#[derive(Debug)]
pub enum Failure {
    /// Mistakes in the project's files.
    Problems(Problems),
    /// A wrong argument, or something that does not fit the configuration.
    Usage(Report),
    /// The work failed.
    Failed(Report),
    /// Part of the work failed.
    Partial(Report),
    /// Checks stopped the release.
    ChecksFailed(Report),
    /// A person or a signal stopped it.
    Interrupted(Report),
    /// Whoever read stdout went away, and needs to hear nothing.
    OutputClosed,
}

/// What is said about a failure: what, why, and what to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Lower case, no full stop.
    pub message: String,
    /// What led to it, the nearest cause first.
    pub causes: Vec<String>,
    pub hint: Option<String>,
}

impl Report {
    /// A failure that has no cause beyond itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// An error with its chain of sources. A source that only repeats what was said is left out.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        let mut report = Self::new(one_paragraph(&error.to_string()));
        let mut said = report.message.clone();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = one_paragraph(&cause.to_string());
            if !text.is_empty() && !said.contains(&text) {
                said = text.clone();
                report.causes.push(text);
            }
            source = cause.source();
        }
        report
    }

    /// What and why in one line, without what to do.
    pub fn line(&self) -> String {
        [std::slice::from_ref(&self.message), self.causes.as_slice()].concat().join(": ")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, where that is known.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Puts what was being done before the error, which becomes its cause.
    #[must_use]
    pub fn while_doing(mut self, message: impl Into<String>) -> Self {
        self.causes.insert(0, std::mem::replace(&mut self.message, message.into()));
        self
    }
}

/// Lines of a foreign error are joined: one message is one paragraph.
fn one_paragraph(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Failure {
    /// A wrong argument.
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::Usage(Report::new(message))
    }

    /// A name that nothing has, with the nearest that something has.
    pub fn unknown_name(kind: &str, wrong: &str, known: &[&str]) -> Self {
        Failure::Usage(Report::new(format!("there is no {kind} `{wrong}`")).maybe_hint(suggest::hint(wrong, known)))
    }

    /// An error while working.
    pub fn failed(error: &(dyn Error + 'static)) -> Self {
        Failure::Failed(Report::from_error(error))
    }

    /// Stopped by a person or a signal.
    pub fn interrupted() -> Self {
        Failure::Interrupted(Report::new("interrupted"))
    }

    /// What is said about it.
    pub fn into_report(self) -> Report {
        match self {
            Failure::Usage(report)
            | Failure::Failed(report)
            | Failure::Partial(report)
            | Failure::ChecksFailed(report)
            | Failure::Interrupted(report) => report,
            Failure::Problems(problems) => Report::new(problems.to_string()),
            Failure::OutputClosed => Report::new("the reader of the output went away"),
        }
    }

    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Problems(_) | Failure::Usage(_) => ExitCode::Usage,
            Failure::Failed(_) => ExitCode::Failed,
            Failure::Partial(_) => ExitCode::Partial,
            Failure::ChecksFailed(_) => ExitCode::ChecksFailed,
            Failure::Interrupted(_) => ExitCode::Interrupted,
            Failure::OutputClosed => ExitCode::Done,
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Failure::Problems(problems)
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let report = Report::from_error(&error).maybe_hint(error.hint());
        match error {
            StateError::UnknownRecord { .. }
            | StateError::AmbiguousRecord { .. }
            | StateError::BackfillOverlap(_)
            | StateError::NotAdmitted { .. }
            | StateError::NoDatabase { .. }
            | StateError::NotPermitted { .. } => Failure::Usage(report),
            _ => Failure::Failed(report),
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Failure::failed(&error)
    }
}
