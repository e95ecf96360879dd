use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lifecycle::config::Severity;
use lifecycle::state::{
    CheckRecord, CheckStatus, LeaseOutcome, RunFinish, RunOutcome, RunStart, SourceRecord, State, TableAction,
    TableRecord, Trigger,
};

use super::Folder;

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_319_200, 0).unwrap() + TimeDelta::minutes(minutes)
}

fn table(name: &str, action: TableAction, reason: &str) -> TableRecord {
    let is_built = action == TableAction::Built;
    TableRecord {
        table: name.to_owned(),
        action,
        reason: reason.to_owned(),
        rows: is_built.then_some(1_234_567),
        bytes: is_built.then_some(45_600_000),
        seconds: if is_built { 75.2 } else { 0.0 },
        version: is_built.then_some(4),
    }
}

fn check(name: &str, severity: Severity, status: CheckStatus, sample: Option<&str>) -> CheckRecord {
    CheckRecord {
        table: "marts.churn".to_owned(),
        check: name.to_owned(),
        severity,
        status,
        bad_rows: u64::from(status == CheckStatus::Failed) * 2,
        sample: sample.map(str::to_owned),
        seconds: 0.2,
    }
}

async fn record(state: &State, number: i64, job: &str, outcome: Option<RunOutcome>) -> String {
    let LeaseOutcome::Acquired(lease) =
        state.acquire_lease(job, "tester", Duration::from_secs(300), at(number * 60)).await.unwrap()
    else {
        panic!("the lease is free");
    };
    let run_id = format!("0192f3a{number}-0000-7000-8000-00000000000{number}");
    let start = RunStart {
        run_id: run_id.clone(),
        job: job.to_owned(),
        as_of: "2026-01-01".parse().unwrap(),
        trigger: Trigger::Manual,
        environment: "local".to_owned(),
        started_at: at(number * 60),
        lease: lease.clone(),
        backfill_id: None,
    };
    state.start_run(&start).await.unwrap();
    let source = SourceRecord {
        source: "orders".to_owned(),
        objects_new: 3,
        objects_changed: 1,
        objects_unchanged: 361,
        rows_in: 15_003,
        landed: 15_000,
        rejected: 3,
        bytes: 2_345_678,
        seconds: 1.5,
        version: Some(9),
    };
    state.record_sources(&run_id, &[source]).await.unwrap();
    if let Some(outcome) = outcome {
        let is_bad = outcome == RunOutcome::ChecksFailed;
        let tables = [
            table("marts.churn", TableAction::Built, "orders has 3 new objects"),
            table("marts.churn_summary", TableAction::Skipped, "nothing that it depends on has changed"),
        ];
        state.record_tables(&run_id, &tables).await.unwrap();
        let status = if is_bad { CheckStatus::Failed } else { CheckStatus::Passed };
        let checks = [
            check("churn.grain", Severity::Error, status, is_bad.then_some("customer_id=c1\ncustomer_id=c2")),
            check("churn.drift", Severity::Warn, CheckStatus::Passed, None),
        ];
        state.record_checks(&run_id, &checks).await.unwrap();
        let finish = RunFinish {
            outcome,
            finished_at: at(number * 60) + TimeDelta::milliseconds(95_500),
            message: is_bad.then(|| "1 check stopped the release".to_owned()),
            release: (!is_bad).then_some(7),
        };
        state.finish_run(&run_id, &finish).await.unwrap();
        state.release_lease(&lease, at(number * 60 + 2)).await.unwrap();
    }
    run_id
}

/// A project with four runs of two jobs: good, stopped by a check, good, and one whose process died.
pub async fn with_runs() -> Folder {
    let folder = Folder::with_project();
    let state = State::open(&folder.state_file()).await.unwrap();
    record(&state, 1, "nightly", Some(RunOutcome::Succeeded)).await;
    record(&state, 2, "nightly", Some(RunOutcome::ChecksFailed)).await;
    record(&state, 3, "landing", Some(RunOutcome::Succeeded)).await;
    record(&state, 4, "nightly", None).await;
    state.close().await;
    folder
}

