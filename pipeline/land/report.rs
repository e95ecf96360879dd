//! What a landing did, and which days it touched.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::diff::Why;
use super::rejected::RejectedRow;
use crate::storage::CommitMetadata;

/// Where a landing's commit keeps its facts.
const METADATA_KEY: &str = "lifecycleLanding";
/// So many objects are named in the commit that landed them.
const NAMED_OBJECTS: usize = 20;
/// Reasons that name what stands in an object can be as many as its rows.
pub(crate) const MOST_REASONS: usize = 200;

/// The business days whose landed rows changed: rows that came, went, were superseded or came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TouchedDays {
    /// Not known by day: a source without event time, or everything was landed again.
    All,
    Days(BTreeSet<NaiveDate>),
}

impl Default for TouchedDays {
    fn default() -> Self {
        Self::Days(BTreeSet::new())
    }
}

impl TouchedDays {
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Days(days) if days.is_empty())
    }

    /// Adds the days of another landing.
    pub fn extend(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Days(days), Self::Days(more)) => days.extend(more),
            _ => *self = Self::All,
        }
    }

    /// Reads the days from the facts that a commit carries; none where the commit is not a landing's.
    ///
    /// A landing's commit whose days cannot be read touches all of them.
    pub fn from_commit(metadata: &CommitMetadata) -> Self {
        let Some(landing) = metadata.get(METADATA_KEY) else {
            return Self::default();
        };
        Self::from_json(landing.get("touched"))
    }

    /// The days of facts that a commit brought or changed, as a history sees them.
    ///
    /// Rows of a source without event time count from the day in the name of the object that delivered them; where names
    /// tell none, they are no facts of a past day: a history keeps them as they were known.
    pub fn facts_of_commit(metadata: &CommitMetadata, has_event_time: bool) -> Self {
        if has_event_time {
            return Self::from_commit(metadata);
        }
        match metadata.get(METADATA_KEY).and_then(|landing| landing.get("delivered")) {
            Some(delivered) => Self::from_json(Some(delivered)),
            None => Self::default(),
        }
    }

    fn from_json(value: Option<&Value>) -> Self {
        let Some(Value::Array(ranges)) = value else {
            return Self::All;
        };
        let mut days = BTreeSet::new();
        for range in ranges {
            let bound = |index: usize| range.get(index)?.as_str()?.parse::<NaiveDate>().ok();
            let (Some(from), Some(to)) = (bound(0), bound(1)) else {
                return Self::All;
            };
            days.extend(from.iter_days().take_while(|day| *day <= to));
        }
        Self::Days(days)
    }

    /// `"all"`, or ranges of days with both ends.
    fn to_json(&self) -> Value {
        let Self::Days(days) = self else {
            return json!("all");
        };
        let mut ranges: Vec<(NaiveDate, NaiveDate)> = Vec::new();
        for day in days {
            match ranges.last_mut() {
                Some((_, to)) if to.succ_opt() == Some(*day) => *to = *day,
                _ => ranges.push((*day, *day)),
            }
        }
        json!(ranges.iter().map(|(from, to)| [from.to_string(), to.to_string()]).collect::<Vec<_>>())
    }
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReport {
    pub name: String,
    /// Compressed.
    pub bytes: u64,
    /// Records in it; always `landed + rejected`.
    pub rows_in: u64,
    pub landed: u64,
    pub rejected: u64,
    /// Why it was landed again; `None` for a new object.
    pub again: Option<Why>,
    /// It holds more than `max_object_bytes`, and the rest was not read.
    pub is_cut: bool,
}

/// Refused records of objects that are gone, read again from the text that was kept of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptRecords {
    /// Rows that landed.
    pub landed: u64,
    /// Records that are still refused, or cannot be read without their object.
    pub refused: u64,
}

