//! The arguments of `lifecycle backfill`.

use chrono::NaiveDate;
use clap::{Args, Subcommand, ValueEnum};

use super::{DataFormat, parse_day};

/// `lifecycle backfill`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    override_usage = "lifecycle backfill [OPTIONS] <JOB> --from <DAY> --to <DAY>\n       \
                      lifecycle backfill <list|resume|cancel>",
    after_help = "Examples:
  lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31
  lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --dry-run
  lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --only failed --parallel 4
  lifecycle backfill list
  lifecycle backfill resume 0192

The list of days is written down first: a backfill that was killed goes on with `resume` where it stopped. Days before \
the current release's write their histories only. A run of the job that is started meanwhile waits for the days at work, \
and the backfill goes on after it."
)]
pub struct BackfillArguments {
    #[command(subcommand)]
    pub command: Option<BackfillCommand>,
    #[command(flatten)]
    pub range: Option<BackfillRange>,
}

/// A new backfill.
#[derive(Debug, Clone, Args)]
pub struct BackfillRange {
    /// The job: the file jobs/JOB.yaml
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The first day
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub from: NaiveDate,
    /// The last day
    #[arg(long, value_name = "DAY", value_parser = parse_day)]
    pub to: NaiveDate,
    /// Which days of the range: those without a successful run, those whose last run failed, or all
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = BackfillOnly::Missing)]
    pub only: BackfillOnly,
    /// Days that are built at once; they share the memory limit
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,
    /// Print the days, what would land and which histories are written, and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// Which days of a range a backfill runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackfillOnly {
    Missing,
    Failed,
    All,
}

/// What to do with backfills that exist.
#[derive(Debug, Subcommand)]
pub enum BackfillCommand {
    /// List backfills, the newest first
    List(BackfillListArguments),
    /// Run the days that are left: waiting, failed, cancelled
    Resume(BackfillResumeArguments),
    /// Take the waiting days off the list
    Cancel(BackfillIdArguments),
}

/// `lifecycle backfill list`
#[derive(Debug, Args)]
pub struct BackfillListArguments {
    /// Print the rows as data instead of a text for people
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub format: Option<DataFormat>,
}

/// `lifecycle backfill resume`
#[derive(Debug, Args)]
pub struct BackfillResumeArguments {
    /// The backfill's id, or how it begins
    #[arg(value_name = "ID")]
    pub backfill_id: String,
    /// Days that are built at once; they share the memory limit
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,
}

/// `lifecycle backfill cancel`
#[derive(Debug, Args)]
pub struct BackfillIdArguments {
    /// The backfill's id, or how it begins
    #[arg(value_name = "ID")]
    pub backfill_id: String,
}
