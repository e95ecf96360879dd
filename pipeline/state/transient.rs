//! Which failures of the state may pass by themselves.

use super::StateError;

impl StateError {
    /// Whether the same work may succeed when it is begun again a little later: the database is busy, away, or comes back.
    ///
    /// A full disk, missing permissions and damage do not pass.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Locked { .. }
            | Self::LeaseLost { .. }
            | Self::RunNotRunning { .. }
            | Self::Unreachable { .. }
            | Self::ConnectionLost { .. }
            | Self::OutcomeUnknown { .. } => true,
            Self::Query { source, .. } => is_away(source),
            Self::CannotOpen { source, .. } => source.downcast_ref().is_some_and(is_away),
            _ => false,
        }
    }
}

/// Whether the database could not be reached, or gave up for another's sake.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // PostgreSQL: connection, shutdown, too many connections, deadlock and serialization.
            ["08", "57P", "53300", "40001", "40P01"].iter().any(|start| code.starts_with(start))
        }),
        _ => false,
    }
}
