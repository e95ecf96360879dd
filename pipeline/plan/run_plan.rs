//! What a run does: sources to land, models in order, what each is built from, and why.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use crate::config::{History, Materialization, Model, Project, TableName};
use crate::storage::{HistoryDay, Release};

use super::Graph;
use super::fingerprint::{Fingerprint, SourceVersion, changed_parts, fingerprints, of_another};
use super::late::{Repair, mark_late, repairs};

/// What a plan is made from. Nothing here reads anything.
#[derive(Debug, Clone)]
pub struct PlanInputs<'a> {
    pub project: &'a Project,
    pub graph: &'a Graph,
    pub job: &'a str,
    pub parameters: &'a crate::config::Parameters,
    pub as_of: NaiveDate,
    /// The models that were asked for, without what they need.
    pub selected: &'a [TableName],
    /// By the name of the source; the job's sources, all of them.
    pub sources: &'a BTreeMap<String, SourceState>,
    /// The job's current release.
    pub current: Option<&'a Release>,
    /// Build every selected table whole, whatever its fingerprint.
    pub full_refresh: bool,
    /// So many days before its own a run puts late facts into histories; 0: it does not.
    pub repair_window: u64,
}

/// What is known of one source when a plan is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    pub version: SourceVersion,
    /// Objects that wait to be landed, and their bytes.
    pub new_objects: usize,
    pub changed_objects: usize,
    pub unchanged_objects: usize,
    pub bytes: u64,
    /// The days of the waiting objects, by their names; `None` where names do not tell.
    pub pending_days: Option<BTreeSet<NaiveDate>>,
    /// For each version of the landed table that a current table was built from: the days touched since.
    pub touched_since: BTreeMap<u64, Touched>,
    /// The same, as histories see it: the days of the facts that landed since; `None`: since nothing was landed.
    pub facts_since: BTreeMap<Option<u64>, Touched>,
    /// The days of the waiting objects' facts, as far as their names tell.
    pub pending_facts: BTreeSet<NaiveDate>,
}

/// Business days whose rows changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// Not known by day.
    All,
    Days(BTreeSet<NaiveDate>),
}

/// A run, before it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlan {
    pub job: String,
    pub as_of: NaiveDate,
    /// `false`: the current release is of a later day, so only this day's history is written.
    pub is_current: bool,
    /// In the order of names.
    pub sources: Vec<SourceStep>,
    /// In the order in which they are built.
    pub models: Vec<ModelStep>,
    /// Days of histories that get facts which came late.
    pub repairs: Vec<Repair>,
    /// By name, every history of the current release: its days, and what they lack.
    pub histories: BTreeMap<String, BTreeMap<NaiveDate, HistoryDay>>,
}

/// One source to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStep {
    pub source: String,
    pub new_objects: usize,
    pub changed_objects: usize,
    pub unchanged_objects: usize,
    /// Compressed.
    pub bytes: u64,
}

/// One model of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStep {
    pub model: TableName,
    pub action: Action,
    /// In words, for people.
    pub reason: String,
    /// Whether the table is committed as current.
    pub publishes: bool,
    /// Whether `<table>_history` gets this day's rows.
    pub writes_history: bool,
    pub fingerprint: Fingerprint,
}

/// What is done with a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Expanded where it is used.
    View,
    /// A staging model that no source of the job feeds: a table without rows.
    Empty,
    /// The current release's version stands.
    Keep,
    BuildWhole,
    BuildDays(BTreeSet<NaiveDate>),
}

impl Action {
    pub fn is_build(&self) -> bool {
        matches!(self, Action::BuildWhole | Action::BuildDays(_))
    }

    /// `build 2025-12-06`, `build 3 days`, `keep`.
    pub fn in_words(&self) -> String {
        match self {
            Action::View => "view".to_owned(),
            Action::Empty => "empty".to_owned(),
            Action::Keep => "keep".to_owned(),
            Action::BuildWhole => "build".to_owned(),
            Action::BuildDays(days) => match days.len() {
                0 => "keep all days".to_owned(),
                1 => format!("build {}", days_in_words(days)),
                count => format!("build {count} days"),
            },
        }
    }
}

impl RunPlan {
    /// Whether there is neither anything to land nor to build.
    pub fn has_nothing_to_do(&self) -> bool {
        let lands = self.sources.iter().any(|source| source.new_objects + source.changed_objects > 0);
        !lands && !self.builds() && !self.repairs()
    }

    pub fn builds(&self) -> bool {
        self.models.iter().any(|step| step.action.is_build())
    }

    pub fn repairs(&self) -> bool {
        self.repairs.iter().any(|repair| !repair.days.is_empty())
    }

    pub fn step(&self, model: &TableName) -> Option<&ModelStep> {
        self.models.iter().find(|step| step.model == *model)
    }
}

