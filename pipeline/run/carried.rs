//! What an attempt of a run that failed leaves to the next: tables that were built, and what their checks found.

use std::collections::BTreeMap;

use crate::check::{Finding, Outcome};
use crate::config::TableName;
use crate::plan::{Graph, ModelStep, RunPlan};

use super::build::{BuiltTable, sweep};

/// How a table is reported that an earlier attempt built.
const REASON: &str = "kept from the attempt before";

/// Tables that no release names yet. Their files are swept when there is no further attempt.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// The number of the release on top of which they were built.
    base: Option<u64>,
    tables: BTreeMap<TableName, CarriedTable>,
}

#[derive(Debug)]
struct CarriedTable {
    built: BuiltTable,
    checked: Option<Checked>,
    /// A commit may name its files: they are not to be deleted.
    is_tried: bool,
}

/// Checks that passed, and the rows (as fingerprints) over which they did.
#[derive(Debug)]
struct Checked {
    findings: Vec<Finding>,
    over: BTreeMap<TableName, String>,
}

/// How far an attempt came with the tables that it leaves.
#[derive(Debug)]
pub(super) struct Left<'a> {
    pub plan: &'a RunPlan,
    pub graph: &'a Graph,
    /// Of its checks; empty where not all of them were run.
    pub findings: &'a [Finding],
    pub is_tried: bool,
}

impl Carried {
    /// Begins an attempt on top of a release: what was built on top of another one counts no more.
    pub async fn begin(&mut self, base: Option<u64>) {
        if self.base != base {
            self.sweep().await;
            self.base = base;
        }
    }

    /// The table that an earlier attempt built for the same step from the same rows.
    pub fn table(&self, step: &ModelStep) -> Option<BuiltTable> {
        let carried = self.tables.get(&step.model)?;
        let before = &carried.built.step;
        let is_same = before.fingerprint == step.fingerprint
            && before.action == step.action
            && (before.publishes, before.writes_history) == (step.publishes, step.writes_history);
        is_same.then(|| {
            let mut built = carried.built.clone();
            built.step.reason = REASON.to_owned();
            built.seconds = 0.0;
            built
        })
    }

    /// What the checks of a table found, where they would look at the same rows again.
    pub fn findings(&self, model: &TableName, plan: &RunPlan, graph: &Graph) -> Option<Vec<Finding>> {
        let checked = self.tables.get(model)?.checked.as_ref()?;
        (Some(&checked.over) == rows_of_checks(model, plan, graph).as_ref()).then(|| checked.findings.clone())
    }

    /// Takes over what an attempt built that failed.
    pub async fn take(&mut self, built: Vec<BuiltTable>, left: Left<'_>) {
        let mut replaced = Vec::new();
        for table in built.into_iter().filter(|table| table.step.action.is_build() && table.candidate.is_some()) {
            let model = table.step.model.clone();
            let findings: Vec<Finding> =
                left.findings.iter().filter(|finding| finding.table == model.to_string()).cloned().collect();
            let is_broken = findings.iter().any(|finding| matches!(finding.outcome, Outcome::Broken { .. }));
            let is_checked = !left.findings.is_empty() && !is_broken;
            let over = rows_of_checks(&model, left.plan, left.graph).filter(|_| is_checked);
            let checked = over.map(|over| Checked { findings, over });
            let carried = CarriedTable { built: table, checked, is_tried: left.is_tried };
            if let Some(mut old) = self.tables.remove(&model) {
                let is_same = written(&old.built) == written(&carried.built);
                if !is_same && !old.is_tried {
                    replaced.push(old.built);
                } else if is_same {
                    old.is_tried |= carried.is_tried;
                    let checked = carried.checked.or(old.checked.take());
                    self.tables.insert(model, CarriedTable { built: carried.built, checked, is_tried: old.is_tried });
                    continue;
                }
            }
            self.tables.insert(model, carried);
        }
        sweep(&replaced, |_| false).await;
    }

    /// Forgets tables that a release names now, or that were swept.
    pub fn forget(&mut self, built: &[BuiltTable]) {
        for table in built {
            self.tables.remove(&table.step.model);
        }
    }

    /// Deletes what no release will name.
    pub async fn sweep(&mut self) {
        let left = std::mem::take(&mut self.tables).into_values().filter(|table| !table.is_tried);
        sweep(&left.map(|table| table.built).collect::<Vec<_>>(), |_| false).await;
    }
}

fn written(built: &BuiltTable) -> Vec<&str> {
    built.candidate.iter().flat_map(|candidate| &candidate.written).map(|file| file.path()).collect()
}

/// The rows that the checks of a model look at, as fingerprints; `None` where not all of them have one.
fn rows_of_checks(model: &TableName, plan: &RunPlan, graph: &Graph) -> Option<BTreeMap<TableName, String>> {
    let looked_at = graph.check_inputs(model).filter(|name| name.schema != "seeds").chain([model]);
    looked_at.map(|name| Some((name.clone(), plan.step(name)?.fingerprint.rows.clone()))).collect()
}
