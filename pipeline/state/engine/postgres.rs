//! PostgreSQL: a schema in a database that several machines share.
//!
//! Writes come one after the other, as SQLite's do: each begins by waiting for an advisory lock of the schema, which
//! the server gives up with the transaction. With that lock read committed is enough: nothing that a write has read
//! changes before it commits.
//!
//! A connection that ends during a commit leaves open whether the changes are there. Every write therefore leaves its
//! number in the row of its writer; who holds the lock next and reads that number knows.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::TimeDelta;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Row, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Clock, Engine, Server, Write};
use crate::config::PostgresLocation;
use crate::state::text::micros;
use crate::state::{Place, StateError};

/// Of the session: an own schema; no transaction that waits or sleeps may keep the lock from the others for long, and
/// the server finds out about clients that are gone.
const SETTINGS: [(&str, &str); 8] = [
    ("application_name", "lifecycle"),
    ("options[lock_timeout]", "10s"),
    ("options[statement_timeout]", "60s"),
    ("options[idle_in_transaction_session_timeout]", "15s"),
    ("options[tcp_keepalives_idle]", "15"),
    ("options[tcp_keepalives_interval]", "5"),
    ("options[tcp_keepalives_count]", "3"),
    ("options[default_transaction_isolation]", "read committed"),
];

/// How long a commit may take before its outcome is asked for.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// How long the outcome of a commit is asked for: longer than the server waits for a client that is gone.
const SETTLE_PATIENCE: Duration = Duration::from_secs(45);

/// Enough for reads beside the one write that a process is at.
const CONNECTIONS: u32 = 3;

/// The state in a schema.
#[derive(Debug)]
pub(in crate::state) struct Postgres {
    location: PostgresLocation,
    place: Place,
    patience: Duration,
    /// This process's row of `lifecycle_writers`.
    writer: String,
    /// The number of the newest write; locked while a write is at work.
    writes: Arc<Mutex<i64>>,
}

impl Postgres {
    /// Waits `patience` or a few times that for whoever is in the way.
    pub fn new(location: &PostgresLocation, patience: Duration) -> Self {
        Self {
            patience: patience * 3,
            location: location.clone(),
            place: Place::Server(location.to_string()),
            writer: uuid::Uuid::new_v4().to_string(),
            writes: Arc::default(),
        }
    }

    fn options(&self) -> Result<AnyConnectOptions, StateError> {
        let cannot_open = |source: Box<dyn std::error::Error + Send + Sync>| StateError::CannotOpen {
            place: self.place.clone(),
            source,
        };
        let schema = self.location.schema.as_str();
        let settings: Vec<(&str, &str)> = SETTINGS.into_iter().chain([("options[search_path]", schema)]).collect();
        let url = self.location.url(&settings).map_err(|error| cannot_open(error.into()))?;
        AnyConnectOptions::from_url(&url).map_err(|error| cannot_open(error.into()))
    }

