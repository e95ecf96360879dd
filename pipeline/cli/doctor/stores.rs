//! Doctor's checks of the object stores.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::ObjectStore;
use url::Url;

use super::Finding;
use crate::cli::Report;
use crate::cli::surroundings::stores;
use crate::config::Environment;
use crate::storage::{ConditionalPut, StorageError, Stores, probe_store};

/// Lists the raw store; writes, reads, overwrites conditionally and deletes a probe in the warehouse.
pub(super) async fn check(environment: &Environment, now: DateTime<Utc>) -> Vec<Finding> {
    let stores = stores(environment);
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
        Ok(None) => nothing(),
        Err(StorageError::NotFound(_)) => Finding::warning(
            NAME,
            format!("{url} does not exist: a run would fail"),
            "make it, and let your systems drop objects there, or set `raw`",
        ),
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

async fn check_warehouse(stores: &Stores, url: &Url, now: DateTime<Utc>) -> Vec<Finding> {
    const NAME: &str = "warehouse";
    let probe = match probe_store(stores, url).await {
        Ok(probe) => probe,
        Err(error) => return vec![failed(NAME, &error)],
    };
    if let Err(error) = probe.removed {
        return vec![failed(NAME, &error)];
    }
    let mut findings = vec![
        Finding::ok(NAME, format!("{url}: can be written, read and deleted")),
        check_conditional_put(url, probe.conditional_put),
    ];
    let clock_ahead = (probe.written_at - now).num_seconds();
    if clock_ahead.abs() > MOST_SECONDS_APART {
        findings.push(Finding::warning(
            "clock",
            format!("the store's clock is {clock_ahead} s away from this machine's"),
            "set this machine's clock: leases and as-of days follow it",
        ));
    }
    findings
}

const MOST_SECONDS_APART: i64 = 60;

fn check_conditional_put(url: &Url, seen: ConditionalPut) -> Finding {
    const NAME: &str = "conditional put";
    match seen {
        ConditionalPut::Honoured => Finding::ok(NAME, "an object that exists is not created again"),
        ConditionalPut::Ignored => Finding::failed(
            NAME,
            Report::new("the store creates an object that exists: two commits could overwrite each other")
                .hint("use a store that honours `If-None-Match: *`"),
        ),
        ConditionalPut::Refused(source) => {
            let error = StorageError::NoConditionalPut { location: url.to_string(), source };
            Finding::failed(NAME, Report::from_error(&error).maybe_hint(error.hint().map(str::to_owned)))
        }
    }
}

fn failed(name: &'static str, error: &StorageError) -> Finding {
    let hint = match error {
        StorageError::NotALocation(_) => "write a path, or a URL that begins with file, s3, gs, az or abfss",
        error => error.hint().unwrap_or("check the location, the endpoint and region under `storage`, and the network"),
    };
    Finding::failed(name, Report::from_error(error).hint(hint))
}
