//! SQLite: one file on a local disk, for one machine.

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection};

use super::{Clock, Engine, Server, Write};
use crate::state::{Place, StateError};

/// The state in the file at `path`.
#[derive(Debug)]
pub(in crate::state) struct Sqlite {
    path: PathBuf,
    place: Place,
}

impl Sqlite {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), place: Place::File(path.to_owned()) }
    }

    fn options(&self) -> Result<AnyConnectOptions, StateError> {
        let cannot_open = |source| StateError::CannotOpen { place: self.place.clone(), source };
        // The driver takes a URL: without the file's name in plain letters nothing in it can be taken for syntax.
        let Some(path) = self.path.to_str() else {
            return Err(cannot_open("its path is not UTF-8".into()));
        };
        let mut url = "sqlite:".to_owned();
        for byte in path.bytes() {
            if byte.is_ascii_alphanumeric() {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        url.push_str("?mode=rwc");
        url.parse().map_err(|error: sqlx::Error| cannot_open(error.into()))
    }

    /// One connection, set up as all are: the first to find out what is wrong with the file.
    async fn open(&self, options: &AnyConnectOptions, patience: Duration) -> Result<AnyConnection, sqlx::Error> {
        let mut connection = options.connect().await?;
        sqlx::raw_sql(settings(patience)).execute(&mut connection).await?;
        Ok(connection)
    }
}

/// Write-ahead log, so that readers do not wait for a writer; every commit is on the disk when it returns.
fn settings(patience: Duration) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "pragma busy_timeout = {}; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on",
        patience.as_millis()
    ))
}

#[async_trait]
impl Engine for Sqlite {
    fn place(&self) -> &Place {
        &self.place
    }

    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    async fn connect(&self, patience: Duration) -> Result<AnyPool, StateError> {
        create_folder(&self.path)?;
        refuse_read_only(&self.path)?;
        let options = self.options()?;
        let deadline = Instant::now() + patience;
        let first = loop {
            match self.open(&options, patience).await {
                Ok(connection) => break connection,
                Err(error) => match self.failure("opening", error) {
                    // Switching a new file to WAL does not wait for the lock by itself.
                    StateError::Locked { .. } if Instant::now() < deadline => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    StateError::Query { place, source, .. } => {
                        return Err(StateError::CannotOpen { place, source: Box::new(source) });
                    }
                    error => return Err(error),
                },
            }
        };
        // One connection: statements of one process queue here instead of meeting SQLite's lock.
        let pool = AnyPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(patience * 2)
            .after_connect(move |connection, _| {
                Box::pin(async move { sqlx::raw_sql(settings(patience)).execute(connection).await.map(drop) })
            })
            .connect_with(options)
            .await
            .map_err(|error| self.failure("opening", error))?;
        first.close().await.map_err(|error| self.failure("opening", error))?;
        Ok(pool)
    }

    async fn begin(&self, pool: &AnyPool) -> Result<Write, sqlx::Error> {
        Ok(Write { transaction: pool.begin_with("begin immediate").await?, receipt: None })
    }

    async fn table_names(&self, connection: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error> {
        sqlx::query_scalar("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
            .fetch_all(connection)
            .await
    }

    async fn create(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("create table lifecycle_schema (version integer not null) strict")
            .execute(connection)
            .await
            .map(drop)
    }

    fn migration(&self, sql: &'static str) -> Cow<'static, str> {
        Cow::Borrowed(sql)
    }

    async fn check_integrity(&self, pool: &AnyPool) -> Result<(), StateError> {
        let found: String = sqlx::query_scalar("pragma quick_check(1)")
            .fetch_one(pool)
            .await
            .map_err(|error| self.failure("checking the file", error))?;
        if found == "ok" { Ok(()) } else { Err(StateError::Corrupt { place: self.place.clone(), detail: found }) }
    }

    async fn server(&self, _pool: &AnyPool, _now: Clock<'_>) -> Result<Option<Server>, sqlx::Error> {
        Ok(None)
    }

    fn lock_guard(&self, lease: &str) -> Option<File> {
        let safe: String =
            lease.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
        let mut path = self.path.clone().into_os_string();
        path.push(format!("-{safe}.lock"));
        let file = File::create(PathBuf::from(path)).ok()?;
        file.try_lock().ok()?;
        Some(file)
    }

    fn failure(&self, doing: &'static str, error: sqlx::Error) -> StateError {
        const BUSY: i32 = 5;
        const LOCKED: i32 = 6;
        const READ_ONLY: i32 = 8;
        const CORRUPT: i32 = 11;
        const FULL: i32 = 13;
        const CANNOT_OPEN: i32 = 14;
        const NOT_A_DATABASE: i32 = 26;

        let place = self.place.clone();
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return StateError::Locked { place };
        }
        // The low byte of an extended result code is the primary one.
        let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
        let detail = || error.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default();
        match code.map(|code| code & 0xff) {
            Some(BUSY | LOCKED) => StateError::Locked { place },
            Some(READ_ONLY) => StateError::ReadOnly { place },
            Some(CORRUPT | NOT_A_DATABASE) => StateError::Corrupt { place, detail: detail() },
            Some(FULL) => StateError::DiskFull { place },
            Some(CANNOT_OPEN) => StateError::CannotOpen { place, source: Box::new(error) },
            _ => StateError::Query { doing, place, source: error },
        }
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
    let place = || Place::File(path.to_owned());
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Err(StateError::CannotOpen {
            place: place(),
            source: Box::new(std::io::Error::from(std::io::ErrorKind::IsADirectory)),
        }),
        Ok(metadata) if metadata.permissions().readonly() => Err(StateError::ReadOnly { place: place() }),
        _ => Ok(()),
    }
}