    /// Connects once, to find out what is wrong: a pool only says that it waited too long.
    async fn reason(&self, options: &AnyConnectOptions) -> Option<sqlx::Error> {
        match tokio::time::timeout(Duration::from_secs(1), options.connect()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

/// Between two tries to reach the server.
const PAUSE: Duration = Duration::from_millis(100);

#[async_trait]
impl Engine for Postgres {
    fn place(&self) -> &Place {
        &self.place
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    async fn connect(&self, patience: Duration) -> Result<AnyPool, StateError> {
        let options = self.options()?;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(self.patience)
            .test_before_acquire(true)
            .connect_lazy_with(options.clone());
        // Somebody waits who may have mistyped the address; a server that restarts is back soon.
        let deadline = Instant::now() + patience / 2;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match tokio::time::timeout(left, pool.acquire()).await {
                Ok(Ok(mut connection)) => {
                    connection.return_to_pool().await;
                    return Ok(pool);
                }
                Ok(Err(error)) => error,
                Err(_) => match self.reason(&options).await {
                    None => return Ok(pool),
                    Some(error) => error,
                },
            };
            if !is_gone(&error) {
                return Err(match self.failure("opening", error) {
                    StateError::Query { place, source, .. } => {
                        StateError::CannotOpen { place, source: Box::new(source) }
                    }
                    error => error,
                });
            }
            if Instant::now() + PAUSE >= deadline || is_a_wrong_name(&error) {
                return Err(StateError::Unreachable { place: self.place.clone(), source: Some(Box::new(error)) });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn begin(&self, pool: &AnyPool) -> Result<Write, sqlx::Error> {
        let mut number = Arc::clone(&self.writes).lock_owned().await;
        let schema = self.location.schema.clone();
        let mut transaction = pool.begin().await?;
        take_lock(&mut transaction, &schema).await?;
        *number += 1;
        let receipt = Receipt { pool: pool.clone(), schema, writer: self.writer.clone(), number };
        Ok(Write { transaction, receipt: Some(receipt) })
    }

    async fn table_names(&self, connection: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar("select cast(tablename as text) from pg_tables where schemaname = $1 order by tablename")
            .bind(&self.location.schema)
            .fetch_all(connection)
            .await
    }

    async fn create(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let schema = &self.location.schema;
        // `if not exists` alone asks for the right to create schemas even where there is nothing to create.
        let found: i64 = sqlx::query_scalar("select count(*) from pg_namespace where nspname = $1")
            .bind(schema)
            .fetch_one(&mut *connection)
            .await?;
        if found == 0 {
            sqlx::raw_sql(AssertSqlSafe(format!("create schema {schema}"))).execute(&mut *connection).await?;
        }
        sqlx::raw_sql(
            "create table lifecycle_schema (version bigint not null);
             create table lifecycle_writers (
                 writer text not null primary key,
                 last_write bigint not null,
                 wrote_at timestamptz not null
             )",
        )
        .execute(connection)
        .await
        .map(drop)
    }

    fn migration(&self, sql: &'static str) -> Cow<'static, str> {
        Cow::Owned(translate(sql))
    }

    async fn check_integrity(&self, pool: &AnyPool) -> Result<(), StateError> {
        const DOING: &str = "reading all tables";
        let failed = |error| self.failure(DOING, error);
        let mut connection = pool.acquire().await.map_err(failed)?;
        for table in self.table_names(&mut connection).await.map_err(failed)? {
            // The server checks what it reads.
            let statement = format!("select count(*) from {table}");
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn server(&self, pool: &AnyPool, now: Clock<'_>) -> Result<Option<Server>, sqlx::Error> {
        let mut connection = pool.acquire().await?;
        let before = now();
        let row = sqlx::query(
            "select split_part(current_setting('server_version'), ' ', 1) as version,
                 cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) as clock",
        )
        .fetch_one(&mut *connection)
        .await?;
        // The server read its clock about half-way.
        let here = before + (now() - before) / 2;
        let there = row.try_get::<i64, _>("clock")?;
        Ok(Some(Server {
            version: format!("PostgreSQL {}", row.try_get::<String, _>("version")?),
            clock_ahead: TimeDelta::microseconds(there - micros(here)),
        }))
    }

    fn lock_guard(&self, _lease: &str) -> Option<File> {
        // A lock of the server's would end with the connection, and with it the lease of a run that lives on.
        None
    }

    fn failure(&self, doing: &'static str, error: sqlx::Error) -> StateError {
        let place = self.place.clone();
        if is_unknown(&error) {
            return StateError::OutcomeUnknown { doing, place };
        }
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return StateError::Unreachable { place, source: None };
        }
        if is_gone(&error) {
            return StateError::ConnectionLost { doing, place, source: error };
        }
        if matches!(error, sqlx::Error::Configuration(_) | sqlx::Error::Tls(_)) {
            return StateError::CannotOpen { place, source: Box::new(error) };
        }
        let Some(database) = error.as_database_error() else {
            return StateError::Query { doing, place, source: error };
        };
        let detail = database.message().to_owned();
        match database.code().as_deref() {
            Some("28000" | "28P01") => StateError::NotAdmitted { place, detail },
            Some("3D000") => StateError::NoDatabase { place },
            Some("42501") => StateError::NotPermitted { doing, place, detail },
            Some("25006") => StateError::ReadOnly { place },
            // Waited too long for a lock, and for an answer.
            Some("55P03" | "57014") => StateError::Locked { place },
            Some("53100") => StateError::DiskFull { place },
            Some("XX001" | "XX002") => StateError::Corrupt { place, detail },
            _ => StateError::Query { doing, place, source: error },
        }
    }
}

/// Waits until no other write is at work in the schema; the transaction's end gives the lock back.
async fn take_lock(connection: &mut AnyConnection, schema: &str) -> Result<(), sqlx::Error> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("lifecycle state in {schema}"))
        .execute(connection)
        .await
        .map(drop)
}

/// What settles whether a write was committed. Holding it keeps the other writes of this process waiting.
pub(super) struct Receipt {
    pool: AnyPool,
    schema: String,
    writer: String,
    number: OwnedMutexGuard<i64>,
}

impl Receipt {
    /// Commits, and where the connection ends meanwhile, finds out what came of it.
    pub async fn commit(self, mut transaction: Transaction<'static, Any>) -> Result<(), sqlx::Error> {
        if *self.number == 1 {
            sqlx::query("delete from lifecycle_writers where wrote_at < now() - interval '2 days'")
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "insert into lifecycle_writers (writer, last_write, wrote_at) values ($1, $2, now())
             on conflict (writer) do update set last_write = excluded.last_write, wrote_at = excluded.wrote_at",
        )
        .bind(&self.writer)
        .bind(*self.number)
        .execute(&mut *transaction)
        .await?;
        let error = match tokio::time::timeout(COMMIT_PATIENCE, transaction.commit()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if !is_gone(&error) => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
        };
        tracing::warn!(%error, "the connection to the state database ended during a commit; asking what came of it");
        let deadline = Instant::now() + SETTLE_PATIENCE;
        loop {
            match self.last_write().await {
                Ok(last_write) if last_write == Some(*self.number) => return Ok(()),
                Ok(_) => return Err(error),
                // Nor is what was to be made before anything was written.
                Err(found) if is_missing(&found) => return Err(error),
                Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Err(_) => return Err(sqlx::Error::Io(std::io::Error::other(Unknown))),
            }
        }
    }

    /// The number of this process's newest write that is committed, once none of them can be any more.
    async fn last_write(&self) -> Result<Option<i64>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        take_lock(&mut transaction, &self.schema).await?;
        let found = sqlx::query_scalar("select last_write from lifecycle_writers where writer = $1")
            .bind(&self.writer)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.rollback().await?;
        Ok(found)
    }
}

/// A commit of which nothing is known.
#[derive(Debug)]
struct Unknown;

impl fmt::Display for Unknown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nobody knows whether the changes were committed")
    }
}

impl std::error::Error for Unknown {}

fn is_unknown(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<Unknown>()))
}

