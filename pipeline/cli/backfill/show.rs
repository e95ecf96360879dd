//! Backfills as people and programs read them: a list, one with its days, and a line for `status`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::super::arguments::{BackfillListArguments, BackfillShowArguments, ShowFormat};
use super::super::context::Context;
use super::super::output::Style;
use super::super::text_table::{Cell, TextTable};
use super::super::{ExitCode, Failure, batches, numbers};
use crate::config::Environment;
use crate::run::{BackfillProgress, backfill_progress};
use crate::state::{Backfill, BackfillDay, BackfillStatus, DayOrder, DayStatus, OpsTable, State};

/// Prints all backfills.
pub(super) async fn list(
    arguments: &BackfillListArguments,
    context: &Context,
    environment: &Environment,
    state: &State,
) -> Result<ExitCode, Failure> {
    let now = context.now();
    if let Some(format) = arguments.format {
        batches::print(&context.output, format, &state.ops_table(OpsTable::Backfills, now).await?)?;
        return Ok(ExitCode::Done);
    }
    let backfills = state.list_backfills(now).await?;
    if backfills.is_empty() {
        context.output.message("there is no backfill");
        return Ok(ExitCode::Done);
    }
    let unfinished = state.unfinished_backfills(now).await?;
    let progress: BTreeMap<&str, BackfillProgress> = unfinished
        .iter()
        .map(|(backfill, days)| (backfill.backfill_id.as_str(), backfill_progress(days, now)))
        .collect();
    let mut table = TextTable::default()
        .text("backfill")
        .text("job")
        .text("from")
        .text("to")
        .text("which")
        .text("status")
        .number("done")
        .number("left")
        .number("failed")
        .number("%")
        .text("time left");
    for backfill in &backfills {
        let counts = counts(backfill);
        let progress = progress.get(backfill.backfill_id.as_str()).unwrap_or(&counts);
        table.row([
            numbers::short_id(&backfill.backfill_id).into(),
            backfill.job.as_str().into(),
            backfill.first_day.to_string().into(),
            backfill.last_day.to_string().into(),
            backfill.selection.as_str().into(),
            status_cell(backfill.status),
            numbers::count(backfill.done).into(),
            numbers::count(progress.left()).into(),
            numbers::count(backfill.failed).into(),
            progress.percent().to_string().into(),
            time_left(backfill, progress, environment.timezone, now).into(),
        ]);
    }
    context.output.table(&table)?;
    Ok(ExitCode::Done)
}

/// Prints one backfill with its days.
pub(super) async fn show(
    arguments: &BackfillShowArguments,
    context: &Context,
    environment: &Environment,
    state: &State,
) -> Result<ExitCode, Failure> {
    let now = context.now();
    let (backfill, days) = state.show_backfill(&arguments.backfill_id, now).await?;
    let progress = backfill_progress(&days, now);
    match arguments.format {
        Some(ShowFormat::Json) => {
            context.output.text(&format!("{:#}\n", as_json(&backfill, &days, &progress, now)))?;
        }
        None => print_one(&backfill, &days, &progress, context, environment.timezone, now)?,
    }
    Ok(ExitCode::Done)
}

/// A backfill with days that wait or are at work, for `status`: `0192f3a4-0000  nightly 2026-01-01 to 2026-01-07:
/// running, 3 of 7 days done (42 %), 4 waiting, about 9 min left, until 14:20`.
pub fn unfinished_line(backfill: &Backfill, days: &[BackfillDay], zone: Tz, now: DateTime<Utc>) -> String {
    let progress = backfill_progress(days, now);
    let mut line = format!(
        "{}  {} {} to {}: {}, {}",
        numbers::short_id(&backfill.backfill_id),
        backfill.job,
        backfill.first_day,
        backfill.last_day,
        status_text(backfill, zone),
        counted(&progress),
    );
    let left = time_left(backfill, &progress, zone, now);
    if !left.is_empty() {
        line.push_str(&format!(", {left}"));
    }
    line
}

/// The same as data.
pub fn unfinished_json(backfill: &Backfill, days: &[BackfillDay], now: DateTime<Utc>) -> Value {
    Value::Object(summary(backfill, &backfill_progress(days, now), now))
}

fn print_one(
    backfill: &Backfill,
    days: &[BackfillDay],
    progress: &BackfillProgress,
    context: &Context,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let output = &context.output;
    let order = match backfill.order {
        DayOrder::OldestFirst => "the oldest first",
        DayOrder::NewestFirst => "the newest first",
    };
    let chosen = format!("{} to {}, {}, {order}", backfill.first_day, backfill.last_day, backfill.selection);
    let status = output.paint(&status_text(backfill, zone), style(backfill.status));
    let mut lines = vec![
        ("backfill", backfill.backfill_id.clone()),
        ("job", format!("{}, environment {}", backfill.job, backfill.environment)),
        ("days", chosen),
        ("created", numbers::instant(backfill.created_at, zone)),
        ("status", status),
        ("progress", counted(progress)),
    ];
    if let Some(pace) = progress.pace {
        lines.push(("pace", format!("{:.1} days a minute", pace.days_per_minute)));
    }
    let left = time_left(backfill, progress, zone, now);
    if !left.is_empty() {
        lines.push(("time left", left));
    }
    let text: String = lines.iter().map(|(name, value)| format!("{name:<9}  {value}\n")).collect();
    output.text(&format!("{text}\n"))?;

    let mut table =
        TextTable::default().text("day").text("status").number("attempts").text("run").number("took").text("message");
    for day in days {
        table.row([
            day.as_of.to_string().into(),
            Cell::styled(day.status.as_str(), day_style(day.status)),
            numbers::count(day.attempts).into(),
            day.run_id.as_deref().map(numbers::short_id).unwrap_or_default().into(),
            seconds(day).map(numbers::duration).unwrap_or_default().into(),
            day.message.clone().unwrap_or_default().into(),
        ]);
    }
    output.table(&table)
}

