//! The tables that models read and build in one run: a session in which every table has its qualified name.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use chrono::NaiveDate;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::{JoinType, ScalarValue, TableReference};
use datafusion::datasource::{MemTable, ViewTable, empty::EmptyTable, provider_as_source};
use datafusion::error::DataFusionError;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ident, lit};
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::prelude::{DataFrame, SQLOptions, SessionContext};
use tokio::sync::RwLock;

use crate::config::{Model, ModelColumn, Seed, TableName};
use crate::storage::{DataFile, Stores, Table};

use super::columns::{arrow_schema, promised_columns};
use super::files_table::FilesTable;
use super::mistake::PlanMistake;
use super::session::{self, SessionSettings};
use super::{Bindings, TransformError};

/// A landed source as SQL sees it: rows that no newer version of their key replaces.
#[derive(Debug, Clone)]
pub struct LandedTable {
    /// `None` where nothing was landed yet: the table is empty.
    pub table: Option<Table>,
    /// The contract's columns, then those that were added, `_object` and `_line`.
    pub schema: SchemaRef,
    pub rows: Vec<DataFile>,
    pub superseded: Vec<DataFile>,
}

/// A session with tables, for one set of bindings.
#[derive(Clone)]
pub struct Workspace {
    context: SessionContext,
    runtime: Arc<RuntimeEnv>,
    /// Held together by those who build side by side, alone by one that needs all memory.
    memory: Arc<RwLock<()>>,
    settings: SessionSettings,
    bindings: Bindings,
    stores: Stores,
}

impl Workspace {
    pub fn new(settings: &SessionSettings, bindings: Bindings, stores: &Stores) -> Result<Self, TransformError> {
        let runtime = session::runtime(settings)?;
        Self::with_runtime(settings, bindings, stores, runtime, Arc::default())
    }

    fn with_runtime(
        settings: &SessionSettings,
        bindings: Bindings,
        stores: &Stores,
        runtime: Arc<RuntimeEnv>,
        memory: Arc<RwLock<()>>,
    ) -> Result<Self, TransformError> {
        let context = session::session(settings, runtime.clone())?;
        Ok(Self { context, runtime, memory, settings: settings.clone(), bindings, stores: stores.clone() })
    }

    /// An empty workspace that shares this one's memory pool, spill folder and bindings.
    pub fn sibling(&self) -> Result<Self, TransformError> {
        Self::with_runtime(
            &self.settings,
            self.bindings.clone(),
            &self.stores,
            self.runtime.clone(),
            self.memory.clone(),
        )
    }

    /// [`Workspace::sibling`] for another day, with query partitions of its own number.
    pub fn sibling_for(&self, bindings: Bindings, parallelism: usize) -> Result<Self, TransformError> {
        let settings = SessionSettings { parallelism, ..self.settings.clone() };
        Self::with_runtime(&settings, bindings, &self.stores, self.runtime.clone(), self.memory.clone())
    }

    pub(super) fn memory_limit(&self) -> u64 {
        self.settings.memory_limit
    }

    pub(super) fn memory(&self) -> &RwLock<()> {
        &self.memory
    }

    pub(super) fn context(&self) -> &SessionContext {
        &self.context
    }

    pub fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// Registers a landed source; with `days`, only its rows of those days (all rows where it has no event time).
    pub fn add_landed(
        &self,
        name: &str,
        landed: &LandedTable,
        days: Option<&BTreeSet<NaiveDate>>,
    ) -> Result<(), TransformError> {
        let provider: Arc<dyn TableProvider> = match &landed.table {
            None => Arc::new(EmptyTable::new(landed.schema.clone())),
            Some(table) => {
                self.open_store(table)?;
                let plan = landed_plan(table, landed, days).map_err(|error| self.broken_table(name, error))?;
                Arc::new(ViewTable::new(plan, None))
            }
        };
        self.register(&TableName::new("landed", name), provider)
    }

    /// Registers a seed from its CSV text.
    pub fn add_seed(&self, seed: &Seed) -> Result<(), TransformError> {
        let name = TableName::new("seeds", &seed.name);
        let schema = arrow_schema(&seed.columns);
        let reader = arrow::csv::ReaderBuilder::new(schema.clone())
            .with_header(true)
            .build(seed.csv.as_bytes())
            .map_err(|error| self.broken_table(&seed.name, error.into()))?;
        let batches =
            reader.collect::<Result<Vec<_>, _>>().map_err(|error| self.broken_table(&seed.name, error.into()))?;
        let table = MemTable::try_new(schema, vec![batches]).map_err(|error| self.broken_table(&seed.name, error))?;
        self.register(&name, Arc::new(table))
    }

