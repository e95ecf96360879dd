//! `lifecycle backfill`: a job for a range of days.

use chrono::NaiveDate;

use super::arguments::{
    BackfillArguments, BackfillCommand, BackfillIdArguments, BackfillOnly, BackfillRange, BackfillResumeArguments,
};
use super::context::Context;
use super::failure::Report;
use super::surroundings::surroundings;
use super::text_table::TextTable;
use super::{ExitCode, Failure, batches, numbers};
use crate::config::{Project, TableName};
use crate::run::{
    BackfillListener, BackfillOutlook, BackfillWork, DayChoice, DayReport, RunError, backfill_outlook, choose_days,
    create_backfill, run_backfill,
};
use crate::state::{Backfill, OpsTable, State};

/// Starts, lists, resumes or cancels backfills.
pub async fn execute(arguments: &BackfillArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let state = context.open_state(&project.environment).await?;
    match (&arguments.command, &arguments.range) {
        (Some(BackfillCommand::List(list)), _) => match list.format {
            Some(format) => {
                let batch = state.ops_table(OpsTable::Backfills, context.now()).await?;
                let mut printer = batches::BatchPrinter::new(&context.output, format, batch.schema(), None)?;
                printer.write(&batch)?;
                printer.finish()?;
                Ok(ExitCode::Done)
            }
            None => print_list(&state.list_backfills(context.now()).await?, context),
        },
        (Some(BackfillCommand::Resume(id)), _) => resume(id, context, &project, &state).await,
        (Some(BackfillCommand::Cancel(id)), _) => cancel(id, context, &state).await,
        (None, Some(range)) => start(range, context, &project, &state).await,
        (None, None) => Err(Failure::usage("say which job and days, or `list`, `resume` or `cancel`")),
    }
}

async fn start(
    range: &BackfillRange,
    context: &Context,
    project: &Project,
    state: &State,
) -> Result<ExitCode, Failure> {
    if range.from > range.to {
        return Err(Failure::Usage(
            Report::new(format!("the range is empty: {} is after {}", range.from, range.to))
                .hint("--from is the first day, --to the last"),
        ));
    }
    if !project.jobs.contains_key(&range.job) {
        let known: Vec<&str> = project.jobs.keys().map(String::as_str).collect();
        return Err(Failure::unknown_name("job", &range.job, &known));
    }
    let today = context.today(project.environment.timezone);
    if range.to > today {
        return Err(Failure::Usage(
            Report::new(format!("{} is still to come", range.to))
                .hint(format!("the last complete day is {}", context.last_complete_day(project.environment.timezone))),
        ));
    }
    let choice = match range.only {
        BackfillOnly::Missing => DayChoice::Missing,
        BackfillOnly::Failed => DayChoice::Failed,
        BackfillOnly::All => DayChoice::All,
    };
    let surroundings = surroundings(context, project);
    let days = choose_days(state, &surroundings, &range.job, range.from, range.to, choice).await?;
    if days.is_empty() {
        context.output.message("nothing to do: no day of the range is left to run");
        return Ok(ExitCode::Done);
    }
    if range.dry_run {
        let outlook =
            context.interruptible(async { Ok(backfill_outlook(project, &surroundings, &range.job, &days).await?) });
        return print_outlook(&outlook.await?, context);
    }
    let id = create_backfill(project, state, &surroundings, &range.job, days, choice).await?;
    work(&id, range.parallel, false, context, project, state).await
}

async fn resume(
    arguments: &BackfillResumeArguments,
    context: &Context,
    project: &Project,
    state: &State,
) -> Result<ExitCode, Failure> {
    let (backfill, _) = state.show_backfill(&arguments.backfill_id, context.now()).await?;
    if backfill.done == backfill.days() {
        context.output.message("nothing to do: all its days are done");
        return Ok(ExitCode::Done);
    }
    work(&backfill.backfill_id, arguments.parallel, true, context, project, state).await
}

async fn cancel(arguments: &BackfillIdArguments, context: &Context, state: &State) -> Result<ExitCode, Failure> {
    let (backfill, _) = state.show_backfill(&arguments.backfill_id, context.now()).await?;
    let cancelled = state.cancel_backfill(&backfill.backfill_id, context.now()).await?;
    let mut message = format!("took {} off the list", numbers::plural(cancelled, "day", "days"));
    if backfill.running > 0 {
        message.push_str("; days at work go on to their end");
    }
    context.output.message(&message);
    Ok(ExitCode::Done)
}

