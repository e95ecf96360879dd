//! Opens the state file: creates it, brings its schema up to date, and says plainly why it cannot be used.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, Sqlite, Transaction};

use super::{DEFAULT_LEASE_TIME, State, StateError};

/// How long a statement waits for another process's write. Writes take milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The schema's steps in order; the n-th leads to version n. A step that has shipped never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_schedules.sql"),
    include_str!("migrations/0003_backfills.sql"),
    include_str!("migrations/0004_watching.sql"),
    include_str!("migrations/0005_inputs.sql"),
];

impl State {
    /// Opens the state file, creating it and its folders where they are missing.
    pub async fn open(path: &Path) -> Result<State, StateError> {
        let state = Self::connect(path, BUSY_TIMEOUT).await?;
        state.migrate().await?;
        Ok(state)
    }

    /// Opens the file, waiting at most so long for other processes. For `doctor`, which would rather know.
    pub async fn open_within(path: &Path, busy_timeout: Duration) -> Result<State, StateError> {
        let state = Self::connect(path, busy_timeout).await?;
        state.migrate().await?;
        Ok(state)
    }

    /// Reads the whole file and reports damage.
    pub async fn check_integrity(&self) -> Result<(), StateError> {
        let found: String = sqlx::query_scalar("pragma quick_check(1)")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.failed("checking the file", error))?;
        if found == "ok" { Ok(()) } else { Err(StateError::Corrupt { path: self.path.clone(), detail: found }) }
    }

    /// Closes the file; what was written is on disk already.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn connect(path: &Path, busy_timeout: Duration) -> Result<State, StateError> {
        create_folder(path)?;
        refuse_read_only(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(busy_timeout)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let deadline = Instant::now() + busy_timeout;
        loop {
            // One connection: statements of one process queue here instead of meeting SQLite's lock.
            let pool = SqlitePoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .acquire_timeout(busy_timeout * 2)
                .connect_with(options.clone())
                .await;
            match pool {
                Ok(pool) => {
                    let (path, lease_time) = (path.to_owned(), DEFAULT_LEASE_TIME);
                    return Ok(State { pool, path, lease_time, guards: Default::default() });
                }
                Err(error) => match StateError::from_database("opening", path, error) {
                    // Switching a new file to WAL does not wait for the lock by itself.
                    StateError::Locked { .. } if Instant::now() < deadline => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    StateError::Query { path, source, .. } => {
                        return Err(StateError::CannotOpen { path, source: Box::new(source) });
                    }
                    error => return Err(error),
                },
            }
        }
    }

    async fn migrate(&self) -> Result<(), StateError> {
        let known = MIGRATIONS.len() as i64;
        let mut transaction = self.write("reading the schema's version").await?;
        let failed = |error| self.failed("bringing the schema up to date", error);
        let tables: Vec<String> =
            sqlx::query_scalar("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
                .fetch_all(&mut *transaction)
                .await
                .map_err(failed)?;
        if tables.is_empty() {
            sqlx::raw_sql("create table lifecycle_schema (version integer not null) strict")
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        } else if !tables.iter().any(|table| table == "lifecycle_schema") {
            return Err(StateError::NotAStateFile { path: self.path.clone() });
        }
        let found: i64 = sqlx::query("select coalesce(max(version), 0) as version from lifecycle_schema")
            .fetch_one(&mut *transaction)
            .await
            .and_then(|row| row.try_get("version"))
            .map_err(failed)?;
        if found > known {
            return Err(StateError::NewerSchema { path: self.path.clone(), found, known });
        }
        for (version, step) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
            sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(failed)?;
            sqlx::query("insert into lifecycle_schema (version) values (?)")
                .bind::<i64>(version)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Begins a transaction that holds the write lock from its first statement.
    pub(super) async fn write(&self, doing: &'static str) -> Result<Transaction<'static, Sqlite>, StateError> {
        self.pool.begin_with("begin immediate").await.map_err(|error| self.failed(doing, error))
    }

    pub(super) fn failed(&self, doing: &'static str, error: sqlx::Error) -> StateError {
        StateError::from_database(doing, &self.path, error)
    }
}

fn create_folder(path: &Path) -> Result<(), StateError> {
    let folder = path.parent().map(Path::to_owned).unwrap_or_default();
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).map_err(|source| StateError::CreateFolder { folder, source })
}

/// SQLite opens a file without write permission read-only and says so only at the first write.
fn refuse_read_only(path: &Path) -> Result<(), StateError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(StateError::CannotOpen {
            path: path.to_owned(),
            source: Box::new(std::io::Error::from(std::io::ErrorKind::IsADirectory)),
        }),
        Ok(metadata) if metadata.permissions().readonly() => Err(StateError::ReadOnly { path: path.to_owned() }),
        _ => Ok(()),
    }
}
