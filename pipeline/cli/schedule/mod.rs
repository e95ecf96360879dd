//! `lifecycle schedule`: the daemon, and what people do with schedules.

mod daemon;
mod hold;
mod messages;
mod show;
mod watchers;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::arguments::{ScheduleArguments, ScheduleCommand};
use super::context::{Context, clock};
use super::{ExitCode, Failure, Report};
use crate::config::Project;
use crate::run::Clock;
use crate::schedule::Timetable;

/// Runs the daemon, or does what the subcommand says.
pub async fn execute(arguments: &ScheduleArguments, context: &Context) -> Result<ExitCode, Failure> {
    let now = arguments.now.unwrap_or_else(|| context.now());
    match &arguments.command {
        None => daemon::run(&arguments.daemon, context).await,
        Some(ScheduleCommand::Tick) => daemon::tick(arguments.now, context).await,
        Some(ScheduleCommand::Next(next)) => context.interruptible(show::next(next, now, context)).await,
        Some(ScheduleCommand::Simulate(simulation)) => {
            context.interruptible(show::simulation(simulation, context)).await
        }
        Some(ScheduleCommand::Log(log)) => context.interruptible(show::log(log, context)).await,
        Some(ScheduleCommand::Pause(pause)) => context.interruptible(hold::pause(pause, now, context)).await,
        Some(ScheduleCommand::Resume(resume)) => context.interruptible(hold::resume(resume, now, context)).await,
    }
}

/// The timetables of the jobs that have a schedule: of the named one, or of all.
fn timetables(project: &Project, job: Option<&str>) -> Result<Vec<Timetable>, Failure> {
    let mut timetables = Timetable::all(project).map_err(|error| Failure::failed(&error))?;
    if let Some(job) = job {
        if !project.jobs.contains_key(job) {
            let known: Vec<&str> = project.jobs.keys().map(String::as_str).collect();
            return Err(Failure::unknown_name("job", job, &known));
        }
        timetables.retain(|timetable| timetable.job == job);
        if timetables.is_empty() {
            let report = Report::new(format!("job `{job}` has no schedule"));
            return Err(Failure::Usage(
                report.hint("write one in its file, such as `schedule: {cron: \"0 2 * * *\"}`"),
            ));
        }
    }
    Ok(timetables)
}

/// The clock: a given instant that stands still, or the real one.
fn clock_at(now: Option<DateTime<Utc>>) -> Clock {
    match now {
        Some(now) => Arc::new(move || now),
        None => clock(),
    }
}
