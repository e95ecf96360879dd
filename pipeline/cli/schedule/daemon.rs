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
use crate::run::{Surroundings, this_process};
use crate::schedule::{Daemon, DaemonSettings, Departure, Ended, Fate, JobRunner, Listener, LoadProject, ProjectFiles};
use crate::state::{RunOutcome, State};
use crate::watch::Watch;

/// Runs the daemon until a signal stops it.
pub async fn run(arguments: &DaemonArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let state = context.open_state(&project.environment).await?;
    let messages = Messages { context: context.clone(), zone: project.environment.timezone };
    let scheduled = project.jobs.values().filter(|job| job.schedule.is_some()).count() as u64;
    let (watchers, teller) = Watchers::start(messages, Arc::new(project), state.clone(), clock_at(None));
    let daemon = daemon(arguments, None, state.clone(), watchers.clone(), context)?;
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
    let project = context.load_project()?;
    let state = context.open_state(&project.environment).await?;
    let messages = Messages { context: context.clone(), zone: project.environment.timezone };
    let (watchers, teller) = Watchers::start(messages, Arc::new(project), state.clone(), clock_at(now));
    let arguments = DaemonArguments { listen: None, at_once: 1, grace: Duration::ZERO };
    let mut daemon = daemon(&arguments, now, state, watchers, context)?;
    let ended = daemon.once(context.interrupt.clone()).await;
    drop(daemon);
    teller.finish(context.interrupt.clone()).await;
    let ended = ended?;
    if context.interrupt.is_interrupted() {
        return Err(Failure::interrupted());
    }
    if ended.is_empty() {
        context.output.message("nothing is due");
    }
    Ok(exit_code(&ended))
}

/// The code of the runs' outcomes: that of one run, or 3 where some ended well and some did not.
fn exit_code(ended: &[Ended]) -> ExitCode {
    let mut codes = ended.iter().filter(|ended| ended.fate == Fate::Done).map(|ended| match ended.end.outcome {
        RunOutcome::Succeeded | RunOutcome::NothingToDo => ExitCode::Done,
        RunOutcome::Failed => ExitCode::Failed,
        RunOutcome::ChecksFailed => ExitCode::ChecksFailed,
        RunOutcome::PartlyFailed => ExitCode::Partial,
        RunOutcome::Interrupted => ExitCode::Interrupted,
    });
    let first = codes.next().unwrap_or(ExitCode::Done);
    if codes.all(|code| code == first) { first } else { ExitCode::Partial }
}

fn daemon(
    arguments: &DaemonArguments,
    now: Option<DateTime<Utc>>,
    state: State,
    listener: Arc<dyn Listener>,
    context: &Context,
) -> Result<Daemon, Failure> {
    let (folder, environment) = (context.project.clone(), context.environment.clone());
    let load: LoadProject = Box::new(move || crate::config::load_project(&folder, &environment, &read_variable));
    let files = ProjectFiles::read(load)?;
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
            let surroundings = surroundings(&of_context, project);
            // Several runs are at work at once: no message of the daemon is about one of them alone.
            let watch = Watch { on_start: None, ..surroundings.watch };
            Surroundings { interrupt, progress: Arc::new(Silent), watch, ..surroundings }
        }),
    };
    Ok(Daemon::new(settings, files, state, clock_at(now), Arc::new(runner), listener))
}
