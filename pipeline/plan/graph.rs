//! Which table needs which: the order of a build, from the SQL itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{CheckKind, Model, TableName};

use super::references::{References, SqlMistake, find_table, references};

/// Models and what each reads.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    references: BTreeMap<TableName, References>,
    /// Other tables that a model's checks read.
    checks: BTreeMap<TableName, BTreeSet<TableName>>,
    /// Models so that each stands after all that it reads.
    order: Vec<TableName>,
}

/// A mistake in a model's SQL that shows without planning it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphMistake {
    pub model: TableName,
    pub mistake: SqlMistake,
    pub hint: Option<String>,
}

impl Graph {
    /// Reads the SQL of all models; sources and seeds are leaves and may be anything here.
    ///
    /// # Errors
    /// All texts that are not one query, all unknown models, and cycles.
    pub fn new(models: &BTreeMap<TableName, Model>) -> Result<Self, Vec<GraphMistake>> {
        let mut mistakes = Vec::new();
        let mut all = BTreeMap::new();
        for (name, model) in models {
            match references(&model.sql) {
                Ok(found) => {
                    mistakes.extend(unknown_models(model, &found, models));
                    all.insert(name.clone(), found);
                }
                Err(mistake) => mistakes.push(GraphMistake { model: name.clone(), mistake, hint: None }),
            }
        }
        let checks = models.iter().map(|(name, model)| (name.clone(), check_inputs(model))).collect();
        let mut graph = Self { references: all, checks, order: Vec::new() };
        match graph.sort() {
            Ok(order) => graph.order = order,
            Err(cycle) => mistakes.extend(cycle_mistake(models, &cycle)),
        }
        if mistakes.is_empty() { Ok(graph) } else { Err(mistakes) }
    }

    /// All models, each after what it reads.
    pub fn order(&self) -> &[TableName] {
        &self.order
    }

    pub fn references(&self, model: &TableName) -> Option<&References> {
        self.references.get(model)
    }

    /// Tables that a model reads directly: models, sources and seeds.
    pub fn upstream(&self, model: &TableName) -> Vec<TableName> {
        self.references.get(model).map(|found| found.tables.iter().cloned().collect()).unwrap_or_default()
    }

    /// Models that read a table directly.
    pub fn downstream(&self, table: &TableName) -> Vec<TableName> {
        let reads = |found: &References| found.tables.contains(table);
        self.references.iter().filter(|(_, found)| reads(found)).map(|(name, _)| name.clone()).collect()
    }

    /// These models and all models that they need, each after what it reads.
    pub fn with_upstream(&self, wanted: &[TableName]) -> Vec<TableName> {
        let mut needed: BTreeSet<TableName> = BTreeSet::new();
        let mut open: Vec<TableName> = wanted.to_vec();
        while let Some(model) = open.pop() {
            if self.references.contains_key(&model) && needed.insert(model.clone()) {
                open.extend(self.upstream(&model));
            }
        }
        self.order.iter().filter(|model| needed.contains(model)).cloned().collect()
    }

    /// Other tables that a model's checks read: they must be there when the model has been built.
    pub fn check_inputs(&self, model: &TableName) -> impl Iterator<Item = &TableName> {
        self.checks.get(model).into_iter().flatten()
    }

    /// [`Graph::with_upstream`], and all models that the checks of these need.
    pub fn with_upstream_and_checks(&self, wanted: &[TableName]) -> Vec<TableName> {
        let mut all = self.with_upstream(wanted);
        loop {
            let mut more = all.clone();
            more.extend(all.iter().flat_map(|model| self.check_inputs(model)).cloned());
            let next = self.with_upstream(&more);
            if next.len() == all.len() {
                return all;
            }
            all = next;
        }
    }

    /// Depth-first, in the order of names; a cycle is returned as the names along it.
    fn sort(&self) -> Result<Vec<TableName>, Vec<TableName>> {
        let mut order = Vec::new();
        let mut done = BTreeSet::new();
        let mut path: Vec<TableName> = Vec::new();
        for model in self.references.keys() {
            self.visit(model, &mut done, &mut path, &mut order)?;
        }
        Ok(order)
    }

    fn visit(
        &self,
        model: &TableName,
        done: &mut BTreeSet<TableName>,
        path: &mut Vec<TableName>,
        order: &mut Vec<TableName>,
    ) -> Result<(), Vec<TableName>> {
        if done.contains(model) {
            return Ok(());
        }
        if let Some(start) = path.iter().position(|visited| visited == model) {
            return Err(path.iter().skip(start).cloned().collect());
        }
        let Some(found) = self.references.get(model) else { return Ok(()) };
        path.push(model.clone());
        for table in &found.tables {
            self.visit(table, done, path, order)?;
        }
        path.pop();
        done.insert(model.clone());
        order.push(model.clone());
        Ok(())
    }
}

fn check_inputs(model: &Model) -> BTreeSet<TableName> {
    let mut tables = BTreeSet::new();
    for check in &model.checks {
        match &check.kind {
            CheckKind::Relationship { to, .. } => {
                tables.insert(to.clone());
            }
            // A query that cannot be read is reported when it is planned.
            CheckKind::Query(sql) => tables.extend(references(sql).map(|found| found.tables).unwrap_or_default()),
            CheckKind::Unique(_) | CheckKind::NotNull(_) | CheckKind::AcceptedValues { .. } => {}
        }
    }
    tables.remove(&model.name);
    tables
}

fn unknown_models(model: &Model, found: &References, models: &BTreeMap<TableName, Model>) -> Vec<GraphMistake> {
    let folders: BTreeSet<&str> = models.keys().map(|name| name.schema.as_str()).collect();
    let leaves = ["landed", "seeds"];
    let mistake = |table: &TableName, message: String| GraphMistake {
        model: model.name.clone(),
        mistake: SqlMistake { message, place: find_table(&model.sql, table) },
        hint: nearest(&table.to_string(), models.keys().map(ToString::to_string))
            .map(|name| format!("did you mean `{name}`?")),
    };
    found
        .tables
        .iter()
        .filter(|table| !models.contains_key(*table) && !leaves.contains(&table.schema.as_str()))
        .map(|table| {
            let known = folders.iter().copied().chain(leaves).collect::<Vec<_>>().join("`, `");
            if folders.contains(table.schema.as_str()) {
                mistake(table, format!("no model `{table}`"))
            } else {
                mistake(table, format!("no schema `{}`, expected one of `{known}`", table.schema))
            }
        })
        .collect()
}

fn cycle_mistake(models: &BTreeMap<TableName, Model>, cycle: &[TableName]) -> Option<GraphMistake> {
    let first = cycle.first()?;
    let next = cycle.get(1).unwrap_or(first);
    let mut names: Vec<String> = cycle.iter().map(ToString::to_string).collect();
    names.push(first.to_string());
    let place = models.get(first).and_then(|model| find_table(&model.sql, next));
    Some(GraphMistake {
        model: first.clone(),
        mistake: SqlMistake { message: format!("models read each other in a circle: {}", names.join(" -> ")), place },
        hint: Some("move what both need into a model of its own".to_owned()),
    })
}

/// The known name that is closest to a mistyped one, if any is close.
pub fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}
