//! What the tables of a release are to the project that reads it.

use crate::config::{History, Materialization, Project, TableName};
use crate::plan::model_of_history;
use crate::storage::ReleasedTable;

/// Whether a table is a history: its record says so, or, where an older program wrote that, that no model has its name.
pub(super) fn is_history(project: &Project, name: &str, released: &ReleasedTable) -> bool {
    let is_model = || table_name(name).is_some_and(|name| project.models.contains_key(&name));
    !released.days.is_empty() || (model_of_history(name).is_some() && !is_model())
}

/// Whether the project still has the model of a table, or of a history.
pub(super) fn is_of_project(project: &Project, name: &str, released: &ReleasedTable) -> bool {
    let is_table = |model| project.models.get(&model).is_some_and(|model| model.materialized != Materialization::View);
    let model = if is_history(project, name, released) { model_of_history(name) } else { table_name(name) };
    model.is_some_and(is_table)
}

/// Whether runs still write to a table: also, where it is a history, that its model keeps one.
pub(super) fn is_written(project: &Project, name: &str, released: &ReleasedTable) -> bool {
    let keeps = |model| project.models.get(&model).is_some_and(|model| model.history != History::None);
    let is_stopped = is_history(project, name, released) && !model_of_history(name).is_some_and(keeps);
    is_of_project(project, name, released) && !is_stopped
}

fn table_name(name: &str) -> Option<TableName> {
    name.split_once('.').map(|(schema, table)| TableName::new(schema, table))
}
