//! A folder of the warehouse with everything that lies in it, half-written files included: for `vacuum`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::{StorageError, Warehouse, join};

/// A file as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Relative to the folder, with slashes.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub modified: DateTime<Utc>,
}

impl StoredFile {
    /// The last segment of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether this is what a local store was writing when its process died: `name#1`.
    pub fn is_half_written(&self) -> bool {
        let ending = self.name().split_once('#').map(|(_, ending)| ending);
        ending.is_some_and(|ending| !ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// A folder of the warehouse.
///
/// On a local disk it is walked without following links: object_store's own listing follows them out of the folder, and
/// hides half-written files.
#[derive(Debug, Clone)]
pub struct Folder {
    place: Place,
    url: String,
}

#[derive(Debug, Clone)]
enum Place {
    Local(PathBuf),
    Remote(Arc<dyn ObjectStore>, Path),
}

impl Warehouse {
    /// Addresses a folder: `marts/churn`. Nothing is read or written.
    pub fn folder(&self, name: &str) -> Result<Folder, StorageError> {
        let url = join(self.root(), name);
        let place = match url.to_file_path() {
            Ok(path) if url.scheme() == "file" => Place::Local(path),
            _ => {
                let (store, path) = self.stores().open(&url)?;
                Place::Remote(store, path)
            }
        };
        Ok(Folder { place, url: url.to_string() })
    }
}

impl Folder {
    /// Every file, by path; none where the folder does not exist.
    pub async fn files(&self) -> Result<Vec<StoredFile>, StorageError> {
        let mut files = match &self.place {
            Place::Local(root) => {
                let root = root.clone();
                let walked = tokio::task::spawn_blocking(move || walk(&root)).await;
                walked
                    .unwrap_or_else(|error| Err(std::io::Error::other(error)))
                    .map_err(|error| self.failed_io(error))?
            }
            Place::Remote(store, prefix) => {
                let depth = prefix.parts().count();
                let listed = store
                    .list(Some(prefix))
                    .map_ok(|meta| StoredFile {
                        path: meta
                            .location
                            .parts()
                            .skip(depth)
                            .map(|part| part.as_ref().to_owned())
                            .collect::<Vec<_>>()
                            .join("/"),
                        size: meta.size,
                        modified: meta.last_modified,
                    })
                    .try_collect()
                    .await;
                match listed {
                    Ok(files) => files,
                    Err(object_store::Error::NotFound { .. }) => Vec::new(),
                    Err(error) => return Err(StorageError::from_store(&self.url, error)),
                }
            }
        };
        files.sort_by(|left: &StoredFile, right| left.path.cmp(&right.path));
        Ok(files)
    }

    /// Deletes one of its files; one that is gone already is no mistake.
    pub async fn delete(&self, file: &StoredFile) -> Result<(), StorageError> {
        match &self.place {
            Place::Local(root) => match tokio::fs::remove_file(root.join(&file.path)).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed_io(error)),
                _ => Ok(()),
            },
            Place::Remote(store, prefix) => {
                // As it was listed: what is encoded in the name stays as it is.
                let path = Path::parse(format!("{prefix}/{}", file.path))
                    .map_err(|error| StorageError::from_store(&self.url, error.into()))?;
                match store.delete(&path).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(error) => Err(StorageError::from_store(&self.url, error)),
                }
            }
        }
    }

    fn failed_io(&self, error: std::io::Error) -> StorageError {
        let source = object_store::Error::Generic { store: "local disk", source: Box::new(error) };
        StorageError::from_store(&self.url, source)
    }
}

fn walk(root: &std::path::Path) -> std::io::Result<Vec<StoredFile>> {
    let mut files = Vec::new();
    let mut open = VecDeque::from([String::new()]);
    while let Some(folder) = open.pop_front() {
        let entries = match std::fs::read_dir(root.join(&folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // A name that is no text is none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            // Of a link, this is the link's own kind.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                open.push_back(path);
            } else if kind.is_file() {
                match entry.metadata() {
                    Ok(metadata) => {
                        files.push(StoredFile { path, size: metadata.len(), modified: metadata.modified()?.into() });
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(files)
}
