use arrow::util::pretty::pretty_format_batches;
use lifecycle::state::{
    BackfillStart, CheckStatus, DayOrder, Decision, NotRunReason, OpsTable, RepairRecord, RepairStatus, RunFinish,
    RunOutcome, State, TableAction, Verdict,
};

use super::runs::{check, source, table};
use super::{Place, acquire, at, day, run_start};

async fn filled(place: &Place) -> State {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(0))).await.unwrap();
    state.record_sources("a", &[source("orders", 10, 2)]).await.unwrap();
    state.record_tables("a", &[table("marts.churn", TableAction::Built)]).await.unwrap();
    state.record_checks("a", &[check("churn.grain", CheckStatus::Failed)]).await.unwrap();
    let repair = RepairRecord {
        table: "marts.churn_history".to_owned(),
        as_of: day("2025-12-30"),
        status: RepairStatus::Moved,
        reason: "landed.orders of 2025-12-29".to_owned(),
        added: 1,
        removed: 0,
        changed: 2,
    };
    state.note_attempt("a", 2, None).await.unwrap();
    state.record_repairs("a", &[repair]).await.unwrap();
    let finish = RunFinish { outcome: RunOutcome::Succeeded, finished_at: at(9), message: None, release: Some(1) };
    state.finish_run("a", &finish).await.unwrap();
    state.release_lease(&lease, at(9)).await.unwrap();
    let backfill = BackfillStart {
        backfill_id: "b".to_owned(),
        job: "nightly".to_owned(),
        environment: "local".to_owned(),
        days: vec![day("2026-01-01"), day("2026-01-02")],
        selection: "missing".to_owned(),
        order: DayOrder::OldestFirst,
        created_at: at(0),
    };
    state.create_backfill(&backfill).await.unwrap();
    let basis = state.begin_schedule("nightly", "a", at(0)).await.unwrap();
    let missed = Decision {
        instant: at(5),
        first: at(5),
        instants: 1,
        as_of: day("2026-01-02"),
        verdict: Verdict::Missed(NotRunReason::CatchUp),
        answers: None,
    };
    assert!(state.decide(&basis, &[missed], &[], at(9), "tester", at(9)).await.unwrap());
    state
}

async fn every_table_has_the_columns_that_it_promises_with_and_without_rows(place: Place) {
    let state = filled(&place).await;
    for table in OpsTable::ALL {
        let batch = state.ops_table(*table, at(10)).await.unwrap();
        assert!(batch.num_rows() > 0, "{table}");
        assert_eq!(batch.schema(), table.schema().unwrap(), "{table}");
        assert_eq!(table.empty().unwrap().num_rows(), 0);
    }
}

