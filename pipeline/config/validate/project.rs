//! Checks across files: relationships, selectors, and tables that two jobs write.

use std::collections::{BTreeMap, BTreeSet};

use super::CheckedJob;
use super::model::{CheckedModel, parse_table_name};
use crate::config::selectors::{Selector, SelectorError};
use crate::config::text::{did_you_mean, one_of};
use crate::config::yaml::Place;
use crate::config::{History, Materialization, Model, Seed, TableName, UnknownColumns};

/// The columns of every table that a relationship may name; `None` where they are not known.
type Tables = BTreeMap<TableName, Option<Vec<String>>>;

/// Whether everything could be read that a name may refer to. A name is not wrong because of another file's mistake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// Every job has a name, whatever mistakes its file has.
    pub all_job_names: bool,
    pub all_jobs: bool,
    pub all_sql_roots: bool,
}

/// Checks what no file can tell alone. Problems go to the file that is to be mended.
pub(crate) fn validate_project(
    jobs: &mut [CheckedJob],
    models: &mut [CheckedModel],
    seeds: &[(Seed, bool)],
    known: Known,
) {
    let tables = known_tables(jobs, models, seeds);
    models.iter_mut().for_each(|model| check_relationships(model, &tables, known));
    check_histories(models);
    check_sources(jobs);
    check_after(jobs, known);
    let by_name: BTreeMap<TableName, Model> =
        models.iter().map(|checked| (checked.model.name.clone(), checked.model.clone())).collect();
    let all_tags = models.iter().all(|checked| checked.is_read);
    check_selectors(jobs, &by_name, known.all_sql_roots, all_tags);
}

fn known_tables(jobs: &[CheckedJob], models: &[CheckedModel], seeds: &[(Seed, bool)]) -> Tables {
    let mut tables = Tables::new();
    for checked in models {
        let columns = checked.model.columns.iter().map(|column| column.name.clone()).collect();
        tables.insert(checked.model.name.clone(), checked.findings.problems.is_empty().then_some(columns));
    }
    for (seed, is_right) in seeds {
        let columns = seed.columns.iter().map(|column| column.name.clone()).collect();
        tables.insert(TableName::new("seeds", &seed.name), is_right.then_some(columns));
    }
    for checked in jobs {
        for source in &checked.job.sources {
            let is_known = checked.findings.problems.is_empty() && source.unknown_columns != UnknownColumns::Add;
            let landed = ["_object", "_line", "_day", "_key", "_modified"].map(str::to_owned);
            let columns = source.columns.iter().map(|column| column.name.clone()).chain(landed).collect();
            tables.insert(TableName::new("landed", &source.name), is_known.then_some(columns));
        }
    }
    tables
}

fn check_relationships(checked: &mut CheckedModel, tables: &Tables, known: Known) {
    for relationship in &checked.relationships {
        let Ok(name) = parse_table_name(&relationship.table.value) else { continue };
        if name.schema == "ops" {
            continue;
        }
        let all_known = if name.schema == "landed" { known.all_jobs } else { known.all_sql_roots };
        match tables.get(&name) {
            None if !all_known => {}
            None => {
                let is_landed = name.schema == "landed";
                let names: Vec<String> = tables.keys().map(TableName::to_string).collect();
                let hint = did_you_mean(&relationship.table.value, names.iter().map(String::as_str));
                // A source that no job declares is empty in a project that shares another's SQL.
                if is_landed && hint.is_none() {
                    continue;
                }
                let message = format!("`to` names the table `{name}`, which does not exist");
                checked.findings.report(relationship.table.place, message, hint);
            }
            Some(Some(columns)) if !columns.contains(&relationship.column.value) => {
                let hint = did_you_mean(&relationship.column.value, columns.iter().map(String::as_str));
                let message = format!(
                    "`column` names `{}`, which is not among the columns of `{name}`",
                    relationship.column.value
                );
                let hint = hint.or_else(|| Some(format!("expected {}", one_of(columns))));
                checked.findings.report(relationship.column.place, message, hint);
            }
            Some(_) => {}
        }
    }
}

