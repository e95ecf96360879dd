//! What differs between the databases that can hold the state; all else is one set of statements.

mod sqlite;

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Any, AnyConnection, AnyPool, Transaction};

use super::{Place, StateError};

pub(super) use sqlite::Sqlite;

/// One kind of database.
#[async_trait]
pub(super) trait Engine: fmt::Debug + Send + Sync {
    /// What messages call it.
    fn place(&self) -> &Place;

    /// Opens connections; waits at most about so long for whoever is in the way.
    async fn connect(&self, patience: Duration) -> Result<AnyPool, StateError>;

    /// Begins a transaction that holds the write lock from its first statement.
    async fn begin(&self, pool: &AnyPool) -> Result<Write, sqlx::Error>;

    /// The tables that exist where the state's tables belong.
    async fn table_names(&self, connection: &mut AnyConnection) -> Result<Vec<String>, sqlx::Error>;

    /// A migration, which is written for SQLite, in the words of this database.
    fn migration(&self, sql: &'static str) -> Cow<'static, str>;

    /// Looks for damage.
    async fn check_integrity(&self, pool: &AnyPool) -> Result<(), StateError>;

    /// Locks the file that shows that a lease's owner lives; `None` if another owner has it, if locking fails, or if
    /// the database has no such thing.
    fn lock_guard(&self, lease: &str) -> Option<File>;

    /// Sorts a database error by what the user can do about it.
    fn failure(&self, doing: &'static str, error: sqlx::Error) -> StateError;
}

/// A transaction that holds the write lock; one that is dropped is rolled back.
pub(super) struct Write {
    transaction: Transaction<'static, Any>,
}

impl Write {
    pub fn new(transaction: Transaction<'static, Any>) -> Self {
        Self { transaction }
    }

    /// Makes the changes durable and visible, all at once.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await
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