    /// Registers a table without rows.
    pub fn add_empty(&self, name: &TableName, columns: &[ModelColumn]) -> Result<(), TransformError> {
        self.register(name, Arc::new(EmptyTable::new(arrow_schema(columns))))
    }

    /// Registers any table that this crate's callers made, such as a batch in memory.
    pub fn add_batches(
        &self,
        name: &TableName,
        schema: SchemaRef,
        batches: Vec<arrow::array::RecordBatch>,
    ) -> Result<(), TransformError> {
        let table =
            MemTable::try_new(schema, vec![batches]).map_err(|error| self.broken_table(&name.to_string(), error))?;
        self.register(name, Arc::new(table))
    }

    /// Registers files of a Delta table: a published version or a candidate.
    pub fn add_files(
        &self,
        name: &TableName,
        table: &Table,
        schema: &SchemaRef,
        partition_columns: &[String],
        files: &[DataFile],
    ) -> Result<(), TransformError> {
        self.open_store(table)?;
        let files = FilesTable::new(table, schema, partition_columns, files)
            .map_err(|error| self.broken_table(&name.to_string(), error))?;
        self.register(name, Arc::new(files))
    }

    /// Registers a table of another workspace under the same name.
    pub async fn copy_table(&self, from: &Workspace, name: &TableName) -> Result<(), TransformError> {
        let failed = |error| self.broken_table(&name.to_string(), error);
        let reference = TableReference::partial(name.schema.as_str(), name.table.as_str());
        let provider = from.context.table_provider(reference).await.map_err(failed)?;
        self.register(name, provider)
    }

    /// Plans a model as a view over the tables that are registered so far.
    pub async fn add_view(&self, model: &Model) -> Result<(), TransformError> {
        let plan = self.plan_model(model).await?;
        self.register(&model.name, Arc::new(ViewTable::new(plan, Some(model.sql.clone()))))
    }

    /// A query over the registered tables, with the bindings in the place of `$names`.
    pub async fn query(&self, sql: &str) -> Result<DataFrame, DataFusionError> {
        let plan = self.plan(sql).await?;
        only_reads(&plan)?;
        Ok(DataFrame::new(self.context.state(), plan))
    }

    /// [`Workspace::query`] for where that ran out of memory: planned with joins that spill.
    pub async fn query_frugally(&self, sql: &str) -> Result<DataFrame, DataFusionError> {
        let plan = self.plan(sql).await?;
        let mut state = self.context.state();
        session::make_frugal(&mut state)?;
        Ok(DataFrame::new(state, plan))
    }

    async fn plan(&self, sql: &str) -> Result<LogicalPlan, DataFusionError> {
        let state = self.context.state();
        let dialect = state.config_options().sql_parser.dialect;
        let mut statement = state.sql_to_statement(sql, &dialect)?;
        self.bindings.bind(&mut statement).map_err(|name| DataFusionError::Plan(format!("no parameter `${name}`")))?;
        state.statement_to_plan(statement).await
    }

    /// The plan of a model's query, cast onto the columns that its YAML promises.
    pub(super) async fn plan_model(&self, model: &Model) -> Result<LogicalPlan, TransformError> {
        let failed = |error| TransformError::engine(format!("model `{}` cannot be planned", model.name), error);
        let plan = self.plan(&model.sql).await.map_err(failed)?;
        let expressions = match promised_columns(model, plan.schema().as_arrow()) {
            Ok(expressions) => expressions,
            Err(mistakes) => match mistakes.into_iter().next() {
                Some(mistake) => return Err(mistake),
                None => Vec::new(),
            },
        };
        LogicalPlanBuilder::from(plan).project(expressions).and_then(LogicalPlanBuilder::build).map_err(failed)
    }

    /// Plans a model without running it: all its mistakes, none where it is sound.
    pub async fn validate_model(&self, model: &Model) -> Vec<PlanMistake> {
        match self.plan(&model.sql).await {
            Err(error) => vec![PlanMistake::of_engine(&error)],
            Ok(plan) => match promised_columns(model, plan.schema().as_arrow()) {
                Ok(_) => self.analyze(plan).err().map(|error| PlanMistake::of_engine(&error)).into_iter().collect(),
                Err(mistakes) => mistakes.iter().map(PlanMistake::of_column).collect(),
            },
        }
    }

    /// Plans any SQL without running it: its mistake, if it has one.
    pub async fn validate_query(&self, sql: &str) -> Option<PlanMistake> {
        let planned = match self.plan(sql).await {
            Ok(plan) => only_reads(&plan).and_then(|()| self.analyze(plan)),
            Err(error) => Err(error),
        };
        planned.err().map(|error| PlanMistake::of_engine(&error))
    }

