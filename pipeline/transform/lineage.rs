//! Lineage: which columns of which tables a model's columns come from, read from the plan of its query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};

use crate::config::{Model, TableName};

use super::{TransformError, Workspace};

/// A column of a table.
pub type ColumnOrigin = (TableName, String);

/// For each column of a model, in the order of its names, the columns that its values are made of.
///
/// Columns that only decide which rows there are (conditions of joins and filters, the order of windows aside) do not
/// count. A column of constants has none.
pub type Lineage = BTreeMap<String, BTreeSet<ColumnOrigin>>;

type Origins = BTreeSet<ColumnOrigin>;

impl Workspace {
    /// Reads a model's lineage. Every table that its SQL names has to be registered.
    pub async fn lineage(&self, model: &Model) -> std::result::Result<Lineage, TransformError> {
        let plan = self.plan_model(model).await?;
        let failed = |error| TransformError::engine(format!("the lineage of `{}` cannot be read", model.name), error);
        let columns = origins(&plan).map_err(failed)?;
        let names = plan.schema().fields().iter().map(|field| field.name().clone());
        Ok(names.zip(columns).collect())
    }
}

/// The origins of each column of a plan, in the order of its schema.
fn origins(plan: &LogicalPlan) -> Result<Vec<Origins>> {
    let width = plan.schema().fields().len();
    let found = match plan {
        LogicalPlan::TableScan(scan) => {
            let table = match scan.table_name.schema() {
                Some(schema) => TableName::new(schema, scan.table_name.table()),
                None => TableName::new("", scan.table_name.table()),
            };
            let names = scan.projected_schema.fields().iter().map(|field| field.name().clone());
            names.map(|name| Origins::from([(table.clone(), name)])).collect()
        }
        LogicalPlan::Projection(projection) => of_expressions(&projection.expr, &projection.input)?,
        LogicalPlan::Aggregate(aggregate) => {
            let mut found = of_expressions(&aggregate.group_expr, &aggregate.input)?;
            // Grouping sets come as one expression that stands for several columns.
            let keys = width.saturating_sub(aggregate.aggr_expr.len());
            if found.len() != keys {
                let all: Origins = found.into_iter().flatten().collect();
                found = vec![all; keys];
            }
            found.extend(of_expressions(&aggregate.aggr_expr, &aggregate.input)?);
            found
        }
        LogicalPlan::Window(window) => {
            let mut found = origins(&window.input)?;
            found.extend(of_expressions(&window.window_expr, &window.input)?);
            found
        }
        LogicalPlan::Join(join) => {
            let (left, right) = (origins(&join.left)?, origins(&join.right)?);
            match join.join_type {
                JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left,
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right,
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                    left.into_iter().chain(right).collect()
                }
            }
        }
        LogicalPlan::Union(union) => {
            let mut found = vec![Origins::new(); width];
            for input in &union.inputs {
                for (column, other) in found.iter_mut().zip(origins(input)?) {
                    column.extend(other);
                }
            }
            found
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => of_expressions(&distinct.select_expr, &distinct.input)?,
        LogicalPlan::Unnest(unnest) => {
            let below = origins(&unnest.input)?;
            unnest.dependency_indices.iter().map(|index| below.get(*index).cloned().unwrap_or_default()).collect()
        }
        LogicalPlan::RecursiveQuery(query) => {
            let mut found = origins(&query.static_term)?;
            for (column, other) in found.iter_mut().zip(origins(&query.recursive_term)?) {
                column.extend(other);
            }
            found
        }
        LogicalPlan::Subquery(subquery) => origins(&subquery.subquery)?,
        // Rows come and go, columns stay.
        other => match other.inputs().as_slice() {
            [input] => origins(input)?,
            _ => Vec::new(),
        },
    };
    let mut found = found;
    found.resize(width, Origins::new());
    Ok(found)
}

fn of_expressions(expressions: &[Expr], input: &Arc<LogicalPlan>) -> Result<Vec<Origins>> {
    let below = origins(input)?;
    expressions.iter().map(|expression| of_expression(expression, input.schema(), &below)).collect()
}

/// The origins of every column that an expression names, those inside its subqueries included.
fn of_expression(expression: &Expr, schema: &DFSchema, below: &[Origins]) -> Result<Origins> {
    let mut found = Origins::new();
    expression.apply(|part| {
        match part {
            Expr::Column(column) => {
                if let Some(origins) = schema.maybe_index_of_column(column).and_then(|index| below.get(index)) {
                    found.extend(origins.iter().cloned());
                }
            }
            Expr::ScalarSubquery(subquery) => found.extend(origins(&subquery.subquery)?.into_iter().flatten()),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