/// Reports histories whose table is also that of a model: both would write it.
fn check_histories(models: &mut [CheckedModel]) {
    let names: BTreeSet<TableName> = models.iter().map(|checked| checked.model.name.clone()).collect();
    for checked in models.iter_mut().filter(|checked| checked.model.history != History::None) {
        let name = &checked.model.name;
        let history = TableName::new(&name.schema, format!("{}_history", name.table));
        if names.contains(&history) {
            let message = format!("`history` of `{name}` is kept in `{history}`, which is a model of its own");
            let hint = Some(format!("rename the model `{history}`, or remove `history` here"));
            match checked.model.places.get("history") {
                Some((line, column)) => {
                    checked.findings.report(Place { line: *line, column: *column }, message, hint);
                }
                None => checked.findings.report_file(message, hint),
            }
        }
    }
}

/// Reports sources that two jobs declare: both would write one landed table.
fn check_sources(jobs: &mut [CheckedJob]) {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for checked in jobs {
        for name in &checked.sources {
            match owners.get(&name.value) {
                Some(owner) => {
                    let message = format!("`landed.{}` is written by two jobs: `{owner}` and this one", name.value);
                    let hint = format!("remove it here: what `{owner}` lands can be read by every model");
                    checked.findings.report(name.place, message, Some(hint));
                }
                None => {
                    owners.insert(name.value.clone(), checked.job.name.clone());
                }
            }
        }
    }
}

/// Reports jobs that wait for one that there is not, or for themselves.
fn check_after(jobs: &mut [CheckedJob], known: Known) {
    let after: BTreeMap<String, Vec<String>> = jobs
        .iter()
        .map(|checked| {
            (checked.job.name.clone(), checked.after.iter().map(|job| job.value.clone()).collect::<Vec<_>>())
        })
        .collect();
    for checked in jobs {
        let own = checked.job.name.clone();
        for (position, job) in checked.after.iter().enumerate() {
            if !after.contains_key(&job.value) {
                if known.all_job_names {
                    let names = after.keys().map(String::as_str).filter(|name| *name != own);
                    let hint = did_you_mean(&job.value, names);
                    let message = format!("`after` names the job `{}`, which does not exist", job.shown());
                    checked.findings.report(job.place, message, hint);
                }
            } else if checked.after.iter().take(position).any(|earlier| earlier.value == job.value) {
                checked.findings.report(job.place, format!("`after` names the job `{}` twice", job.shown()), None);
            } else if let Some(way) = way_back(&after, &job.value, &own) {
                let message = format!("the jobs wait for each other: `{own}` after {way}");
                let hint = "take one of them out of `after`".to_owned();
                checked.findings.report(job.place, message, Some(hint));
            }
        }
    }
}

/// The way from a job over those that it runs after to `target`, in words; `None` where there is none.
fn way_back(after: &BTreeMap<String, Vec<String>>, from: &str, target: &str) -> Option<String> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
    while let Some(way) = ways.pop() {
        let last = way.last()?;
        if last == target {
            return Some(way.iter().map(|job| format!("`{job}`")).collect::<Vec<_>>().join(" after "));
        }
        for next in after.get(last).into_iter().flatten() {
            if next == target || seen.insert(next.clone()) {
                ways.push(way.iter().chain([next]).cloned().collect());
            }
        }
    }
    None
}

/// Reports selectors that match nothing, and tables that two jobs build.
fn check_selectors(jobs: &mut [CheckedJob], models: &BTreeMap<TableName, Model>, all_models: bool, all_tags: bool) {
    let mut owners: BTreeMap<TableName, String> = BTreeMap::new();
    for checked in jobs {
        for text in &checked.selectors {
            let matched = match Selector::parse(&text.value).and_then(|selector| selector.matches(models)) {
                Ok(matched) => matched,
                Err(SelectorError::NoMatch { .. }) if !all_models || (!all_tags && text.value.contains("tag:")) => {
                    continue;
                }
                Err(error) => {
                    checked.findings.report(text.place, error.to_string(), error.hint().map(str::to_owned));
                    continue;
                }
            };
            for name in matched {
                // A view is only expanded where it is used: nobody writes it.
                if models.get(&name).is_none_or(|model| model.materialized == Materialization::View) {
                    continue;
                }
                let owner = owners.entry(name.clone()).or_insert_with(|| checked.job.name.clone());
                if *owner != checked.job.name {
                    let message = format!("`{name}` is written by two jobs: `{owner}` and this one");
                    let hint = format!("leave it to `{owner}`, or select other models here");
                    checked.findings.report(text.place, message, Some(hint));
                    break;
                }
            }
        }
    }
}
