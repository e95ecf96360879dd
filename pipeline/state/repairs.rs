//! Which days of histories a run looked at again because facts had come late, and what moved.

use chrono::NaiveDate;

use super::text::{signed, storable, text_enum};
use super::{State, StateError};

text_enum! {
    /// What became of a day of a history that lacked facts.
    RepairStatus {
        /// It was built again, and its rows are others now.
        Moved = "moved",
        /// It was built again, and its rows are as they were.
        Unmoved = "unmoved",
        /// It could not be built: it is as it was.
        Failed = "failed",
        /// It lies before the job's `repair_window`.
        Left = "left",
    }
}

/// A day of a history that lacked facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairRecord {
    /// `marts.churn_history`.
    pub table: String,
    pub as_of: NaiveDate,
    pub status: RepairStatus,
    /// What came late; why it failed.
    pub reason: String,
    /// Rows by the table's grain.
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
}

impl State {
    /// Records which days of histories a run repaired; a day recorded before is replaced.
    pub async fn record_repairs(&self, run_id: &str, repairs: &[RepairRecord]) -> Result<(), StateError> {
        if repairs.is_empty() {
            return Ok(());
        }
        self.persist(|| self.try_to_record_repairs(run_id, repairs)).await
    }

    async fn try_to_record_repairs(&self, run_id: &str, repairs: &[RepairRecord]) -> Result<(), StateError> {
        const DOING: &str = "recording a run's repairs";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.start_recording(DOING, run_id).await?;
        for repair in repairs {
            sqlx::query(
                "insert into run_repairs
                     (run_id, table_name, as_of, status, reason, rows_added, rows_removed, rows_changed)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)
                 on conflict (run_id, table_name, as_of) do update set
                     status = excluded.status, reason = excluded.reason, rows_added = excluded.rows_added,
                     rows_removed = excluded.rows_removed, rows_changed = excluded.rows_changed",
            )
            .bind(run_id)
            .bind(&repair.table)
            .bind(repair.as_of.to_string())
            .bind(repair.status.as_str())
            .bind(storable(&repair.reason))
            .bind(signed(repair.added))
            .bind(signed(repair.removed))
            .bind(signed(repair.changed))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Repairs with their run's id, in the order of tables and days: of one run, or of all.
    pub async fn repairs_of(&self, run_id: Option<&str>) -> Result<Vec<(String, RepairRecord)>, StateError> {
        let rows =
            sqlx::query("select * from run_repairs where $1 is null or run_id = $1 order by run_id, table_name, as_of")
                .bind(run_id)
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.failed("reading a run's repairs", error))?;
        rows.iter()
            .map(|row| {
                let record = self.record(row);
                let repair = RepairRecord {
                    table: record.text("table_name")?,
                    as_of: record.day("as_of")?,
                    status: record.named("status", RepairStatus::from_text)?,
                    reason: record.text("reason")?,
                    added: record.count("rows_added")?,
                    removed: record.count("rows_removed")?,
                    changed: record.count("rows_changed")?,
                };
                Ok((record.text("run_id")?, repair))
            })
            .collect()
    }
}
