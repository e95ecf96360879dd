//! What a release says of the days of its histories: which release wrote each, and which facts it lacks.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use crate::config::History;
use crate::plan::{RunPlan, model_of_history};
use crate::publish::kept_days;
use crate::storage::{HistoryDay, ReleasedTable};

use super::release::Publication;

/// So many days are spoken of, or those of the job's `repair_window`, where these are more: nothing repairs others.
const REMEMBERED: u64 = 400;

/// What was known of the days of histories when a run was planned, by the history's name.
#[derive(Debug, Clone, Default)]
pub(super) struct Histories {
    /// Every history of the current release: its days, and what they lacked then.
    pub planned: BTreeMap<String, BTreeMap<NaiveDate, HistoryDay>>,
    /// Days that were built again, and whose rows are as they were.
    pub verified: BTreeMap<String, BTreeSet<NaiveDate>>,
}

impl Histories {
    pub fn of(plan: &RunPlan) -> Self {
        Self { planned: plan.histories.clone(), verified: BTreeMap::new() }
    }

    /// The days of a history before a publication.
    fn before(&self, publication: &Publication<'_>, name: &str) -> BTreeMap<NaiveDate, HistoryDay> {
        let mut days = self.planned.get(name).cloned().unwrap_or_default();
        let current = publication.current.and_then(|release| release.tables.get(name));
        // A release that was made since the plan may have written some.
        for (day, known) in current.into_iter().flat_map(|current| &current.days) {
            if days.get(day).is_none_or(|planned| planned.release != known.release) {
                days.insert(*day, known.clone());
            }
        }
        days
    }

    /// The days that a history keeps of those that it has rows of, is known to have, or gets now.
    pub fn kept(
        &self,
        publication: &Publication<'_>,
        name: &str,
        keeps: History,
        days: impl IntoIterator<Item = NaiveDate>,
    ) -> BTreeSet<NaiveDate> {
        kept_days(days.into_iter().chain(self.before(publication, name).into_keys()).collect(), keeps)
    }

    /// Writes what is known into the tables of a release, among them days that it wrote or verified. `kept` are the days
    /// that are left of histories that it committed.
    pub fn note(
        &self,
        publication: &Publication<'_>,
        written: &BTreeMap<String, BTreeSet<NaiveDate>>,
        kept: &BTreeMap<String, BTreeSet<NaiveDate>>,
        tables: &mut BTreeMap<String, ReleasedTable>,
    ) {
        let nothing = BTreeSet::new();
        let remembered = Days::new(REMEMBERED.max(publication.job.repair_window));
        for (name, released) in tables {
            let model = model_of_history(name).and_then(|model| publication.project.models.get(&model));
            if model.is_none_or(|model| model.history == History::None) {
                continue;
            }
            let mut days = self.before(publication, name);
            let written = written.get(name).unwrap_or(&nothing);
            for day in written {
                let verified = self.verified.get(name).is_some_and(|days| days.contains(day));
                let release = days.get(day).map(|day| day.release).filter(|_| verified);
                let release = release.unwrap_or(publication.number());
                days.insert(*day, HistoryDay { release, late: BTreeMap::new() });
            }
            if let Some(kept) = kept.get(name) {
                days.retain(|day, _| kept.contains(day));
            }
            let oldest = days.keys().next_back().and_then(|newest| newest.checked_sub_days(remembered));
            days.retain(|day, _| oldest.is_none_or(|oldest| *day >= oldest));
            released.days = days;
            // What landed up to these versions is accounted for.
            for (source, version) in &mut released.landed {
                if let Some(now) = publication.landed.get(source) {
                    *version = *now;
                }
            }
            released.parts.clear();
        }
    }
}
