//! The whole command line, as clap reads it.

mod backfill;
mod rejected;
mod schedule;
mod why;

pub use backfill::{
    BackfillArguments, BackfillCommand, BackfillListArguments, BackfillOnly, BackfillOrder, BackfillRange,
    BackfillResumeArguments, BackfillShowArguments, ResumeOnly, ShowFormat,
};
pub use rejected::{RejectedArguments, RejectedCommand, ReplayArguments};
pub use schedule::{
    DaemonArguments, LogArguments, Moment, NextArguments, PauseArguments, ResumeArguments, ScheduleArguments,
    ScheduleCommand, SimulateArguments,
};
pub use why::{WhyArguments, WhyFormat};

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::batches::DataFormat;
use super::logging::LogFormat;
use crate::state::RunStatus;

/// Turns raw customer interactions into checked, published customer-lifecycle tables.
#[derive(Debug, Parser)]
#[command(
    name = "lifecycle",
    version,
    propagate_version = false,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Examples:
  lifecycle demo                        try it on a made-up business
  lifecycle init shop                   begin a project of your own
  lifecycle run nightly                 land, build, check and publish
  lifecycle query \"select * from marts.churn_summary\"

Exit codes:
  0 done   1 a run failed   2 usage or configuration   3 part of it failed
  4 checks stopped the release   130 interrupted"
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: GlobalArguments,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArguments {
    /// The project's folder: the one that holds config/, jobs/ and sql/
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub project: PathBuf,
    /// The environment: the file config/NAME.yaml
    #[arg(long = "env", global = true, value_name = "NAME", default_value = "local")]
    pub environment: String,
    /// Print data and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Log what is done (-v), and how (-vv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How messages and logs are written to stderr
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Send traces of runs to this OpenTelemetry collector, by OTLP over HTTP
    #[arg(long, global = true, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env = true)]
    pub otlp: Option<String>,
    /// When to use colours; `auto` also follows NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
}

/// When output has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    // On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// A command; each has a file of its name.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a business's raw files, run the nightly job over them, say what to look at
    Demo(DemoArguments),
    /// Begin a new project from templates
    Init(InitArguments),
    /// Report every mistake in the project's files; reads no data
    Validate(ValidateArguments),
    /// Run the cases of models: given rows, expected rows
    Test(TestArguments),
    /// Show what a run would do, and why
    Plan(PlanArguments),
    /// Tell from what a table was built, what has come since, and what the next run would do
    Why(WhyArguments),
    /// Land, build, check and publish a job for one day
    Run(RunArguments),
    /// Run a job for a range of days
    Backfill(BackfillArguments),
    /// Run jobs when they are due; show, simulate, pause and resume their schedules
    Schedule(ScheduleArguments),
    /// Show how the jobs stand: last runs, checks, rejected rows, freshness
    Status(StatusArguments),
    /// List runs, or show one
    Runs(RunsArguments),
    /// Look at rows that a source's contract refused
    Rejected(RejectedArguments),
    /// List the published tables
    Tables(TablesArguments),
    /// Query the published tables with SQL
    Query(QueryArguments),
    /// Write the data dictionary: every table, column, parameter and check
    Docs(DocsArguments),
    /// Publish an earlier release again
    Rollback(RollbackArguments),
    /// Delete old releases, and files that no reader needs
    Vacuum(super::vacuum::VacuumArguments),
    /// Check the environment: configuration, stores, state, machine
    Doctor(DoctorArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
}

/// `lifecycle demo`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle demo
  lifecycle demo --customers 50000 --days 365
  lifecycle demo --dir shop-demo --seed 7

The same seed makes the same files. Raw files lie under DIR/raw, tables under DIR/warehouse.")]
pub struct DemoArguments {
    /// The folder to write to; created, and refused where it holds something else
    #[arg(long, value_name = "DIR", default_value = "demo")]
    pub dir: PathBuf,
    /// How many customers the business has in the end
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub customers: u64,
    /// How many days of business
    #[arg(long, value_name = "N", default_value_t = 730, value_parser = clap::value_parser!(u32).range(1..=7_300))]
    pub days: u32,
    /// Which business of all that could be
    #[arg(long, value_name = "S", default_value_t = 42)]
    pub seed: u64,
}

