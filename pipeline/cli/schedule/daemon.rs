//! `lifecycle schedule` and `schedule tick`: the daemon, for as long as it is wanted or for one look.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::arguments::DaemonArguments;
use super::super::context::{Context, read_variable};
use super::super::surroundings::surroundings;
use super::super::{ExitCode, Failure, Report, numbers};
use super::clock_at;
use super::messages::Messages;
use super::watchers::Watchers;
use crate::interrupt::Interrupt;
use crate::progress::Silent;
use crate::run::{Surroundings, this_process, validate_project};
use crate::schedule::{Daemon, DaemonSettings, Departure, Ended, Fate, JobRunner, Listener, ProjectFiles};
use crate::state::State;

/// Runs the daemon until a signal stops it.
pub async fn run(arguments: &DaemonArguments, context: &Context) -> Result<ExitCode, Failure> {
    let files = read_files(context)?;
    let project = files.project().clone();
    // A night is the wrong time to find a slip.
    validate_project(&project).await?.into_result(())?;
    let state = context.open_state(&project.environment).await?;
    let messages = Messages { context: context.clone(), zone: project.environment.timezone };
    let scheduled = project.jobs.values().filter(|job| job.schedule.is_some()).count() as u64;
    let (watchers, teller) = Watchers::start(messages, project, state.clone(), clock_at(None));
    let daemon = daemon(arguments, None, files, state.clone(), watchers.clone(), context);
    context
        .output
        .message(&format!("watching the clock for {}; Ctrl-C stops", numbers::plural(scheduled, "job", "jobs")));
    if let Some(address) = arguments.listen {
        // Also while the last runs come to their end: so until the process does.
        let address = watchers.listen(address, state, clock_at(None), Interrupt::never()).await?;
        context.output.message(&format!("serving http://{address}/metrics and http://{address}/healthz"));
    }
    drop(watchers);
    let departure = daemon.run(context.interrupt.clone()).await;
    teller.finish(context.interrupt.clone()).await;
    match departure {
        Departure::Clean => {
            context.output.message("stopped");
            Ok(ExitCode::Done)
        }
        Departure::Interrupted => Err(Failure::Interrupted(
            Report::new("stopped while runs were at work").hint("they wait for the next `lifecycle schedule`"),
        )),
    }
}

/// Runs what is due now, once.
pub async fn tick(now: Option<DateTime<Utc>>, context: &Context) -> Result<ExitCode, Failure> {
    let files = read_files(context)?;
    let project = files.project().clone();
    let state = context.open_state(&project.environment).await?;
    let messages = Messages { context: context.clone(), zone: project.environment.timezone };
    let (watchers, teller) = Watchers::start(messages, project, state.clone(), clock_at(now));
    let arguments = DaemonArguments { listen: None, at_once: 1, grace: Duration::ZERO };
    let mut daemon = daemon(&arguments, now, files, state, watchers, context);
    let round = daemon.once(context.interrupt.clone()).await;
    drop(daemon);
    teller.finish(context.interrupt.clone()).await;
    let round = round?;
    if context.interrupt.is_interrupted() {
        return Err(Failure::interrupted());
    }
    if round.ended.is_empty() && round.not_run == 0 {
        context.output.message("nothing is due");
    }
    Ok(exit_code(&round.ended))
}

/// The code of the runs' outcomes: that which all have; else 3 where some ended well or in part, 1 where none did.
fn exit_code(ended: &[Ended]) -> ExitCode {
    let done = ended.iter().filter(|ended| ended.fate == Fate::Done);
    let codes: Vec<ExitCode> = done.map(|ended| ended.end.outcome.into()).collect();
    match codes.first() {
        None => ExitCode::Done,
        Some(first) if codes.iter().all(|code| code == first) => *first,
        Some(_) if codes.iter().any(|code| matches!(code, ExitCode::Done | ExitCode::Partial)) => ExitCode::Partial,
        Some(_) => ExitCode::Failed,
    }
}

fn read_files(context: &Context) -> Result<ProjectFiles, Failure> {
    let (folder, environment) = (context.project.clone(), context.environment.clone());
    Ok(ProjectFiles::read(Box::new(move || crate::config::load_project(&folder, &environment, &read_variable)))?)
}

fn daemon(
    arguments: &DaemonArguments,
    now: Option<DateTime<Utc>>,
    files: ProjectFiles,
    state: State,
    listener: Arc<dyn Listener>,
    context: &Context,
) -> Daemon {
    let settings = DaemonSettings {
        owner: this_process(),
        at_once: arguments.at_once.into(),
        grace: arguments.grace,
        lease: state.lease_time(),
    };
    let of_context = context.clone();
    let runner = JobRunner {
        state: state.clone(),
        listener: listener.clone(),
        surroundings: Box::new(move |project, interrupt| {
            // Bars of runs that nobody sits before would only scroll by.
            Surroundings { interrupt, progress: Arc::new(Silent), ..surroundings(&of_context, project) }
        }),
    };
    Daemon::new(settings, files, state, clock_at(now), Arc::new(runner), listener)
}
