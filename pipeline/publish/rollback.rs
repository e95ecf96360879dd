//! Publishes an earlier release again.

use chrono::{DateTime, Utc};

use crate::storage::{Release, ReleasedTable, Warehouse};

use super::{PublishError, set_files};

/// Makes a new release whose tables have the rows of an earlier one.
///
/// Tables that came later keep their files, but the new release does not name them. History tables stay as they are:
/// history is not undone.
pub async fn rollback(
    warehouse: &Warehouse,
    current: &Release,
    number: u64,
    run_id: &str,
    now: DateTime<Utc>,
) -> Result<Release, PublishError> {
    let job = current.job.clone();
    let target =
        warehouse.release(&job, number).await.map_err(|source| PublishError::of_release(&job, number, source))?;
    let mut tables = std::collections::BTreeMap::new();
    let mut then = Vec::new();
    // All are read before the first is committed: one that is gone must not leave the others half-way.
    for (name, released) in &target.tables {
        let gone = |source| PublishError::TableGone { table: name.clone(), number, source };
        let Some((schema, table_name)) = name.split_once('.') else { continue };
        if table_name.ends_with("_history") {
            let newest = current.tables.get(name).unwrap_or(released);
            tables.insert(name.clone(), newest.clone());
            continue;
        }
        let table = warehouse.table(schema, table_name).map_err(gone)?;
        let snapshot = table.snapshot_at(released.version).await.map_err(gone)?;
        then.push((name, released, table, snapshot));
    }
    for (name, released, table, then) in then {
        let now = set_files(
            &table,
            &then.described_schema(),
            &then.partition_columns,
            &then.files,
            then.description(),
            run_id,
        )
        .await
        .map_err(|source| PublishError::Commit { table: name.clone(), source })?;
        tables.insert(name.clone(), ReleasedTable { version: now.version, ..released.clone() });
    }
    let release = Release {
        number: current.number + 1,
        run_id: run_id.to_owned(),
        created_at: now,
        rollback_of: Some(number),
        tables,
        ..target
    };
    warehouse.create_release(&release).await.map_err(|source| PublishError::Record {
        job,
        number: release.number,
        source,
    })?;
    Ok(release)
}