/// `lifecycle init`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle init shop
  lifecycle --project shop validate

The folder holds a configuration, a job to fill in, and a copy of all the standard models: plain SQL, yours to edit.")]
pub struct InitArguments {
    /// The folder of the new project: a new one, or an empty one
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// `lifecycle validate`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle validate
  lifecycle validate --env production

Prints every mistake of every job, configuration and model at once, with file, line and column, and exits with 2 if \
there is one. All SQL is planned against the contracts; no data is read.")]
pub struct ValidateArguments {}

/// What a run is about: shared by `plan` and `run`.
#[derive(Debug, Clone, Args)]
pub struct RunSelection {
    /// The job: the file jobs/JOB.yaml
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The last complete business day that the run sees [default: yesterday in the environment's zone]
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub as_of: Option<NaiveDate>,
    /// Only these models and what they need: a name, a folder, tag:x, +upstream, downstream+; may be repeated
    #[arg(short, long = "select", value_name = "SELECTOR")]
    pub select: Vec<String>,
    /// Build every selected table whole, changed or not
    #[arg(long)]
    pub full_refresh: bool,
    /// Give a parameter another value for this run; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub variables: Vec<(String, String)>,
}

/// `lifecycle test`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle test                        every case in tests/sql
  lifecycle test churn                  those of one model
  lifecycle test marts --failed         say nothing of those that pass

A case is given rows by table, and the rows that the model makes of them; the model's checks run too. Nothing is read
from or written to the warehouse.")]
pub struct TestArguments {
    /// Only these models: names, folders, tag:x, +upstream, downstream+
    #[arg(value_name = "SELECTOR")]
    pub select: Vec<String>,
    /// Print only the cases that fail
    #[arg(long)]
    pub failed: bool,
}

/// `lifecycle plan`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle plan nightly
  lifecycle plan nightly --as-of 2026-01-31 -s marts.churn
  lifecycle plan nightly --full-refresh

Lists the objects to land, the tables to build and the days to rebuild, with the reason for each. `run` does just that.")]
pub struct PlanArguments {
    #[command(flatten)]
    pub selection: RunSelection,
}

/// `lifecycle run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle run nightly
  lifecycle run nightly --as-of 2026-01-31
  lifecycle run nightly -s +marts.churn --var churn_window_days=60
  lifecycle run nightly --wait --attempts 5
  lifecycle run nightly --notify        from an outside scheduler

A run may be repeated, and killed at any moment: the published tables stay whole, and the next run goes on from there. \
An older day than the current release's writes that day's history only. Facts that came late are put into the history \
of the job's `repair_window`.

What may pass (a store or the state's database that fails for a while) is tried again as the job's `retry` says, and \
what was finished is not done again. Mistakes, checks and rejected rows are told at once.")]
pub struct RunArguments {
    #[command(flatten)]
    pub selection: RunSelection,
    /// Wait while another process works on the job, instead of failing at once
    #[arg(long)]
    pub wait: bool,
    /// Tries in all; 1 does not try again [default: the job's `retry.attempts`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: Option<u32>,
    /// Tell the job's `notify` targets how it ended, as for a scheduled run
    #[arg(long)]
    pub notify: bool,
}

/// `lifecycle status`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle status
  lifecycle status nightly
  lifecycle status -o json | jq '.jobs[] | {job, late_by_seconds}'
  lifecycle status --check || echo 'look after it'

One line per job: the last run, what was rejected, which checks fail, how old the published data are, the next run. Below \
it what is at work now.")]
pub struct StatusArguments {
    /// Only this job, in detail
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// Exit with 1 where something is wrong: a run that failed, late data, failing checks, too many rejected rows
    #[arg(long)]
    pub check: bool,
    /// How it is printed
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum, default_value_t = StatusFormat::Table)]
    pub format: StatusFormat,
}

/// How `status` is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    // Columns for people.
    Table,
    // One object.
    Json,
}