#[tokio::test]
async fn runs_are_listed_from_the_newest() {
    let folder = with_runs().await;
    insta::assert_snapshot!(folder.run(&["runs"]), @r"
    exit code 0
    ----- stdout
    run            job      as of       status         started                        took  landed  rejected  tables  message
    0192f3a4-0000  nightly  2026-01-01  interrupted    2026-01-02 06:00:00 GMT              15,000         3       0
    0192f3a3-0000  landing  2026-01-01  succeeded      2026-01-02 05:00:00 GMT  1 min 36 s  15,000         3       1
    0192f3a2-0000  nightly  2026-01-01  checks failed  2026-01-02 04:00:00 GMT  1 min 36 s  15,000         3       1  1 check stopped the release
    0192f3a1-0000  nightly  2026-01-01  succeeded      2026-01-02 03:00:00 GMT  1 min 36 s  15,000         3       1
    ");
    insta::assert_snapshot!(folder.run(&["runs", "--job", "nightly", "--status", "interrupted"]), @r"
    exit code 0
    ----- stdout
    run            job      as of       status       started                  took  landed  rejected  tables  message
    0192f3a4-0000  nightly  2026-01-01  interrupted  2026-01-02 06:00:00 GMT        15,000         3       0
    ");
    insta::assert_snapshot!(folder.run(&["runs", "--status", "running"]), @r"
    exit code 0
    ----- stderr
    no run is like that
    ");
    insta::assert_snapshot!(folder.run(&["runs", "--job", "nigthly"]), @r"
    exit code 2
    ----- stderr
    error: there is no job `nigthly`
    hint: did you mean `nightly`?
    ");
}

#[tokio::test]
async fn one_run_is_shown_with_all_that_it_did() {
    let folder = with_runs().await;
    insta::assert_snapshot!(folder.run(&["runs", "show", "0192f3a2"]), @r"
    exit code 0
    ----- stdout
    run       0192f3a2-0000-7000-8000-000000000002
    job       nightly, environment local
    as of     2026-01-01
    status    checks failed
    started   2026-01-02 04:00:00 GMT, manual
    took      1 min 36 s
    message   1 check stopped the release

    source  new  changed  unchanged  rows in  landed  rejected    read   took
    orders    3        1        361   15,003  15,000         3  2.3 MB  1.5 s

    table                action        rows     size        took  why
    marts.churn          built    1,234,567  45.6 MB  1 min 15 s  orders has 3 new objects
    marts.churn_summary  skipped                           0.0 s  nothing that it depends on has changed

    checks    1 passed, 1 failed with severity error, 0 with severity warn
    error  churn.grain: 2 bad rows
           customer_id=c1
           customer_id=c2
    ");
    insta::assert_snapshot!(folder.run(&["runs", "show", "0192f3a3"]), @r"
    exit code 0
    ----- stdout
    run       0192f3a3-0000-7000-8000-000000000003
    job       landing, environment local
    as of     2026-01-01
    status    succeeded
    started   2026-01-02 05:00:00 GMT, manual
    took      1 min 36 s
    release   7

    source  new  changed  unchanged  rows in  landed  rejected    read   took
    orders    3        1        361   15,003  15,000         3  2.3 MB  1.5 s

    table                action        rows     size        took  why
    marts.churn          built    1,234,567  45.6 MB  1 min 15 s  orders has 3 new objects
    marts.churn_summary  skipped                           0.0 s  nothing that it depends on has changed

    checks    2 passed, 0 failed with severity error, 0 with severity warn
    ");
}

#[tokio::test]
async fn a_wrong_id_gets_help() {
    let folder = with_runs().await;
    insta::assert_snapshot!(folder.run(&["runs", "show", "0192"]), @r"
    exit code 2
    ----- stderr
    error: 4 runs begin with `0192`
    hint: give more of the id: 0192f3a4-0000-7000-8000-000000000004, 0192f3a3-0000-7000-8000-000000000003, 0192f3a2-0000-7000-8000-000000000002 and 1 more
    ");
    insta::assert_snapshot!(folder.run(&["runs", "show", "zzz"]), @r"
    exit code 2
    ----- stderr
    error: no run begins with `zzz`
    hint: the newest runs are 0192f3a4-0000-7000-8000-000000000004, 0192f3a3-0000-7000-8000-000000000003, 0192f3a2-0000-7000-8000-000000000002
    ");
    insta::assert_snapshot!(Folder::with_project().run(&["runs", "show", "zzz"]), @r"
    exit code 2
    ----- stderr
    error: there is no run `zzz`
    hint: no run has been recorded yet
    ");
}
