//! What is recorded about schedules.

use chrono::{DateTime, NaiveDate, Utc};

use super::RunOutcome;
use super::text::text_enum;

text_enum! {
    /// Where a scheduled run stands.
    ScheduledStatus {
        Waiting = "waiting",
        Running = "running",
        /// It ran; its outcome says how it ended.
        Done = "done",
        /// It should have run, and did not.
        Missed = "missed",
        /// The schedule says that it does not run.
        Skipped = "skipped",
    }
}

text_enum! {
    /// Why a run was missed or skipped.
    NotRunReason {
        /// Another run of the job was at work.
        Overlap = "overlap",
        /// Nothing starts on its day.
        Blackout = "blackout",
        /// Nobody was there at its time, and the catch-up rules do not make up for it.
        CatchUp = "catch_up",
        /// It could only have started too late.
        Deadline = "deadline",
        /// The job was paused.
        Paused = "paused",
        /// The jobs that it runs after had no good run of its day in time.
        After = "after",
    }
}

impl NotRunReason {
    /// In words for people.
    pub fn words(self) -> &'static str {
        match self {
            NotRunReason::Overlap => "another run of the job was at work",
            NotRunReason::Blackout => "a blackout day",
            NotRunReason::CatchUp => "nobody was there, and it is not made up for",
            NotRunReason::Deadline => "it could only start too late",
            NotRunReason::Paused => "the job was paused",
            NotRunReason::After => "the jobs before it had no good run of the day in time",
        }
    }

    /// What it makes of a run: skipped where the schedule or a person says so, missed where it should have run.
    pub fn verdict(self) -> Verdict {
        match self {
            NotRunReason::Overlap | NotRunReason::Blackout | NotRunReason::Paused => Verdict::Skipped(self),
            NotRunReason::CatchUp | NotRunReason::Deadline | NotRunReason::After => Verdict::Missed(self),
        }
    }
}

/// What to do about one instant of a job, or about several that were missed together.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The run key's instant; the newest of several.
    pub instant: DateTime<Utc>,
    /// The first of the instants.
    pub first: DateTime<Utc>,
    pub instants: u64,
    pub as_of: NaiveDate,
    pub verdict: Verdict,
    /// Of a job that runs after others: the end of the newest of their runs that this answers.
    pub answers: Option<DateTime<Utc>>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `is_made_up`: its time is past, because nobody was there at it.
    Start {
        is_made_up: bool,
    },
    Missed(NotRunReason),
    Skipped(NotRunReason),
}

impl Verdict {
    /// Where a run stands that was decided so just now.
    pub(super) fn status(self) -> ScheduledStatus {
        match self {
            Verdict::Start { .. } => ScheduledStatus::Waiting,
            Verdict::Missed(_) => ScheduledStatus::Missed,
            Verdict::Skipped(_) => ScheduledStatus::Skipped,
        }
    }
}

/// What is recorded about a job's schedule as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleRecord {
    pub job: String,
    /// When this timetable was first seen.
    pub since: DateTime<Utc>,
    /// Every instant up to this one has been decided.
    pub decided_until: DateTime<Utc>,
    pub version: u64,
    pub pause: Option<Pause>,
}

/// A job that starts nothing until it is resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub at: DateTime<Utc>,
    pub by: String,
    pub reason: Option<String>,
}

/// One recorded decision, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledRun {
    pub job: String,
    pub scheduled_at: DateTime<Utc>,
    /// The first of the instants that the row stands for.
    pub first_at: DateTime<Utc>,
    /// More than 1 for instants that were missed together.
    pub instants: u64,
    pub as_of: NaiveDate,
    pub status: ScheduledStatus,
    pub reason: Option<NotRunReason>,
    pub is_made_up: bool,
    pub decided_at: DateTime<Utc>,
    pub decided_by: String,
    /// How often somebody began to work on it.
    pub attempts: u64,
    /// How many of the attempts ended with their process.
    pub deaths: u64,
    pub owner: Option<String>,
    pub lease_until: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub run_id: Option<String>,
    pub outcome: Option<RunOutcome>,
    pub message: Option<String>,
}

impl ScheduledRun {
    /// Whether a process is at work on it. One whose lease is over is taken for dead: then the run is open to all.
    pub fn is_at_work(&self, now: DateTime<Utc>) -> bool {
        self.status == ScheduledStatus::Running && self.lease_until.is_some_and(|until| until > now)
    }
}

/// The right to execute a run key until the lease ends; it is lost when somebody else claims it after that.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub job: String,
    pub scheduled_at: DateTime<Utc>,
    pub as_of: NaiveDate,
    pub is_made_up: bool,
    /// From 1; tells this claim from those before and after. One that was given back before its run had begun does not
    /// count, so with it goes `claimed_at`.
    pub attempt: u64,
    pub claimed_at: DateTime<Utc>,
}

/// How an executed run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledEnd {
    pub run_id: Option<String>,
    pub outcome: RunOutcome,
    pub message: Option<String>,
}
