//! `lifecycle backfill`: a job for a range of days.

mod show;
mod work;

pub use show::{unfinished_json, unfinished_line};

use std::sync::Arc;

use chrono::Months;

use super::arguments::{
    BackfillArguments, BackfillCommand, BackfillOnly, BackfillOrder, BackfillRange, BackfillResumeArguments, ResumeOnly,
};
use super::context::{Context, person};
use super::failure::Report;
use super::plan::refuse_days_to_come;
use super::surroundings::surroundings;
use super::text_table::TextTable;
use super::{ExitCode, Failure, numbers};
use crate::config::{Environment, Project, TableName};
use crate::run::{
    BackfillOutlook, BackfillWork, Clock, DayChoice, backfill_outlook, cancel_backfill, catch_up_exports, choose_days,
    create_backfill, host_name,
};
use crate::state::{BackfillStatus, DayOrder, DaysLeft, PauseOutcome, State};
use work::work;

/// A backfill of more years is a slip of the fingers more often than a wish.
const MOST_YEARS: u32 = 10;

/// Starts, lists, shows, pauses, resumes or cancels backfills.
pub async fn execute(arguments: &BackfillArguments, context: &Context) -> Result<ExitCode, Failure> {
    match (&arguments.command, &arguments.range) {
        (Some(command), _) => execute_command(command, context).await,
        (None, Some(range)) => {
            let project = context.load_project()?;
            let state = context.open_state(&project.environment).await?;
            start(range, context, &project, &state).await
        }
        (None, None) => Err(Failure::usage("say which job and days, or `list`, `show`, `pause`, `resume` or `cancel`")),
    }
}

async fn execute_command(command: &BackfillCommand, context: &Context) -> Result<ExitCode, Failure> {
    // Whoever looks after a backfill needs the others also while somebody edits a model.
    let look_after = async || -> Result<(Environment, State), Failure> {
        let environment = context.load_environment()?;
        let state = context.open_state(&environment).await?;
        Ok((environment, state))
    };
    match command {
        BackfillCommand::Resume(arguments) => {
            let project = context.load_project()?;
            let state = context.open_state(&project.environment).await?;
            resume(arguments, context, &project, &state).await
        }
        BackfillCommand::List(arguments) => {
            let (environment, state) = look_after().await?;
            show::list(arguments, context, &environment, &state).await
        }
        BackfillCommand::Show(arguments) => {
            let (environment, state) = look_after().await?;
            show::show(arguments, context, &environment, &state).await
        }
        BackfillCommand::Pause(arguments) => {
            let (environment, state) = look_after().await?;
            pause(&arguments.backfill_id, context, &environment, &state).await
        }
        BackfillCommand::Cancel(arguments) => {
            let (_, state) = look_after().await?;
            cancel(&arguments.backfill_id, context, &state).await
        }
    }
}

async fn start(
    range: &BackfillRange,
    context: &Context,
    project: &Project,
    state: &State,
) -> Result<ExitCode, Failure> {
    check_range(range, context, project)?;
    let at_once = at_once(range.parallel, &project.environment)?;
    let choice = match range.only {
        BackfillOnly::Missing => DayChoice::Missing,
        BackfillOnly::Failed => DayChoice::Failed,
        BackfillOnly::All => DayChoice::All,
    };
    let order = match range.order {
        BackfillOrder::OldestFirst => DayOrder::OldestFirst,
        BackfillOrder::NewestFirst => DayOrder::NewestFirst,
    };
    let surroundings = surroundings(context, project);
    let days = choose_days(state, &surroundings, &range.job, range.from, range.to, choice).await?;
    if days.is_empty() {
        context.output.message("nothing to do: no day of the range is left to run");
        if !range.dry_run {
            catch_up_exports(project, &surroundings, &range.job).await?;
        }
        return Ok(ExitCode::Done);
    }
    if range.dry_run {
        state.refuse_backfill_overlap(&range.job, &days).await?;
        let outlook =
            context.interruptible(async { Ok(backfill_outlook(project, &surroundings, &range.job, &days).await?) });
        return print_outlook(&outlook.await?, context);
    }
    let id = create_backfill(project, state, &surroundings, &range.job, days, choice, order).await?;
    let (backfill, _) = state.show_backfill(&id, context.now()).await?;
    let days = backfill.days();
    work(BackfillWork { backfill, at_once, resume: None }, days, context, project, state).await
}

fn check_range(range: &BackfillRange, context: &Context, project: &Project) -> Result<(), Failure> {
    let refuse = |message: String, hint: String| Err(Failure::Usage(Report::new(message).hint(hint)));
    if range.from > range.to {
        let message = format!("the range is empty: {} is after {}", range.from, range.to);
        return refuse(message, "--from is the first day, --to the last".to_owned());
    }
    if !project.jobs.contains_key(&range.job) {
        let known: Vec<&str> = project.jobs.keys().map(String::as_str).collect();
        return Err(Failure::unknown_name("job", &range.job, &known));
    }
    refuse_days_to_come(range.to, context, project)?;
    let end = range.from.checked_add_months(Months::new(MOST_YEARS * 12));
    if end.is_some_and(|end| range.to >= end) {
        let days = numbers::count(u64::try_from((range.to - range.from).num_days() + 1).unwrap_or_default());
        let message =
            format!("{} to {} are {days} days, more than {MOST_YEARS} years in one backfill", range.from, range.to);
        return refuse(message, "check the years; if they are meant, make a backfill of each part".to_owned());
    }
    Ok(())
}

