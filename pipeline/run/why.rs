//! Why a table is what it is: from what it was last built, what has come since, and what the next run would do.
//!
//! Read from the release records, the commits of the tables and the listings of the drop zones; nothing is changed, and
//! the state's database is not asked: what it says is what anybody who reads the warehouse would say.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::config::{History, Materialization, Project, TableName, select_models};
use crate::land::{LandingFacts, TouchedDays};
use crate::plan::{Action, LateFacts, ModelStep, history_of, late_in_words, model_of_history};
use crate::publish::{days_of_build, landed_of_commit};
use crate::storage::{Built, CommitMetadata, Release, ReleasedTable, StorageError, Table, Warehouse};

use super::prepare::{GraphView, Prepared, commits, graph, prepare};
use super::{RunError, RunRequest, Surroundings, warehouse};

/// Commits of a table that are looked through for the one that wrote a day.
const COMMITS_LOOKED_AT: u64 = 1_000;

/// Why a table, or a day of it, is what it is.
#[derive(Debug, Clone)]
pub struct Explanation {
    pub job: String,
    /// As it was asked for: a model or a history.
    pub table: TableName,
    pub day: Option<NaiveDate>,
    /// The day of the run that is looked ahead to.
    pub as_of: NaiveDate,
    /// The current release.
    pub release: Option<u64>,
    /// When its rows were written: those of the day, where one was asked for.
    pub built: Option<Built>,
    /// Whether the current release has it: the table, or the day of the history.
    pub is_released: bool,
    pub verdict: Verdict,
    /// The landed sources that its rows come from.
    pub sources: Vec<SourceInput>,
    /// The tables that it reads, in the order in which they are built.
    pub upstream: Vec<UpstreamTable>,
}

/// What the next run would do with it.
#[derive(Debug, Clone)]
pub struct Verdict {
    pub is_stale: bool,
    /// `keep`, `build`, `build 2025-12-06`, `repair`, `leave`, `view`.
    pub action: String,
    pub reason: String,
}

/// One landed source, by whatever way its rows come into the table.
#[derive(Debug, Clone)]
pub struct SourceInput {
    pub source: String,
    /// The landed version that the rows were built from.
    pub built_from: Option<u64>,
    pub now: Option<u64>,
    /// What landed since: all of it, or what touched the day.
    pub landings: Vec<LandingInput>,
    /// Objects that wait: all of them, or those that may touch the day.
    pub waiting: Vec<WaitingObject>,
}

/// One commit of a landed table.
#[derive(Debug, Clone)]
pub struct LandingInput {
    pub version: u64,
    pub at: Option<DateTime<Utc>>,
    pub facts: LandingFacts,
}

#[derive(Debug, Clone)]
pub struct WaitingObject {
    pub name: String,
    /// In its name.
    pub day: Option<NaiveDate>,
    /// It has landed before, and was delivered anew.
    pub is_changed: bool,
}

#[derive(Debug, Clone)]
pub struct UpstreamTable {
    pub table: TableName,
    pub action: String,
    pub reason: String,
}

/// Finds the job that builds a table, and the table's full name; `asked` may be without its schema.
pub fn find_table(project: &Project, job: Option<&str>, asked: &str) -> Result<(String, TableName), RunError> {
    let graph = graph(project).map_err(RunError::Problems)?;
    let has_history = |model: &TableName| project.models.get(model).is_some_and(|of| of.history != History::None);
    let mut known: BTreeMap<String, (String, TableName)> = BTreeMap::new();
    for (name, of_job) in &project.jobs {
        if job.is_some_and(|job| job != name) {
            continue;
        }
        let selected = select_models(project, &of_job.models, &GraphView(&graph)).map_err(RunError::Selector)?;
        for model in graph.with_upstream_and_checks(&selected) {
            let history = Some(history_of(&model)).filter(|_| has_history(&model));
            for table in [Some(model), history].into_iter().flatten() {
                known.entry(table.to_string()).or_insert((name.clone(), table));
            }
        }
    }
    if let Some(job) = job.filter(|job| !project.jobs.contains_key(*job)) {
        return Err(RunError::UnknownJob { job: job.to_owned(), known: project.jobs.keys().cloned().collect() });
    }
    let by_table = || {
        let mut of_name = known.values().filter(|(_, table)| table.table == asked);
        of_name.next().filter(|_| of_name.next().is_none())
    };
    let unknown = || RunError::UnknownTable { table: asked.to_owned(), known: known.keys().cloned().collect() };
    known.get(asked).or_else(by_table).cloned().ok_or_else(unknown)
}

