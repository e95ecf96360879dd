//! What can go wrong with the state, and what to do about it.

use std::path::PathBuf;

use super::backfill_days::spans;
use super::text::{list, short_id};
use super::{BackfillOverlap, Place};

/// A state that cannot be used, or a record that is not what the caller takes it for.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the folder {} of the state file cannot be created", .folder.display())]
    CreateFolder { folder: PathBuf, source: std::io::Error },
    #[error("{place} cannot be opened")]
    CannotOpen { place: Place, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{place} is locked by another process")]
    Locked { place: Place },
    #[error("{place} is read-only")]
    ReadOnly { place: Place },
    #[error("the disk with {place} is full")]
    DiskFull { place: Place },
    #[error("{place} is damaged: {detail}")]
    Corrupt { place: Place, detail: String },
    #[error("{} is a database of another program", .place.name())]
    NotAStateFile { place: Place },
    #[error("{place} has schema version {found}, this program knows {known}")]
    NewerSchema { place: Place, found: i64, known: i64 },
    #[error("{place} cannot be reached")]
    Unreachable { place: Place, source: Option<Box<dyn std::error::Error + Send + Sync>> },
    #[error("{doing} failed: the connection to {place} was lost")]
    ConnectionLost { doing: &'static str, place: Place, source: sqlx::Error },
    #[error("{doing} may have failed or not: {place} was lost while it was being written, and has not come back")]
    OutcomeUnknown { doing: &'static str, place: Place },
    #[error("{place} refuses the user: {detail}")]
    NotAdmitted { place: Place, detail: String },
    #[error("{place} does not exist")]
    NoDatabase { place: Place },
    #[error("{doing} is not permitted in {place}: {detail}")]
    NotPermitted { doing: &'static str, place: Place, detail: String },
    #[error("{doing} failed in {place}")]
    Query { doing: &'static str, place: Place, source: sqlx::Error },
    #[error("the state's tables cannot be shown as Arrow data")]
    Arrow(#[source] arrow::error::ArrowError),
    #[error("the lease `{name}` (token {token}) was lost to another owner")]
    LeaseLost { name: String, token: u64 },
    #[error("no {kind} begins with `{prefix}`")]
    UnknownRecord { kind: RecordKind, prefix: String, newest: Vec<String> },
    #[error("{} {kind}s begin with `{prefix}`", .matches.len())]
    AmbiguousRecord { kind: RecordKind, prefix: String, matches: Vec<String> },
    #[error("{kind} {id} exists already")]
    RecordExists { kind: RecordKind, id: String },
    #[error("run {run_id} is not running: it is {status}")]
    RunNotRunning { run_id: String, status: String },
    #[error("day {as_of} of backfill {backfill_id} is not held by this process")]
    DayNotHeld { backfill_id: String, as_of: chrono::NaiveDate },
    #[error(
        "backfill {} of job `{}` is not done with {} of these days: {}",
        short_id(&.0.backfill_id), .0.job, .0.days.len(), spans(&.0.days)
    )]
    BackfillOverlap(BackfillOverlap),
    #[error("a backfill needs at least one day")]
    EmptyBackfill,
}

/// What an id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    Run,
    Backfill,
}

impl std::fmt::Display for RecordKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            RecordKind::Run => "run",
            RecordKind::Backfill => "backfill",
        })
    }
}

impl StateError {
    /// Says what to do, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            StateError::CreateFolder { .. } => {
                Some("check the permissions, or set `state` in the environment's YAML to another place".to_owned())
            }
            StateError::CannotOpen { place: Place::Server(_), .. } => {
                Some("check `state` in the environment's YAML, its `sslmode` and the files that it names".to_owned())
            }
            StateError::CannotOpen { .. } => Some(
                "check that the path is a file in a folder that this user may write, or set `state` to another place"
                    .to_owned(),
            ),
            StateError::Locked { place: Place::Server(_) } => Some(
                "wait for the other `lifecycle` process; if none runs, `pg_stat_activity` shows who holds the lock"
                    .to_owned(),
            ),
            StateError::Locked { .. } => Some(
                "wait for the other `lifecycle` process; if none runs, close the program that has the file open, \
                 and keep the file off network drives"
                    .to_owned(),
            ),
            StateError::ReadOnly { place: Place::Server(_) } => {
                Some("let `state` name the primary server, not a standby".to_owned())
            }
            StateError::ReadOnly { place } => Some(format!(
                "make {} and its folder writable for this user, or set `state` to another place",
                place.name()
            )),
            StateError::DiskFull { .. } => Some("free some space and run the command again".to_owned()),
            StateError::Corrupt { place: Place::Server(_), .. } => Some(
                "restore the database, or set another `schema` in `state`: it starts an empty history, and no landed or \
                 published table is lost"
                    .to_owned(),
            ),
            StateError::Corrupt { place, .. } => Some(format!(
                "move {} and the -wal and -shm files beside it away, or restore a copy: a new file starts an empty \
                 history, and no landed or published table is lost",
                place.name()
            )),
            StateError::Unreachable { .. } | StateError::ConnectionLost { .. } => Some(
                "check that the server runs, and the host, the port and `sslmode` in `state`; nothing is lost".to_owned(),
            ),
            StateError::OutcomeUnknown { .. } => Some("see `lifecycle runs` when the server is back".to_owned()),
            StateError::NotAdmitted { .. } => {
                Some("check the user and the password in `state`, and the server's pg_hba.conf".to_owned())
            }
            StateError::NoDatabase { .. } => {
                Some("create it, such as by `createdb`, or set `state` to one that exists".to_owned())
            }
            StateError::NotPermitted { .. } => Some(
                "give the user a schema of its own: `create schema lifecycle authorization` and its name".to_owned(),
            ),
            StateError::NotAStateFile { place: Place::Server(_) } => {
                Some("set `schema` in `state` to a schema of its own".to_owned())
            }
            StateError::NotAStateFile { .. } => Some("set `state` to a file of its own".to_owned()),
            StateError::NewerSchema { .. } => Some("use the newer `lifecycle` that wrote the file".to_owned()),
            StateError::LeaseLost { .. } => {
                Some("another run of the job took over; see `lifecycle runs` and start again when it ends".to_owned())
            }
            StateError::UnknownRecord { kind, newest, .. } => Some(match newest.as_slice() {
                [] => format!("there is no {kind} yet"),
                newest => format!("the newest {kind}s are {}", list(newest)),
            }),
            StateError::AmbiguousRecord { matches, .. } => Some(format!("give more of the id: {}", list(matches))),
            StateError::RunNotRunning { .. } => {
                Some("the run was taken for dead; see `lifecycle runs` and start it again".to_owned())
            }
            StateError::DayNotHeld { .. } => Some("another process works on this backfill".to_owned()),
            StateError::BackfillOverlap(overlap) => {
                let id = short_id(&overlap.backfill_id);
                Some(format!(
                    "`lifecycle backfill resume {id}` goes on with it, `lifecycle backfill cancel {id}` takes its waiting \
                     days off the list; or choose other days"
                ))
            }
            StateError::Query { .. }
            | StateError::Arrow(_)
            | StateError::RecordExists { .. }
            | StateError::EmptyBackfill => None,
        }
    }

    /// A stored value that this program does not know.
    pub(super) fn unreadable(place: &Place, what: &str, value: impl std::fmt::Display) -> Self {
        StateError::Corrupt { place: place.clone(), detail: format!("{what} holds `{value}`") }
    }
}
