//! What differs between the databases that can hold the state; all else is one set of statements.

mod postgres;
mod sqlite;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use super::{Place, StateError};

pub(super) use postgres::Postgres;
pub(super) use sqlite::Sqlite;

/// Reads this machine's clock.
pub(super) type Clock<'a> = &'a (dyn Fn() -> DateTime<Utc> + Sync);

/// A database server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// `PostgreSQL 17.2`.
    pub version: String,
    /// By how much its clock is ahead of this machine's.
    pub clock_ahead: TimeDelta,
}

/// One kind of database.
#[async_trait]
pub(super) trait Engine: fmt::Debug + Send + Sync {
    /// What messages call it.
    fn place(&self) -> &Place;

    /// How long a statement is tried again that failed because the connection was gone.
    fn patience(&self) -> Duration;

    /// Opens connections; waits at most about so long for whoever is in the way.
    async fn connect(&self, patience: Duration) -> Result<AnyPool, StateError>;

    /// Begins a transaction that holds the write lock from its first statement.
    async fn begin(&self, pool: &AnyPool) -> Result<Write, sqlx::Error>;

    /// The tables that exist where the state's tables belong.
    async fn table_names(&self, connection: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error>;

    /// Makes the table `lifecycle_schema`, and what this kind of database needs beside it.
    async fn create(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error>;

    /// A migration, which is written for SQLite, in the words of this database.
    fn migration(&self, sql: &'static str) -> Cow<'static, str>;

    /// Looks for damage.
    async fn check_integrity(&self, pool: &AnyPool) -> Result<(), StateError>;

    /// What is known about the server, if there is one. `now` reads the clock.
    async fn server(&self, pool: &AnyPool, now: Clock<'_>) -> Result<Option<Server>, sqlx::Error>;

    /// Locks the file that shows that a lease's owner lives; `None` if another owner has it, if locking fails, or if
    /// the database has no such thing.
    fn lock_guard(&self, lease: &str) -> Option<File>;

    /// Sorts a database error by what the user can do about it.
    fn failure(&self, doing: &'static str, error: sqlx::Error) -> StateError;
}

/// A transaction that holds the write lock; one that is dropped is rolled back.
pub(super) struct Write {
    transaction: Transaction<'static, Any>,
    /// What settles the outcome where the connection ends during the commit.
    receipt: Option<postgres::Receipt>,
}

impl Write {
    /// Makes the changes durable and visible, all at once. After an error none of them is there, unless the error is one
    /// of an unknown outcome.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self.receipt {
            None => self.transaction.commit().await,
            Some(receipt) => receipt.commit(self.transaction).await,
        }
    }

    /// Gives the lock back; nothing has changed.
    pub async fn abandon(self) -> Result<(), sqlx::Error> {
        self.transaction.rollback().await
    }
}

impl Deref for Write {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.transaction
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}
