//! `schedule pause` and `schedule resume`.

use chrono::{DateTime, SubsecRound, Utc};

use super::super::arguments::{PauseArguments, ResumeArguments};
use super::super::context::{Context, person};
use super::super::{ExitCode, Failure, numbers};
use super::timetables;
use crate::run::this_process;
use crate::schedule::decide_now;
use crate::state::Pause;

/// Pauses a job.
pub async fn pause(arguments: &PauseArguments, now: DateTime<Utc>, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    timetables(&project, Some(&arguments.job))?;
    let state = context.open_state(&project.environment).await?;
    // As exactly as the state keeps it.
    let at = now.trunc_subsecs(6);
    let wanted = Pause { at, by: person().unwrap_or_else(this_process), reason: arguments.reason.clone() };
    let pause = state.pause_schedule(&arguments.job, &wanted).await?;
    let text = if pause == wanted {
        format!("{} is paused; `lifecycle schedule resume {}` lets it go on", arguments.job, arguments.job)
    } else {
        format!("{} is paused already, {}", arguments.job, pause_words(&pause, project.environment.timezone))
    };
    context.output.message(&text);
    Ok(ExitCode::Done)
}

/// Lets a paused job go on.
pub async fn resume(arguments: &ResumeArguments, now: DateTime<Utc>, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let timetables = timetables(&project, Some(&arguments.job))?;
    let state = context.open_state(&project.environment).await?;
    // What became due in the pause is recorded as skipped, also where no daemon was there to do it.
    let is_paused = state.schedules().await?.iter().any(|found| found.job == arguments.job && found.pause.is_some());
    for timetable in timetables.iter().filter(|_| is_paused) {
        decide_now(&state, timetable, &this_process(), now).await?;
    }
    let text = if state.resume_schedule(&arguments.job, now).await? {
        format!("{} goes on; what became due in the pause is not made up for", arguments.job)
    } else {
        format!("{} was not paused", arguments.job)
    };
    context.output.message(&text);
    Ok(ExitCode::Done)
}

/// `since 2026-03-29 02:00:00 BST by anna: the till is being moved`.
pub fn pause_words(pause: &Pause, zone: chrono_tz::Tz) -> String {
    let since = numbers::instant(pause.at, zone);
    let reason = pause.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("since {since} by {}{reason}", pause.by)
}