    /// Resolves a plan's types and computes its constants: no more of the optimizer finds mistakes, and the rest takes
    /// twice as long.
    fn analyze(&self, plan: LogicalPlan) -> Result<(), DataFusionError> {
        let mut state = self.context.state();
        state.config_mut().options_mut().optimizer.max_passes = 1;
        let plan = state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {})?;
        Optimizer::with_rules(vec![Arc::new(SimplifyExpressions::new())]).optimize(plan, &state, |_, _| {}).map(|_| ())
    }

    pub(super) fn register(&self, name: &TableName, provider: Arc<dyn TableProvider>) -> Result<(), TransformError> {
        let failed = |error| TransformError::engine(format!("table `{name}` cannot be registered"), error);
        let catalog = self
            .context
            .catalog("lifecycle")
            .ok_or_else(|| failed(DataFusionError::Internal("no catalog".to_owned())))?;
        let schema = match catalog.schema(&name.schema) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog.register_schema(&name.schema, schema.clone()).map_err(failed)?;
                schema
            }
        };
        schema.deregister_table(&name.table).map_err(failed)?;
        schema.register_table(name.table.clone(), provider).map_err(failed)?;
        Ok(())
    }

    fn open_store(&self, table: &Table) -> Result<(), TransformError> {
        let (store, _) = self.stores.open(table.url())?;
        let mut base = table.url().clone();
        base.set_path("/");
        self.context.register_object_store(&base, store);
        Ok(())
    }

    fn broken_table(&self, name: &str, error: DataFusionError) -> TransformError {
        TransformError::engine(format!("table `{name}` cannot be read"), error)
    }
}

/// Rows minus superseded rows, of the wanted days, in the columns that SQL sees.
fn landed_plan(
    table: &Table,
    landed: &LandedTable,
    days: Option<&BTreeSet<NaiveDate>>,
) -> Result<LogicalPlan, DataFusionError> {
    let mut stored: Vec<Field> = landed.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    stored.push(Field::new("_day", DataType::Date32, true));
    let stored = Arc::new(Schema::new(stored));
    let rows = FilesTable::new(table, &stored, &[], &landed.rows)?;
    let mut plan = LogicalPlanBuilder::scan("rows", provider_as_source(Arc::new(rows)), None)?;
    if let Some(filter) = days.and_then(day_filter) {
        plan = plan.filter(filter)?;
    }
    if !landed.superseded.is_empty() {
        let position = Arc::new(Schema::new(vec![
            Field::new("_object", DataType::Utf8, true),
            Field::new("_line", DataType::Int64, true),
        ]));
        let superseded = FilesTable::new(table, &position, &[], &landed.superseded)?;
        let superseded =
            LogicalPlanBuilder::scan("superseded", provider_as_source(Arc::new(superseded)), None)?.build()?;
        let on = |side: &str| -> Vec<datafusion::common::Column> {
            ["_object", "_line"]
                .iter()
                .map(|name| datafusion::common::Column::new(Some(TableReference::bare(side)), *name))
                .collect()
        };
        plan = plan.join(superseded, JoinType::LeftAnti, (on("rows"), on("superseded")), None)?;
    }
    let columns: Vec<Expr> = landed.schema.fields().iter().map(|field| ident(field.name())).collect();
    plan.project(columns)?.build()
}

/// Rows of the given days, and those without a day; the range lets whole files be skipped.
fn day_filter(days: &BTreeSet<NaiveDate>) -> Option<Expr> {
    let date = |day: &NaiveDate| lit(ScalarValue::Date32(Some(days_since_epoch(*day))));
    let (first, last) = (days.first()?, days.last()?);
    let range = ident("_day").between(date(first), date(last));
    if (*last - *first).num_days() + 1 == i64::try_from(days.len()).unwrap_or_default() {
        return Some(range.or(ident("_day").is_null()));
    }
    let listed = ident("_day").in_list(days.iter().map(date).collect(), false);
    Some(range.and(listed).or(ident("_day").is_null()))
}

pub(super) fn days_since_epoch(day: NaiveDate) -> i32 {
    let days = (day - NaiveDate::default()).num_days();
    i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
}

/// Tables are made by models; everything else only reads them.
fn only_reads(plan: &LogicalPlan) -> Result<(), DataFusionError> {
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    options.verify_plan(plan).map_err(|_| DataFusionError::Plan("only queries are run here: `select …`".to_owned()))
}
