//! `lifecycle plan`: what a run would do, and why.

use chrono::NaiveDate;

use super::arguments::{PlanArguments, RunSelection};
use super::context::Context;
use super::surroundings::surroundings;
use super::text_table::TextTable;
use super::{ExitCode, Failure, Report, numbers};
use crate::config::Project;
use crate::plan::{Action, ModelStep, RunPlan, days_in_words, history_of, late_in_words};
use crate::run::{RunRequest, prepare};
use crate::state::Trigger;

/// Prints the plan of a run.
pub async fn execute(arguments: &PlanArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let request = request(&arguments.selection, context, &project)?;
    let prepared = prepare(&project, &surroundings(context, &project), &request).await?;
    print(&prepared.plan, context)?;
    Ok(ExitCode::Done)
}

/// The run that the arguments ask for.
///
/// # Errors
/// A day to come: what is published as of it would keep every run until then from being the current one.
pub fn request(selection: &RunSelection, context: &Context, project: &Project) -> Result<RunRequest, Failure> {
    let as_of = selection.as_of.unwrap_or_else(|| context.last_complete_day(project.environment.timezone));
    refuse_days_to_come(as_of, context, project)?;
    Ok(RunRequest {
        job: selection.job.clone(),
        as_of,
        select: selection.select.clone(),
        full_refresh: selection.full_refresh,
        variables: selection.variables.clone(),
        trigger: Trigger::Manual,
        backfill_id: None,
    })
}

/// Refuses a day after today in the environment's zone.
pub fn refuse_days_to_come(day: NaiveDate, context: &Context, project: &Project) -> Result<(), Failure> {
    let zone = project.environment.timezone;
    if day <= context.today(zone) {
        return Ok(());
    }
    let hint = format!("the last complete day is {}", context.last_complete_day(zone));
    Err(Failure::Usage(Report::new(format!("{day} is still to come")).hint(hint)))
}

fn print(plan: &RunPlan, context: &Context) -> Result<(), Failure> {
    let what = if plan.is_current { "" } else { " (history only: the current release is of a later day)" };
    context.output.text(&format!("{} as of {}{what}\n", plan.job, plan.as_of))?;
    if plan.has_nothing_to_do() {
        return context.output.text("nothing to do: nothing changed since the last release\n");
    }
    let mut sources =
        TextTable::default().text("source").number("new").number("changed").number("known").number("bytes");
    for step in plan.sources.iter().filter(|step| step.new_objects + step.changed_objects > 0) {
        sources.row([
            step.source.as_str().into(),
            numbers::count(step.new_objects as u64).into(),
            numbers::count(step.changed_objects as u64).into(),
            numbers::count(step.unchanged_objects as u64).into(),
            numbers::bytes(step.bytes).into(),
        ]);
    }
    context.output.text("\nland\n")?;
    match plan.sources.iter().any(|step| step.new_objects + step.changed_objects > 0) {
        true => context.output.table(&sources)?,
        false => context.output.text("  no new or changed object\n")?,
    }
    let mut models = TextTable::default().text("table").text("action").text("writes").text("why");
    for step in plan.models.iter().filter(|step| !matches!(step.action, Action::View | Action::Empty)) {
        models.row([
            step.model.to_string().into(),
            step.action.in_words().into(),
            writes(step).into(),
            step.reason.as_str().into(),
        ]);
    }
    context.output.text("\nbuild\n")?;
    context.output.table(&models)?;
    print_repairs(plan, context)
}

/// Days of histories that get facts which came late, and those that would, were the window longer.
fn print_repairs(plan: &RunPlan, context: &Context) -> Result<(), Failure> {
    let mut repairs = TextTable::default().text("history").text("action").text("why");
    for repair in &plan.repairs {
        for (days, action) in [(&repair.days, "build"), (&repair.left, "leave")] {
            if let Some((_, late)) = days.last_key_value() {
                let count = days_in_words(&days.keys().copied().collect());
                let why = match action {
                    "leave" => format!("{} came late, but the days lie before `repair_window`", late_in_words(late)),
                    _ => format!("{} came late", late_in_words(late)),
                };
                repairs.row([
                    history_of(&repair.model).to_string().into(),
                    format!("{action} {count}").into(),
                    why.into(),
                ]);
            }
        }
    }
    if plan.repairs.is_empty() {
        return Ok(());
    }
    context.output.text("\nrepair\n")?;
    context.output.table(&repairs)
}

fn writes(step: &ModelStep) -> &'static str {
    match (step.publishes && step.action.is_build(), step.writes_history) {
        (true, true) => "table, history",
        (true, false) => "table",
        (false, true) => "history",
        (false, false) => "",
    }
}
