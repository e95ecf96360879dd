//! Asks a store whether it creates an object only where there is none: what commits and releases rest on.
//!
//! ```text
//! create -> create again -> read -> delete
//!    |           |            +-- the second one's text: ignored
//!    |           +-- done: ignored
//!    +-- refused, though a plain put of the same object is done: refused
//! ```

use std::io::ErrorKind;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use url::Url;
use uuid::Uuid;

use super::{StorageError, Stores, http_status, io_error_kind};

/// What a store makes of a put that is to create an object.
#[derive(Debug)]
pub enum ConditionalPut {
    /// An object that exists is not created again.
    Honoured,
    /// An object that exists is overwritten.
    Ignored,
    /// The store, or its file system, takes plain puts alone.
    Refused(object_store::Error),
}

/// What the probe of a store saw.
#[derive(Debug)]
pub struct StoreProbe {
    pub conditional_put: ConditionalPut,
    /// When the probe's object was written, by the store's clock.
    pub written_at: DateTime<Utc>,
    /// Whether the probe's object is gone again.
    pub removed: Result<(), StorageError>,
}

/// Writes, reads, overwrites conditionally and deletes an object below a location: five requests.
///
/// # Errors
/// The store cannot be written or read. The probe's object is deleted then, too.
pub async fn probe_store(stores: &Stores, location: &Url) -> Result<StoreProbe, StorageError> {
    make_local_folder(location)?;
    let failed = |error| StorageError::from_store(location.as_str(), error);
    let (store, path) = stores.open(location)?;
    let object = path.join(format!("_probe-{}", Uuid::now_v7()));
    let probe = Prober { store: store.as_ref(), object: &object, is_local: location.scheme() == "file" };
    let seen = probe.look().await;
    let removed = store.delete(&object).await;
    let (conditional_put, written_at) = seen.map_err(failed)?;
    Ok(StoreProbe { conditional_put, written_at, removed: removed.map_err(failed) })
}

/// Refuses a location whose store may let one commit overwrite another.
///
/// # Errors
/// [`StorageError::CreatesAgain`], [`StorageError::NoConditionalPut`], or what the store failed with.
pub async fn require_conditional_put(stores: &Stores, location: &Url) -> Result<(), StorageError> {
    let probe = probe_store(stores, location).await?;
    if let Err(error) = probe.removed {
        // Who writes a warehouse need not be allowed to delete from it.
        tracing::warn!(%error, "the object that tested the store could not be deleted");
    }
    match probe.conditional_put {
        ConditionalPut::Honoured => Ok(()),
        ConditionalPut::Ignored => Err(StorageError::CreatesAgain { location: location.to_string() }),
        ConditionalPut::Refused(source) => {
            Err(StorageError::NoConditionalPut { location: location.to_string(), source })
        }
    }
}

struct Prober<'a> {
    store: &'a dyn ObjectStore,
    object: &'a Path,
    is_local: bool,
}

impl Prober<'_> {
    async fn look(&self) -> object_store::Result<(ConditionalPut, DateTime<Utc>)> {
        if let Err(error) = self.create("first").await {
            // Its acknowledgement may be lost: the same put made again finds it there.
            let is_ours = is_taken(&error) && matches!(self.read("first").await, Ok((true, _)));
            if !is_ours {
                return match self.is_refusal(&error) && self.put("first").await.is_ok() {
                    true => Ok((ConditionalPut::Refused(error), self.read("first").await?.1)),
                    false => Err(error),
                };
            }
        }
        let again = self.create("second").await;
        let (is_first, written_at) = self.read("first").await?;
        let conditional_put = match again {
            Ok(()) => ConditionalPut::Ignored,
            // It says no, and does it all the same.
            Err(_) if !is_first => ConditionalPut::Ignored,
            Err(error) if is_taken(&error) => ConditionalPut::Honoured,
            Err(error) if self.is_refusal(&error) => ConditionalPut::Refused(error),
            Err(error) => return Err(error),
        };
        Ok((conditional_put, written_at))
    }

    fn payload(&self, which: &str) -> PutPayload {
        let name = self.object.filename().unwrap_or_default();
        PutPayload::from(format!("written by lifecycle to test this store; may be deleted\n{name} {which}\n"))
    }

    async fn create(&self, which: &str) -> object_store::Result<()> {
        let create = PutOptions::from(PutMode::Create);
        self.store.put_opts(self.object, self.payload(which), create).await.map(|_| ())
    }

    async fn put(&self, which: &str) -> object_store::Result<()> {
        self.store.put(self.object, self.payload(which)).await.map(|_| ())
    }

    /// Whether the object has this put's text, and when it was written.
    async fn read(&self, which: &str) -> object_store::Result<(bool, DateTime<Utc>)> {
        let found: GetResult = self.store.get(self.object).await?;
        let written_at = found.meta.last_modified;
        let bytes = found.bytes().await?;
        Ok((bytes == bytes::Bytes::from(self.payload(which)), written_at))
    }

    /// Whether the store answered that it will not, rather than failed: then a plain put tells why.
    fn is_refusal(&self, error: &object_store::Error) -> bool {
        match error {
            object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. } => true,
            object_store::Error::NotFound { .. } => false,
            error if is_taken(error) => true,
            // A file is created by a hard link, which not every file system has; a full disk says nothing of that.
            error if self.is_local => {
                !matches!(io_error_kind(error), Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
            }
            error => http_status(error).is_some_and(|status| match status {
                401 | 404 | 408 | 429 => false,
                501 => true,
                status => (400..500).contains(&status),
            }),
        }
    }
}

fn is_taken(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. })
}

/// A local warehouse begins as a folder that does not exist.
fn make_local_folder(location: &Url) -> Result<(), StorageError> {
    if location.scheme() != "file" {
        return Ok(());
    }
    let folder = location.to_file_path().map_err(|()| StorageError::NotALocation(location.to_string()))?;
    std::fs::create_dir_all(folder).map_err(|error| {
        let source = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
        StorageError::from_store(location.as_str(), source)
    })
}
