//! `lifecycle status`: how the jobs stand.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::arguments::{StatusArguments, StatusFormat};
use super::backfill::{unfinished_json, unfinished_line};
use super::context::Context;
use super::output::Style;
use super::runs::{print_bad_checks, runs_table, status_cell};
use super::standing::{
    failing_cell, fresh_cell, intake_text, next_cell, published_cell, rejected_cell, running_line, standing_json,
};
use super::text_table::{Cell, TextTable};
use super::{ExitCode, Failure, Report, numbers};
use crate::config::{Environment, Job};
use crate::schedule::outlook;
use crate::state::{Backfill, BackfillDay, RunFilter, State};
use crate::watch::{Outlook, Standing, standings};

/// Prints one line per job, or one job in detail.
pub async fn execute(arguments: &StatusArguments, context: &Context) -> Result<ExitCode, Failure> {
    let read = context.load_jobs()?;
    if !read.problems.is_empty() {
        context.output.warning("the project's files have mistakes", Some("`lifecycle validate` shows them"));
    }
    let (environment, jobs) = (read.environment, read.jobs);
    let state = context.look_at_state(&environment).await?;
    let now = context.now();
    let (facts, backfills) = match &state {
        Some(state) => (state.job_facts(now).await?, state.unfinished_backfills(now).await?),
        None => Default::default(),
    };
    let mut all = standings(&jobs, environment.timezone, &facts, now);
    // Whoever looks after runs needs this also while somebody edits a job.
    for name in jobs_by_file(&context.project.join("jobs")) {
        if !all.iter().any(|standing| standing.job == name) {
            all.push(never_ran(name));
        }
    }
    all.sort_by(|one, other| one.job.cmp(&other.job));
    let unfinished =
        backfills.into_iter().filter(|(backfill, _)| arguments.job.as_ref().is_none_or(|job| *job == backfill.job));
    let outlook = outlook(state.as_ref(), &jobs, environment.timezone, now).await?;
    let view = View { context, environment, state, jobs, outlook, backfills: unfinished.collect() };
    if let Some(job) = &arguments.job {
        let names: Vec<&str> = all.iter().map(|standing| standing.job.as_str()).collect();
        if !names.contains(&job.as_str()) {
            return Err(Failure::unknown_name("job", job, &names));
        }
        all.retain(|standing| standing.job == *job);
    }
    match (arguments.format, &arguments.job, all.as_slice()) {
        (StatusFormat::Json, ..) => view.json(&all)?,
        (StatusFormat::Table, Some(_), [standing]) => view.one(standing).await?,
        (StatusFormat::Table, _, []) => context.output.message("the project has no job: write one under jobs/"),
        (StatusFormat::Table, _, all) => view.all(all)?,
    }
    if arguments.check { check(&all) } else { Ok(ExitCode::Done) }
}

/// Fails where something is wrong with a job.
fn check(all: &[Standing]) -> Result<ExitCode, Failure> {
    let troubles: Vec<String> = all
        .iter()
        .flat_map(|standing| standing.troubles().into_iter().map(|trouble| format!("{}: {trouble}", standing.job)))
        .collect();
    if troubles.is_empty() {
        return Ok(ExitCode::Done);
    }
    let jobs = all.iter().filter(|standing| !standing.troubles().is_empty()).count();
    let message = format!("not all is well with {}", numbers::plural(jobs as u64, "job", "jobs"));
    Err(Failure::Failed(Report { causes: troubles, ..Report::new(message) }))
}

/// What the command looks at.
struct View<'a> {
    context: &'a Context,
    environment: Environment,
    /// `None` where nothing has been recorded yet.
    state: Option<State>,
    jobs: BTreeMap<String, Job>,
    outlook: Outlook,
    /// Those with days that wait or are at work, with their days.
    backfills: Vec<(Backfill, Vec<BackfillDay>)>,
}

