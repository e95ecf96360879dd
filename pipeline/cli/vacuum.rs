//! `lifecycle vacuum`: deletes what no reader needs.

use chrono::TimeDelta;
use clap::Args;

use super::context::Context;
use super::surroundings::surroundings;
use super::text_table::TextTable;
use super::{ExitCode, Failure, numbers};
use crate::publish::YOUNG;
use crate::run::{VacuumReport, VacuumRequest, vacuum};

/// `lifecycle vacuum`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle vacuum --dry-run
  lifecycle vacuum
  lifecycle vacuum --keep 90d

Deletes old releases, the files that only they need, and what killed runs and failed landings have left. The newest \
version of each table stays, and so does everything that a kept release needs: those of the last 30 days and the \
newest five, which `rollback` and `query --release` can reach. No file that is younger than 7 days is deleted. Refuses \
to work while a job runs.")]
pub struct VacuumArguments {
    /// Keep the releases that were current in so many days: from 7d, because younger files stay anyway, to 365d,
    /// because the tables' logs reach no farther back
    #[arg(long, value_name = "DAYS", default_value = "30d", value_parser = parse_keep)]
    pub keep: TimeDelta,
    /// Print what would be deleted, by table, and delete nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Sweeps the warehouse, or says what there is to sweep.
pub async fn execute(arguments: &VacuumArguments, context: &Context) -> Result<ExitCode, Failure> {
    let project = context.load_project()?;
    let state = context.open_state(&project.environment).await?;
    let request = VacuumRequest { keep: arguments.keep, is_dry: arguments.dry_run };
    let report = vacuum(&project, &state, &surroundings(context, &project), &request).await?;
    if arguments.dry_run {
        context.output.table(&table(&report))?;
    }
    let done = if arguments.dry_run { "would delete" } else { "deleted" };
    context.output.message(&format!("{done} {}", sum(&report)));
    let problems: Vec<_> =
        report.folders.iter().filter_map(|folder| Some((folder, folder.problem.as_ref()?))).collect();
    for (folder, problem) in &problems {
        context.output.warning(&format!("files of {} stay: {problem}", folder.name), None);
    }
    Ok(if problems.is_empty() { ExitCode::Done } else { ExitCode::Partial })
}

fn table(report: &VacuumReport) -> TextTable {
    let mut table = TextTable::default().text("table").number("files").number("bytes");
    for folder in report.folders.iter().filter(|folder| folder.files > 0) {
        let cells = [folder.name.clone(), numbers::count(folder.files), numbers::bytes(folder.bytes)];
        table.row(cells.map(Into::into));
    }
    table
}

/// `12 files (3.4 MB) of 3 tables, and releases 1 to 20 of nightly`.
fn sum(report: &VacuumReport) -> String {
    let swept: Vec<_> = report.folders.iter().filter(|folder| folder.files > 0).collect();
    let (files, bytes) =
        swept.iter().fold((0, 0), |(files, bytes), folder| (files + folder.files, bytes + folder.bytes));
    let mut parts = match files {
        0 => vec!["no file".to_owned()],
        _ => vec![format!(
            "{} ({}) of {}",
            numbers::plural(files, "file", "files"),
            numbers::bytes(bytes),
            numbers::plural(swept.len() as u64, "folder", "folders"),
        )],
    };
    for (job, releases) in &report.releases {
        parts.push(match (releases.first(), releases.last()) {
            (Some(first), Some(last)) if first != last => format!("releases {first} to {last} of {job}"),
            (Some(only), _) => format!("release {only} of {job}"),
            (None, _) => continue,
        });
    }
    parts.join(", ")
}

fn parse_keep(text: &str) -> Result<TimeDelta, String> {
    const MOST_DAYS: i64 = 365;
    let days = text.strip_suffix('d').unwrap_or(text).parse::<i64>();
    let days = days.map_err(|_| "a number of days is written 30d".to_owned())?;
    if days < YOUNG.num_days() {
        return Err(format!("at least {}d: younger files are kept, so nothing more would be freed", YOUNG.num_days()));
    }
    if days > MOST_DAYS {
        return Err(format!("at most {MOST_DAYS}d: the tables' logs reach no farther back"));
    }
    Ok(TimeDelta::days(days))
}
