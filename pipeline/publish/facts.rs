//! What a commit of a published table says of the rows that it wrote.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::storage::CommitMetadata;

/// Where the commit keeps its facts.
const METADATA_KEY: &str = "lifecycleBuild";

/// The facts of a commit: the days that it wrote (`None`: all of them), the landed versions that their rows come from, and
/// the release that names it.
pub fn build_facts(days: Option<&BTreeSet<NaiveDate>>, landed: &BTreeMap<String, u64>, release: u64) -> CommitMetadata {
    let days = days.map_or_else(|| json!("all"), |days| json!(days));
    let facts = json!({"days": days, "landed": landed, "release": release});
    CommitMetadata::from_iter([(METADATA_KEY.to_owned(), facts)])
}

/// The days that a commit wrote: all, or some; `None` where it does not say.
pub fn days_of_build(metadata: &CommitMetadata) -> Option<Option<BTreeSet<NaiveDate>>> {
    match metadata.get(METADATA_KEY)?.get("days")? {
        Value::Array(days) => Some(Some(days.iter().filter_map(|day| day.as_str()?.parse().ok()).collect())),
        _ => Some(None),
    }
}

/// The landed versions that the rows come from which a commit wrote.
pub fn landed_of_commit(metadata: &CommitMetadata) -> BTreeMap<String, u64> {
    let landed = metadata.get(METADATA_KEY).and_then(|facts| facts.get("landed")?.as_object());
    let versions = landed.into_iter().flatten();
    versions.filter_map(|(source, version)| Some((source.clone(), version.as_u64()?))).collect()
}

/// The release for which a commit was made.
pub fn release_of_commit(metadata: &CommitMetadata) -> Option<u64> {
    metadata.get(METADATA_KEY)?.get("release")?.as_u64()
}
