//! Sets right what a publication left that never came to its record: its process died, failed, or sleeps.
//!
//! A publication announces which tables it may commit before it commits the first. Who holds the lease next finds the
//! announcement and commits each of these tables once more, with the files that the current release names. After that
//! - whoever reads a table's newest version reads the release again, whatever the next run builds or keeps;
//! - the announcer, if it is only asleep, commits nothing: each of its commits goes on top of a version that is not the
//!   newest any more.
//!
//! ```text
//! announced ──(its record)──────────────────────────────────────────> withdrawn by itself, or by the next
//!     └─(no record)─> fenced off: tables as released ──(a release of that number)──> withdrawn by the next
//! ```
//!
//! An announcement stays until a release of its number exists, because until then its sleeping owner could still make
//! the record of what it had committed before. If it does, the tables are set to that release's files by the next.
//! A table that did not exist when its announcer was fenced off can still be made by it; no release names it then.

use std::collections::BTreeMap;

use crate::storage::{Announcement, Release, Snapshot, StorageError, Table, Warehouse};

use super::contents::{Contents, commit_files, set_files};
use super::{PublishError, open_table};

/// What publications of a job left behind, read and pinned; nothing is changed yet.
#[derive(Debug)]
pub struct Unsettled {
    announcements: Vec<(Announcement, bool)>,
    tables: Vec<UnsettledTable>,
}

#[derive(Debug)]
struct UnsettledTable {
    name: String,
    table: Table,
    base: Snapshot,
    /// The version that the current release names.
    released: Option<Snapshot>,
    /// The announcer may still commit.
    must_fence: bool,
}

/// Reads what publications of a job left behind. It is to be settled by a holder of the lease, who asks for the lease
/// between this and [`Unsettled::settle`].
pub async fn find_unsettled(warehouse: &Warehouse, job: &str) -> Result<Unsettled, PublishError> {
    let failed = |source| PublishError::Announcement { job: job.to_owned(), source };
    let announcements = warehouse.announcements(job).await.map_err(failed)?;
    let mut unsettled = Unsettled { announcements: Vec::new(), tables: Vec::new() };
    if announcements.is_empty() {
        return Ok(unsettled);
    }
    let current = warehouse.current_release(job).await.map_err(failed)?;
    let mut names: BTreeMap<String, bool> = BTreeMap::new();
    for announcement in announcements {
        let is_over = current.as_ref().is_some_and(|current| current.number >= announcement.release);
        let is_recorded = is_over && was_recorded(warehouse, &announcement).await.map_err(failed)?;
        // One that was recorded before anybody meddled is as it should be.
        if is_recorded == announcement.is_fenced {
            for name in &announcement.tables {
                *names.entry(name.clone()).or_default() |= !is_recorded;
            }
        }
        unsettled.announcements.push((announcement, is_over));
    }
    for (name, must_fence) in names {
        unsettled.tables.extend(pin(warehouse, current.as_ref(), name, must_fence).await?);
    }
    Ok(unsettled)
}

async fn was_recorded(warehouse: &Warehouse, announcement: &Announcement) -> Result<bool, StorageError> {
    match warehouse.release(&announcement.job, announcement.release).await {
        Ok(release) => Ok(release.run_id == announcement.run_id),
        Err(StorageError::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn pin(
    warehouse: &Warehouse,
    current: Option<&Release>,
    name: String,
    must_fence: bool,
) -> Result<Option<UnsettledTable>, PublishError> {
    let failed = |source| PublishError::Commit { table: name.clone(), source };
    let Some(table) = open_table(warehouse, &name)? else { return Ok(None) };
    // What nobody has made yet needs no setting right.
    let Some(base) = table.snapshot().await.map_err(failed)? else { return Ok(None) };
    let released = match current.and_then(|release| release.tables.get(&name)) {
        Some(released) => Some(table.snapshot_at(released.version).await.map_err(failed)?),
        None => None,
    };
    Ok(Some(UnsettledTable { name, table, base, released, must_fence }))
}

impl Unsettled {
    /// Whether every publication has come to its end.
    pub fn is_nothing(&self) -> bool {
        self.announcements.is_empty()
    }

    /// Sets the tables to what the current release names. A table that it does not name keeps its files.
    ///
    /// # Errors
    /// [`PublishError::Overtaken`] where the announcer has committed since: it is to be read again.
    pub async fn settle(&self, warehouse: &Warehouse, run_id: &str) -> Result<(), PublishError> {
        for unsettled in &self.tables {
            let wanted = Contents::of(unsettled.released.as_ref().unwrap_or(&unsettled.base));
            let (table, base) = (&unsettled.table, Some(&unsettled.base));
            let committed = if unsettled.must_fence {
                commit_files(table, base, &wanted, run_id).await
            } else {
                set_files(table, base, &wanted, run_id).await
            };
            committed.map_err(|source| PublishError::of_commit(&unsettled.name, source))?;
        }
        for (announcement, is_over) in &self.announcements {
            let failed = |source| PublishError::Announcement { job: announcement.job.clone(), source };
            if *is_over {
                warehouse.withdraw(announcement).await.map_err(failed)?;
            } else if !announcement.is_fenced {
                let fenced = Announcement { is_fenced: true, ..announcement.clone() };
                warehouse.announce(&fenced).await.map_err(failed)?;
            }
        }
        Ok(())
    }
}