/// `lifecycle runs`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle runs
  lifecycle runs --job nightly --status failed -n 5
  lifecycle runs show 0192
  lifecycle runs -o csv > runs.csv")]
pub struct RunsArguments {
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// Only runs of this job
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// Only runs with this status: running, succeeded, nothing_to_do, failed, checks_failed, partly_failed, interrupted
    #[arg(long, value_name = "STATUS", value_parser = parse_status, hide_possible_values = true)]
    pub status: Option<RunStatus>,
    /// The newest N
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Print the rows as data instead of a text for people
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub format: Option<DataFormat>,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Show one run: its sources, tables and checks
    Show(RunsShowArguments),
}

/// `lifecycle runs show`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle runs show 0192f3")]
pub struct RunsShowArguments {
    /// The run's id, or how it begins
    #[arg(value_name = "ID")]
    pub run_id: String,
}

/// `lifecycle tables`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle tables
  lifecycle tables -o json")]
pub struct TablesArguments {
    /// How the list is printed
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum, default_value_t = DataFormat::Table)]
    pub format: DataFormat,
}

/// `lifecycle query`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle query \"select * from marts.churn_summary\"
  lifecycle query \"select * from marts.customer_value\" -o parquet --file value.parquet
  lifecycle query \"select job, status, count(*) from ops.runs group by job, status\" -o csv
  lifecycle query - < question.sql

Reads the tables of one release. Schemas: marts, intermediate, staging, landed, seeds, ops.")]
pub struct QueryArguments {
    /// The query; `-` reads it from stdin
    #[arg(value_name = "SQL")]
    pub sql: String,
    /// How the rows are printed
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum, default_value_t = DataFormat::Table)]
    pub format: DataFormat,
    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Read this release of the job instead of the current one
    #[arg(long, value_name = "NUMBER")]
    pub release: Option<u64>,
    /// Read what this job published; needed with several jobs and --release
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
}

/// `lifecycle docs`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle docs                        docs/data-dictionary.md and docs/data-dictionary.html
  lifecycle docs --dir site

Lineage is read from the plans of the models, results of checks from the last runs. The same project in the same state
makes the same files.")]
pub struct DocsArguments {
    /// The folder to write to; the default is docs/ in the project
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `lifecycle rollback`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle rollback
  lifecycle rollback 17 --job nightly

Publishes the tables of an earlier release as a new one; without a number, of the release before the current one.")]
pub struct RollbackArguments {
    /// The release's number [default: the one before the current]
    #[arg(value_name = "RELEASE")]
    pub release: Option<u64>,
    /// The job whose release it is; needed where several jobs publish
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
}

/// `lifecycle doctor`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle doctor
  lifecycle doctor --env production
  lifecycle doctor --notify nightly

Writes and deletes small probe objects in the warehouse. Exits with 1 if a check fails, with 2 if only the \
configuration is wrong.")]
pub struct DoctorArguments {
    /// Send a test message to every `notify` target of this job
    #[arg(long, value_name = "JOB")]
    pub notify: Option<String>,
}

/// `lifecycle completions`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle completions bash > ~/.local/share/bash-completion/completions/lifecycle
  lifecycle completions zsh > ~/.zfunc/_lifecycle
  lifecycle completions fish > ~/.config/fish/completions/lifecycle.fish")]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

fn parse_day(text: &str) -> Result<NaiveDate, String> {
    let is_shaped = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    text.parse::<NaiveDate>().ok().filter(|_| is_shaped).ok_or_else(|| {
        if is_shaped {
            "there is no such day in the calendar".to_owned()
        } else {
            "a day is written yyyy-mm-dd, as in 2026-01-31".to_owned()
        }
    })
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("a parameter is written name=value, as in churn_window_days=60".to_owned()),
    }
}

fn parse_status(text: &str) -> Result<RunStatus, String> {
    RunStatus::from_text(text).ok_or_else(|| {
        let known: Vec<&str> = RunStatus::all().map(RunStatus::as_str).collect();
        super::suggest::unknown("status", text, &known)
    })
}
