//! Builds models in memory: given tables, then everything that lies between them and the model.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::NaiveDate;
use lifecycle::config::{Model, Parameters, Project, TableName, load_project};
use lifecycle::plan::Graph;
use lifecycle::storage::Stores;
use lifecycle::transform::{Bindings, SessionSettings, Workspace, arrow_schema, arrow_type};

/// Tables by qualified name.
pub type Tables = BTreeMap<TableName, Vec<RecordBatch>>;

/// Loads this project's models, seeds and jobs, whatever environment they run in.
pub fn project() -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(folder.path().join("config")).expect("a folder");
    std::fs::create_dir_all(folder.path().join("jobs")).expect("a folder");
    let environment = format!(
        "raw: raw\nwarehouse: warehouse\nstate: state.db\ntimezone: Europe/London\ncurrency: GBP\nsql: [{}]\n",
        root.join("sql").display()
    );
    std::fs::write(folder.path().join("config/test.yaml"), environment).expect("a file");
    std::fs::copy(root.join("jobs/nightly.yaml"), folder.path().join("jobs/nightly.yaml")).expect("a file");
    load_project(folder.path(), "test", &|_| None)
        .unwrap_or_else(|problems| panic!("the project has mistakes: {problems:#?}"))
}

/// What a build is bound to.
#[derive(Debug, Clone)]
pub struct Setting {
    pub as_of: NaiveDate,
    pub timezone: chrono_tz::Tz,
    pub parameters: Parameters,
    pub parallelism: usize,
}

impl Setting {
    pub fn new(as_of: NaiveDate) -> Self {
        let parameters = Parameters::standard();
        Self { as_of, timezone: chrono_tz::Europe::London, parameters, parallelism: 2 }
    }

    /// Sets a parameter without looking at its bounds.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let current = self.parameters.0.get_mut(name).ok_or_else(|| format!("there is no parameter `{name}`"))?;
        let value = match current.parse_same_type(value) {
            Some(value) => value,
            None => return Err(format!("parameter `{name}` cannot be `{value}`")),
        };
        *current = value;
        Ok(())
    }
}

/// A workspace in which models are built as they are asked for.
pub struct Builder<'a> {
    project: &'a Project,
    graph: Graph,
    workspace: Workspace,
    tables: Tables,
}

impl<'a> Builder<'a> {
    pub fn new(project: &'a Project, setting: &Setting) -> Self {
        let graph = Graph::new(&project.models).expect("the models' SQL is sound");
        let settings =
            SessionSettings { memory_limit: 1 << 30, parallelism: setting.parallelism, timezone: setting.timezone };
        let bindings = Bindings::new(setting.as_of, &setting.parameters);
        let workspace = Workspace::new(&settings, bindings, &Stores::new(&BTreeMap::new())).expect("a session starts");
        Self { project, graph, workspace, tables: Tables::new() }
    }

    pub fn project(&self) -> &'a Project {
        self.project
    }

    /// The columns of a table: a model's, a seed's, or those of a source of the nightly job.
    pub fn schema(&self, name: &TableName) -> Option<SchemaRef> {
        if let Some(model) = self.project.models.get(name) {
            return Some(arrow_schema(&model.columns));
        }
        if name.schema == "seeds" {
            return self.project.seeds.get(&name.table).map(|seed| arrow_schema(&seed.columns));
        }
        let source = self.project.jobs.get("nightly")?.sources.iter().find(|source| source.name == name.table)?;
        let fields = source.columns.iter().map(|column| Field::new(&column.name, arrow_type(column.data_type), true));
        Some(std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }

    /// Puts a table in the place of what would be built.
    pub fn give(&mut self, name: &TableName, batches: Vec<RecordBatch>) -> Result<(), String> {
        let schema = self.schema(name).ok_or_else(|| format!("there is no table `{name}`"))?;
        self.workspace.add_batches(name, schema, batches.clone()).map_err(|error| error.to_string())?;
        self.tables.insert(name.clone(), batches);
        Ok(())
    }

    /// Builds a model and everything before it, and returns its rows.
    ///
    /// A staging model reads the sources that were given; if none was, it is empty.
    pub async fn build(&mut self, name: &TableName) -> Result<Vec<RecordBatch>, String> {
        for step in self.graph.with_upstream(std::slice::from_ref(name)) {
            if !self.tables.contains_key(&step) {
                self.build_one(&step).await?;
            }
        }
        self.tables.get(name).cloned().ok_or_else(|| format!("there is no model `{name}`"))
    }

    async fn build_one(&mut self, name: &TableName) -> Result<(), String> {
        let model = &self.project.models[name];
        for upstream in self.graph.upstream(name).into_iter().filter(|upstream| upstream.schema == "seeds") {
            if let (false, Some(seed)) = (self.tables.contains_key(&upstream), self.project.seeds.get(&upstream.table))
            {
                self.workspace.add_seed(seed).map_err(|error| error.to_string())?;
            }
        }
        let batches =
            if name.schema == "staging" && !self.has_sources(name) { Vec::new() } else { self.run(model).await? };
        self.give(name, batches)
    }

    fn has_sources(&self, staging: &TableName) -> bool {
        self.graph.upstream(staging).iter().all(|upstream| self.tables.contains_key(upstream))
    }

    /// Runs a model's query, cast onto the columns that its YAML promises.
    async fn run(&self, model: &Model) -> Result<Vec<RecordBatch>, String> {
        self.workspace.add_view(model).await.map_err(|error| error.to_string())?;
        self.query(&format!("select * from {}", model.name)).await.map_err(|error| format!("{}: {error}", model.name))
    }

    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, String> {
        let table = self.workspace.query(sql).await.map_err(|error| error.to_string())?;
        table.collect().await.map_err(|error| error.to_string())
    }

    /// Runs all checks of a built model that would stop a release, and returns those that fail.
    pub async fn failing_checks(&mut self, name: &TableName) -> Result<Vec<String>, String> {
        let model = &self.project.models[name];
        for table in checked_tables(model) {
            if self.tables.contains_key(&table) {
                continue;
            }
            if self.project.models.contains_key(&table) {
                self.build(&table).await?;
            } else if let Some(seed) = self.project.seeds.get(&table.table) {
                self.workspace.add_seed(seed).map_err(|error| error.to_string())?;
            }
        }
        let findings = lifecycle::check::check_table(&self.workspace, model).await;
        let failing = findings.into_iter().filter(lifecycle::check::Finding::stops_release);
        Ok(failing.map(|finding| format!("{} {}: {:?}", finding.table, finding.check, finding.outcome)).collect())
    }
}

/// The tables that a model's checks compare it with.
fn checked_tables(model: &Model) -> Vec<TableName> {
    let mut tables = Vec::new();
    for check in &model.checks {
        match &check.kind {
            lifecycle::config::CheckKind::Relationship { to, .. } => tables.push(to.clone()),
            lifecycle::config::CheckKind::Query(sql) => {
                let found = lifecycle::plan::references(sql).expect("the check's SQL is sound");
                tables.extend(found.tables.into_iter().filter(|table| *table != model.name));
            }
            _ => {}
        }
    }
    tables
}

/// A parameter's value as a case writes it.
pub fn parameter_text(value: &serde_yaml::Value) -> Option<String> {
    match value {
        serde_yaml::Value::Bool(boolean) => Some(boolean.to_string()),
        serde_yaml::Value::Number(number) => Some(number.to_string()),
        serde_yaml::Value::String(text) => Some(text.clone()),
        _ => None,
    }
}
