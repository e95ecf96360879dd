//! How jobs stand, as `status` shows it: cells for people, and JSON.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::numbers;
use super::output::Style;
use super::text_table::Cell;
use crate::config::{MaxRejected, Severity};
use crate::state::RunStatus;
use crate::watch::{Freshness, Intake, Outlook, Standing, span};

/// `0`, or `1 error, 2 warn`.
pub fn failing_cell(standing: &Standing) -> Cell {
    let count = |severity| standing.failing(severity);
    match (count(Severity::Error), count(Severity::Warn)) {
        (0, 0) => Cell::from("0"),
        (0, warnings) => Cell::styled(format!("{warnings} warn"), Style::Warning),
        (errors, 0) => Cell::styled(format!("{errors} error"), Style::Bad),
        (errors, warnings) => Cell::styled(format!("{errors} error, {warnings} warn"), Style::Bad),
    }
}

/// What was rejected of the source that comes nearest to its limit.
pub fn rejected_cell(standing: &Standing) -> Cell {
    match standing.worst_intake() {
        None => Cell::from("0"),
        Some(intake) => {
            let style = if intake.strain() > 1.0 { Style::Bad } else { Style::Warning };
            Cell::styled(intake_text(intake), style)
        }
    }
}

/// `0.02 % of 1 %`, `3 of 100 rows`.
pub fn intake_text(intake: &Intake) -> String {
    match intake.limit {
        Some(MaxRejected::Share(limit)) => format!("{} of {}", percent(intake.share()), percent(limit)),
        Some(MaxRejected::Rows(limit)) => {
            format!("{} of {}", numbers::count(intake.rejected), numbers::plural(limit, "row", "rows"))
        }
        None => percent(intake.share()),
    }
}

/// `1%`, `0.02%`; never `0%` of something.
fn percent(share: f64) -> String {
    const LEAST: f64 = 0.0001;
    if share > 0.0 && share < LEAST {
        return "<0.01%".to_owned();
    }
    let text = format!("{:.2}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The newest published day, and how old that is.
pub fn published_cell(freshness: &Freshness, today: NaiveDate) -> Cell {
    match freshness.newest_day {
        None => Cell::styled("nothing yet", Style::Faint),
        Some(day) => {
            let is_old = (today - day).num_days() > 1 && freshness.target.is_none();
            let style = match freshness.late_by() {
                Some(_) => Style::Bad,
                None if is_old => Style::Warning,
                None => Style::Good,
            };
            Cell::styled(format!("{day} ({})", numbers::day_distance(day, today)), style)
        }
    }
}

/// `ok`, `late by 8 h 10 min`; nothing where no target is set.
pub fn fresh_cell(freshness: &Freshness) -> Cell {
    match (freshness.target, freshness.age, freshness.late_by()) {
        (None, ..) => Cell::from(""),
        (Some(_), None, _) => Cell::styled("nothing yet", Style::Faint),
        (Some(_), Some(_), None) => Cell::styled("ok", Style::Good),
        (Some(_), Some(_), Some(late)) => Cell::styled(format!("late by {}", span(late)), Style::Bad),
    }
}

/// When the job is due next, or that it is paused.
pub fn next_cell(job: &str, outlook: &Outlook, zone: Tz) -> Cell {
    if outlook.paused.contains(job) {
        return Cell::styled("paused", Style::Warning);
    }
    let next = outlook.next.get(job).map(|next| numbers::instant(*next, zone));
    Cell::from(next.unwrap_or_default())
}

/// `nightly as of 2026-01-31, run 0192f3a4-0000, since 02:00: building, 12 of 41, marts.churn`.
pub fn running_line(standing: &Standing, zone: Tz, now: DateTime<Utc>) -> Option<String> {
    let run = standing.last_run.as_ref().filter(|run| run.status == RunStatus::Running)?;
    let since = numbers::duration((now - run.started_at).num_milliseconds() as f64 / 1e3);
    let mut line = format!(
        "{} as of {}, run {}, since {} ({since})",
        run.job,
        run.as_of,
        numbers::short_id(&run.run_id),
        numbers::instant(run.started_at, zone),
    );
    if let Some(progress) = &standing.progress {
        line.push_str(&format!(": {}", progress.stage));
        match progress.total {
            Some(total) => line.push_str(&format!(" {} of {}", numbers::count(progress.done), numbers::count(total))),
            None if progress.done > 0 => line.push_str(&format!(" {}", numbers::count(progress.done))),
            None => {}
        }
        if let Some(detail) = &progress.detail {
            line.push_str(&format!(", {detail}"));
        }
    }
    Some(line)
}

/// A job's standing as JSON.
pub fn standing_json(standing: &Standing, description: &str, outlook: &Outlook) -> Value {
    let freshness = &standing.freshness;
    let seconds = |span: TimeDelta| span.num_seconds();
    let instant = |instant: DateTime<Utc>| instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    let last_run = standing.last_run.as_ref().map(|run| {
        json!({
            "run_id": run.run_id,
            "status": run.status.as_str(),
            "as_of": run.as_of.to_string(),
            "trigger": run.trigger.as_str(),
            "started_at": instant(run.started_at),
            "finished_at": run.finished_at.map(instant),
            "seconds": run.seconds(),
            "message": run.message,
            "release": run.release,
        })
    });
    let progress = standing.progress.as_ref().filter(|_| standing.is_running()).map(|progress| {
        json!({
            "stage": progress.stage,
            "detail": progress.detail,
            "done": progress.done,
            "total": progress.total,
            "updated_at": instant(progress.updated_at),
        })
    });
    let failing = standing.failing.iter().map(|check| {
        let severity = if check.severity == Severity::Error { "error" } else { "warn" };
        json!({
            "check": check.check,
            "table": check.table,
            "severity": severity,
            "status": check.status.as_str(),
            "bad_rows": check.bad_rows,
        })
    });
    let sources = standing.intake.iter().map(|intake| {
        json!({
            "source": intake.source,
            "rows_in": intake.rows_in,
            "rejected": intake.rejected,
            "rejected_share": intake.share(),
            "max_rejected": intake.limit.map(|limit| match limit {
                MaxRejected::Share(limit) => json!({"share": limit}),
                MaxRejected::Rows(limit) => json!({"rows": limit}),
            }),
            "is_over": intake.strain() > 1.0,
        })
    });
    json!({
        "job": standing.job,
        "description": description,
        "is_running": standing.is_running(),
        "progress": progress,
        "last_run": last_run,
        "published_up_to": freshness.newest_day.map(|day| day.to_string()),
        "data_age_seconds": freshness.age.map(seconds),
        "freshness_target_seconds": freshness.target.map(|target| target.as_secs()),
        "late_by_seconds": freshness.late_by().map(seconds),
        "failing_checks": failing.collect::<Vec<_>>(),
        "sources": sources.collect::<Vec<_>>(),
        "next_run_at": outlook.next.get(&standing.job).map(|next| instant(*next)),
        "is_paused": outlook.paused.contains(&standing.job),
        "missed_runs": outlook.missed.get(&standing.job),
        "troubles": standing.troubles(),
    })
}
