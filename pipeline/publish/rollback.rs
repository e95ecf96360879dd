//! Publishes an earlier release again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::storage::{Release, ReleasedTable, Snapshot, Table, Warehouse};

use super::contents::{Contents, set_files};
use super::{PublishError, open_table, read_release};

/// A release to be published again, its tables read and pinned; nothing is changed yet.
#[derive(Debug)]
pub struct Rollback {
    release: Release,
    tables: Vec<RollbackTable>,
}

#[derive(Debug)]
struct RollbackTable {
    name: String,
    released: ReleasedTable,
    table: Table,
    base: Option<Snapshot>,
    then: Snapshot,
}

/// Plans a new release whose tables have the rows of an earlier one.
///
/// Tables that came later keep their files, but the new release does not name them. History tables, those that came
/// later included, stay as they are: history is not undone.
pub async fn plan_rollback(
    warehouse: &Warehouse,
    current: &Release,
    number: u64,
    run_id: &str,
    now: DateTime<Utc>,
    is_history: impl Fn(&str, &ReleasedTable) -> bool,
) -> Result<Rollback, PublishError> {
    let target = read_release(warehouse, &current.job, number).await?;
    let histories = current.tables.iter().filter(|(name, released)| is_history(name, released));
    let mut named: BTreeMap<String, ReleasedTable> =
        histories.map(|(name, released)| (name.clone(), released.clone())).collect();
    let mut tables = Vec::new();
    // All are read before the first is committed: one that is gone must not leave the others half-way.
    for (name, released) in &target.tables {
        let gone = |source| PublishError::TableGone { table: name.clone(), number, source };
        if named.contains_key(name) {
            continue;
        }
        if is_history(name, released) {
            named.insert(name.clone(), released.clone());
            continue;
        }
        let Some(table) = open_table(warehouse, name)? else { continue };
        let then = table.snapshot_at(released.version).await.map_err(gone)?;
        let base = table.snapshot().await.map_err(gone)?;
        tables.push(RollbackTable { name: name.clone(), released: released.clone(), table, base, then });
    }
    let release = Release {
        number: current.number + 1,
        run_id: run_id.to_owned(),
        created_at: now,
        rollback_of: Some(number),
        tables: named,
        ..target
    };
    Ok(Rollback { release, tables })
}

impl Rollback {
    /// The tables that will be committed.
    pub fn tables(&self) -> BTreeSet<String> {
        self.tables.iter().map(|table| table.name.clone()).collect()
    }

    /// The number that its release will have.
    pub fn number(&self) -> u64 {
        self.release.number
    }

    /// Commits the tables, and returns the release that is to be recorded.
    pub async fn commit(self) -> Result<Release, PublishError> {
        let mut release = self.release;
        for table in self.tables {
            let wanted = Contents::of(&table.then);
            let now = set_files(&table.table, table.base.as_ref(), &wanted, &release.run_id)
                .await
                .map_err(|source| PublishError::of_commit(&table.name, source))?;
            release.tables.insert(table.name, ReleasedTable { version: now.version, ..table.released });
        }
        Ok(release)
    }
}