/// Makes the plan of a run.
pub fn plan_run(inputs: &PlanInputs<'_>) -> RunPlan {
    let versions = inputs.sources.iter().map(|(name, state)| (name.clone(), state.version.clone())).collect();
    let prints = fingerprints(
        inputs.graph,
        &inputs.project.models,
        &inputs.project.seeds,
        &versions,
        inputs.parameters,
        inputs.project.environment.timezone,
        inputs.as_of,
    );
    let is_current = inputs.current.is_none_or(|release| inputs.as_of >= release.as_of);
    let wanted: Vec<TableName> =
        inputs.selected.iter().filter(|name| is_wanted(inputs, name, is_current, &prints)).cloned().collect();
    let changes = definition_changes(inputs, &prints);
    let mut models = Vec::new();
    for name in inputs.graph.with_upstream_and_checks(&wanted) {
        if let (Some(model), Some(fingerprint)) = (inputs.project.models.get(&name), prints.get(&name)) {
            models.push(model_step(inputs, model, fingerprint, changes.get(&name), is_current));
        }
    }
    drop_unneeded_builds(inputs, &mut models, is_current);
    let sources = inputs.sources.iter().map(|(name, state)| source_step(name, state)).collect();
    let histories = mark_late(inputs, &prints);
    let repairs = match is_current && inputs.repair_window > 0 {
        true => repairs(inputs, &histories, &models),
        false => Vec::new(),
    };
    RunPlan { job: inputs.job.to_owned(), as_of: inputs.as_of, is_current, sources, models, repairs, histories }
}

/// For an older day only tables with a history of that day matter, and those that the day does not change.
fn is_wanted(
    inputs: &PlanInputs<'_>,
    name: &TableName,
    is_current: bool,
    prints: &BTreeMap<TableName, Fingerprint>,
) -> bool {
    let Some(model) = inputs.project.models.get(name) else { return false };
    is_current
        || model.history.keeps_past(inputs.as_of)
        || prints.get(name).is_some_and(|print| !print.depends_on_as_of)
}

fn source_step(name: &str, state: &SourceState) -> SourceStep {
    SourceStep {
        source: name.to_owned(),
        new_objects: state.new_objects,
        changed_objects: state.changed_objects,
        unchanged_objects: state.unchanged_objects,
        bytes: state.bytes,
    }
}

fn model_step(
    inputs: &PlanInputs<'_>,
    model: &Model,
    fingerprint: &Fingerprint,
    changes: Option<&Vec<String>>,
    is_current: bool,
) -> ModelStep {
    let (action, reason) = decide(inputs, model, fingerprint, changes);
    let is_table = model.materialized != Materialization::View;
    let publishes = is_table && (is_current || !fingerprint.depends_on_as_of);
    let writes_history = is_table
        && model.history != History::None
        && action.is_build()
        && (is_current || model.history.keeps_past(inputs.as_of));
    ModelStep { model: model.name.clone(), action, reason, publishes, writes_history, fingerprint: fingerprint.clone() }
}

fn decide(
    inputs: &PlanInputs<'_>,
    model: &Model,
    fingerprint: &Fingerprint,
    changes: Option<&Vec<String>>,
) -> (Action, String) {
    if is_unfed(inputs, model) {
        return (Action::Empty, "no source of the project feeds it".to_owned());
    }
    if model.materialized == Materialization::View {
        return (Action::View, "expanded where it is used".to_owned());
    }
    let Some(released) = inputs.current.and_then(|release| release.tables.get(&model.name.to_string())) else {
        return (Action::BuildWhole, "first build".to_owned());
    };
    if inputs.full_refresh && inputs.selected.contains(&model.name) {
        return (Action::BuildWhole, "full refresh was asked for".to_owned());
    }
    if released.fingerprint == fingerprint.whole {
        return (Action::Keep, "nothing that it depends on changed".to_owned());
    }
    let changed = changed_sources(inputs, fingerprint, &released.landed);
    if released.definition != fingerprint.definition {
        let reason = match changes {
            None => "its SQL, its columns, a parameter or a seed changed".to_owned(),
            Some(parts) => format!("{} changed", parts_in_words(parts)),
        };
        return (Action::BuildWhole, reason);
    }
    if let Materialization::Incremental { .. } = model.materialized {
        return match touched_days(inputs, fingerprint, &released.landed) {
            Touched::All => (Action::BuildWhole, format!("{} changed, days not known", list(&changed))),
            Touched::Days(days) => {
                let reason = format!("{} touched {}", list(&changed), days_in_words(&days));
                (Action::BuildDays(days), reason)
            }
        };
    }
    if changed.is_empty() {
        let is_same_day = inputs.current.is_some_and(|release| release.as_of == inputs.as_of);
        let reason = if is_same_day { "its checks changed".to_owned() } else { format!("as of {}", inputs.as_of) };
        return (Action::BuildWhole, reason);
    }
    (Action::BuildWhole, format!("{} changed", list(&changed)))
}