impl View<'_> {
    fn all(&self, all: &[Standing]) -> Result<(), Failure> {
        let zone = self.environment.timezone;
        let today = self.context.today(zone);
        let has_targets = self.jobs.values().any(|job| job.freshness.is_some());
        let has_outlook = self.outlook != Outlook::default();
        let mut table = TextTable::default()
            .text("job")
            .text("last run")
            .text("as of")
            .text("started")
            .number("took")
            .text("rejected")
            .text("bad checks")
            .text("published up to");
        if has_targets {
            table = table.text("fresh");
        }
        if has_outlook {
            table = table.text("next run");
        }
        for standing in all {
            let blank = || Cell::from("");
            let mut cells = match &standing.last_run {
                Some(run) => vec![
                    standing.job.as_str().into(),
                    status_cell(run.status),
                    run.as_of.to_string().into(),
                    numbers::instant(run.started_at, zone).into(),
                    run.seconds().map(numbers::duration).unwrap_or_default().into(),
                    rejected_cell(standing),
                    failing_cell(standing),
                ],
                None => {
                    let never = Cell::styled("never", Style::Faint);
                    vec![standing.job.as_str().into(), never, blank(), blank(), blank(), blank(), blank()]
                }
            };
            cells.push(published_cell(&standing.freshness, today));
            if has_targets {
                cells.push(fresh_cell(&standing.freshness));
            }
            if has_outlook {
                cells.push(next_cell(&standing.job, &self.outlook, zone));
            }
            table.row(cells);
        }
        self.context.output.table(&table)?;
        self.at_work(all)
    }

    /// What is running now.
    fn at_work(&self, all: &[Standing]) -> Result<(), Failure> {
        let output = &self.context.output;
        let (zone, now) = (self.environment.timezone, self.context.now());
        let running: Vec<String> = all.iter().filter_map(|standing| running_line(standing, zone, now)).collect();
        let line = |(backfill, days): &(Backfill, Vec<BackfillDay>)| unfinished_line(backfill, days, zone, now);
        let backfills: Vec<String> = self.backfills.iter().map(line).collect();
        for (heading, lines) in [("running now", running), ("backfills", backfills)] {
            if !lines.is_empty() {
                output.text(&format!("\n{}\n  {}\n", output.paint(heading, Style::Faint), lines.join("\n  ")))?;
            }
        }
        Ok(())
    }

    async fn one(&self, standing: &Standing) -> Result<(), Failure> {
        const SHOWN_RUNS: u32 = 5;
        let output = &self.context.output;
        let (job, zone) = (standing.job.as_str(), self.environment.timezone);
        let description = self.jobs.get(job).map(|job| job.description.trim()).filter(|text| !text.is_empty());
        if let Some(description) = description {
            output.text(&format!("{job}: {description}\n"))?;
        }
        let filter = RunFilter { job: Some(job.to_owned()), limit: Some(SHOWN_RUNS), ..RunFilter::default() };
        let runs = match &self.state {
            Some(state) => state.list_runs(&filter, self.context.now()).await?,
            None => Vec::new(),
        };
        let (Some(state), Some(newest)) = (&self.state, runs.first()) else {
            output.message(&format!("it has never run; `lifecycle run {job}` starts it"));
            return Ok(());
        };
        let published = published_cell(&standing.freshness, self.context.today(zone));
        let fresh = fresh_cell(&standing.freshness);
        let fresh = if fresh.text.is_empty() { fresh } else { Cell::styled(format!(", {}", fresh.text), fresh.style) };
        let paint = |cell: &Cell| output.paint(&cell.text, cell.style);
        output.text(&format!("published up to {}{}\n", paint(&published), paint(&fresh)))?;
        let next = next_cell(job, &self.outlook, zone);
        if !next.text.is_empty() {
            output.text(&format!("next run {}\n", paint(&next)))?;
        }
        output.text("\n")?;
        output.table(&runs_table(&runs, zone))?;
        self.at_work(std::slice::from_ref(standing))?;

        let rejected: Vec<String> = standing
            .intake
            .iter()
            .filter(|intake| intake.rejected > 0)
            .map(|intake| {
                let rows = numbers::plural(intake.rejected, "row", "rows");
                format!("{rows} of {} ({})", intake.source, intake_text(intake))
            })
            .collect();
        if !rejected.is_empty() {
            let rejected = rejected.join(", ");
            output.text(&format!("\nrejected when rows last came: {rejected}: `lifecycle rejected` shows them\n"))?;
        }
        if newest.checks_failed > 0 {
            let details = state.show_run(&newest.run_id, self.context.now()).await?;
            output.text("\n")?;
            print_bad_checks(&details.checks, self.context)?;
        }
        Ok(())
    }

    fn json(&self, all: &[Standing]) -> Result<(), Failure> {
        let description = |job: &str| self.jobs.get(job).map(|job| job.description.trim()).unwrap_or_default();
        let jobs = all.iter().map(|standing| standing_json(standing, description(&standing.job), &self.outlook));
        let now = self.context.now();
        let backfills = self.backfills.iter().map(|(backfill, days)| unfinished_json(backfill, days, now));
        let object = json!({
            "environment": self.environment.name,
            "now": now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            "jobs": jobs.collect::<Vec<_>>(),
            "backfills": backfills.collect::<Vec<_>>(),
        });
        self.context.output.text(&format!("{object}\n"))
    }
}

/// A job whose file cannot be read, and that has never run.
fn never_ran(job: String) -> Standing {
    Standing {
        job,
        last_run: None,
        progress: None,
        freshness: Default::default(),
        failing: Vec::new(),
        intake: Vec::new(),
    }
}

/// The names of the jobs' files, read or not.
fn jobs_by_file(folder: &Path) -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let jobs = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    jobs.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
}
