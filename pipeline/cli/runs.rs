//! `lifecycle runs` and `runs show`: what ran, and what came of it.

use chrono_tz::Tz;

use super::arguments::{RunsArguments, RunsCommand, RunsShowArguments};
use super::context::Context;
use super::output::Style;
use super::text_table::{Cell, TextTable};
use super::{ExitCode, Failure, Report, batches, numbers};
use crate::config::{Environment, Severity};
use crate::state::{
    AttemptRecord, CheckRecord, CheckStatus, OpsTable, RepairRecord, RepairStatus, RunDetails, RunFilter, RunOutcome,
    RunStatus, RunSummary, RunTrouble, SourceRecord, State, TableAction, TableRecord,
};

/// Lists runs or shows one.
pub async fn execute(arguments: &RunsArguments, context: &Context) -> Result<ExitCode, Failure> {
    let environment = context.load_environment()?;
    let state = context.look_at_state(&environment).await?;
    match &arguments.command {
        Some(RunsCommand::Show(show_arguments)) => show(show_arguments, context, &environment, state).await,
        None => list(arguments, context, &environment, state).await,
    }
}

async fn list(
    arguments: &RunsArguments,
    context: &Context,
    environment: &Environment,
    state: Option<State>,
) -> Result<ExitCode, Failure> {
    let filter = RunFilter {
        job: arguments.job.clone(),
        status: arguments.status,
        limit: Some(arguments.limit),
        ..RunFilter::default()
    };
    if let Some(format) = arguments.format {
        let batch = match &state {
            Some(state) => state.runs_batch(&filter, context.now()).await?,
            None => OpsTable::Runs.empty()?,
        };
        batches::print(&context.output, format, &batch)?;
        return Ok(ExitCode::Done);
    }
    let runs = match &state {
        Some(state) => state.list_runs(&filter, context.now()).await?,
        None => Vec::new(),
    };
    if runs.is_empty() {
        explain_absence(arguments, context, state.as_ref()).await?;
        return Ok(ExitCode::Done);
    }
    context.output.table(&runs_table(&runs, environment.timezone))?;
    Ok(ExitCode::Done)
}

/// Says why the list is empty: a wrong job's name is a mistake, no runs yet is not.
async fn explain_absence(arguments: &RunsArguments, context: &Context, state: Option<&State>) -> Result<(), Failure> {
    let recorded = match state {
        Some(state) => state.last_runs(context.now()).await?,
        None => Vec::new(),
    };
    if let Some(job) = &arguments.job
        && !recorded.iter().any(|run| run.job == *job)
        && let Ok(project) = context.look_at_project()
        && !project.jobs.contains_key(job)
    {
        let known: Vec<&str> = project.jobs.keys().map(String::as_str).collect();
        return Err(Failure::unknown_name("job", job, &known));
    }
    if recorded.is_empty() {
        context.output.message("no run has been recorded yet; `lifecycle run JOB` starts one");
    } else {
        context.output.message("no run is like that");
    }
    Ok(())
}

/// The list of runs that `runs` and `status` print.
pub(super) fn runs_table(runs: &[RunSummary], zone: Tz) -> TextTable {
    let mut table = TextTable::default()
        .text("run")
        .text("job")
        .text("as of")
        .text("status")
        .text("started")
        .number("took")
        .number("landed")
        .number("rejected")
        .number("tables")
        .text("message");
    for run in runs {
        table.row([
            numbers::short_id(&run.run_id).into(),
            run.job.as_str().into(),
            run.as_of.to_string().into(),
            status_cell(run.status),
            numbers::instant(run.started_at, zone).into(),
            run.seconds().map(numbers::duration).unwrap_or_default().into(),
            numbers::count(run.rows_landed).into(),
            numbers::count(run.rows_rejected).into(),
            numbers::count(run.tables_built).into(),
            run.message.clone().unwrap_or_default().into(),
        ]);
    }
    table
}

/// A status in its colour.
pub(super) fn status_cell(status: RunStatus) -> Cell {
    let style = match status {
        RunStatus::Running => Style::Bold,
        RunStatus::Ended(RunOutcome::Succeeded | RunOutcome::NothingToDo) => Style::Good,
        RunStatus::Ended(RunOutcome::PartlyFailed | RunOutcome::Interrupted) => Style::Warning,
        RunStatus::Ended(RunOutcome::Failed | RunOutcome::ChecksFailed) => Style::Bad,
    };
    Cell::styled(status.as_str().replace('_', " "), style)
}

async fn show(
    arguments: &RunsShowArguments,
    context: &Context,
    environment: &Environment,
    state: Option<State>,
) -> Result<ExitCode, Failure> {
    let Some(state) = state else {
        return Err(Failure::Usage(
            Report::new(format!("there is no run `{}`", arguments.run_id)).hint("no run has been recorded yet"),
        ));
    };
    let details = state.show_run(&arguments.run_id, context.now()).await?;
    let run_id = Some(details.run.run_id.as_str());
    let attempt = state.attempts_of(run_id).await?.pop();
    let trouble = state.trouble_of(&details.run.run_id).await?;
    print_details(&details, attempt.as_ref(), &trouble, context, environment.timezone)?;
    let repairs: Vec<RepairRecord> = state.repairs_of(run_id).await?.into_iter().map(|(_, repair)| repair).collect();
    if !repairs.is_empty() {
        context.output.text("\n")?;
        context.output.table(&repairs_table(&repairs))?;
    }
    Ok(ExitCode::Done)
}