fn as_json(backfill: &Backfill, days: &[BackfillDay], progress: &BackfillProgress, now: DateTime<Utc>) -> Value {
    let day = |day: &BackfillDay| {
        json!({
            "as_of": day.as_of.to_string(),
            "status": day.status.as_str(),
            "attempts": day.attempts,
            "run_id": day.run_id,
            "started_at": day.started_at.map(instant),
            "finished_at": day.finished_at.map(instant),
            "seconds": seconds(day),
            "message": day.message,
        })
    };
    let mut object = summary(backfill, progress, now);
    object.insert("days".to_owned(), days.iter().map(day).collect());
    Value::Object(object)
}

/// All but the days.
fn summary(backfill: &Backfill, progress: &BackfillProgress, now: DateTime<Utc>) -> Map<String, Value> {
    let is_running = backfill.status == BackfillStatus::Running;
    let pause = backfill.pause.as_ref();
    let fields = [
        ("backfill_id", json!(backfill.backfill_id)),
        ("job", json!(backfill.job)),
        ("environment", json!(backfill.environment)),
        ("first_day", json!(backfill.first_day.to_string())),
        ("last_day", json!(backfill.last_day.to_string())),
        ("selection", json!(backfill.selection)),
        ("day_order", json!(backfill.order.as_str())),
        ("created_at", json!(instant(backfill.created_at))),
        ("status", json!(backfill.status.as_str())),
        ("paused_at", json!(pause.map(|pause| instant(pause.at)))),
        ("paused_by", json!(pause.map(|pause| &pause.by))),
        ("days_total", json!(progress.days())),
        ("days_done", json!(progress.done)),
        ("days_failed", json!(progress.failed)),
        ("days_cancelled", json!(progress.cancelled)),
        ("days_running", json!(progress.at_work)),
        ("days_pending", json!(progress.waiting)),
        ("percent", json!(progress.percent())),
        ("days_per_minute", json!(progress.pace.map(|pace| pace.days_per_minute))),
        ("seconds_left", json!(progress.seconds_left())),
        ("estimated_end", json!(progress.ends_at(now).filter(|_| is_running).map(instant))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn instant(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// How long a day took that is over.
fn seconds(day: &BackfillDay) -> Option<f64> {
    let (started, finished) = (day.started_at?, day.finished_at?);
    Some((finished - started).num_milliseconds().max(0) as f64 / 1_000.0)
}

/// What the counts alone tell.
fn counts(backfill: &Backfill) -> BackfillProgress {
    BackfillProgress {
        done: backfill.done,
        failed: backfill.failed,
        cancelled: backfill.cancelled,
        at_work: backfill.running,
        waiting: backfill.pending,
        pace: None,
    }
}

/// `12 of 31 days done (38 %), 1 failed, 2 at work, 16 waiting`.
fn counted(progress: &BackfillProgress) -> String {
    let mut text = format!("{} of {} days done ({} %)", progress.done, progress.days(), progress.percent());
    let others = [
        (progress.failed, "failed"),
        (progress.cancelled, "cancelled"),
        (progress.at_work, "at work"),
        (progress.waiting, "waiting"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    text
}

/// `about 9 min left, until 14:20` while somebody works on it; else how much work is left.
fn time_left(backfill: &Backfill, progress: &BackfillProgress, zone: Tz, now: DateTime<Utc>) -> String {
    let Some(left) = progress.left_in_words() else { return String::new() };
    match (backfill.status, progress.ends_at(now)) {
        (BackfillStatus::Running, Some(end)) => {
            let (end, today) = (end.with_timezone(&zone), now.with_timezone(&zone).date_naive());
            let format = if end.date_naive() == today { "%H:%M" } else { "%Y-%m-%d %H:%M" };
            format!("{left}, until {}", end.format(format))
        }
        _ => format!("{left} when it goes on"),
    }
}

fn status_text(backfill: &Backfill, zone: Tz) -> String {
    match (&backfill.pause, backfill.status) {
        (Some(pause), status) => format!("{status} by {} at {}", pause.by, numbers::instant(pause.at, zone)),
        (None, BackfillStatus::Pending) => "waits to be resumed".to_owned(),
        (None, status) => status.to_string(),
    }
}

fn status_cell(status: BackfillStatus) -> Cell {
    Cell::styled(status.as_str(), style(status))
}

fn style(status: BackfillStatus) -> Style {
    match status {
        BackfillStatus::Running => Style::Bold,
        BackfillStatus::Done => Style::Good,
        BackfillStatus::Pending | BackfillStatus::Pausing | BackfillStatus::Paused => Style::Warning,
        BackfillStatus::Cancelled => Style::Faint,
        BackfillStatus::Failed => Style::Bad,
    }
}

fn day_style(status: DayStatus) -> Style {
    match status {
        DayStatus::Running => Style::Bold,
        DayStatus::Done => Style::Good,
        DayStatus::Pending => Style::Plain,
        DayStatus::Cancelled => Style::Faint,
        DayStatus::Failed => Style::Bad,
    }
}
