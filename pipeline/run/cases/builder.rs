//! Builds models in memory: given tables, then everything that lies between them and the model.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;

use super::CaseError;
use crate::check::{Finding, check_table};
use crate::config::{CheckKind, Model, Parameters, Project, TableName};
use crate::land::contract_schema;
use crate::plan::{Graph, references};
use crate::storage::Stores;
use crate::transform::{Bindings, SessionSettings, Workspace, arrow_schema, engine_words};

/// What a build is bound to.
#[derive(Debug, Clone)]
pub struct BuildSetting {
    pub as_of: NaiveDate,
    pub timezone: chrono_tz::Tz,
    pub parameters: Parameters,
    /// Query partitions; at least 1.
    pub parallelism: usize,
}

/// The memory that the few rows of a case may take, in bytes.
const MEMORY_LIMIT: u64 = 1 << 30;

/// A workspace in which models are built as they are asked for, and nothing is written.
pub struct ModelBuilder<'a> {
    project: &'a Project,
    graph: &'a Graph,
    workspace: Workspace,
    tables: BTreeMap<TableName, Vec<RecordBatch>>,
}

impl<'a> ModelBuilder<'a> {
    /// A workspace without tables.
    pub fn new(project: &'a Project, graph: &'a Graph, setting: &BuildSetting) -> Result<Self, CaseError> {
        let settings = SessionSettings {
            memory_limit: MEMORY_LIMIT,
            parallelism: setting.parallelism,
            timezone: setting.timezone,
        };
        let bindings = Bindings::new(setting.as_of, &setting.parameters);
        let workspace = Workspace::new(&settings, bindings, &Stores::new(&BTreeMap::new()))?;
        Ok(Self { project, graph, workspace, tables: BTreeMap::new() })
    }

    pub fn project(&self) -> &'a Project {
        self.project
    }

    /// The columns of a table: a model's, a seed's, or those of a landed source.
    pub fn schema(&self, name: &TableName) -> Option<SchemaRef> {
        if let Some(model) = self.project.models.get(name) {
            return Some(arrow_schema(&model.columns));
        }
        match name.schema.as_str() {
            "seeds" => self.project.seeds.get(&name.table).map(|seed| arrow_schema(&seed.columns)),
            "landed" => {
                let mut sources = self.project.sources();
                sources.find(|source| source.name == name.table).map(contract_schema)
            }
            _ => None,
        }
    }

    /// Puts a table in the place of what would be built.
    pub fn give(&mut self, name: &TableName, batches: Vec<RecordBatch>) -> Result<(), CaseError> {
        let schema = self.schema(name).ok_or_else(|| CaseError::NoTable { name: name.clone() })?;
        self.workspace.add_batches(name, schema, batches.clone())?;
        self.tables.insert(name.clone(), batches);
        Ok(())
    }

    /// Builds a model and everything before it, and returns its rows.
    ///
    /// A staging model reads the sources that were given; if none of them was, it is empty.
    pub async fn build(&mut self, name: &TableName) -> Result<Vec<RecordBatch>, CaseError> {
        for step in self.graph.with_upstream(std::slice::from_ref(name)) {
            if !self.tables.contains_key(&step) {
                self.build_one(&step).await?;
            }
        }
        self.tables.get(name).cloned().ok_or_else(|| CaseError::NoTable { name: name.clone() })
    }

    async fn build_one(&mut self, name: &TableName) -> Result<(), CaseError> {
        let model = self.project.models.get(name).ok_or_else(|| CaseError::NoTable { name: name.clone() })?;
        for upstream in self.graph.upstream(name) {
            self.add_seed(&upstream)?;
        }
        let has_sources = self.graph.upstream(name).iter().all(|upstream| self.tables.contains_key(upstream));
        let batches = if name.schema == "staging" && !has_sources { Vec::new() } else { self.run(model).await? };
        self.give(name, batches)
    }

    fn add_seed(&self, name: &TableName) -> Result<(), CaseError> {
        match self.project.seeds.get(&name.table) {
            Some(seed) if name.schema == "seeds" && !self.tables.contains_key(name) => {
                Ok(self.workspace.add_seed(seed)?)
            }
            _ => Ok(()),
        }
    }

    /// Runs a model's query, cast onto the columns that its YAML promises.
    async fn run(&self, model: &Model) -> Result<Vec<RecordBatch>, CaseError> {
        self.workspace.add_view(model).await?;
        self.query(&format!("select * from {}", model.name)).await.map_err(|error| error.of(&model.name))
    }

    /// Runs a query over the tables that were given or built.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, CaseError> {
        let rows = async { self.workspace.query(sql).await?.collect().await };
        rows.await.map_err(|error| CaseError::Engine { message: engine_words(&error) })
    }

    /// Runs all checks of a built model, and returns those that would stop a release.
    pub async fn failing_checks(&mut self, name: &TableName) -> Result<Vec<Finding>, CaseError> {
        let model = self.project.models.get(name).ok_or_else(|| CaseError::NoTable { name: name.clone() })?;
        for table in checked_tables(model) {
            if self.tables.contains_key(&table) {
                continue;
            }
            if self.project.models.contains_key(&table) {
                self.build(&table).await?;
            } else {
                self.add_seed(&table)?;
            }
        }
        let findings = check_table(&self.workspace, model, None).await;
        Ok(findings.into_iter().filter(Finding::stops_release).collect())
    }
}

/// The tables that a model's checks compare it with.
fn checked_tables(model: &Model) -> Vec<TableName> {
    let mut tables = Vec::new();
    for check in &model.checks {
        match &check.kind {
            CheckKind::Relationship { to, .. } => tables.push(to.clone()),
            // A query that cannot be read is told when the check runs.
            CheckKind::Query(sql) => {
                let found = references(sql).map(|found| found.tables).unwrap_or_default();
                tables.extend(found.into_iter().filter(|table| *table != model.name));
            }
            CheckKind::Unique(_) | CheckKind::NotNull(_) | CheckKind::AcceptedValues { .. } => {}
        }
    }
    tables
}
