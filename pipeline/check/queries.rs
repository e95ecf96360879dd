//! The SQL of a check: a query that gives the bad rows.

use crate::config::{CheckKind, Model, TableName};

/// A name that SQL reads as written.
pub(super) fn quoted(name: &TableName) -> String {
    format!("{}.{}", quoted_word(&name.schema), quoted_word(&name.table))
}

fn quoted_word(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// When a row is bad, for checks that look at one row at a time.
pub(super) fn bad_row_condition(kind: &CheckKind) -> Option<String> {
    match kind {
        CheckKind::NotNull(column) => Some(format!("{} is null", quoted_word(column))),
        CheckKind::AcceptedValues { column, values } => {
            let values = values.iter().map(|value| literal(value)).collect::<Vec<_>>().join(", ");
            let column = quoted_word(column);
            Some(format!("({column} is not null and cast({column} as varchar) not in ({values}))"))
        }
        _ => None,
    }
}

/// One row with the number of bad rows for each condition.
pub(super) fn counts(model: &Model, conditions: &[String]) -> String {
    let sums: Vec<String> = conditions
        .iter()
        .enumerate()
        .map(|(index, condition)| format!("sum(case when {condition} then 1 else 0 end) as bad_{index}"))
        .collect();
    format!("select {} from {}", sums.join(", "), quoted(&model.name))
}

/// The rows that a check refuses; `None` for kinds that [`bad_row_condition`] covers.
pub(super) fn bad_rows(model: &Model, kind: &CheckKind) -> Option<String> {
    match kind {
        CheckKind::Query(sql) => Some(sql.clone()),
        CheckKind::Unique(columns) if columns.is_empty() => Some(format!(
            // No key: one row at most.
            "select count(*) as number_of_rows from {} having count(*) > 1",
            quoted(&model.name)
        )),
        CheckKind::Unique(columns) => {
            let columns = columns.iter().map(|column| quoted_word(column)).collect::<Vec<_>>().join(", ");
            let table = quoted(&model.name);
            Some(format!("select {columns} from {table} group by {columns} having count(*) > 1"))
        }
        CheckKind::Relationship { column, to, to_column } => {
            let (table, other) = (quoted(&model.name), quoted(to));
            let (column, to_column) = (quoted_word(column), quoted_word(to_column));
            Some(format!(
                "select * from {table} where {column} is not null and {column} not in \
                 (select {to_column} from {other} where {to_column} is not null)"
            ))
        }
        CheckKind::NotNull(_) | CheckKind::AcceptedValues { .. } => None,
    }
}
