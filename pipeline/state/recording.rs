//! Writes a run's records as it goes on.

use sqlx::AnyConnection;

use super::engine::Write;
use super::error::RecordKind;
use super::runs::severity_text;
use super::text::{micros, signed, storable};
use super::{CheckRecord, RunFinish, RunStart, SourceRecord, State, StateError, TableRecord};

impl State {
    /// Records the start of a run, and marks the job's runs whose process died as `interrupted`.
    ///
    /// Needs the job's lease to be current at `started_at`; the error otherwise is [`StateError::LeaseLost`].
    pub async fn start_run(&self, start: &RunStart) -> Result<(), StateError> {
        self.persist(|| self.try_to_start_run(start)).await
    }

    async fn try_to_start_run(&self, start: &RunStart) -> Result<(), StateError> {
        const DOING: &str = "recording the start of a run";
        let failed = |error| self.failed(DOING, error);
        let mut transaction = self.write(DOING).await?;
        self.require_lease_on(&mut transaction, &start.lease, start.started_at).await?;
        sqlx::query(
            "update runs
             set status = 'interrupted', message = coalesce(message, 'its process ended without finishing it'),
                 finished_at = coalesce(
                     (select case when l.expires_at < $2 then l.expires_at else $2 end from leases as l
                      where l.name = runs.lease_name and l.token = runs.lease_token),
                     $2
                 )
             where job = $1 and status = 'running' and not exists (
                 select 1 from leases as l
                 where l.name = runs.lease_name and l.token = runs.lease_token
                     and l.released_at is null and l.expires_at > $2
             )",
        )
        .bind(&start.job)
        .bind(micros(start.started_at))
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
        sqlx::query(
            "insert into runs (run_id, job, as_of, started_by, environment, status, started_at, lease_name, lease_token,
                 backfill_id)
             values ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9)",
        )
        .bind(&start.run_id)
        .bind(&start.job)
        .bind(start.as_of.to_string())
        .bind(start.trigger.as_str())
        .bind(&start.environment)
        .bind(micros(start.started_at))
        .bind(&start.lease.name)
        .bind(signed(start.lease.token))
        .bind(&start.backfill_id)
        .execute(&mut *transaction)
        .await
        .map_err(|error| match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                StateError::RecordExists { kind: RecordKind::Run, id: start.run_id.clone() }
            }
            _ => failed(error),
        })?;
        transaction.commit().await.map_err(failed)
    }

    /// Records the end of a run; a run that ended already keeps its first end and the error says which.
    pub async fn finish_run(&self, run_id: &str, finish: &RunFinish) -> Result<(), StateError> {
        self.persist(|| self.try_to_finish_run(run_id, finish)).await
    }

    async fn try_to_finish_run(&self, run_id: &str, finish: &RunFinish) -> Result<(), StateError> {
        const DOING: &str = "recording the end of a run";
        let mut transaction = self.write(DOING).await?;
        self.require_running(&mut transaction, run_id).await?;
        sqlx::query(
            "update runs set status = $1, finished_at = $2, message = $3, release_number = $4 where run_id = $5",
        )
        .bind(finish.outcome.as_str())
        .bind(micros(finish.finished_at))
        .bind(finish.message.as_deref().map(storable))
        .bind(finish.release.map(signed))
        .bind(run_id)
        .execute(&mut *transaction)
        .await
        .map_err(|error| self.failed(DOING, error))?;
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    /// Records what a running run did with tables; a table recorded before is replaced.
    pub async fn record_tables(&self, run_id: &str, tables: &[TableRecord]) -> Result<(), StateError> {
        self.persist(|| self.try_to_record_tables(run_id, tables)).await
    }

    async fn try_to_record_tables(&self, run_id: &str, tables: &[TableRecord]) -> Result<(), StateError> {
        const DOING: &str = "recording a run's tables";
        let mut transaction = self.start_recording(DOING, run_id).await?;
        for table in tables {
            sqlx::query(
                "insert into run_tables
                     (run_id, position, table_name, action, reason, row_count, bytes, seconds, version)
                 values ($1, (select count(*) from run_tables where run_id = $1), $2, $3, $4, $5, $6, $7, $8)
                 on conflict (run_id, table_name) do update set
                     action = excluded.action, reason = excluded.reason,
                     row_count = excluded.row_count, bytes = excluded.bytes,
                     seconds = excluded.seconds, version = excluded.version",
            )
            .bind(run_id)
            .bind(&table.table)
            .bind(table.action.as_str())
            .bind(storable(&table.reason))
            .bind(table.rows.map(signed))
            .bind(table.bytes.map(signed))
            .bind(table.seconds)
            .bind(table.version.map(signed))
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        }
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    /// Records what a running run landed; a source recorded before is replaced.
    pub async fn record_sources(&self, run_id: &str, sources: &[SourceRecord]) -> Result<(), StateError> {
        self.persist(|| self.try_to_record_sources(run_id, sources)).await
    }

    async fn try_to_record_sources(&self, run_id: &str, sources: &[SourceRecord]) -> Result<(), StateError> {
        const DOING: &str = "recording a run's sources";
        let mut transaction = self.start_recording(DOING, run_id).await?;
        for source in sources {
            sqlx::query(
                "insert into run_sources
                     (run_id, position, source, objects_new, objects_changed, objects_unchanged, rows_in, landed,
                      rejected, bytes, seconds, version)
                 values ($1, (select count(*) from run_sources where run_id = $1), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                 on conflict (run_id, source) do update set
                     objects_new = excluded.objects_new, objects_changed = excluded.objects_changed,
                     objects_unchanged = excluded.objects_unchanged, rows_in = excluded.rows_in,
                     landed = excluded.landed, rejected = excluded.rejected,
                     bytes = excluded.bytes, seconds = excluded.seconds,
                     version = excluded.version",
            )
            .bind(run_id)
            .bind(&source.source)
            .bind(signed(source.objects_new))
            .bind(signed(source.objects_changed))
            .bind(signed(source.objects_unchanged))
            .bind(signed(source.rows_in))
            .bind(signed(source.landed))
            .bind(signed(source.rejected))
            .bind(signed(source.bytes))
            .bind(source.seconds)
            .bind(source.version.map(signed))
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        }
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    /// Records what a running run's checks found; a check recorded before is replaced.
    pub async fn record_checks(&self, run_id: &str, checks: &[CheckRecord]) -> Result<(), StateError> {
        self.persist(|| self.try_to_record_checks(run_id, checks)).await
    }

    async fn try_to_record_checks(&self, run_id: &str, checks: &[CheckRecord]) -> Result<(), StateError> {
        const DOING: &str = "recording a run's checks";
        let mut transaction = self.start_recording(DOING, run_id).await?;
        for check in checks {
            sqlx::query(
                "insert into run_checks
                     (run_id, position, table_name, check_name, severity, status, bad_rows, sample, seconds)
                 values ($1, (select count(*) from run_checks where run_id = $1), $2, $3, $4, $5, $6, $7, $8)
                 on conflict (run_id, table_name, check_name) do update set
                     severity = excluded.severity, status = excluded.status,
                     bad_rows = excluded.bad_rows, sample = excluded.sample,
                     seconds = excluded.seconds",
            )
            .bind(run_id)
            .bind(&check.table)
            .bind(&check.check)
            .bind(severity_text(check.severity))
            .bind(check.status.as_str())
            .bind(signed(check.bad_rows))
            .bind(check.sample.as_deref().map(storable))
            .bind(check.seconds)
            .execute(&mut *transaction)
            .await
            .map_err(|error| self.failed(DOING, error))?;
        }
        transaction.commit().await.map_err(|error| self.failed(DOING, error))
    }

    pub(super) async fn start_recording(&self, doing: &'static str, run_id: &str) -> Result<Write, StateError> {
        let mut transaction = self.write(doing).await?;
        self.require_running(&mut transaction, run_id).await?;
        Ok(transaction)
    }

    /// Refuses to write to a run that was taken for dead: its successor may be at work.
    async fn require_running(&self, connection: &mut AnyConnection, run_id: &str) -> Result<(), StateError> {
        let status: Option<String> = sqlx::query_scalar("select status from runs where run_id = $1")
            .bind(run_id)
            .fetch_optional(connection)
            .await
            .map_err(|error| self.failed("reading a run", error))?;
        match status.as_deref() {
            Some("running") => Ok(()),
            Some(status) => Err(StateError::RunNotRunning { run_id: run_id.to_owned(), status: status.to_owned() }),
            None => {
                Err(StateError::UnknownRecord { kind: RecordKind::Run, prefix: run_id.to_owned(), newest: Vec::new() })
            }
        }
    }
}
