use lifecycle::config::Severity;
use lifecycle::state::{
    CheckRecord, CheckStatus, RepairRecord, RepairStatus, RunFilter, RunFinish, RunOutcome, RunStatus, SourceRecord,
    StateError, TableAction, TableRecord,
};

use super::{Place, acquire, at, day, run_start};

fn finish(outcome: RunOutcome, seconds: i64) -> RunFinish {
    RunFinish { outcome, finished_at: at(seconds), message: Some("done".to_owned()), release: Some(7) }
}

pub fn table(name: &str, action: TableAction) -> TableRecord {
    TableRecord {
        table: name.to_owned(),
        action,
        reason: "its SQL changed".to_owned(),
        rows: Some(1_200),
        bytes: Some(48_000),
        seconds: 1.25,
        version: Some(3),
    }
}

pub fn source(name: &str, landed: u64, rejected: u64) -> SourceRecord {
    SourceRecord {
        source: name.to_owned(),
        objects_new: 2,
        objects_changed: 1,
        objects_unchanged: 40,
        rows_in: landed + rejected,
        landed,
        rejected,
        bytes: 9_000,
        seconds: 0.5,
        version: None,
    }
}

pub fn check(name: &str, status: CheckStatus) -> CheckRecord {
    CheckRecord {
        table: "marts.churn".to_owned(),
        check: name.to_owned(),
        severity: Severity::Warn,
        status,
        bad_rows: 4,
        sample: Some("customer_id=c1".to_owned()),
        seconds: 0.1,
    }
}

async fn a_run_comes_back_as_it_was_recorded_after_reopening(place: Place) {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("run-a", "nightly", "2026-01-01", &lease, at(1))).await.unwrap();
    let tables = [table("marts.churn", TableAction::Built), table("marts.a_later_one", TableAction::Skipped)];
    let checks = [check("churn.grain", CheckStatus::Passed), check("churn.drift", CheckStatus::Failed)];
    state.record_sources("run-a", &[source("orders", 100, 3)]).await.unwrap();
    state.record_tables("run-a", &tables).await.unwrap();
    state.record_checks("run-a", &checks).await.unwrap();
    state.finish_run("run-a", &finish(RunOutcome::Succeeded, 31)).await.unwrap();
    state.close().await;

    let details = place.open().await.show_run("run-a", at(100)).await.unwrap();
    assert_eq!(details.sources, [source("orders", 100, 3)]);
    assert_eq!(details.tables, tables, "in the order of recording");
    assert_eq!(details.checks, checks);
    let run = &details.run;
    assert_eq!(run.status, RunStatus::Ended(RunOutcome::Succeeded));
    assert_eq!((run.job.as_str(), run.as_of, run.release), ("nightly", day("2026-01-01"), Some(7)));
    assert_eq!((run.started_at, run.finished_at, run.seconds()), (at(1), Some(at(31)), Some(30.0)));
    assert_eq!((run.rows_landed, run.rows_rejected), (100, 3));
    assert_eq!((run.tables_built, run.tables_failed, run.checks, run.checks_failed), (1, 0, 2, 1));
}

async fn a_run_whose_process_died_is_interrupted_and_the_next_start_writes_that_down(place: Place) {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("dead", "nightly", "2026-01-01", &lease, at(0))).await.unwrap();
    let status = async |now| state.show_run("dead", now).await.unwrap().run.status;
    assert_eq!(status(at(59)).await, RunStatus::Running);
    assert_eq!(status(at(60)).await, RunStatus::Ended(RunOutcome::Interrupted));

    let next = acquire(&state, "nightly", at(90)).await;
    state.start_run(&run_start("next", "nightly", "2026-01-01", &next, at(91))).await.unwrap();
    let dead = state.show_run("dead", at(92)).await.unwrap().run;
    assert_eq!(dead.status, RunStatus::Ended(RunOutcome::Interrupted));
    assert_eq!(dead.finished_at, Some(at(91)));
    assert!(dead.message.is_some());

    // It was only slow: what it still has to say comes too late.
    let error = state.finish_run("dead", &finish(RunOutcome::Succeeded, 93)).await.unwrap_err();
    assert!(matches!(error, StateError::RunNotRunning { .. }), "{error}");
    let error = state.record_tables("dead", &[table("marts.churn", TableAction::Built)]).await.unwrap_err();
    assert!(matches!(error, StateError::RunNotRunning { .. }), "{error}");
    assert_eq!(state.show_run("next", at(92)).await.unwrap().run.status, RunStatus::Running);
}

async fn a_start_leaves_runs_of_other_jobs_alone(place: Place) {
    let state = place.open().await;
    let landing = acquire(&state, "landing", at(0)).await;
    state.start_run(&run_start("other", "landing", "2026-01-01", &landing, at(0))).await.unwrap();
    let lease = acquire(&state, "nightly", at(1)).await;
    state.start_run(&run_start("mine", "nightly", "2026-01-01", &lease, at(1))).await.unwrap();
    assert_eq!(state.show_run("other", at(2)).await.unwrap().run.status, RunStatus::Running);
}

async fn a_run_does_not_start_without_the_lease_or_with_a_taken_id(place: Place) {
    let state = place.open().await;
    let lost = acquire(&state, "nightly", at(0)).await;
    let lease = acquire(&state, "nightly", at(60)).await;
    let error = state.start_run(&run_start("a", "nightly", "2026-01-01", &lost, at(61))).await.unwrap_err();
    assert!(matches!(error, StateError::LeaseLost { .. }), "{error}");
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(61))).await.unwrap();
    let error = state.start_run(&run_start("a", "nightly", "2026-01-02", &lease, at(62))).await.unwrap_err();
    assert!(matches!(error, StateError::RecordExists { .. }), "{error}");
    assert_eq!(state.list_runs(&RunFilter::default(), at(63)).await.unwrap().len(), 1);
}

