//! What a model's plan proves of its rows, so that no query has to.

use datafusion::logical_expr::{Expr, LogicalPlan};

/// Whether no two rows of a plan can have the same values in these columns: it groups by nothing else.
pub(super) fn groups_by(plan: &LogicalPlan, columns: &[String]) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => {
            // The columns of the input that the wanted ones are made of, unchanged.
            let names = projection.schema.fields().iter().zip(&projection.expr);
            let inputs: Vec<String> = names
                .filter(|(field, _)| columns.contains(field.name()))
                .filter_map(|(_, expression)| plain_column(expression))
                .collect();
            groups_by(&projection.input, &inputs)
        }
        LogicalPlan::Filter(filter) => groups_by(&filter.input, columns),
        LogicalPlan::Sort(sort) => groups_by(&sort.input, columns),
        LogicalPlan::SubqueryAlias(alias) => groups_by(&alias.input, columns),
        LogicalPlan::Aggregate(aggregate) => {
            !aggregate.group_expr.is_empty()
                && !aggregate.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)))
                && aggregate
                    .schema
                    .fields()
                    .iter()
                    .take(aggregate.group_expr.len())
                    .all(|field| columns.contains(field.name()))
        }
        _ => false,
    }
}

fn plain_column(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Column(column) => Some(column.name.clone()),
        Expr::Alias(alias) => plain_column(&alias.expr),
        _ => None,
    }
}
