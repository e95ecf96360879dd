//! `lifecycle status`: how the jobs stand.

use std::collections::BTreeSet;

use super::arguments::StatusArguments;
use super::context::Context;
use super::output::Style;
use super::runs::{print_bad_checks, runs_table, status_cell};
use super::text_table::{Cell, TextTable};
use super::{ExitCode, Failure, numbers};
use crate::config::Project;
use crate::state::{RunFilter, RunOutcome, RunStatus, RunSummary, State};

/// Prints one line per job, or one job in detail.
pub async fn execute(arguments: &StatusArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let state = context.look_at_state(&project.environment).await?;
    let last_runs = match &state {
        Some(state) => state.last_runs(context.now()).await?,
        None => Vec::new(),
    };
    // A job whose file is gone keeps its history.
    let jobs: BTreeSet<&str> =
        project.jobs.keys().map(String::as_str).chain(last_runs.iter().map(|run| run.job.as_str())).collect();
    match &arguments.job {
        Some(job) if !jobs.contains(job.as_str()) => {
            Err(Failure::unknown_name("job", job, &jobs.into_iter().collect::<Vec<_>>()))
        }
        Some(job) => one(job, context, &project, state.as_ref()).await,
        None if jobs.is_empty() => {
            context.output.message("the project has no job: write one under jobs/");
            Ok(ExitCode::Done)
        }
        None => all(&jobs, &last_runs, context, &project, state.as_ref()).await,
    }
}

async fn all(
    jobs: &BTreeSet<&str>,
    last_runs: &[RunSummary],
    context: &Context,
    project: &Project,
    state: Option<&State>,
) -> Result<ExitCode, Failure> {
    let zone = project.environment.timezone;
    let mut table = TextTable::default()
        .text("job")
        .text("last run")
        .text("as of")
        .text("started")
        .number("took")
        .number("rejected")
        .number("bad checks")
        .text("published up to");
    for job in jobs {
        let fresh = freshness(job, context, project, state).await?;
        let cells = match last_runs.iter().find(|run| run.job == *job) {
            Some(run) => [
                (*job).into(),
                status_cell(run.status),
                run.as_of.to_string().into(),
                numbers::instant(run.started_at, zone).into(),
                run.seconds().map(numbers::duration).unwrap_or_default().into(),
                warned_count(run.rows_rejected),
                warned_count(run.checks_failed),
                fresh,
            ],
            None => [
                (*job).into(),
                Cell::styled("never", Style::Faint),
                "".into(),
                "".into(),
                "".into(),
                "".into(),
                "".into(),
                fresh,
            ],
        };
        table.row(cells);
    }
    context.output.table(&table)?;
    Ok(ExitCode::Done)
}

async fn one(job: &str, context: &Context, project: &Project, state: Option<&State>) -> Result<ExitCode, Failure> {
    const SHOWN_RUNS: u32 = 5;
    let output = &context.output;
    let zone = project.environment.timezone;
    if let Some(description) = project.jobs.get(job).map(|job| job.description.trim()).filter(|text| !text.is_empty()) {
        output.text(&format!("{job}: {description}\n"))?;
    }
    let runs = match state {
        Some(state) => {
            let filter = RunFilter { job: Some(job.to_owned()), limit: Some(SHOWN_RUNS), ..RunFilter::default() };
            state.list_runs(&filter, context.now()).await?
        }
        None => Vec::new(),
    };
    let (Some(state), Some(newest)) = (state, runs.first()) else {
        output.message(&format!("it has never run; `lifecycle run {job}` starts it"));
        return Ok(ExitCode::Done);
    };
    let fresh = freshness(job, context, project, Some(state)).await?;
    output.text(&format!("published up to {}\n\n", output.paint(&fresh.text, fresh.style)))?;
    output.table(&runs_table(&runs, zone))?;

    let details = state.show_run(&newest.run_id, context.now()).await?;
    let rejected: Vec<String> = details
        .sources
        .iter()
        .filter(|source| source.rejected > 0)
        .map(|source| format!("{} of {}", numbers::plural(source.rejected, "row", "rows"), source.source))
        .collect();
    if !rejected.is_empty() {
        output.text(&format!("\nthe last run rejected {}: `lifecycle rejected` shows them\n", rejected.join(", ")))?;
    }
    if newest.checks_failed > 0 {
        output.text("\n")?;
        print_bad_checks(&details.checks, context)?;
    }
    Ok(ExitCode::Done)
}

/// The as-of of the newest run that left good tables behind, and how old that is.
async fn freshness(job: &str, context: &Context, project: &Project, state: Option<&State>) -> Result<Cell, Failure> {
    let mut newest = None;
    if let Some(state) = state {
        for outcome in [RunOutcome::Succeeded, RunOutcome::NothingToDo, RunOutcome::PartlyFailed] {
            let filter = RunFilter {
                job: Some(job.to_owned()),
                status: Some(RunStatus::Ended(outcome)),
                ..RunFilter::default()
            };
            let days = state.list_runs(&filter, context.now()).await?.into_iter().map(|run| run.as_of);
            newest = newest.max(days.max());
        }
    }
    let today = context.today(project.environment.timezone);
    Ok(match newest {
        None => Cell::styled("nothing yet", Style::Faint),
        Some(day) => {
            let style = if (today - day).num_days() > 1 { Style::Warning } else { Style::Good };
            Cell::styled(format!("{day} ({})", numbers::day_distance(day, today)), style)
        }
    })
}

fn warned_count(value: u64) -> Cell {
    Cell::styled(numbers::count(value), if value > 0 { Style::Warning } else { Style::Plain })
}
