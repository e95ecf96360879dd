//! What a bucket shows: landed and rejected rows, published tables, exports. And whether it is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use lifecycle::storage::{Release, StorageError, Stores, Warehouse};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use super::scenarios::SOURCES;
use crate::crash::{export_rows, unlike};
use crate::faults::dump::try_rows;
use crate::run::Rows;

pub type Tables = BTreeMap<String, Rows>;

/// A release as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// 0 before the first.
    pub release: u64,
    pub tables: Tables,
}

/// All that must be the same whatever happened on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// By source: rows of every kind, but for the instant at which an object was landed.
    pub landed: Tables,
    pub published: Published,
    pub exports: Tables,
}

fn warehouse(objects: &InMemory) -> Warehouse {
    let stores = Stores::new(&BTreeMap::new());
    let bucket = Url::parse("s3://bucket").unwrap();
    stores.replace(&bucket, Arc::new(objects.clone()));
    Warehouse::new(&stores, &Url::parse("s3://bucket/warehouse").unwrap())
}

async fn tables(warehouse: &Warehouse, release: &Release) -> Result<Tables, StorageError> {
    let mut tables = Tables::new();
    for (name, released) in &release.tables {
        let (schema, table) = name.split_once('.').unwrap();
        let table = warehouse.table(schema, table)?;
        let snapshot = table.snapshot_at(released.version).await?;
        tables.insert(name.clone(), try_rows(&table, &snapshot, &[]).await?);
    }
    Ok(tables)
}

/// Reads the current release as readers do: its record, then the versions that it names.
pub async fn published(objects: &InMemory) -> Result<Published, StorageError> {
    let warehouse = warehouse(objects);
    match warehouse.current_release("nightly").await? {
        Some(release) => Ok(Published { release: release.number, tables: tables(&warehouse, &release).await? }),
        None => Ok(Published::default()),
    }
}

/// Reads every release that there is.
pub async fn releases(objects: &InMemory) -> Result<BTreeMap<u64, Tables>, StorageError> {
    let warehouse = warehouse(objects);
    let mut all = BTreeMap::new();
    for number in warehouse.release_numbers("nightly").await? {
        let release = warehouse.release("nightly", number).await?;
        all.insert(number, tables(&warehouse, &release).await?);
    }
    Ok(all)
}

/// Landed rows of all kinds.
pub async fn landed(objects: &InMemory) -> Result<Tables, StorageError> {
    let warehouse = warehouse(objects);
    let mut landed = Tables::new();
    for source in SOURCES {
        let table = warehouse.table("landed", source)?;
        let rows = match table.snapshot().await? {
            Some(snapshot) => try_rows(&table, &snapshot, &["_landed_at"]).await?,
            None => Rows::new(),
        };
        landed.insert(source.to_owned(), rows);
    }
    Ok(landed)
}

pub async fn seen(objects: &InMemory) -> Result<Seen, StorageError> {
    let mut exports = Tables::new();
    let folder = Path::from("warehouse/exports/nightly");
    let listed: Vec<_> = objects.list(Some(&folder)).try_collect().await.unwrap();
    for meta in listed {
        let name = meta.location.filename().unwrap().to_owned();
        let bytes = objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
        if let Some(rows) = export_rows(&name, bytes) {
            exports.insert(name, rows);
        }
    }
    Ok(Seen { landed: landed(objects).await?, published: published(objects).await?, exports })
}

/// What readers who do not ask for the release would see of something else: newest versions, and exports.
pub async fn strays(objects: &InMemory) -> Result<Vec<String>, StorageError> {
    let warehouse = warehouse(objects);
    let Some(release) = warehouse.current_release("nightly").await? else { return Ok(Vec::new()) };
    let mut strays = unlike(&warehouse, &release).await;
    let (store, path) = warehouse.export("nightly", "release.json")?;
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    let record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    if record["release"].as_u64() != Some(release.number) {
        strays.push(format!("exports of {record} instead of release {}", release.number));
    }
    Ok(strays)
}

/// The names of all objects of the warehouse but those that tell of work in progress.
pub async fn names(objects: &InMemory) -> BTreeSet<String> {
    let listed: Vec<_> = objects.list(Some(&Path::from("warehouse"))).try_collect().await.unwrap();
    let names = listed.into_iter().map(|meta| meta.location.to_string());
    names.filter(|name| !name.contains("/publishing/") && !name.contains("/_probe")).collect()
}

/// What differs between two sets of tables, in a few words; `None` where nothing does.
pub fn difference(found: &Tables, wanted: &Tables) -> Option<String> {
    let mut all = Vec::new();
    for name in found.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
        let nothing = Rows::new();
        let (found, wanted) = (found.get(name).unwrap_or(&nothing), wanted.get(name).unwrap_or(&nothing));
        if found != wanted {
            let more = found.iter().find(|row| !wanted.contains(row));
            let less = wanted.iter().find(|row| !found.contains(row));
            all.push(format!("{name}: {} rows, not {}; {more:?}, not {less:?}", found.len(), wanted.len()));
        }
    }
    (!all.is_empty()).then(|| all.join("; "))
}

fn is_history(name: &str) -> bool {
    name.ends_with("_history")
}

/// The tables of each day of the histories: they are published together.
fn days(tables: &Tables) -> BTreeMap<String, Tables> {
    let mut days: BTreeMap<String, Tables> = BTreeMap::new();
    for (name, rows) in tables.iter().filter(|(name, _)| is_history(name)) {
        for row in rows {
            let (day, _) = row.split_once('|').unwrap();
            days.entry(day.to_owned()).or_default().entry(name.clone()).or_default().push(row.clone());
        }
    }
    days
}

/// Whether a release is the one before or the one after; of a backfill, whether each of its days is.
///
/// A run's release may leave past days of histories, which late facts have made stale, to the next run: where the repair of
/// one fails, it is as it was.
pub fn is_whole(found: &Published, before: &Published, after: &Published, by_days: bool) -> bool {
    if found.tables == before.tables || found.tables == after.tables {
        return true;
    }
    let current = |tables: &Tables| -> Tables {
        tables.iter().filter(|(name, _)| !is_history(name)).map(|(name, rows)| (name.clone(), rows.clone())).collect()
    };
    let now = current(&found.tables);
    if now != current(&after.tables) && !(by_days && now == current(&before.tables)) {
        return false;
    }
    let (found, before, after) = (days(&found.tables), days(&before.tables), days(&after.tables));
    let all: BTreeSet<&String> = found.keys().chain(before.keys()).chain(after.keys()).collect();
    all.into_iter().all(|day| {
        let may_be_as_before = by_days || before.contains_key(day);
        found.get(day) == after.get(day) || may_be_as_before && found.get(day) == before.get(day)
    })
}