/// Explains a table, or a day of an incremental table or of a history.
pub async fn explain(
    project: &Project,
    surroundings: &Surroundings,
    request: &RunRequest,
    table: &TableName,
    day: Option<NaiveDate>,
) -> Result<Explanation, RunError> {
    let prepared = prepare(project, surroundings, request).await?;
    let warehouse = warehouse(project, &surroundings.stores);
    let model = model_of_history(&table.to_string())
        .filter(|model| !project.models.contains_key(table) && project.models.contains_key(model));
    let asked = Asked { project, warehouse: &warehouse, prepared: &prepared, table, model: model.as_ref(), day };
    let Some(step) = prepared.plan.step(asked.model()) else {
        return Err(RunError::NotOfJob { job: request.job.clone(), model: table.to_string() });
    };
    asked.check_day()?;
    let (built, landed) = asked.built().await?;
    let sources = asked.sources(step, &landed).await?;
    let has_landed = sources.iter().any(|source| !source.landings.is_empty());
    Ok(Explanation {
        job: request.job.clone(),
        table: table.clone(),
        day,
        as_of: request.as_of,
        release: prepared.current.as_ref().map(|release| release.number),
        verdict: asked.verdict(step, built.is_some(), has_landed),
        sources,
        upstream: asked.upstream(),
        is_released: asked.is_released(),
        built,
    })
}

struct Asked<'a> {
    project: &'a Project,
    warehouse: &'a Warehouse,
    prepared: &'a Prepared,
    table: &'a TableName,
    /// Of a history: the model whose snapshots it has.
    model: Option<&'a TableName>,
    day: Option<NaiveDate>,
}

type LandedVersions = BTreeMap<String, u64>;

