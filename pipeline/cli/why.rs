//! `lifecycle why`: why a table, or a day of it, is what it is.

use serde_json::{Value, json};

use super::arguments::{RunSelection, WhyArguments, WhyFormat};
use super::context::Context;
use super::output::Style;
use super::plan::request;
use super::surroundings::surroundings;
use super::text_table::{Cell, TextTable};
use super::{ExitCode, Failure, numbers};
use crate::land::TouchedDays;
use crate::plan::days_in_words;
use crate::run::{Explanation, LandingInput, WaitingObject, explain, find_table};

/// Landings of each source that a text for people names.
const LISTED: usize = 5;

/// Explains a table.
pub async fn execute(arguments: &WhyArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.look_at_project()?;
    let (job, table) = find_table(&project, arguments.job.as_deref(), &arguments.table)?;
    let selection =
        RunSelection { job, as_of: arguments.as_of, select: Vec::new(), full_refresh: false, variables: Vec::new() };
    let request = request(&selection, context, &project)?;
    let surroundings = surroundings(context, &project);
    let found = explain(&project, &surroundings, &request, &table, arguments.day).await?;
    match arguments.format {
        WhyFormat::Json => {
            context.output.text(&format!("{:#}\n", as_json(&found)))?;
        }
        WhyFormat::Text => print(&found, context, project.environment.timezone)?,
    }
    Ok(ExitCode::Done)
}

fn print(found: &Explanation, context: &Context, zone: chrono_tz::Tz) -> Result<(), Failure> {
    let output = &context.output;
    let day = found.day.map(|day| format!(", {day}")).unwrap_or_default();
    let built = match (&found.built, found.release) {
        (Some(built), _) => format!(
            "by release {}, run {}, {}",
            built.release,
            numbers::short_id(&built.run_id),
            numbers::instant(built.at, zone)
        ),
        (None, None) => "never: the job has published nothing".to_owned(),
        (None, Some(_)) if found.is_released => "by a release whose record says no more".to_owned(),
        (None, Some(_)) => "never".to_owned(),
    };
    let style = if found.verdict.is_stale { Style::Warning } else { Style::Good };
    let action = output.paint(&found.verdict.action, style);
    output.text(&format!(
        "{}{day} (job {})\nbuilt     {built}\nnext run  {action}, as of {}: {}\n",
        found.table, found.job, found.as_of, found.verdict.reason,
    ))?;
    print_sources(found, context)?;
    print_landings(found, context, zone)?;
    print_upstream(found, context)
}

fn print_sources(found: &Explanation, context: &Context) -> Result<(), Failure> {
    if found.sources.is_empty() {
        return Ok(());
    }
    let mut table = TextTable::default().text("built from").number("version").number("now");
    table = table.number("landings since").number("objects waiting");
    let version = |version: Option<u64>| version.map_or_else(|| "none".to_owned(), |version| version.to_string());
    for source in &found.sources {
        table.row([
            format!("landed.{}", source.source).into(),
            version(source.built_from).into(),
            version(source.now).into(),
            numbers::count(source.landings.len() as u64).into(),
            numbers::count(source.waiting.len() as u64).into(),
        ]);
    }
    context.output.text("\n")?;
    context.output.table(&table)
}

