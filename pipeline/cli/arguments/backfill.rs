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
                      lifecycle backfill <list|show|pause|resume|cancel>",
    after_help = "Examples:
  lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31
  lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --dry-run
  lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --only failed --parallel 4
  lifecycle backfill nightly --from 2026-01-01 --to 2026-01-31 --order newest-first
  lifecycle backfill list
  lifecycle backfill show 0192
  lifecycle backfill pause 0192
  lifecycle backfill resume 0192 --only failed

The list of days is written down first: a backfill that was killed goes on with `resume` where it stopped. Days before \
the current release's write their histories only; later ones come first, and the newest of them makes the current \
tables, in either order. A run of the job that is started meanwhile waits for the days at work, and the backfill goes \
on after it.

A day that waits or is at work in one backfill of a job is refused to another. One backfill of a job works at a time: \
one that is begun meanwhile is written down, and `resume` starts it.

Exits with 0 when all days are done, with 3 when some failed, were cancelled or wait because it was paused."
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
    /// Which days before the current release's are begun first; `resume` keeps to it
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = BackfillOrder::OldestFirst)]
    pub order: BackfillOrder,
    /// Days that are built at once; they share the memory limit. At most `backfill: {parallel: …}` of the environment
    /// [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: Option<u8>,
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

/// In which order days are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackfillOrder {
    OldestFirst,
    NewestFirst,
}

/// What to do with backfills that exist.
#[derive(Debug, Subcommand)]
pub enum BackfillCommand {
    /// List backfills, the newest first
    List(BackfillListArguments),
    /// Show one: its days, how far it is, how long it still takes
    Show(BackfillShowArguments),
    /// Begin no further day; the days at work go on to their end
    Pause(BackfillPauseArguments),
    /// Run the days that are left: waiting, failed, cancelled
    Resume(BackfillResumeArguments),
    /// Take the waiting days off the list
    Cancel(BackfillCancelArguments),
}

/// `lifecycle backfill list`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle backfill list
  lifecycle backfill list -o json")]
pub struct BackfillListArguments {
    /// Print the rows as data instead of a text for people
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub format: Option<DataFormat>,
}

/// `lifecycle backfill show`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle backfill show 0192
  lifecycle backfill show 0192 -o json

The pace is that of the last 20 days that were done; there is none before two are done.")]
pub struct BackfillShowArguments {
    /// The backfill's id, or how it begins
    #[arg(value_name = "ID")]
    pub backfill_id: String,
    /// Print it as data instead of a text for people
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub format: Option<ShowFormat>,
}

/// How one thing is printed as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShowFormat {
    // One object.
    Json,
}

/// `lifecycle backfill pause`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle backfill pause 0192

May be said from another terminal or machine. The process that works on the backfill finishes and publishes the days at \
work, and exits with 3. Nothing but `resume` starts it again.")]
pub struct BackfillPauseArguments {
    /// The backfill's id, or how it begins
    #[arg(value_name = "ID")]
    pub backfill_id: String,
}

/// `lifecycle backfill resume`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle backfill resume 0192
  lifecycle backfill resume 0192 --only failed --parallel 4

Goes on after a pause, a kill, an interruption or a failure. Without --only all days that are not done are run: \
waiting, failed and cancelled ones. `--only failed` tries those that failed, and leaves the others as they are; \
`--only waiting` leaves those that failed.")]
pub struct BackfillResumeArguments {
    /// The backfill's id, or how it begins
    #[arg(value_name = "ID")]
    pub backfill_id: String,
    /// Which of the days that are left
    #[arg(long, value_name = "WHICH", value_enum, default_value_t = ResumeOnly::All)]
    pub only: ResumeOnly,
    /// Days that are built at once; they share the memory limit. At most `backfill: {parallel: …}` of the environment
    /// [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: Option<u8>,
}

/// Which days a resumed backfill runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResumeOnly {
    All,
    Failed,
    Waiting,
}

/// `lifecycle backfill cancel`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle backfill cancel 0192")]
pub struct BackfillCancelArguments {
    /// The backfill's id, or how it begins
    #[arg(value_name = "ID")]
    pub backfill_id: String,
}