/// What changed of the definitions of tables, and of those that they read, by name. A table whose definition is as it
/// was is not among them, nor is one whose parts were not recorded.
fn definition_changes(
    inputs: &PlanInputs<'_>,
    prints: &BTreeMap<TableName, Fingerprint>,
) -> BTreeMap<TableName, Vec<String>> {
    let mut all: BTreeMap<TableName, Vec<String>> = BTreeMap::new();
    for model in inputs.graph.order() {
        let released = inputs.current.and_then(|release| release.tables.get(&model.to_string()));
        let (Some(released), Some(print)) = (released, prints.get(model)) else { continue };
        if released.definition == print.definition {
            continue;
        }
        let upstream = inputs.graph.upstream(model);
        let mut seen = BTreeSet::new();
        let mut changes = Vec::new();
        for part in changed_parts(&released.parts, &print.parts) {
            let table = upstream.iter().find(|table| table.to_string() == part);
            let deeper: Vec<String> = match table.and_then(|table| Some((table, all.get(table)?))) {
                Some((table, parts)) => parts.iter().map(|part| of_another(part, table)).collect(),
                None => vec![part],
            };
            changes.extend(deeper.into_iter().filter(|part| seen.insert(part.clone())));
        }
        if !changes.is_empty() {
            all.insert(model.clone(), changes);
        }
    }
    all
}

/// A staging model reads only sources, and the job has none of them.
fn is_unfed(inputs: &PlanInputs<'_>, model: &Model) -> bool {
    let upstream = inputs.graph.upstream(&model.name);
    let landed: Vec<&TableName> = upstream.iter().filter(|table| table.schema == "landed").collect();
    !landed.is_empty() && !landed.iter().any(|table| inputs.sources.contains_key(&table.table))
}

fn changed_sources(
    inputs: &PlanInputs<'_>,
    fingerprint: &Fingerprint,
    built_from: &BTreeMap<String, u64>,
) -> Vec<String> {
    fingerprint
        .sources
        .iter()
        .filter(|source| {
            inputs.sources.get(*source).is_some_and(|state| {
                state.version.is_pending || state.version.version != built_from.get(*source).copied()
            })
        })
        .map(|source| format!("landed.{source}"))
        .collect()
}

fn touched_days(inputs: &PlanInputs<'_>, fingerprint: &Fingerprint, built_from: &BTreeMap<String, u64>) -> Touched {
    let mut days = BTreeSet::new();
    for source in &fingerprint.sources {
        let Some(state) = inputs.sources.get(source) else { continue };
        let built = built_from.get(source).copied();
        if state.version.version != built {
            match built.and_then(|version| state.touched_since.get(&version)) {
                Some(Touched::Days(touched)) => days.extend(touched),
                Some(Touched::All) | None => return Touched::All,
            }
        }
        if state.version.is_pending {
            match &state.pending_days {
                Some(pending) => days.extend(pending),
                None => return Touched::All,
            }
        }
    }
    Touched::Days(days)
}

/// A table that is built only to feed others which stand as they are need not be built: for an older day, an
/// intermediate table that no history needs.
fn drop_unneeded_builds(inputs: &PlanInputs<'_>, models: &mut Vec<ModelStep>, is_current: bool) {
    if is_current {
        return;
    }
    let is_goal = |step: &&ModelStep| step.writes_history || (step.publishes && step.action.is_build());
    let mut open: Vec<TableName> = models.iter().filter(is_goal).map(|step| step.model.clone()).collect();
    let mut needed: BTreeSet<TableName> = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(step) = models.iter().find(|step| step.model == name) else { continue };
        if needed.insert(name) {
            open.extend(inputs.graph.upstream(&step.model));
            if step.action.is_build() {
                open.extend(inputs.graph.check_inputs(&step.model).cloned());
            }
        }
    }
    models.retain(|step| needed.contains(&step.model));
}

/// `its SQL, parameter churn_window_days and seed stages`.
fn parts_in_words(parts: &[String]) -> String {
    const NAMED: usize = 5;
    let more = parts.len().saturating_sub(NAMED);
    match parts.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().as_slice() {
        named if more > 0 => format!("{} and {more} more", named.join(", ")),
        [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        named => named.concat(),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "an input".to_owned(),
        [one] => one.clone(),
        [first, second] => format!("{first} and {second}"),
        [first, .., last] => format!("{first} and {} more up to {last}", names.len() - 2),
    }
}

/// `2025-03-01`, `2025-03-01 to 2025-03-04`, `12 days from 2025-03-01 to 2025-05-02`, or `no day`.
pub fn days_in_words(days: &BTreeSet<NaiveDate>) -> String {
    match (days.first(), days.last()) {
        (Some(first), Some(last)) if first == last => first.to_string(),
        (Some(first), Some(last)) if (*last - *first).num_days() + 1 == i64::try_from(days.len()).unwrap_or(0) => {
            format!("{first} to {last}")
        }
        (Some(first), Some(last)) => format!("{} days from {first} to {last}", days.len()),
        _ => "no day".to_owned(),
    }
}