impl Asked<'_> {
    fn model(&self) -> &TableName {
        self.model.unwrap_or(self.table)
    }

    fn is_incremental(&self) -> bool {
        let materialized = self.project.models.get(self.table).map(|model| &model.materialized);
        matches!(materialized, Some(Materialization::Incremental { .. }))
    }

    fn check_day(&self) -> Result<(), RunError> {
        if self.day.is_some() && self.model.is_none() && !self.is_incremental() {
            return Err(RunError::NoDays { table: self.table.to_string() });
        }
        Ok(())
    }

    fn released(&self) -> Option<&ReleasedTable> {
        self.prepared.current.as_ref()?.tables.get(&self.table.to_string())
    }

    fn is_released(&self) -> bool {
        let has_day = |released: &ReleasedTable| match (self.model, self.day) {
            (Some(_), Some(day)) => released.days.contains_key(&day),
            _ => true,
        };
        self.released().is_some_and(has_day)
    }

    /// What was late of a day of this history when the plan was made; `None` where the history has no such day.
    fn late(&self, day: NaiveDate) -> Option<&LateFacts> {
        Some(&self.prepared.plan.histories.get(&self.table.to_string())?.get(&day)?.late)
    }

    fn repairs(&self, day: NaiveDate) -> bool {
        let mut repairs = self.prepared.plan.repairs.iter();
        repairs.any(|repair| Some(&repair.model) == self.model && repair.days.contains_key(&day))
    }

    /// Which release wrote the rows, from which landed versions.
    async fn built(&self) -> Result<(Option<Built>, LandedVersions), RunError> {
        let Some(released) = self.released() else { return Ok((None, LandedVersions::new())) };
        let whole = (released.built.clone(), released.landed.clone());
        let Some(day) = self.day else { return Ok(whole) };
        let table = self.warehouse.table(&self.table.schema, &self.table.table)?;
        if self.model.is_some() {
            return self.built_of_history_day(&table, released, day).await;
        }
        // The newest commit up to the released version that wrote the day.
        for version in (0..=released.version).rev().take(usize::try_from(COMMITS_LOOKED_AT).unwrap_or(usize::MAX)) {
            let Some(metadata) = table.commit_metadata(version).await? else { break };
            if days_of_build(&metadata).is_some_and(|days| days.is_none_or(|days| days.contains(&day))) {
                return Ok((self.release_of_commit(&metadata).await?, landed_of_commit(&metadata)));
            }
        }
        Ok((None, LandedVersions::new()))
    }

    async fn built_of_history_day(
        &self,
        table: &Table,
        released: &ReleasedTable,
        day: NaiveDate,
    ) -> Result<(Option<Built>, LandedVersions), RunError> {
        let Some(number) = released.days.get(&day).map(|day| day.release).filter(|number| *number > 0) else {
            return Ok((None, LandedVersions::new()));
        };
        let Some(release) = self.release(number).await? else { return Ok((None, LandedVersions::new())) };
        let version = release.tables.get(&self.table.to_string()).map(|then| then.version);
        let landed = match version {
            Some(version) => table.commit_metadata(version).await?.map(|metadata| landed_of_commit(&metadata)),
            None => None,
        };
        Ok((Some(built_by(&release)), landed.unwrap_or_default()))
    }

    async fn release_of_commit(&self, metadata: &CommitMetadata) -> Result<Option<Built>, RunError> {
        let number = crate::publish::release_of_commit(metadata);
        Ok(match number {
            Some(number) => self.release(number).await?.as_ref().map(built_by),
            None => None,
        })
    }

    /// `None` where it was vacuumed.
    async fn release(&self, number: u64) -> Result<Option<Release>, RunError> {
        let current = self.prepared.current.as_ref();
        if let Some(current) = current.filter(|current| current.number == number) {
            return Ok(Some(current.clone()));
        }
        match self.warehouse.release(&self.prepared.plan.job, number).await {
            Ok(release) => Ok(Some(release)),
            Err(StorageError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn verdict(&self, step: &ModelStep, is_built: bool, has_landed: bool) -> Verdict {
        if self.model.is_some() {
            return self.verdict_of_history(step, has_landed);
        }
        let (mut action, mut reason) = (step.action.in_words(), step.reason.clone());
        let mut is_stale = step.action.is_build();
        if let (Some(day), Action::BuildDays(days)) = (self.day, &step.action) {
            is_stale = days.contains(&day);
            action = if is_stale { format!("build {day}") } else { "keep".to_owned() };
            if !is_stale {
                reason = if is_built { "nothing that landed since touched it" } else { "no fact of it has landed" }
                    .to_owned();
            }
        }
        Verdict { is_stale, action, reason }
    }

    fn verdict_of_history(&self, step: &ModelStep, has_landed: bool) -> Verdict {
        let verdict =
            |is_stale: bool, action: &str, reason: String| Verdict { is_stale, action: action.to_owned(), reason };
        if !step.fingerprint.depends_on_as_of {
            let reason =
                format!("{} does not look at the day: its history is what was known when it was built", self.model());
            return verdict(false, "keep", reason);
        }
        let Some(day) = self.day else {
            let days = self.prepared.plan.histories.get(&self.table.to_string());
            let late = days.into_iter().flatten().filter(|(_, known)| !known.late.is_empty());
            let is_written = |day: NaiveDate| step.writes_history && day == self.prepared.plan.as_of;
            let repaired = late.clone().filter(|(day, _)| self.repairs(**day) || is_written(**day)).count();
            let reason = match late.count() {
                0 => "nothing that landed since belongs to a past day".to_owned(),
                late => format!("{late} of its days lack facts that came late, {repaired} of them are built again"),
            };
            return verdict(repaired > 0, if repaired > 0 { "repair" } else { "keep" }, reason);
        };
        match self.late(day) {
            None if step.writes_history && day == self.prepared.plan.as_of => {
                verdict(true, "build", format!("the run as of {day} writes it"))
            }
            None => verdict(false, "none", "no run has written it, or it is of those that are not kept".to_owned()),
            Some(late) if late.is_empty() && has_landed => {
                verdict(false, "keep", "it was built again since, and its rows are as they were".to_owned())
            }
            Some(late) if late.is_empty() => {
                verdict(false, "keep", "nothing that landed since belongs to it".to_owned())
            }
            Some(late) if self.repairs(day) => verdict(true, "repair", format!("{} came late", late_in_words(late))),
            Some(late) if step.writes_history && day == self.prepared.plan.as_of => {
                verdict(true, "build", format!("{} came late", late_in_words(late)))
            }
            Some(late) => {
                let (is_stale, reason) = self.why_left(day);
                verdict(is_stale, "leave", format!("{} came late, but {reason}", late_in_words(late)))
            }
        }
    }

    /// Why the next run does not repair a day that lacks facts, and whether no later run does, either.
    fn why_left(&self, day: NaiveDate) -> (bool, String) {
        let plan = &self.prepared.plan;
        let keeps = |model: &TableName| self.project.models.get(model).is_some_and(|of| of.history.keeps_past(day));
        let window = self.project.jobs.get(&plan.job).map_or(0, |job| job.repair_window);
        let first = plan.as_of.checked_sub_days(Days::new(window)).unwrap_or(NaiveDate::MIN);
        if day >= plan.as_of {
            (false, format!("a run as of {} repairs days before its own alone", plan.as_of))
        } else if !plan.is_current {
            (false, format!("a run as of {}, before the current release's day, repairs nothing", plan.as_of))
        } else if !self.model.is_some_and(keeps) {
            (false, "the history drops it when it gets a later day".to_owned())
        } else if window == 0 {
            (true, "`repair_window` is `none`".to_owned())
        } else if day < first {
            (true, "it lies outside of `repair_window`".to_owned())
        } else {
            (false, "a run of some tables, or with other parameters, repairs nothing".to_owned())
        }
    }

    async fn sources(&self, step: &ModelStep, built_from: &LandedVersions) -> Result<Vec<SourceInput>, RunError> {
        let names: BTreeSet<&String> = step.fingerprint.sources.iter().chain(built_from.keys()).collect();
        let mut sources = Vec::new();
        for name in names {
            let own = self.prepared.sources.iter().find(|source| source.source.name == *name);
            let table = self.warehouse.table("landed", name)?;
            let now = match own {
                Some(own) => own.landing.version(),
                None => table.snapshot().await?.map(|snapshot| snapshot.version),
            };
            let built = built_from.get(name).copied();
            let has_event_time = own.is_none_or(|own| own.source.event_time.is_some());
            let is_known = self.day.is_none() || !built_from.is_empty();
            let mut landings = Vec::new();
            let first = is_known.then(|| built.map_or(0, |built| built + 1));
            for (version, metadata) in commits(&table, first, now).await? {
                let Some(metadata) = metadata else { continue };
                let Some(facts) = LandingFacts::of_commit(&metadata) else { continue };
                if self.concerns(&facts, &metadata, has_event_time) {
                    let at = metadata.get("timestamp").and_then(serde_json::Value::as_i64);
                    landings.push(LandingInput { version, at: at.and_then(DateTime::from_timestamp_millis), facts });
                }
            }
            let diff = own.map(|own| &own.landing.diff);
            let new = diff.into_iter().flat_map(|diff| &diff.new).map(|object| (object, false));
            let changed = diff.into_iter().flat_map(|diff| &diff.changed).map(|(object, _)| (object, true));
            let waiting = new.chain(changed).map(|(object, is_changed)| WaitingObject {
                name: object.name.clone(),
                day: object.day,
                is_changed,
            });
            let waiting = waiting.filter(|object| self.may_concern(object.day)).collect();
            sources.push(SourceInput { source: name.clone(), built_from: built, now, landings, waiting });
        }
        Ok(sources)
    }

    /// Whether a landing is about the day that was asked for, or about any.
    fn concerns(&self, facts: &LandingFacts, metadata: &CommitMetadata, has_event_time: bool) -> bool {
        match self.day {
            None => true,
            Some(day) if self.model.is_some() => match TouchedDays::facts_of_commit(metadata, has_event_time) {
                TouchedDays::All => true,
                TouchedDays::Days(days) => days.first().is_some_and(|first| *first <= day),
            },
            Some(day) => match &facts.touched {
                TouchedDays::All => true,
                TouchedDays::Days(days) => days.contains(&day),
            },
        }
    }

    fn may_concern(&self, named: Option<NaiveDate>) -> bool {
        match (self.day, named) {
            (Some(day), Some(named)) if self.model.is_some() => named <= day,
            (Some(day), Some(named)) => named == day,
            _ => true,
        }
    }

    /// What the table reads; of a history, the model that it has snapshots of, too.
    fn upstream(&self) -> Vec<UpstreamTable> {
        let all = self.prepared.graph.with_upstream(std::slice::from_ref(self.model()));
        let others = all.into_iter().filter(|name| name != self.table);
        let steps = others.filter_map(|name| self.prepared.plan.step(&name));
        let upstream = steps.map(|step| UpstreamTable {
            table: step.model.clone(),
            action: step.action.in_words(),
            reason: step.reason.clone(),
        });
        upstream.collect()
    }
}

fn built_by(release: &Release) -> Built {
    Built { release: release.number, run_id: release.run_id.clone(), at: release.created_at }
}
