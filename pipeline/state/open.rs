//! Opens the state: creates it, brings its schema up to date, and says plainly why it cannot be used.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::engine::{Engine, Sqlite, Write};
use super::rows::Record;
use super::{DEFAULT_LEASE_TIME, Place, State, StateError};

/// How long a statement waits for another process's write. Writes take milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

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
        Self::open_within(path, PATIENCE).await
    }

    /// Opens the file, waiting at most so long for other processes. For `doctor`, which would rather know.
    pub async fn open_within(path: &Path, patience: Duration) -> Result<State, StateError> {
        sqlx::any::install_default_drivers();
        let engine: Arc<dyn Engine> = Arc::new(Sqlite::new(path));
        let pool = engine.connect(patience).await?;
        let state = State { pool, engine, lease_time: DEFAULT_LEASE_TIME, guards: Default::default() };
        state.migrate().await?;
        Ok(state)
    }

    /// Reads the whole file and reports damage.
    pub async fn check_integrity(&self) -> Result<(), StateError> {
        self.engine.check_integrity(&self.pool).await
    }

    /// Closes the file; what was written is on disk already.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn migrate(&self) -> Result<(), StateError> {
        let known = MIGRATIONS.len() as i64;
        let mut transaction = self.write("reading the schema's version").await?;
        let failed = |error| self.failed("bringing the schema up to date", error);
        let tables = self.engine.table_names(&mut transaction).await.map_err(failed)?;
        if tables.is_empty() {
            let create = self.engine.migration("create table lifecycle_schema (version integer not null) strict");
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *transaction).await.map_err(failed)?;
        } else if !tables.iter().any(|table| table == "lifecycle_schema") {
            return Err(StateError::NotAStateFile { place: self.place().clone() });
        }
        let found: i64 = sqlx::query_scalar("select coalesce(max(version), 0) from lifecycle_schema")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        if found > known {
            return Err(StateError::NewerSchema { place: self.place().clone(), found, known });
        }
        for (version, step) in (1..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
            let step = self.engine.migration(step);
            sqlx::raw_sql(AssertSqlSafe(step)).execute(&mut *transaction).await.map_err(failed)?;
            sqlx::query("insert into lifecycle_schema (version) values ($1)")
                .bind::<i64>(version)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Begins a transaction that holds the write lock from its first statement.
    pub(super) async fn write(&self, doing: &'static str) -> Result<Write, StateError> {
        self.engine.begin(&self.pool).await.map_err(|error| self.failed(doing, error))
    }

    pub(super) fn failed(&self, doing: &'static str, error: sqlx::Error) -> StateError {
        self.engine.failure(doing, error)
    }

    /// A row of this state, to read typed values from.
    pub(super) fn record<'a>(&'a self, row: &'a AnyRow) -> Record<'a> {
        Record { row, place: self.engine.place() }
    }

    /// What messages call the file or the database.
    pub(super) fn place(&self) -> &Place {
        self.engine.place()
    }
}
