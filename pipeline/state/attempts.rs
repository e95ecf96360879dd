//! Which runs try an earlier one again.

use super::text::signed;
use super::{State, StateError};

/// A run that tries an earlier one again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    pub run_id: String,
    /// From 2: the first attempt is a run like any other.
    pub attempt: u64,
    /// The run of the first attempt, where it came far enough to be recorded.
    pub of_run: Option<String>,
}

impl State {
    /// Records that a run tries an earlier one again.
    pub async fn note_attempt(&self, run_id: &str, attempt: u32, of_run: Option<&str>) -> Result<(), StateError> {
        self.persist(|| self.try_to_note_attempt(run_id, attempt, of_run)).await
    }

    async fn try_to_note_attempt(&self, run_id: &str, attempt: u32, of_run: Option<&str>) -> Result<(), StateError> {
        const DOING: &str = "recording an attempt";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        sqlx::query("insert into run_attempts (run_id, attempt, of_run) values ($1, $2, $3)")
            .bind(run_id)
            .bind(signed(u64::from(attempt)))
            .bind(of_run)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// The attempts after the first: that of one run, or all.
    pub async fn attempts_of(&self, run_id: Option<&str>) -> Result<Vec<AttemptRecord>, StateError> {
        let rows = sqlx::query("select * from run_attempts where $1 is null or run_id = $1 order by run_id")
            .bind(run_id)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("reading attempts", error))?;
        let attempt = |row| {
            let record = self.record(row);
            Ok(AttemptRecord {
                run_id: record.text("run_id")?,
                attempt: record.count("attempt")?,
                of_run: record.value("of_run")?,
            })
        };
        rows.iter().map(attempt).collect()
    }
}
