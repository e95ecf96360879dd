//! Opens the state: creates it, brings its schema up to date, and says plainly why it cannot be used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use super::engine::{Engine, Postgres, Sqlite, Write};
use super::rows::Record;
use super::{DEFAULT_LEASE_TIME, Place, Server, State, StateError};
use crate::config::StateLocation;

/// How long a statement waits for another process's write. Writes take milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries of what failed because the connection was gone.
const PAUSE: Duration = Duration::from_millis(200);

/// The schema's steps in order; the n-th leads to version n. A step that has shipped never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_schedules.sql"),
    include_str!("migrations/0003_backfills.sql"),
    include_str!("migrations/0004_watching.sql"),
    include_str!("migrations/0005_inputs.sql"),
    include_str!("migrations/0006_speed.sql"),
];

impl State {
    /// Opens the state, creating what is missing: folders and file, or schema and tables.
    pub async fn open(location: impl Into<StateLocation>) -> Result<State, StateError> {
        Self::open_within(location, PATIENCE).await
    }

    /// Opens the state, waiting at most so long for other processes. For `doctor`, which would rather know.
    pub async fn open_within(location: impl Into<StateLocation>, patience: Duration) -> Result<State, StateError> {
        sqlx::any::install_default_drivers();
        let engine: Arc<dyn Engine> = match location.into() {
            StateLocation::File(path) => Arc::new(Sqlite::new(&path)),
            StateLocation::Postgres(location) => Arc::new(Postgres::new(&location, patience)),
        };
        let pool = engine.connect(patience).await?;
        let state = State { pool, engine, lease_time: DEFAULT_LEASE_TIME, guards: Default::default() };
        match state.version().await {
            // Nobody has to wait for a writer only to look.
            Ok(Some(version)) if version == MIGRATIONS.len() as i64 => Ok(state),
            Err(error) if !matches!(error, StateError::Query { .. }) => Err(error),
            // There may be no tables yet.
            _ => state.persist(|| state.migrate()).await.map(|()| state),
        }
    }

    /// Reads everything and reports damage.
    pub async fn check_integrity(&self) -> Result<(), StateError> {
        self.engine.check_integrity(&self.pool).await
    }

    /// What is known about the database server; `None` where the state is a file. `now` reads the clock.
    pub async fn server(&self, now: impl Fn() -> DateTime<Utc> + Sync) -> Result<Option<Server>, StateError> {
        self.engine.server(&self.pool, &now).await.map_err(|error| self.failed("asking the server", error))
    }

    /// Closes all connections; what was written is on disk already.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn version(&self) -> Result<Option<i64>, StateError> {
        let query = || sqlx::query("select max(version) as version from lifecycle_schema");
        let rows = self.rows("reading the schema's version", query).await?;
        rows.first().map_or(Ok(None), |row| self.record(row).value("version"))
    }

    async fn migrate(&self) -> Result<(), StateError> {
        let known = MIGRATIONS.len() as i64;
        let mut transaction = self.write("reading the schema's version").await?;
        let failed = |error| self.failed("bringing the schema up to date", error);
        let tables = self.engine.table_names(&mut transaction).await.map_err(failed)?;
        if tables.is_empty() {
            self.engine.create(&mut transaction).await.map_err(failed)?;
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
        if found == known {
            return transaction.abandon().await.map_err(failed);
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
        self.persist(|| async { self.engine.begin(&self.pool).await.map_err(|error| self.failed(doing, error)) }).await
    }

    /// All rows of a query, which `query` makes anew for each try.
    pub(super) async fn rows<'q>(
        &self,
        doing: &'static str,
        query: impl Fn() -> Query<'q, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>, StateError> {
        let failed = |error| self.failed(doing, error);
        self.persist(|| async {
            let mut connection = self.pool.acquire().await.map_err(failed)?;
            let rows = query().fetch_all(&mut *connection).await.map_err(failed)?;
            // Dropped, it would be on its way back when the next query needs one, which would then open another.
            connection.return_to_pool().await;
            Ok(rows)
        })
        .await
    }

    /// A write of one statement; returns how many rows it changed.
    pub(super) async fn change<'q>(
        &self,
        doing: &'static str,
        query: impl Fn() -> Query<'q, Any, AnyArguments>,
    ) -> Result<u64, StateError> {
        let failed = |error| self.failed(doing, error);
        self.persist(|| async {
            let mut transaction = self.write(doing).await?;
            let changed = query().execute(&mut *transaction).await.map_err(failed)?.rows_affected();
            transaction.commit().await.map_err(failed)?;
            Ok(changed)
        })
        .await
    }

    /// Tries again, for a bounded time, what failed because the connection was gone.
    ///
    /// A write is tried as a whole, from its beginning: an error of a lost connection says that nothing has happened.
    pub(super) async fn persist<T, Attempt>(&self, attempt: impl Fn() -> Attempt) -> Result<T, StateError>
    where
        Attempt: Future<Output = Result<T, StateError>>,
    {
        let deadline = Instant::now() + self.engine.patience();
        loop {
            match attempt().await {
                Err(StateError::ConnectionLost { doing, source, .. }) if Instant::now() < deadline => {
                    tracing::warn!(error = %source, "{doing} failed, and is tried again");
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
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