/// The connection ended or could not be had, so a new one may do better.
fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => !is_unknown(error),
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            // Connection exceptions, a server that stops or starts, sessions that it ended, too many of them.
            code.starts_with("08") || ["57P01", "57P02", "57P03", "57P05", "25P03", "53300"].contains(&code.as_ref())
        }),
        _ => false,
    }
}

/// There is no such table or schema.
fn is_missing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["42P01", "3F000"].contains(&code.as_ref()))
}

/// A host name that nobody knows is most likely mistyped; the system says so in words only.
fn is_a_wrong_name(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.to_string().contains("lookup address"))
}

/// Rewrites a migration: the types' names, and texts in the order of their bytes, as SQLite sorts them.
fn translate(sql: &str) -> String {
    let mut translated = String::with_capacity(sql.len() * 2);
    for line in sql.lines() {
        let (code, comment) = line.find("--").map_or((line, ""), |start| line.split_at(start));
        let mut word = String::new();
        for letter in code.chars().chain(['\n']) {
            if letter.is_ascii_alphanumeric() || letter == '_' || letter == '\'' {
                word.push(letter);
                continue;
            }
            match word.as_str() {
                "integer" => translated.push_str("bigint"),
                "real" => translated.push_str("double precision"),
                "text" => translated.push_str("text collate \"C\""),
                "strict" => {}
                word => translated.push_str(word),
            }
            word.clear();
            if letter != '\n' {
                translated.push(letter);
            }
        }
        translated.push_str(comment);
        translated.push('\n');
    }
    translated
}
