//! What a listing means for a landed table: which objects are new, changed, known, or gone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

/// An object in the drop zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundObject {
    /// Relative to the raw location where it lies below it, else a URL: `_object` in the landed table.
    pub name: String,
    /// In its store.
    pub path: object_store::path::Path,
    /// The store's etag; time and size where it gives none.
    pub etag: String,
    /// Whether `etag` is the store's own, which a read can be made conditional on.
    pub has_store_etag: bool,
    /// Bytes, compressed.
    pub size: u64,
    pub modified: DateTime<Utc>,
    /// What `{day}` stands for in its name.
    pub day: Option<NaiveDate>,
}

/// An object that has been landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandedObject {
    pub name: String,
    pub etag: String,
    pub size: u64,
    pub modified: DateTime<Utc>,
    /// Rows that were landed, and rows that were rejected; what was read is their sum.
    pub rows: u64,
    pub rejected: u64,
    pub landed_at: DateTime<Utc>,
    /// The fingerprint of the contract that read it.
    pub contract: String,
    /// The names of a CSV object's fields, in its order.
    pub header: Option<Vec<String>>,
}

/// Why a known object is landed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Another etag: the object was delivered anew.
    Content,
    /// The source's contract is another one than when it was landed.
    Contract,
    /// Asked for.
    Replay,
}

/// What is landed again although nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reland {
    #[default]
    Nothing,
    /// Objects of which rows were rejected.
    WithRejected,
}

/// What a landing would do. In the order of names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    pub new: Vec<FoundObject>,
    /// Known objects that replace what they brought before.
    pub changed: Vec<(FoundObject, Why)>,
    pub unchanged: usize,
    /// No longer in the drop zone; what they brought is kept.
    pub gone: Vec<String>,
}

impl Diff {
    /// Objects to read.
    pub fn objects(&self) -> usize {
        self.new.len() + self.changed.len()
    }

    /// Bytes to read, compressed.
    pub fn bytes(&self) -> u64 {
        let changed = self.changed.iter().map(|(object, _)| object.size);
        self.new.iter().map(|object| object.size).chain(changed).sum()
    }

    /// The days of the objects to read, where `{day}` stands in the location.
    pub fn days(&self) -> BTreeSet<NaiveDate> {
        let changed = self.changed.iter().map(|(object, _)| object);
        self.new.iter().chain(changed).filter_map(|object| object.day).collect()
    }

    /// The days of the objects that were delivered since: those that are only read again are none of them.
    pub fn delivered(&self) -> BTreeSet<NaiveDate> {
        let changed = self.changed.iter().filter(|(_, why)| *why == Why::Content).map(|(object, _)| object);
        self.new.iter().chain(changed).filter_map(|object| object.day).collect()
    }
}

/// Compares a listing with what has been landed.
///
/// `reads_alike` tells whether the contract would read a known object as it was read.
pub fn diff(
    found: &[FoundObject],
    landed: &BTreeMap<String, LandedObject>,
    reads_alike: impl Fn(&LandedObject) -> bool,
    reland: Reland,
) -> Diff {
    let mut diff = Diff::default();
    let mut seen = BTreeSet::new();
    for object in found {
        seen.insert(object.name.as_str());
        let why = match landed.get(&object.name) {
            None => {
                diff.new.push(object.clone());
                continue;
            }
            Some(known) if known.etag != object.etag => Some(Why::Content),
            Some(known) if !reads_alike(known) => Some(Why::Contract),
            Some(known) => match reland {
                Reland::Nothing => None,
                Reland::WithRejected => (known.rejected > 0).then_some(Why::Replay),
            },
        };
        match why {
            Some(why) => diff.changed.push((object.clone(), why)),
            None => diff.unchanged += 1,
        }
    }
    diff.gone = landed.keys().filter(|name| !seen.contains(name.as_str())).cloned().collect();
    diff.new.sort_by(|one, other| one.name.cmp(&other.name));
    diff.changed.sort_by(|one, other| one.0.name.cmp(&other.0.name));
    diff
}
