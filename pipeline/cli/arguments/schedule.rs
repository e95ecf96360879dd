//! The arguments of `lifecycle schedule`.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use chrono_tz::Tz;
use clap::{Args, Subcommand};

use super::DataFormat;
use crate::config::first_instant;

/// `lifecycle schedule`
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  lifecycle schedule                        run every job when it is due, until stopped
  lifecycle schedule --at-once 2 --listen 127.0.0.1:9464
  lifecycle schedule next                   when each job runs next
  lifecycle schedule simulate --from 2026-03-28 --to 2026-03-31 nightly
  lifecycle schedule tick                   for an outside cron: run what is due once
  lifecycle schedule pause nightly --reason \"the till is being moved\"

Several daemons may work on one state: each run is executed once, and what a dead one leaves is taken over. Changed \
files are read while it runs. Ctrl-C or SIGTERM starts nothing more and waits for the runs at work; once more interrupts \
them."
)]
pub struct ScheduleArguments {
    #[command(subcommand)]
    pub command: Option<ScheduleCommand>,
    #[command(flatten)]
    pub daemon: DaemonArguments,
    /// The time to take for now, for tests
    #[arg(long, global = true, hide = true, value_name = "INSTANT", value_parser = parse_instant)]
    pub now: Option<DateTime<Utc>>,
}

/// How the daemon works.
#[derive(Debug, Clone, Args)]
pub struct DaemonArguments {
    /// Serve /metrics and /healthz at this address
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Runs at work at once, of different jobs; each may take the memory limit
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub at_once: u8,
    /// How long runs at work may go on after SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration)]
    pub grace: Duration,
}

/// What to do besides running the daemon.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// Print when jobs run next
    Next(NextArguments),
    /// Print what the rules would do in a span of time
    Simulate(SimulateArguments),
    /// Run what is due now, once: for an outside cron
    Tick,
    /// Start no run of a job until it is resumed
    Pause(PauseArguments),
    /// Let a paused job start runs again
    Resume(ResumeArguments),
    /// Print what was decided: runs, missed and skipped ones
    Log(LogArguments),
}

/// `lifecycle schedule next`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle schedule next
  lifecycle schedule next nightly -n 10
  lifecycle schedule next -o csv")]
pub struct NextArguments {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// How many runs of each job
    #[arg(short = 'n', long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Print the rows as data instead of a text for people
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub format: Option<DataFormat>,
}

/// `lifecycle schedule simulate`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle schedule simulate --from 2026-03-28 --to 2026-03-31
  lifecycle schedule simulate --from 2026-10-25T00:00 --to 2026-10-25T06:00 landing -o csv

Each run is taken to start at once, to take no time and to end well. Times without a zone are in the environment's.")]
pub struct SimulateArguments {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// The beginning, included: a day, or a time such as 2026-03-29T00:30 or 2026-03-29T00:30:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub from: Moment,
    /// The end, not included
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub to: Moment,
    /// Print the rows as data instead of a text for people
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub format: Option<DataFormat>,
}

/// `lifecycle schedule pause`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle schedule pause nightly
  lifecycle schedule pause nightly --reason \"the till is being moved\"

A run at work goes on. What becomes due meanwhile is recorded as skipped, and not made up for.")]
pub struct PauseArguments {
    /// The job: the file jobs/JOB.yaml
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `lifecycle schedule resume`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle schedule resume nightly")]
pub struct ResumeArguments {
    /// The job: the file jobs/JOB.yaml
    #[arg(value_name = "JOB")]
    pub job: String,
}

/// `lifecycle schedule log`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lifecycle schedule log
  lifecycle schedule log nightly -n 50
  lifecycle schedule log -o csv")]
pub struct LogArguments {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// The newest N
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Print the rows as data instead of a text for people
    #[arg(short = 'o', long = "output", value_name = "FORMAT", value_enum)]
    pub format: Option<DataFormat>,
}

/// A time as a person writes it: with a zone, or in the environment's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Instant(DateTime<Utc>),
    Local(NaiveDateTime),
}

impl Moment {
    /// The instant; of a local time that comes twice the first, of one that is skipped the first after the gap.
    pub fn instant(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Moment::Instant(instant) => instant,
            Moment::Local(local) => first_instant(zone, local).unwrap_or_else(|| local.and_utc()),
        }
    }
}

fn parse_moment(text: &str) -> Result<Moment, String> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(Moment::Instant(instant.to_utc()));
    }
    let local = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || text.parse::<NaiveDate>().ok().filter(|_| text.len() == 10).and_then(|day| day.and_hms_opt(0, 0, 0));
    local
        .or_else(day)
        .map(Moment::Local)
        .ok_or_else(|| "a time is written 2026-03-29, 2026-03-29T00:30 or 2026-03-29T00:30:00Z".to_owned())
}

fn parse_instant(text: &str) -> Result<DateTime<Utc>, String> {
    match parse_moment(text)? {
        Moment::Instant(instant) => Ok(instant),
        Moment::Local(_) => Err("an instant is written 2026-03-29T00:30:00Z".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text).map_err(|unfit| format!("expected {}", unfit.expected))
}