/// Says how each day went.
struct Teller<'a>(&'a Context);

impl BackfillListener for Teller<'_> {
    fn waits(&self, owner: &str) {
        self.0.output.message(&format!("waiting: {owner} is at work on the job"));
    }

    fn landed(&self, objects: u64, rows: u64, rejected: u64) {
        let (objects, rows) = (numbers::plural(objects, "object", "objects"), numbers::plural(rows, "row", "rows"));
        self.0.output.message(&format!("landed {rows} from {objects}, {} rejected", numbers::count(rejected)));
    }

    fn day_ended(&self, day: NaiveDate, outcome: Result<&DayReport, &RunError>) {
        match outcome {
            Ok(DayReport { release: None, .. }) => self.0.output.message(&format!("{day}: nothing to do")),
            Ok(DayReport { release: Some(release), is_current, histories, seconds, .. }) => {
                let written = numbers::plural(*histories as u64, "history", "histories");
                let what = if *is_current { format!("current tables and {written}") } else { written };
                let took = numbers::duration(*seconds);
                self.0.output.message(&format!("{day}: {what} in {took}, release {release}"));
            }
            Err(RunError::Interrupted) => self.0.output.message(&format!("{day}: interrupted, waits")),
            Err(error) => {
                let report = Report::from_error(error);
                let causes: String = report.causes.iter().map(|cause| format!(": {cause}")).collect();
                self.0.output.warning(&format!("{day}: {}{causes}", report.message), report.hint.as_deref());
            }
        }
    }
}

async fn work(
    id: &str,
    at_once: u8,
    is_resumed: bool,
    context: &Context,
    project: &Project,
    state: &State,
) -> Result<ExitCode, Failure> {
    let short = numbers::short_id(id);
    let resume = format!("`lifecycle backfill resume {short}` goes on with the days that are left");
    let surroundings = surroundings(context, project);
    let (backfill, _) = state.show_backfill(id, context.now()).await?;
    let days = numbers::plural(backfill.days() - backfill.done, "day", "days");
    context.output.message(&format!("backfill {short}: {days} of {}", backfill.job));
    let work = BackfillWork { backfill, at_once: at_once.into(), is_resumed };
    let backfill = match run_backfill(project, state, &surroundings, &work, &Teller(context)).await {
        Ok(backfill) => backfill,
        Err(RunError::Interrupted) => return Err(Failure::Interrupted(Report::new("interrupted").hint(resume))),
        Err(error) => {
            context.output.message(&resume);
            return Err(error.into());
        }
    };
    if backfill.failed > 0 {
        let hint = format!("mend the cause, then `lifecycle backfill resume {short}`");
        let message = format!("{} of {} days failed", backfill.failed, backfill.days());
        return Err(Failure::Partial(Report::new(message).hint(hint)));
    }
    if backfill.cancelled > 0 {
        let message = format!("cancelled: {} of {} days are not done", backfill.cancelled, backfill.days());
        return Err(Failure::Partial(Report::new(message).hint(resume)));
    }
    context.output.message(&format!("backfill {short}: {} done", numbers::plural(backfill.done, "day", "days")));
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

fn print_list(backfills: &[Backfill], context: &Context) -> Result<ExitCode, Failure> {
    if backfills.is_empty() {
        context.output.message("there is no backfill");
        return Ok(ExitCode::Done);
    }
    let mut table = TextTable::default()
        .text("backfill")
        .text("job")
        .text("from")
        .text("to")
        .text("which")
        .text("status")
        .number("done")
        .number("left")
        .number("failed");
    for backfill in backfills {
        table.row([
            numbers::short_id(&backfill.backfill_id).into(),
            backfill.job.as_str().into(),
            backfill.first_day.to_string().into(),
            backfill.last_day.to_string().into(),
            backfill.selection.as_str().into(),
            backfill.status.as_str().into(),
            numbers::count(backfill.done).into(),
            numbers::count(backfill.pending + backfill.running).into(),
            numbers::count(backfill.failed).into(),
        ]);
    }
    context.output.table(&table)?;
    Ok(ExitCode::Done)
}