async fn the_rows_are_what_was_recorded(place: Place) {
    let state = filled(&place).await;
    let shown = async |table| {
        let batch = state.ops_table(table, at(10)).await.unwrap();
        pretty_format_batches(&[batch]).unwrap().to_string()
    };
    let runs = shown(OpsTable::Runs).await;
    let run_sources = shown(OpsTable::RunSources).await;
    let run_tables = shown(OpsTable::RunTables).await;
    let checks = shown(OpsTable::Checks).await;
    let backfills = shown(OpsTable::Backfills).await;
    let backfill_days = shown(OpsTable::BackfillDays).await;
    let leases = shown(OpsTable::Leases).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(runs, @r"
        +--------+---------+------------+---------+-------------+-----------+----------------------+----------------------+---------+---------+---------+-------------+-------------+---------------+--------------+---------------+--------+---------------+
        | run_id | job     | as_of      | trigger | environment | status    | started_at           | finished_at          | seconds | message | release | backfill_id | rows_landed | rows_rejected | tables_built | tables_failed | checks | checks_failed |
        +--------+---------+------------+---------+-------------+-----------+----------------------+----------------------+---------+---------+---------+-------------+-------------+---------------+--------------+---------------+--------+---------------+
        | a      | nightly | 2026-01-01 | manual  | local       | succeeded | 2026-01-02T02:00:00Z | 2026-01-02T02:00:09Z | 9.0     |         | 1       |             | 10          | 2             | 1            | 0             | 1      | 1             |
        +--------+---------+------------+---------+-------------+-----------+----------------------+----------------------+---------+---------+---------+-------------+-------------+---------------+--------------+---------------+--------+---------------+
        ");
        insta::assert_snapshot!(run_sources, @r"
        +--------+--------+-------------+-----------------+-------------------+---------+--------+----------+-------+---------+---------+
        | run_id | source | objects_new | objects_changed | objects_unchanged | rows_in | landed | rejected | bytes | seconds | version |
        +--------+--------+-------------+-----------------+-------------------+---------+--------+----------+-------+---------+---------+
        | a      | orders | 2           | 1               | 40                | 12      | 10     | 2        | 9000  | 0.5     |         |
        +--------+--------+-------------+-----------------+-------------------+---------+--------+----------+-------+---------+---------+
        ");
        insta::assert_snapshot!(run_tables, @r"
        +--------+-------------+--------+-----------------+-----------+-------+---------+---------+
        | run_id | table_name  | action | reason          | row_count | bytes | seconds | version |
        +--------+-------------+--------+-----------------+-----------+-------+---------+---------+
        | a      | marts.churn | built  | its SQL changed | 1200      | 48000 | 1.25    | 3       |
        +--------+-------------+--------+-----------------+-----------+-------+---------+---------+
        ");
        insta::assert_snapshot!(checks, @r"
        +--------+-------------+-------------+----------+--------+----------+----------------+---------+
        | run_id | table_name  | check_name  | severity | status | bad_rows | sample         | seconds |
        +--------+-------------+-------------+----------+--------+----------+----------------+---------+
        | a      | marts.churn | churn.grain | warn     | failed | 4        | customer_id=c1 | 0.1     |
        +--------+-------------+-------------+----------+--------+----------+----------------+---------+
        ");
        insta::assert_snapshot!(backfills, @r"
         +-------------+---------+-------------+------------+------------+-----------+--------------+----------------------+---------+--------------+--------------+-----------+-------------+----------------+-----------+-----------+
         | backfill_id | job     | environment | first_day  | last_day   | selection | day_order    | created_at           | status  | days_pending | days_running | days_done | days_failed | days_cancelled | paused_at | paused_by |
         +-------------+---------+-------------+------------+------------+-----------+--------------+----------------------+---------+--------------+--------------+-----------+-------------+----------------+-----------+-----------+
         | b           | nightly | local       | 2026-01-01 | 2026-01-02 | missing   | oldest_first | 2026-01-02T02:00:00Z | pending | 2            | 0            | 0         | 0           | 0              |           |           |
         +-------------+---------+-------------+------------+------------+-----------+--------------+----------------------+---------+--------------+--------------+-----------+-------------+----------------+-----------+-----------+
         ");
        insta::assert_snapshot!(backfill_days, @r"
        +-------------+------------+---------+--------+----------+------------+-------------+---------+
        | backfill_id | as_of      | status  | run_id | attempts | started_at | finished_at | message |
        +-------------+------------+---------+--------+----------+------------+-------------+---------+
        | b           | 2026-01-01 | pending |        | 0        |            |             |         |
        | b           | 2026-01-02 | pending |        | 0        |            |             |         |
        +-------------+------------+---------+--------+----------+------------+-------------+---------+
        ");
        insta::assert_snapshot!(leases, @r"
        +---------+--------+-------+----------------------+----------------------+----------------------+
        | name    | owner  | token | acquired_at          | expires_at           | released_at          |
        +---------+--------+-------+----------------------+----------------------+----------------------+
        | nightly | tester | 1     | 2026-01-02T02:00:00Z | 2026-01-02T02:01:00Z | 2026-01-02T02:00:09Z |
        +---------+--------+-------+----------------------+----------------------+----------------------+
        ");
    }
}

on_both_databases!(every_table_has_the_columns_that_it_promises_with_and_without_rows, the_rows_are_what_was_recorded,);
