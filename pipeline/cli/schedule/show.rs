//! `schedule next`, `schedule simulate` and `schedule log`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::{DateTime, NaiveDate, Utc};

use super::super::arguments::{LogArguments, NextArguments, SimulateArguments};
use super::super::context::{Context, refuse_unknown_job};
use super::super::output::Style;
use super::super::text_table::{Cell, TextTable};
use super::super::{ExitCode, Failure, Report, batches, numbers};
use super::hold::pause_words;
use super::messages::words;
use super::timetables;
use crate::schedule::simulate;
use crate::state::{NotRunReason, OpsTable, RunOutcome, ScheduledRun, ScheduledStatus};

/// More rows of a simulation than this are a slip.
const MOST_SIMULATED: usize = 1_000_000;

/// A run to come, or one that a simulation made.
struct Row {
    job: String,
    scheduled_at: Option<DateTime<Utc>>,
    start_at: Option<DateTime<Utc>>,
    as_of: Option<NaiveDate>,
    what: String,
}

/// Prints when jobs run next.
pub async fn next(arguments: &NextArguments, now: DateTime<Utc>, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let zone = project.environment.timezone;
    let pauses: BTreeMap<String, String> = match context.look_at_state(&project.environment).await? {
        Some(state) => {
            let paused = state.schedules().await?.into_iter().filter_map(|found| Some((found.job, found.pause?)));
            paused.map(|(job, pause)| (job, format!("paused {}", pause_words(&pause, zone)))).collect()
        }
        None => BTreeMap::new(),
    };
    let mut rows = Vec::new();
    for timetable in timetables(&project, arguments.job.as_deref())? {
        let after = &timetable.schedule.after;
        let mut notes: Vec<String> = pauses.get(&timetable.job).cloned().into_iter().collect();
        if !after.is_empty() {
            notes.push(format!("after {}", after.join(", ")));
        }
        let what = notes.join("; ");
        let before = rows.len();
        rows.extend(timetable.starts_after(now).take(arguments.limit as usize).map(|(instant, start)| Row {
            job: timetable.job.clone(),
            scheduled_at: Some(instant),
            start_at: Some(start),
            as_of: Some(timetable.as_of(instant)),
            what: what.clone(),
        }));
        if rows.len() == before {
            let what = if what.is_empty() { "never again".to_owned() } else { what };
            rows.push(Row { job: timetable.job.clone(), scheduled_at: None, start_at: None, as_of: None, what });
        }
    }
    if arguments.job.is_none() {
        rows.sort_by_key(|row| (row.start_at.is_none(), row.start_at, row.job.clone()));
    }
    if rows.is_empty() {
        context.output.message("no job has a schedule");
    }
    print(&rows, "note", arguments.format, zone, context)
}

/// Prints what the rules would do in a span of time.
pub async fn simulation(arguments: &SimulateArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let zone = project.environment.timezone;
    let (from, to) = (arguments.from.instant(zone), arguments.to.instant(zone));
    if from >= to {
        let report = Report::new("the span is empty: --from is not before --to");
        return Err(Failure::Usage(report.hint("--from is included, --to is not")));
    }
    timetables(&project, arguments.job.as_deref())?;
    // Jobs that the named one runs after are played too.
    let mut simulated = simulate(&timetables(&project, None)?, from, to, MOST_SIMULATED);
    if simulated.len() == MOST_SIMULATED {
        let text = format!("only the first {} decisions were made", numbers::count(MOST_SIMULATED as u64));
        context.output.warning(&text, Some("choose a shorter span"));
    }
    if let Some(job) = &arguments.job {
        simulated.retain(|decision| decision.job == *job);
    }
    simulated.sort_by(|one, other| (one.start_at, &one.job).cmp(&(other.start_at, &other.job)));
    let rows: Vec<Row> = simulated
        .into_iter()
        .map(|decision| Row {
            what: words(decision.verdict),
            job: decision.job,
            scheduled_at: Some(decision.scheduled_at),
            start_at: Some(decision.start_at),
            as_of: Some(decision.as_of),
        })
        .collect();
    if rows.is_empty() {
        context.output.message("nothing is due in that time");
    }
    print(&rows, "decision", arguments.format, zone, context)
}

