//! Doctor's checks of the object stores.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use url::Url;

use super::Finding;
use crate::cli::Report;
use crate::config::Environment;
use crate::storage::{StorageError, Stores};

/// Lists the raw store; writes, reads, overwrites conditionally and deletes a probe in the warehouse.
pub(super) async fn check(environment: &Environment, now: DateTime<Utc>) -> Vec<Finding> {
    let stores = Stores::new(&environment.storage);
    let mut findings = vec![check_raw(&stores, &environment.raw.0).await];
    findings.extend(check_warehouse(&stores, &environment.warehouse.0, now).await);
    findings
}

async fn check_raw(stores: &Stores, url: &Url) -> Finding {
    const NAME: &str = "raw";
    let nothing = || {
        Finding::warning(NAME, format!("{url}: nothing there yet"), "let your systems drop objects there, or set `raw`")
    };
    match first_object(stores, url).await {
        Ok(Some(object)) => Finding::ok(NAME, format!("{url}: can be listed, for example {object}")),
        Ok(None) | Err(StorageError::NotFound(_)) => nothing(),
        Err(error) => failed(NAME, &error),
    }
}

/// The path of some object below the location, relative to it.
async fn first_object(stores: &Stores, url: &Url) -> Result<Option<String>, StorageError> {
    let (store, path) = stores.open(url)?;
    let first = store.list(Some(&path)).try_next().await;
    let first = first.map_err(|error| StorageError::from_store(url.as_str(), error))?;
    Ok(first.map(|object| match object.location.prefix_match(&path) {
        Some(parts) => parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"),
        None => object.location.to_string(),
    }))
}

/// What the probe saw.
struct Probe {
    /// Whether a second create of the same object was refused.
    is_conditional: bool,
    /// Seconds by which the store's clock is ahead of this machine's.
    clock_ahead: i64,
}

async fn check_warehouse(stores: &Stores, url: &Url, now: DateTime<Utc>) -> Vec<Finding> {
    const NAME: &str = "warehouse";
    const CONDITIONAL: &str = "conditional put";
    match probe(stores, url, now).await {
        Err(error) => vec![failed(NAME, &error)],
        Ok(probe) => {
            let writable = Finding::ok(NAME, format!("{url}: can be written, read and deleted"));
            let conditional = if probe.is_conditional {
                Finding::ok(CONDITIONAL, "an object that exists is not created again")
            } else {
                Finding::failed(
                    CONDITIONAL,
                    Report::new("the store creates an object that exists: two commits could overwrite each other")
                        .hint("use a store that honours `If-None-Match: *`"),
                )
            };
            let mut findings = vec![writable, conditional];
            if probe.clock_ahead.abs() > MOST_SECONDS_APART {
                findings.push(Finding::warning(
                    "clock",
                    format!("the store's clock is {} s away from this machine's", probe.clock_ahead),
                    "set this machine's clock: leases and as-of days follow it",
                ));
            }
            findings
        }
    }
}

const MOST_SECONDS_APART: i64 = 60;

async fn probe(stores: &Stores, url: &Url, now: DateTime<Utc>) -> Result<Probe, StorageError> {
    make_local_folder(url)?;
    let (store, path) = stores.open(url)?;
    let object = path.join(format!("_doctor-{}", uuid::Uuid::now_v7()));
    let result = probe_object(store.as_ref(), &object, now).await;
    // Also after a failure half-way: the probe leaves nothing behind.
    let deleted = store.delete(&object).await;
    let probe = result.map_err(|error| StorageError::from_store(url.as_str(), error))?;
    deleted.map_err(|error| StorageError::from_store(url.as_str(), error))?;
    Ok(probe)
}

async fn probe_object(store: &dyn ObjectStore, object: &Path, now: DateTime<Utc>) -> object_store::Result<Probe> {
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let text = PutPayload::from_static(b"written by lifecycle doctor; may be deleted\n");
    store.put_opts(object, text.clone(), create()).await?;
    let is_conditional = match store.put_opts(object, text, create()).await {
        Ok(_) => false,
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => true,
        Err(error) => return Err(error),
    };
    store.get(object).await?.bytes().await?;
    let written_at = store.head(object).await?.last_modified;
    Ok(Probe { is_conditional, clock_ahead: (written_at - now).num_seconds() })
}

/// A local warehouse begins as a folder that does not exist.
fn make_local_folder(url: &Url) -> Result<(), StorageError> {
    if url.scheme() != "file" {
        return Ok(());
    }
    let folder = url.to_file_path().map_err(|()| StorageError::NotALocation(url.to_string()))?;
    std::fs::create_dir_all(folder).map_err(|error| {
        let source = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) };
        StorageError::from_store(url.as_str(), source)
    })
}

fn failed(name: &'static str, error: &StorageError) -> Finding {
    let hint = match error {
        StorageError::NotPermitted { .. } => {
            "check the credentials in the environment and the store's permissions for list, read, write and delete"
        }
        StorageError::NotALocation(_) => "write a path, or a URL that begins with file, s3, gs, az or abfss",
        _ => "check the location, the endpoint and region under `storage`, and the network",
    };
    Finding::failed(name, Report::from_error(error).hint(hint))
}