/// What landed since, the newest first, and what waits.
fn print_landings(found: &Explanation, context: &Context, zone: chrono_tz::Tz) -> Result<(), Failure> {
    let mut table = TextTable::default().text("since then").text("when").text("run").text("touched").text("objects");
    let mut is_empty = true;
    for source in &found.sources {
        let name = format!("landed.{}", source.source);
        let mut rows: Vec<[String; 5]> = Vec::new();
        for landing in source.landings.iter().rev().take(LISTED) {
            let run = landing.facts.run.as_deref().map(numbers::short_id).unwrap_or_default();
            let at = landing.at.map(|at| numbers::instant(at, zone)).unwrap_or_default();
            rows.push([String::new(), at, run.to_owned(), touched(landing), objects(landing)]);
        }
        if source.landings.len() > LISTED {
            let more = numbers::plural((source.landings.len() - LISTED) as u64, "landing", "landings");
            rows.push([String::new(), format!("{more} before"), String::new(), String::new(), String::new()]);
        }
        if let Some(first) = source.waiting.first() {
            let days = source.waiting.iter().filter_map(|object| object.day).collect();
            let days = if source.waiting.iter().any(|object| object.day.is_some()) {
                days_in_words(&days)
            } else {
                String::new()
            };
            let more = source.waiting.len() - 1;
            let more = if more > 0 { format!(" and {} more", numbers::count(more as u64)) } else { String::new() };
            rows.push([String::new(), "waits".to_owned(), String::new(), days, format!("{}{more}", waiting(first))]);
        }
        if let Some(first) = rows.first_mut() {
            first[0] = name;
        }
        is_empty &= rows.is_empty();
        rows.into_iter().for_each(|row| table.row(row.map(Cell::from)));
    }
    if is_empty {
        return Ok(());
    }
    context.output.text("\n")?;
    context.output.table(&table)
}

fn touched(landing: &LandingInput) -> String {
    match &landing.facts.touched {
        TouchedDays::All => "all days".to_owned(),
        TouchedDays::Days(days) => days_in_words(days),
    }
}

fn objects(landing: &LandingInput) -> String {
    let count = landing.facts.objects;
    match landing.facts.names.as_slice() {
        [first] => first.clone(),
        [first, ..] => format!("{first} and {} more", count.saturating_sub(1)),
        [] => numbers::plural(count, "object", "objects"),
    }
}

fn waiting(object: &WaitingObject) -> String {
    let kind = if object.is_changed { ", delivered anew" } else { "" };
    format!("{}{kind}", object.name)
}

fn print_upstream(found: &Explanation, context: &Context) -> Result<(), Failure> {
    let mut table = TextTable::default().text("reads").text("next run").text("why");
    let changing =
        found.upstream.iter().filter(|upstream| !["view", "empty", "keep"].contains(&upstream.action.as_str()));
    let changing: Vec<_> = changing.collect();
    for upstream in &changing {
        let cells = [upstream.table.to_string(), upstream.action.clone(), upstream.reason.clone()];
        table.row(cells.map(Cell::from));
    }
    if changing.is_empty() {
        return Ok(());
    }
    context.output.text("\n")?;
    context.output.table(&table)
}

fn as_json(found: &Explanation) -> Value {
    let landing = |landing: &LandingInput| {
        let facts = &landing.facts;
        let touched = match &facts.touched {
            TouchedDays::All => json!("all"),
            TouchedDays::Days(days) => json!(days),
        };
        json!({
            "version": landing.version,
            "at": landing.at,
            "run": facts.run,
            "objects": facts.objects,
            "names": facts.names,
            "landed": facts.landed,
            "rejected": facts.rejected,
            "touched": touched,
        })
    };
    let waiting =
        |object: &WaitingObject| json!({"object": object.name, "day": object.day, "delivered_anew": object.is_changed});
    let sources = found.sources.iter().map(|source| {
        json!({
            "source": source.source,
            "built_from": source.built_from,
            "now": source.now,
            "landings": source.landings.iter().map(landing).collect::<Vec<_>>(),
            "waiting": source.waiting.iter().map(waiting).collect::<Vec<_>>(),
        })
    });
    let upstream = found.upstream.iter().map(
        |upstream| json!({"table": upstream.table.to_string(), "action": upstream.action, "reason": upstream.reason}),
    );
    json!({
        "table": found.table.to_string(),
        "day": found.day,
        "job": found.job,
        "release": found.release,
        "built": found.built.as_ref().map(|built| json!({
            "release": built.release, "run": built.run_id, "at": built.at,
        })),
        "next_run": {
            "as_of": found.as_of,
            "is_stale": found.verdict.is_stale,
            "action": found.verdict.action,
            "reason": found.verdict.reason,
        },
        "sources": sources.collect::<Vec<_>>(),
        "upstream": upstream.collect::<Vec<_>>(),
    })
}