/// Prints what was decided, the newest first.
pub async fn log(arguments: &LogArguments, context: &Context) -> Result<ExitCode, Failure> {
    let environment = context.load_environment()?;
    let state = context.look_at_state(&environment).await?;
    let runs = match &state {
        Some(state) => state.schedule_log(arguments.job.as_deref(), arguments.limit).await?,
        None => Vec::new(),
    };
    if let (Some(job), true) = (&arguments.job, runs.is_empty()) {
        refuse_unknown_job(job, context)?;
    }
    if let Some(format) = arguments.format {
        batches::print(&context.output, format, &OpsTable::schedules_batch(&runs)?)?;
        return Ok(ExitCode::Done);
    }
    if runs.is_empty() {
        context.output.message("nothing has been decided yet; `lifecycle schedule` does it");
        return Ok(ExitCode::Done);
    }
    let zone = environment.timezone;
    let mut table = TextTable::default().text("job").text("due").text("as of").text("status").text("run").text("why");
    for run in &runs {
        table.row([
            run.job.as_str().into(),
            numbers::instant(run.scheduled_at, zone).into(),
            run.as_of.to_string().into(),
            status(run),
            run.run_id.as_deref().map(numbers::short_id).unwrap_or_default().into(),
            why(run).into(),
        ]);
    }
    context.output.table(&table)?;
    Ok(ExitCode::Done)
}

fn status(run: &ScheduledRun) -> Cell {
    let style = match (run.status, run.outcome) {
        (ScheduledStatus::Missed, _) => Style::Bad,
        (ScheduledStatus::Skipped, _) => Style::Warning,
        (ScheduledStatus::Waiting | ScheduledStatus::Running, _) => Style::Bold,
        (ScheduledStatus::Done, Some(RunOutcome::Succeeded | RunOutcome::NothingToDo)) => Style::Good,
        (ScheduledStatus::Done, _) => Style::Bad,
    };
    let text = run.outcome.map_or(run.status.as_str(), RunOutcome::as_str);
    Cell::styled(text.replace('_', " "), style)
}

fn why(run: &ScheduledRun) -> String {
    let mut words: Vec<String> = run.reason.map(NotRunReason::words).map(str::to_owned).into_iter().collect();
    if run.instants > 1 {
        words.push(format!("{} runs together", numbers::count(run.instants)));
    }
    if run.is_made_up {
        words.push("late: nobody was there at its time".to_owned());
    }
    if run.attempts > 1 {
        words.push(format!("{} attempts", run.attempts));
    }
    words.extend(run.message.clone());
    words.join("; ")
}

fn print(
    rows: &[Row],
    what: &str,
    format: Option<batches::DataFormat>,
    zone: chrono_tz::Tz,
    context: &Context,
) -> Result<ExitCode, Failure> {
    if let Some(format) = format {
        batches::print(&context.output, format, &batch(rows, what)?)?;
        return Ok(ExitCode::Done);
    }
    if rows.is_empty() {
        return Ok(ExitCode::Done);
    }
    let mut table = TextTable::default().text("job").text("due").text("starts").text("as of").text(what);
    let instant = |instant: Option<DateTime<Utc>>| instant.map(|instant| numbers::instant(instant, zone));
    for row in rows {
        table.row([
            row.job.as_str().into(),
            instant(row.scheduled_at).unwrap_or_default().into(),
            instant(row.start_at).unwrap_or_default().into(),
            row.as_of.map(|day| day.to_string()).unwrap_or_default().into(),
            row.what.as_str().into(),
        ]);
    }
    context.output.table(&table)?;
    Ok(ExitCode::Done)
}

fn batch(rows: &[Row], what: &str) -> Result<RecordBatch, Failure> {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let instants = |value: fn(&Row) -> Option<DateTime<Utc>>| -> ArrayRef {
        let micros = rows.iter().map(|row| value(row).map(|instant| instant.timestamp_micros()));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let days = rows.iter().map(|row| row.as_of.map(|day| (day - NaiveDate::default()).num_days() as i32));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.job))),
        instants(|row| row.scheduled_at),
        instants(|row| row.start_at),
        Arc::new(days.collect::<Date32Array>()),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.what))),
    ];
    let schema = Schema::new(vec![
        Field::new("job", DataType::Utf8, false),
        Field::new("scheduled_at", timestamp.clone(), true),
        Field::new("start_at", timestamp, true),
        Field::new("as_of", DataType::Date32, true),
        Field::new(what, DataType::Utf8, false),
    ]);
    RecordBatch::try_new(Arc::new(schema), columns).map_err(|error| Failure::failed(&error))
}
