//! `lifecycle status`: how the jobs stand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::arguments::StatusArguments;
use super::context::Context;
use super::output::Style;
use super::runs::{print_bad_checks, runs_table, status_cell};
use super::text_table::{Cell, TextTable};
use super::{ExitCode, Failure, numbers};
use crate::config::Environment;
use crate::state::{RunFilter, RunSummary, State};

/// Prints one line per job, or one job in detail.
pub async fn execute(arguments: &StatusArguments, context: &Context) -> Result<ExitCode, Failure> {
    let environment = context.load_environment()?;
    let state = context.look_at_state(&environment).await?;
    // Whoever looks after runs needs this also while somebody edits a model.
    let descriptions = match context.load_project() {
        Ok(project) => project.jobs.into_iter().map(|(name, job)| (name, job.description)).collect(),
        Err(_) => {
            context.output.warning("the project's files have mistakes", Some("`lifecycle validate` shows them"));
            jobs_by_file(&context.project.join("jobs")).map(|name| (name, String::new())).collect()
        }
    };
    let view = View { context, environment, state, descriptions };
    let last_runs = match &view.state {
        Some(state) => state.last_runs(context.now()).await?,
        None => Vec::new(),
    };
    // A job whose file is gone keeps its history.
    let jobs: BTreeSet<&str> =
        view.descriptions.keys().map(String::as_str).chain(last_runs.iter().map(|run| run.job.as_str())).collect();
    match &arguments.job {
        Some(job) if !jobs.contains(job.as_str()) => {
            Err(Failure::unknown_name("job", job, &jobs.into_iter().collect::<Vec<_>>()))
        }
        Some(job) => view.one(job).await,
        None if jobs.is_empty() => {
            context.output.message("the project has no job: write one under jobs/");
            Ok(ExitCode::Done)
        }
        None => view.all(&jobs, &last_runs).await,
    }
}

/// What the command looks at.
struct View<'a> {
    context: &'a Context,
    environment: Environment,
    /// `None` where nothing has been recorded yet.
    state: Option<State>,
    /// By job.
    descriptions: BTreeMap<String, String>,
}

impl View<'_> {
    async fn all(&self, jobs: &BTreeSet<&str>, last_runs: &[RunSummary]) -> Result<ExitCode, Failure> {
        let zone = self.environment.timezone;
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
            let fresh = self.freshness(job).await?;
            let blank = || Cell::from("");
            table.row(match last_runs.iter().find(|run| run.job == *job) {
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
                None => {
                    let never = Cell::styled("never", Style::Faint);
                    [(*job).into(), never, blank(), blank(), blank(), blank(), blank(), fresh]
                }
            });
        }
        self.context.output.table(&table)?;
        Ok(ExitCode::Done)
    }

    async fn one(&self, job: &str) -> Result<ExitCode, Failure> {
        const SHOWN_RUNS: u32 = 5;
        let output = &self.context.output;
        if let Some(description) = self.descriptions.get(job).map(|text| text.trim()).filter(|text| !text.is_empty()) {
            output.text(&format!("{job}: {description}\n"))?;
        }
        let filter = RunFilter { job: Some(job.to_owned()), limit: Some(SHOWN_RUNS), ..RunFilter::default() };
        let runs = match &self.state {
            Some(state) => state.list_runs(&filter, self.context.now()).await?,
            None => Vec::new(),
        };
        let (Some(state), Some(newest)) = (&self.state, runs.first()) else {
            output.message(&format!("it has never run; `lifecycle run {job}` starts it"));
            return Ok(ExitCode::Done);
        };
        let fresh = self.freshness(job).await?;
        output.text(&format!("published up to {}\n\n", output.paint(&fresh.text, fresh.style)))?;
        output.table(&runs_table(&runs, self.environment.timezone))?;

        let details = state.show_run(&newest.run_id, self.context.now()).await?;
        let rejected: Vec<String> = details
            .sources
            .iter()
            .filter(|source| source.rejected > 0)
            .map(|source| format!("{} of {}", numbers::plural(source.rejected, "row", "rows"), source.source))
            .collect();
        if !rejected.is_empty() {
            let rejected = rejected.join(", ");
            output.text(&format!("\nthe last run rejected {rejected}: `lifecycle rejected` shows them\n"))?;
        }
        if newest.checks_failed > 0 {
            output.text("\n")?;
            print_bad_checks(&details.checks, self.context)?;
        }
        Ok(ExitCode::Done)
    }

    /// The as-of of the newest run that left good tables behind, and how old that is.
    async fn freshness(&self, job: &str) -> Result<Cell, Failure> {
        let newest = match &self.state {
            Some(state) => state.newest_good_day(job).await?,
            None => None,
        };
        let today = self.context.today(self.environment.timezone);
        Ok(match newest {
            None => Cell::styled("nothing yet", Style::Faint),
            Some(day) => {
                let style = if (today - day).num_days() > 1 { Style::Warning } else { Style::Good };
                Cell::styled(format!("{day} ({})", numbers::day_distance(day, today)), style)
            }
        })
    }
}

/// The names of the jobs' files, read or not.
fn jobs_by_file(folder: &Path) -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let jobs = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    jobs.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
}

fn warned_count(value: u64) -> Cell {
    Cell::styled(numbers::count(value), if value > 0 { Style::Warning } else { Style::Plain })
}