async fn lists_are_filtered_and_begin_with_the_newest(place: Place) {
    let state = place.open().await;
    for (number, job, outcome) in [
        (0, "nightly", RunOutcome::Succeeded),
        (1, "nightly", RunOutcome::ChecksFailed),
        (2, "landing", RunOutcome::Succeeded),
        (3, "nightly", RunOutcome::NothingToDo),
    ] {
        let lease = acquire(&state, job, at(number * 10)).await;
        let id = format!("run-{number}");
        state
            .start_run(&run_start(&id, job, &format!("2026-01-0{}", number + 1), &lease, at(number * 10)))
            .await
            .unwrap();
        state.finish_run(&id, &finish(outcome, number * 10 + 5)).await.unwrap();
        state.release_lease(&lease, at(number * 10 + 5)).await.unwrap();
    }
    let ids = async |filter: RunFilter| -> Vec<String> {
        state.list_runs(&filter, at(100)).await.unwrap().into_iter().map(|run| run.run_id).collect()
    };
    assert_eq!(ids(RunFilter::default()).await, ["run-3", "run-2", "run-1", "run-0"]);
    assert_eq!(ids(RunFilter { limit: Some(1), ..RunFilter::default() }).await, ["run-3"]);
    let nightly = RunFilter { job: Some("nightly".to_owned()), ..RunFilter::default() };
    assert_eq!(ids(nightly.clone()).await, ["run-3", "run-1", "run-0"]);
    let failed = RunStatus::Ended(RunOutcome::ChecksFailed);
    assert_eq!(ids(RunFilter { status: Some(failed), ..nightly }).await, ["run-1"]);
    assert_eq!(ids(RunFilter { as_of: Some(day("2026-01-03")), ..RunFilter::default() }).await, ["run-2"]);

    let last: Vec<_> = state.last_runs(at(100)).await.unwrap().into_iter().map(|run| run.run_id).collect();
    assert_eq!(last, ["run-2", "run-3"]);
    let days = state.statuses_by_day("nightly", day("2026-01-01"), day("2026-01-03"), at(100)).await.unwrap();
    assert_eq!(days.len(), 2);
    assert_eq!(days[&day("2026-01-02")], failed);
}

async fn a_prefix_finds_one_run_or_says_what_there_is(place: Place) {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    let error = state.show_run("a", at(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "no run begins with `a`");
    assert_eq!(error.hint().unwrap(), "there is no run yet");
    for id in ["abc1", "abc2", "b"] {
        state.start_run(&run_start(id, "nightly", "2026-01-01", &lease, at(1))).await.unwrap();
    }
    assert_eq!(state.show_run("abc2", at(2)).await.unwrap().run.run_id, "abc2");
    assert_eq!(state.show_run("b", at(2)).await.unwrap().run.run_id, "b");
    let error = state.show_run("abc", at(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "2 runs begin with `abc`");
    assert_eq!(error.hint().unwrap(), "give more of the id: abc2, abc1");
    let error = state.show_run("x%", at(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "no run begins with `x%`");
    assert_eq!(error.hint().unwrap(), "the newest runs are b, abc2, abc1");
}

async fn what_is_recorded_again_replaces_what_was_recorded(place: Place) {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(0))).await.unwrap();
    state.record_tables("a", &[table("marts.churn", TableAction::Failed)]).await.unwrap();
    state.record_tables("a", &[table("marts.churn", TableAction::Built)]).await.unwrap();
    assert_eq!(state.show_run("a", at(1)).await.unwrap().tables, [table("marts.churn", TableAction::Built)]);
    let error = state.record_sources("nobody", &[source("orders", 1, 0)]).await.unwrap_err();
    assert!(matches!(error, StateError::UnknownRecord { .. }), "{error}");
}

async fn texts_of_broken_data_are_kept_but_for_zeros(place: Place) {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(0))).await.unwrap();
    let odd = "a\0b 'quoted' \"twice\" $1 ?1 \u{feff}顧客 \n\t\u{1f}";
    let kept = odd.replace('\0', "\u{fffd}");
    let sample = Some(odd.to_owned());
    state.record_checks("a", &[CheckRecord { sample, ..check("churn.grain", CheckStatus::Error) }]).await.unwrap();
    let repair = RepairRecord {
        table: "marts.churn_history".to_owned(),
        as_of: day("2025-12-30"),
        status: RepairStatus::Failed,
        reason: odd.to_owned(),
        added: 0,
        removed: 0,
        changed: 0,
    };
    state.record_repairs("a", &[repair]).await.unwrap();
    assert_eq!(state.repairs_of(Some("a")).await.unwrap()[0].1.reason, kept);
    let message = Some(odd.to_owned());
    state.finish_run("a", &RunFinish { message, ..finish(RunOutcome::Failed, 9) }).await.unwrap();
    let details = state.show_run("a", at(10)).await.unwrap();
    assert_eq!(details.checks[0].sample.as_deref(), Some(kept.as_str()));
    assert_eq!(details.run.message.as_deref(), Some(kept.as_str()));
}

on_both_databases!(
    texts_of_broken_data_are_kept_but_for_zeros,
    a_run_comes_back_as_it_was_recorded_after_reopening,
    a_run_whose_process_died_is_interrupted_and_the_next_start_writes_that_down,
    a_start_leaves_runs_of_other_jobs_alone,
    a_run_does_not_start_without_the_lease_or_with_a_taken_id,
    lists_are_filtered_and_begin_with_the_newest,
    a_prefix_finds_one_run_or_says_what_there_is,
    what_is_recorded_again_replaces_what_was_recorded,
);
