//! `lifecycle backfill`: a job for a range of days.

use chrono::NaiveDate;

use super::arguments::{BackfillArguments, BackfillCommand, BackfillIdArguments, BackfillOnly, BackfillRange};
use super::context::Context;
use super::failure::Report;
use super::surroundings::surroundings;
use super::text_table::TextTable;
use super::{ExitCode, Failure, batches, numbers};
use crate::config::Project;
use crate::run::{DayChoice, DayListener, RunError, RunReport, choose_days, create_backfill, run_backfill};
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
        let lines: Vec<String> = days.iter().map(NaiveDate::to_string).collect();
        context.output.text(&format!("{}\n", lines.join("\n")))?;
        return Ok(ExitCode::Done);
    }
    let id = create_backfill(project, state, &surroundings, &range.job, days, choice).await?;
    work(&id, context, project, state).await
}

async fn resume(
    arguments: &BackfillIdArguments,
    context: &Context,
    project: &Project,
    state: &State,
) -> Result<ExitCode, Failure> {
    let (backfill, _) = state.show_backfill(&arguments.backfill_id, context.now()).await?;
    let waiting = state.resume_backfill(&backfill.backfill_id, context.now()).await?;
    if waiting == 0 {
        context.output.message("nothing to do: all its days are done");
        return Ok(ExitCode::Done);
    }
    work(&backfill.backfill_id, context, project, state).await
}

async fn cancel(arguments: &BackfillIdArguments, context: &Context, state: &State) -> Result<ExitCode, Failure> {
    let (backfill, _) = state.show_backfill(&arguments.backfill_id, context.now()).await?;
    let cancelled = state.cancel_backfill(&backfill.backfill_id, context.now()).await?;
    context.output.message(&format!("took {} off the list", numbers::plural(cancelled, "day", "days")));
    Ok(ExitCode::Done)
}

/// Says how each day went.
struct Teller<'a>(&'a Context);

impl DayListener for Teller<'_> {
    fn day_ended(&self, day: NaiveDate, outcome: Result<&RunReport, &RunError>) {
        match outcome {
            Ok(report) => {
                let what = if report.release.is_some() { "done" } else { "nothing to do" };
                self.0.output.message(&format!("{day}: {what} in {}", numbers::duration(report.seconds)));
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

async fn work(id: &str, context: &Context, project: &Project, state: &State) -> Result<ExitCode, Failure> {
    let short = numbers::short_id(id);
    context.output.message(&format!("backfill {short}"));
    let surroundings = surroundings(context, project);
    let backfill = match run_backfill(project, state, &surroundings, id, &Teller(context)).await {
        Ok(backfill) => backfill,
        Err(RunError::Interrupted) => {
            let hint = format!("`lifecycle backfill resume {short}` goes on with the days that are left");
            return Err(Failure::Interrupted(Report::new("interrupted").hint(hint)));
        }
        Err(error) => return Err(error.into()),
    };
    if backfill.failed > 0 {
        let hint = format!("mend the cause, then `lifecycle backfill resume {short}`");
        let message = format!("{} of {} days failed", backfill.failed, backfill.days());
        return Err(Failure::Partial(Report::new(message).hint(hint)));
    }
    context.output.message(&format!("backfill {short}: {} done", numbers::plural(backfill.done, "day", "days")));
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
