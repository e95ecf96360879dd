//! What moved between two states of a table: rows that came, went, or changed.

use arrow::array::{Array, Int64Array, RecordBatch};
use datafusion::error::DataFusionError;

use crate::config::{Model, TableName};
use crate::storage::{DataFile, Table};

use super::columns::arrow_schema;
use super::session::is_out_of_memory;
use super::{TransformError, Workspace};

/// Numbers of rows, told apart by the table's grain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
}

impl Moved {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares the rows of two sets of files with a model's columns; both lie in the same table.
///
/// Rows are the same where all columns are: of doubles every bit, because the same facts give the same rows.
pub async fn compare(
    workspace: &Workspace,
    model: &Model,
    table: &Table,
    before: &[DataFile],
    after: &[DataFile],
) -> Result<Moved, TransformError> {
    let schema = arrow_schema(&model.columns);
    for (side, files) in [("before", before), ("after", after)] {
        workspace.add_files(&TableName::new("moved", side), table, &schema, &[], files)?;
    }
    let sql = if model.grain.is_empty() { without_grain(model) } else { by_grain(model) };
    let mut counts = count(workspace, &sql, false).await;
    if counts.as_ref().is_err_and(is_out_of_memory) {
        counts = count(workspace, &sql, true).await;
    }
    let failed = |error| TransformError::engine(format!("rows of `{}` could not be compared", model.name), error);
    let [added, removed, changed] = counts.map_err(failed)?;
    if model.grain.is_empty() {
        // A row that went for one that came is a row that changed.
        let changed = added.min(removed);
        return Ok(Moved { added: added - changed, removed: removed - changed, changed });
    }
    Ok(Moved { added, removed, changed })
}

/// The keys of the grain are never null, so a null key says that the row is only on the other side.
fn by_grain(model: &Model) -> String {
    let key = model.grain.first().map(|column| quoted(column)).unwrap_or_default();
    let same_key = model.grain.iter().map(|column| format!("b.{0} = a.{0}", quoted(column)));
    let others = model.columns.iter().filter(|column| !model.grain.contains(&column.name));
    let is_other = others.map(|column| format!("(b.{0} is distinct from a.{0})", quoted(&column.name)));
    let is_changed = is_other.chain(["false".to_owned()]).collect::<Vec<_>>().join(" or ");
    format!(
        "select sum(case when b.{key} is null then 1 else 0 end), sum(case when a.{key} is null then 1 else 0 end),
            sum(case when b.{key} is not null and a.{key} is not null and ({is_changed}) then 1 else 0 end)
        from moved.before as b full join moved.after as a on {}",
        same_key.collect::<Vec<_>>().join(" and ")
    )
}

/// The same row may stand in a table several times: how often counts, too.
fn without_grain(model: &Model) -> String {
    let columns = model.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ");
    let side = |side: &str, each: i64| format!("select {columns}, {each} as \"moved rows\" from moved.{side}");
    format!(
        "select sum(case when moved > 0 then moved else 0 end), sum(case when moved < 0 then -moved else 0 end), 0
        from (
            select sum(\"moved rows\") as moved from ({} union all {}) group by {columns}
        )",
        side("after", 1),
        side("before", -1)
    )
}

fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\"\""))
}

async fn count(workspace: &Workspace, sql: &str, is_frugal: bool) -> Result<[u64; 3], DataFusionError> {
    let rows = if is_frugal { workspace.query_frugally(sql).await? } else { workspace.query(sql).await? };
    let batches = rows.collect().await?;
    let row = batches.iter().find(|batch| batch.num_rows() == 1);
    Ok([0, 1, 2].map(|column| row.map_or(0, |row| number(row, column))))
}

/// A sum over no rows is null.
fn number(row: &RecordBatch, column: usize) -> u64 {
    let values = row.columns().get(column).and_then(|values| values.as_any().downcast_ref::<Int64Array>());
    values.filter(|values| values.is_valid(0)).map_or(0, |values| values.value(0).max(0).unsigned_abs())
}