/// What a landing of one source did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LandingReport {
    pub source: String,
    /// Objects that were read, in the order of their names.
    pub objects: Vec<ObjectReport>,
    /// Objects that were known already.
    pub unchanged: usize,
    /// Landed objects that are no longer in the drop zone; what they brought is kept.
    pub gone: Vec<String>,
    /// Under a changed contract.
    pub kept: KeptRecords,
    pub touched: TouchedDays,
    /// Rows that newer versions of their keys superseded, and superseded rows that came back.
    pub superseded: u64,
    pub restored: u64,
    /// The days that stand in the names of the objects that were new or delivered anew.
    pub delivered: BTreeSet<NaiveDate>,
    /// How often each reason rejected a row, without the values.
    pub reasons: BTreeMap<String, u64>,
    /// Some of the rejected rows, a few for each reason, with personal values hidden: where nothing is committed they can be
    /// seen nowhere else.
    pub samples: Vec<RejectedRow>,
    /// The version of the landed table; `None` where there is none yet.
    pub version: Option<u64>,
    /// Whether this landing made that version.
    pub committed: bool,
}

/// Counts a reason without its values; tells how often it had been counted before.
pub(crate) fn count_reason(counts: &mut BTreeMap<String, u64>, reason: &str) -> u64 {
    // The value follows a colon; without it reasons are few.
    let kind = reason.split_once(": ").map_or(reason, |(kind, _)| kind);
    count_one(counts, kind, MOST_REASONS)
}

impl LandingReport {
    pub fn rows_in(&self) -> u64 {
        self.objects.iter().map(|object| object.rows_in).sum()
    }

    pub fn landed(&self) -> u64 {
        self.objects.iter().map(|object| object.landed).sum()
    }

    pub fn rejected(&self) -> u64 {
        self.objects.iter().map(|object| object.rejected).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }

    /// Counts a reason without its values; tells how often it had been counted before.
    pub(crate) fn count_reason(&mut self, reason: &str) -> u64 {
        count_reason(&mut self.reasons, reason)
    }

    /// The facts that the landing's commit carries. What became of each object stands in the object rows.
    pub(crate) fn commit_metadata(&self, run: Option<&str>) -> CommitMetadata {
        let again = self.objects.iter().filter(|object| object.again.is_some()).count();
        let names = self.objects.iter().map(|object| object.name.as_str());
        let facts = json!({
            "source": self.source,
            "run": run,
            "objects": self.objects.len(),
            "objectsAgain": again,
            "rowsIn": self.rows_in(),
            "landed": self.landed(),
            "rejected": self.rejected(),
            "keptLanded": self.kept.landed,
            "keptRejected": self.kept.refused,
            "superseded": self.superseded,
            "restored": self.restored,
            "touched": self.touched.to_json(),
            "delivered": TouchedDays::Days(self.delivered.clone()).to_json(),
            "names": names.take(NAMED_OBJECTS).collect::<Vec<_>>(),
        });
        CommitMetadata::from_iter([(METADATA_KEY.to_owned(), facts)])
    }
}

/// What a landing's commit says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandingFacts {
    /// The run that landed.
    pub run: Option<String>,
    pub objects: u64,
    /// The first few of them; none in commits of older programs.
    pub names: Vec<String>,
    pub landed: u64,
    pub rejected: u64,
    pub touched: TouchedDays,
}

impl LandingFacts {
    /// Reads the facts; `None` where the commit is not a landing's.
    pub fn of_commit(metadata: &CommitMetadata) -> Option<Self> {
        let facts = metadata.get(METADATA_KEY)?;
        let count = |name: &str| facts.get(name).and_then(Value::as_u64).unwrap_or_default();
        let names = facts.get("names").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            run: facts.get("run").and_then(Value::as_str).map(str::to_owned),
            objects: count("objects"),
            names: names.filter_map(Value::as_str).map(str::to_owned).collect(),
            landed: count("landed"),
            rejected: count("rejected"),
            touched: TouchedDays::from_commit(metadata),
        })
    }
}

/// Counts a name; tells how often it had been counted before. Names beyond `most` are counted together.
pub(crate) fn count_one(counts: &mut BTreeMap<String, u64>, name: &str, most: usize) -> u64 {
    let name = if counts.len() < most || counts.contains_key(name) { name } else { "other reasons" };
    match counts.get_mut(name) {
        Some(count) => {
            *count += 1;
            *count - 1
        }
        None => {
            counts.insert(name.to_owned(), 1);
            0
        }
    }
}