/// Days of histories that got facts which came late, and what moved.
fn repairs_table(repairs: &[RepairRecord]) -> TextTable {
    let mut table = TextTable::default().text("history").text("as of").text("repair");
    table = table.number("added").number("removed").number("changed").text("came late");
    for repair in repairs {
        let style = match repair.status {
            RepairStatus::Moved => Style::Good,
            RepairStatus::Unmoved => Style::Plain,
            RepairStatus::Left => Style::Warning,
            RepairStatus::Failed => Style::Bad,
        };
        table.row([
            repair.table.as_str().into(),
            repair.as_of.to_string().into(),
            Cell::styled(repair.status.as_str(), style),
            numbers::count(repair.added).into(),
            numbers::count(repair.removed).into(),
            numbers::count(repair.changed).into(),
            repair.reason.as_str().into(),
        ]);
    }
    table
}

fn print_details(
    details: &RunDetails,
    attempt: Option<&AttemptRecord>,
    trouble: &RunTrouble,
    context: &Context,
    zone: Tz,
) -> Result<(), Failure> {
    let output = &context.output;
    let run = &details.run;
    let status = status_cell(run.status);
    let mut lines = vec![
        ("run", run.run_id.clone()),
        ("job", format!("{}, environment {}", run.job, run.environment)),
        ("as of", run.as_of.to_string()),
        ("status", output.paint(&status.text, status.style)),
        ("started", format!("{}, {}", numbers::instant(run.started_at, zone), run.trigger)),
    ];
    if let Some(seconds) = run.seconds() {
        lines.push(("took", numbers::duration(seconds)));
    }
    if let Some(release) = run.release {
        lines.push(("release", release.to_string()));
    }
    if let Some(backfill_id) = &run.backfill_id {
        lines.push(("backfill", backfill_id.clone()));
    }
    if let Some(first) = attempt.and_then(|attempt| attempt.of_run.as_ref()) {
        lines.push(("tries", format!("run {first} again")));
    }
    if let Some(message) = &run.message {
        lines.push(("message", message.clone()));
    }
    lines.extend(trouble.causes.iter().map(|cause| ("", cause.clone())));
    lines.extend(trouble.hint.iter().map(|hint| ("hint", hint.clone())));
    let text: String = lines.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect();
    output.text(&text)?;
    if !details.sources.is_empty() {
        output.text("\n")?;
        output.table(&sources_table(&details.sources))?;
    }
    if !details.tables.is_empty() {
        output.text("\n")?;
        output.table(&tables_table(&details.tables))?;
    }
    if !details.checks.is_empty() {
        output.text(&format!("\n{}\n", checks_line(&details.checks)))?;
        print_bad_checks(&details.checks, context)?;
    }
    Ok(())
}

fn sources_table(sources: &[SourceRecord]) -> TextTable {
    let mut table = TextTable::default()
        .text("source")
        .number("new")
        .number("changed")
        .number("unchanged")
        .number("rows in")
        .number("landed")
        .number("rejected")
        .number("read")
        .number("took");
    for source in sources {
        let rejected = if source.rejected > 0 { Style::Warning } else { Style::Plain };
        table.row([
            source.source.as_str().into(),
            numbers::count(source.objects_new).into(),
            numbers::count(source.objects_changed).into(),
            numbers::count(source.objects_unchanged).into(),
            numbers::count(source.rows_in).into(),
            numbers::count(source.landed).into(),
            Cell::styled(numbers::count(source.rejected), rejected),
            numbers::bytes(source.bytes).into(),
            numbers::duration(source.seconds).into(),
        ]);
    }
    table
}

fn tables_table(tables: &[TableRecord]) -> TextTable {
    let mut table =
        TextTable::default().text("table").text("action").number("rows").number("size").number("took").text("why");
    for record in tables {
        let style = match record.action {
            TableAction::Built => Style::Good,
            TableAction::Skipped => Style::Plain,
            TableAction::Failed => Style::Bad,
        };
        table.row([
            record.table.as_str().into(),
            Cell::styled(record.action.as_str(), style),
            record.rows.map(numbers::count).unwrap_or_default().into(),
            record.bytes.map(numbers::bytes).unwrap_or_default().into(),
            numbers::duration(record.seconds).into(),
            record.reason.as_str().into(),
        ]);
    }
    table
}

/// `checks: 41 passed, 1 failed (error), 1 failed (warn)`.
fn checks_line(checks: &[CheckRecord]) -> String {
    let failed = |severity| {
        checks.iter().filter(|check| check.status != CheckStatus::Passed && check.severity == severity).count() as u64
    };
    let (errors, warnings) = (failed(Severity::Error), failed(Severity::Warn));
    let passed = checks.len() as u64 - errors - warnings;
    format!(
        "checks    {} passed, {} failed with severity error, {} with severity warn",
        numbers::count(passed),
        numbers::count(errors),
        numbers::count(warnings)
    )
}

/// Prints the checks that did not pass, each with its sample of bad rows.
pub(super) fn print_bad_checks(checks: &[CheckRecord], context: &Context) -> Result<(), Failure> {
    for check in checks.iter().filter(|check| check.status != CheckStatus::Passed) {
        let (severity, style) = match check.severity {
            Severity::Error => ("error", Style::Bad),
            Severity::Warn => ("warn", Style::Warning),
        };
        let found = match check.status {
            CheckStatus::Error => "could not run".to_owned(),
            _ => numbers::plural(check.bad_rows, "bad row", "bad rows"),
        };
        let severity = context.output.paint(severity, style);
        context.output.text(&format!("{severity}  {}: {found}\n", check.check))?;
        for line in check.sample.iter().flat_map(|sample| sample.lines()) {
            context.output.text(&format!("       {line}\n"))?;
        }
    }
    Ok(())
}
