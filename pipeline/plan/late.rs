//! Days of histories that lack facts which landed after their rows were written, and which of them a run repairs.
//!
//! The rows of a day d of a history are those that its model gives as of d, from facts up to d. So a fact of day f that
//! lands later touches the history's days from f on. A model that does not look at `$as_of` has no such days: its
//! history is what it was when it was built.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};

use crate::config::{History, TableName};
use crate::storage::{HistoryDay, ReleasedTable};

use super::fingerprint::Fingerprint;
use super::run_plan::{ModelStep, PlanInputs, SourceState, Touched};

/// What came late: by source, the earliest day of such facts.
pub type LateFacts = BTreeMap<String, NaiveDate>;

/// Days of one model's history that are built again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    pub model: TableName,
    /// With what they lack.
    pub days: BTreeMap<NaiveDate, LateFacts>,
    /// They lack facts, too, but lie before the job's `repair_window`: those of which that was not known before.
    pub left: BTreeMap<NaiveDate, LateFacts>,
}

/// `marts.churn` -> `marts.churn_history`
pub fn history_of(model: &TableName) -> TableName {
    TableName::new(&model.schema, format!("{}_history", model.table))
}

/// `marts.churn_history` -> `marts.churn`, whether or not there is such a model.
pub fn model_of_history(history: &str) -> Option<TableName> {
    let (schema, table) = history.strip_suffix("_history")?.split_once('.')?;
    Some(TableName::new(schema, table))
}

/// `landed.orders of 2025-12-06 and landed.visits of 2025-12-08`, each with its earliest day.
pub fn late_in_words(late: &LateFacts) -> String {
    let parts: Vec<String> = late.iter().map(|(source, day)| format!("landed.{source} of {day}")).collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// The days of every history of the current release, and what they lack.
pub(super) fn mark_late(
    inputs: &PlanInputs<'_>,
    prints: &BTreeMap<TableName, Fingerprint>,
) -> BTreeMap<String, BTreeMap<NaiveDate, HistoryDay>> {
    let mut all = BTreeMap::new();
    let Some(current) = inputs.current else { return all };
    for (name, released) in &current.tables {
        let is_history =
            |model: &TableName| inputs.project.models.get(model).is_some_and(|m| m.history != History::None);
        let Some(model) = model_of_history(name).filter(is_history) else { continue };
        let mut days = released.days.clone();
        if let Some(print) = prints.get(&model).filter(|print| print.depends_on_as_of) {
            for (source, touched) in landed_since(inputs, released, print) {
                mark(&mut days, source, &touched);
            }
        }
        all.insert(name.clone(), days);
    }
    all
}

/// The facts that a history's sources got since it was last known which days lack any.
fn landed_since<'a>(
    inputs: &'a PlanInputs<'_>,
    released: &'a ReleasedTable,
    print: &'a Fingerprint,
) -> Vec<(&'a str, Touched)> {
    let was_landed = |source: &String| inputs.current.is_some_and(|release| release.landed.contains_key(source));
    let new = print.sources.iter().filter(|source| !released.landed.contains_key(*source) && !was_landed(source));
    let sources: BTreeSet<&String> = released.landed.keys().chain(new).collect();
    let state = |source: &'a String| Some((source, inputs.sources.get(source)?));
    let touched = |(source, state): (&'a String, &SourceState)| {
        let since = released.landed.get(source).copied();
        let mut facts = match state.facts_since.get(&since) {
            _ if since == state.version.version => Touched::Days(BTreeSet::new()),
            Some(touched) => touched.clone(),
            None => Touched::All,
        };
        if let Touched::Days(days) = &mut facts {
            days.extend(&state.pending_facts);
        }
        (source.as_str(), facts)
    };
    sources.into_iter().filter_map(state).map(touched).collect()
}

fn mark(days: &mut BTreeMap<NaiveDate, HistoryDay>, source: &str, touched: &Touched) {
    for (day, known) in days {
        let earliest = match touched {
            Touched::All => Some(*day),
            Touched::Days(facts) => facts.first().copied().filter(|fact| fact <= day),
        };
        let Some(earliest) = earliest else { continue };
        known.late.entry(source.to_owned()).and_modify(|late| *late = earliest.min(*late)).or_insert(earliest);
    }
}

/// What a run repairs of what is late: days before its own, as far back as the job's window reaches.
pub(super) fn repairs(
    inputs: &PlanInputs<'_>,
    marked: &BTreeMap<String, BTreeMap<NaiveDate, HistoryDay>>,
    models: &[ModelStep],
) -> Vec<Repair> {
    let first = inputs.as_of.checked_sub_days(Days::new(inputs.repair_window)).unwrap_or(NaiveDate::MIN);
    let mut repairs = Vec::new();
    for step in models {
        let name = history_of(&step.model).to_string();
        let (Some(days), Some(model)) = (marked.get(&name), inputs.project.models.get(&step.model)) else { continue };
        let known = inputs.current.and_then(|release| release.tables.get(&name)).map(|released| &released.days);
        let mut repair = Repair { model: step.model.clone(), days: BTreeMap::new(), left: BTreeMap::new() };
        for (day, marked) in days {
            // The newest of a month that goes on is dropped when a newer one comes.
            if marked.late.is_empty() || *day >= inputs.as_of || !model.history.keeps_past(*day) {
                continue;
            }
            if *day >= first {
                repair.days.insert(*day, marked.late.clone());
            } else if known.and_then(|known| known.get(day)).is_none_or(|known| known.late != marked.late) {
                repair.left.insert(*day, marked.late.clone());
            }
        }
        if !repair.days.is_empty() || !repair.left.is_empty() {
            repairs.push(repair);
        }
    }
    repairs
}
