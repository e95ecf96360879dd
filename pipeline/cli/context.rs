//! What every command works with: the project, the printer, the clock, the wish to stop.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::arguments::GlobalArguments;
use super::output::Output;
use super::{Failure, bars};
use crate::config::{Environment, JobsAlone, Project, StateLocation};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::run::Clock;
use crate::state::State;
use crate::watch::{Lineage, Watch};

/// The surroundings of one command.
#[derive(Clone)]
pub struct Context {
    pub output: Output,
    /// The project's folder, as given.
    pub project: PathBuf,
    /// The environment's name, as given.
    pub environment: String,
    pub interrupt: Interrupt,
    pub progress: Arc<dyn Progress>,
}

/// The clock of all commands: the one place where it is read.
#[allow(clippy::disallowed_methods, reason = "the one place")]
pub fn clock() -> Clock {
    Arc::new(Utc::now)
}

impl Context {
    /// The surroundings that the options ask for.
    pub fn new(arguments: &GlobalArguments, output: Output, interrupt: Interrupt) -> Self {
        let progress = bars::progress(&output);
        Self {
            output,
            project: arguments.project.clone(),
            environment: arguments.environment.clone(),
            interrupt,
            progress,
        }
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        clock()()
    }

    /// Today's business day in a zone.
    pub fn today(&self, zone: Tz) -> NaiveDate {
        self.now().with_timezone(&zone).date_naive()
    }

    /// Yesterday in a zone: the default as-of.
    pub fn last_complete_day(&self, zone: Tz) -> NaiveDate {
        let today = self.today(zone);
        today.checked_sub_days(Days::new(1)).unwrap_or(today)
    }

    /// Reads and validates the project's files.
    pub fn load_project(&self) -> Result<Project, Failure> {
        Ok(crate::config::load_project(&self.project, &self.environment, &read_variable)?)
    }

    /// Reads and validates the project's files for a command that only looks: who is told of runs is left unread.
    pub fn look_at_project(&self) -> Result<Project, Failure> {
        Ok(crate::config::load_project_to_look(&self.project, &self.environment, &read_variable)?)
    }

    /// Reads and validates the environment alone: for commands that must also work while a model has a mistake.
    pub fn load_environment(&self) -> Result<Environment, Failure> {
        Ok(crate::config::load_environment(&self.project, &self.environment, &read_variable)?)
    }

    /// Reads and validates the environment and the jobs, without the models.
    pub fn load_jobs(&self) -> Result<JobsAlone, Failure> {
        Ok(crate::config::load_jobs_alone(&self.project, &self.environment, &read_variable)?)
    }

    /// Opens the state, creating it where it is missing.
    pub async fn open_state(&self, environment: &Environment) -> Result<State, Failure> {
        Ok(State::open(&environment.state).await?.with_lease_time(environment.lease))
    }

    /// Opens the state to look at it; `None` where there is no file yet, so nothing has been recorded.
    pub async fn look_at_state(&self, environment: &Environment) -> Result<Option<State>, Failure> {
        match &environment.state {
            StateLocation::File(path) if !path.exists() => Ok(None),
            _ => self.open_state(environment).await.map(Some),
        }
    }

    /// Who hears of the runs of this command.
    pub fn watch(&self, project: &Project) -> Watch {
        let environment = &project.environment;
        let lineage =
            |configured| Lineage::new(configured, &super::surroundings::stores(environment), environment.timezone);
        let output = self.output.clone();
        Watch {
            lineage: environment.openlineage.as_ref().map(lineage),
            on_start: Some(Arc::new(move |run| output.note_run(run))),
        }
    }

    /// Does work that may be dropped half-way, and drops it when the process is asked to stop.
    pub async fn interruptible<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let mut interrupt = self.interrupt.clone();
        tokio::select! {
            result = work => result,
            () = interrupt.interrupted() => Err(Failure::interrupted()),
        }
    }
}

/// Refuses the name of a job about which nothing is recorded, where the project has no such job either; where the jobs'
/// files cannot be read, nobody knows.
pub(super) fn refuse_unknown_job(job: &str, context: &Context) -> Result<(), Failure> {
    match context.load_jobs() {
        Ok(known) if known.problems.is_empty() && !known.jobs.contains_key(job) => {
            let known: Vec<&str> = known.jobs.keys().map(String::as_str).collect();
            Err(Failure::unknown_name("job", job, &known))
        }
        _ => Ok(()),
    }
}

/// Who types, as the system knows them.
pub(super) fn person() -> Option<String> {
    let mut named = ["USER", "LOGNAME", "USERNAME"].iter().filter_map(|name| read_variable(name));
    named.find(|name| !name.is_empty())
}

/// The value of `${env:NAME}`.
pub(super) fn read_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