/// How many days are built at once.
fn at_once(wanted: Option<u8>, environment: &Environment) -> Result<usize, Failure> {
    const USUAL: u64 = 2;
    let limit = environment.backfill_parallel;
    let days = wanted.map_or(USUAL.min(limit), u64::from);
    if days > limit {
        let message = format!("--parallel {days} is more than environment `{}` allows: {limit}", environment.name);
        let hint = format!("the limit is `backfill: {{parallel: {limit}}}` in config/{}.yaml", environment.name);
        return Err(Failure::Usage(Report::new(message).hint(hint)));
    }
    Ok(usize::try_from(days).unwrap_or(usize::MAX))
}

async fn resume(
    arguments: &BackfillResumeArguments,
    context: &Context,
    project: &Project,
    state: &State,
) -> Result<ExitCode, Failure> {
    let at_once = at_once(arguments.parallel, &project.environment)?;
    let (backfill, _) = state.show_backfill(&arguments.backfill_id, context.now()).await?;
    if backfill.done == backfill.days() {
        context.output.message("nothing to do: all its days are done");
        if project.jobs.contains_key(&backfill.job) {
            catch_up_exports(project, &surroundings(context, project), &backfill.job).await?;
        }
        return Ok(ExitCode::Done);
    }
    if !project.jobs.contains_key(&backfill.job) {
        let short = numbers::short_id(&backfill.backfill_id);
        let message = format!("backfill {short} is of job `{}`, which the project no longer has", backfill.job);
        let hint = format!("put jobs/{}.yaml back, or `lifecycle backfill cancel {short}`", backfill.job);
        return Err(Failure::Usage(Report::new(message).hint(hint)));
    }
    let only = match arguments.only {
        ResumeOnly::All => DaysLeft::All,
        ResumeOnly::Failed => DaysLeft::Failed,
        ResumeOnly::Waiting => DaysLeft::Waiting,
    };
    let days = state.resumable_days(&backfill.backfill_id, only).await?;
    if days == 0 {
        let what = if only == DaysLeft::Failed { "has failed" } else { "waits" };
        context.output.message(&format!("nothing to do: no day of it {what}"));
        return Ok(ExitCode::Done);
    }
    work(BackfillWork { backfill, at_once, resume: Some(only) }, days, context, project, state).await
}

async fn pause(prefix: &str, context: &Context, environment: &Environment, state: &State) -> Result<ExitCode, Failure> {
    let (backfill, _) = state.show_backfill(prefix, context.now()).await?;
    let short = numbers::short_id(&backfill.backfill_id);
    let by = format!("{} on {}", person().as_deref().unwrap_or("somebody"), host_name());
    match state.pause_backfill(&backfill.backfill_id, &by, context.now()).await? {
        PauseOutcome::Paused => {
            let mut message = format!("backfill {short} is paused");
            if backfill.running > 0 {
                let at_work = numbers::plural(backfill.running, "day", "days");
                message.push_str(&format!("; {at_work} at work go on to the end"));
            }
            context.output.message(&format!("{message}; `lifecycle backfill resume {short}` goes on with it"));
            Ok(ExitCode::Done)
        }
        PauseOutcome::PausedBefore(pause) => {
            let at = numbers::instant(pause.at, environment.timezone);
            context.output.message(&format!("nothing to do: it was paused by {} at {at}", pause.by));
            Ok(ExitCode::Done)
        }
        PauseOutcome::Over => {
            let how = match backfill.status {
                BackfillStatus::Failed => format!("is over: {} of {} days failed", backfill.failed, backfill.days()),
                BackfillStatus::Cancelled => "is cancelled".to_owned(),
                _ => "is done".to_owned(),
            };
            Err(Failure::Usage(Report::new(format!("backfill {short} {how}, and nothing is left to pause"))))
        }
    }
}

async fn cancel(prefix: &str, context: &Context, state: &State) -> Result<ExitCode, Failure> {
    let (backfill, _) = state.show_backfill(prefix, context.now()).await?;
    if backfill.pending + backfill.running == 0 {
        context.output.message("nothing to do: no day of it waits");
        return Ok(ExitCode::Done);
    }
    let clock: Clock = Arc::new({
        let context = context.clone();
        move || context.now()
    });
    let cancelled = cancel_backfill(state, &backfill, &clock).await?;
    let mut message = format!("took {} off the list", numbers::plural(cancelled, "day", "days"));
    if state.show_backfill(&backfill.backfill_id, context.now()).await?.0.running > 0 {
        message.push_str("; days at work go on to their end");
    }
    context.output.message(&message);
    Ok(ExitCode::Done)
}

fn print_outlook(outlook: &BackfillOutlook, context: &Context) -> Result<ExitCode, Failure> {
    let mut table = TextTable::default().text("day").number("objects").number("bytes").text("tables").text("histories");
    for day in &outlook.days {
        let histories: Vec<&str> = day.histories.iter().map(|TableName { table, .. }| table.as_str()).collect();
        table.row([
            day.day.to_string().into(),
            numbers::count(day.objects).into(),
            numbers::bytes(day.bytes).into(),
            if day.is_current { "current" } else { "" }.into(),
            histories.join(", ").into(),
        ]);
    }
    if outlook.other_objects > 0 {
        table.row([
            "other days".into(),
            numbers::count(outlook.other_objects).into(),
            numbers::bytes(outlook.other_bytes).into(),
        ]);
    }
    context.output.table(&table)?;
    let (objects, bytes) = (outlook.objects(), outlook.bytes());
    let days = numbers::plural(outlook.days.len() as u64, "day", "days");
    let objects = numbers::plural(objects, "object", "objects");
    context.output.message(&format!("{days}; {objects} to land, {}", numbers::bytes(bytes)));
    Ok(ExitCode::Done)
}
