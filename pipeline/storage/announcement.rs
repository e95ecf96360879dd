//! What a publication writes down before its first commit, so that its successor can set right what it left.
//!
//! `publishing/<job>/<run>.json`: each run writes only its own, so no two processes ever write the same one at once
//! but for the mark that it is fenced off.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};

use super::{StorageError, Warehouse, join};

/// A publication that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    pub job: String,
    pub run_id: String,
    /// The number that its release will have.
    pub release: u64,
    /// By qualified name: every table that it may commit.
    pub tables: BTreeSet<String>,
    /// A successor has committed to each of the tables, so the announcer cannot any more.
    pub is_fenced: bool,
}

impl Warehouse {
    /// The publications of a job that have begun and that nobody has cleared away, the oldest first.
    pub async fn announcements(&self, job: &str) -> Result<Vec<Announcement>, StorageError> {
        let (store, prefix) = self.announcement_place(job, None)?;
        let failed = |source| StorageError::from_store(format!("{}/{prefix}", self.root()), source);
        let listed: Result<Vec<Path>, _> = store.list(Some(&prefix)).map_ok(|meta| meta.location).try_collect().await;
        let mut places = match listed {
            Ok(places) => places,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        // Ids of runs begin with the time.
        places.sort();
        let mut announcements = Vec::new();
        for place in places.iter().filter(|place| place.extension() == Some("json")) {
            match store.get(place).await {
                Ok(found) => {
                    let bytes = found.bytes().await.map_err(failed)?;
                    let announcement = serde_json::from_slice(&bytes)
                        .map_err(|source| StorageError::Record { path: place.to_string(), source })?;
                    announcements.push(announcement);
                }
                // Its writer has just finished.
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(announcements)
    }

    /// Writes an announcement, over an earlier one of the same run.
    pub async fn announce(&self, announcement: &Announcement) -> Result<(), StorageError> {
        let (store, path) = self.announcement_place(&announcement.job, Some(&announcement.run_id))?;
        let text = serde_json::to_vec_pretty(announcement)
            .map_err(|source| StorageError::Record { path: path.to_string(), source })?;
        let put = store.put(&path, PutPayload::from(text)).await;
        put.map(|_| ()).map_err(|source| StorageError::from_store(path.to_string(), source))
    }

    /// Removes an announcement; one that is gone already is no mistake.
    pub async fn withdraw(&self, announcement: &Announcement) -> Result<(), StorageError> {
        let (store, path) = self.announcement_place(&announcement.job, Some(&announcement.run_id))?;
        match store.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StorageError::from_store(path.to_string(), source)),
        }
    }

    fn announcement_place(
        &self,
        job: &str,
        run_id: Option<&str>,
    ) -> Result<(Arc<dyn ObjectStore>, Path), StorageError> {
        let name = match run_id {
            Some(run_id) => format!("publishing/{job}/{run_id}.json"),
            None => format!("publishing/{job}"),
        };
        self.stores().open(&join(self.root(), &name))
    }
}
