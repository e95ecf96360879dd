//! What those who watch runs need, on both databases.

use std::collections::BTreeSet;
use std::time::Duration;

use lifecycle::state::{
    BackfillStart, CheckStatus, DayOrder, DayStatus, Notice, NoticeKind, ProgressRecord, RunFinish, RunOutcome,
    RunTrouble, SendStatus, State, TableAction,
};

use super::runs::{check, source, table};
use super::{Place, acquire, at, day, run_start};

on_both_databases!(
    notices_are_recorded_once_and_sent_until_they_are,
    sends_are_claimed_as_many_as_are_asked_for_and_of_those_jobs_alone,
    of_an_old_try_only_a_success_counts,
    facts_and_totals_add_up,
    progress_comes_and_goes,
);

fn notice(id: &str) -> Notice {
    Notice {
        notice_id: id.to_owned(),
        job: "nightly".to_owned(),
        kind: NoticeKind::Failure,
        run_id: Some("a".to_owned()),
        happened_at: at(5),
        message: "{\"headline\":\"it's broken\"}".to_owned(),
    }
}

async fn notices_are_recorded_once_and_sent_until_they_are(place: Place) {
    let state = place.open().await;
    assert!(state.record_notice(&notice("failure:a"), 2, at(6)).await.unwrap());
    assert!(!state.record_notice(&notice("failure:a"), 2, at(7)).await.unwrap());
    assert!(state.record_notice(&notice("failure:b"), 0, at(7)).await.unwrap());
    assert_eq!(state.newest_notice("nightly", NoticeKind::Failure).await.unwrap().unwrap(), notice("failure:b"));
    assert_eq!(state.newest_notice("nightly", NoticeKind::Stale).await.unwrap(), None);
    let (minute, nightly) = (Duration::from_secs(60), BTreeSet::from(["nightly"]));
    assert!(state.claim_sends(&nightly, 8, minute, at(5)).await.unwrap().is_empty());
    let due = state.claim_sends(&nightly, 8, minute, at(8)).await.unwrap();
    assert_eq!(due.iter().map(|send| (send.target, send.attempts)).collect::<Vec<_>>(), [(0, 0), (1, 0)]);
    assert_eq!(due[0].notice, notice("failure:a"));
    assert_eq!(due[0].recorded_at, at(6));
    assert!(state.claim_sends(&nightly, 8, minute, at(9)).await.unwrap().is_empty(), "they are claimed");
    state.finish_send(&due[0], SendStatus::Sent, at(9)).await.unwrap();
    state.finish_send(&due[1], SendStatus::Waiting, at(200)).await.unwrap();
    assert!(state.claim_sends(&nightly, 8, minute, at(199)).await.unwrap().is_empty());
    let again = state.claim_sends(&nightly, 8, minute, at(200)).await.unwrap();
    assert_eq!((again.len(), again[0].target, again[0].attempts), (1, 1, 1));
    state.finish_send(&again[0], SendStatus::GivenUp, at(201)).await.unwrap();
    let sends = state.totals().await.unwrap().sends;
    assert_eq!(sends, [(SendStatus::GivenUp, 1), (SendStatus::Sent, 1)]);
}

async fn sends_are_claimed_as_many_as_are_asked_for_and_of_those_jobs_alone(place: Place) {
    let state = place.open().await;
    let (minute, nightly) = (Duration::from_secs(60), BTreeSet::from(["nightly"]));
    for number in 0..5 {
        state.record_notice(&notice(&format!("failure:{number}")), 1, at(6)).await.unwrap();
    }
    let of_another = Notice { job: "hourly".to_owned(), happened_at: at(1), ..notice("failure:another") };
    state.record_notice(&of_another, 1, at(6)).await.unwrap();
    let mut claimed = Vec::new();
    for most in [2, 2, 2] {
        let due = state.claim_sends(&nightly, most, minute, at(8)).await.unwrap();
        assert!(due.len() <= most);
        claimed.extend(due.into_iter().map(|send| send.notice.notice_id));
    }
    assert_eq!(claimed, (0..5).map(|number| format!("failure:{number}")).collect::<Vec<_>>());
    let hourly = BTreeSet::from(["hourly"]);
    assert_eq!(state.claim_sends(&hourly, 8, minute, at(8)).await.unwrap()[0].notice, of_another);
}

/// A claim that was over before its try ended, so that somebody else has claimed the send since.
async fn of_an_old_try_only_a_success_counts(place: Place) {
    let state = place.open().await;
    let (minute, nightly) = (Duration::from_secs(60), BTreeSet::from(["nightly"]));
    let claim = async |seconds| state.claim_sends(&nightly, 8, minute, at(seconds)).await.unwrap();
    let stands = async || state.totals().await.unwrap().sends;
    state.record_notice(&notice("failure:a"), 1, at(6)).await.unwrap();
    let (old, new) = (claim(10).await, claim(70).await);
    assert_eq!((old.len(), new.len()), (1, 1));
    // Its failure neither frees what the other one is at, nor undoes what that one has done.
    state.finish_send(&old[0], SendStatus::Waiting, at(71)).await.unwrap();
    state.finish_send(&old[0], SendStatus::GivenUp, at(71)).await.unwrap();
    assert!(claim(80).await.is_empty());
    assert_eq!(stands().await, [(SendStatus::Waiting, 1)]);
    state.finish_send(&new[0], SendStatus::Sent, at(90)).await.unwrap();
    state.finish_send(&old[0], SendStatus::Waiting, at(91)).await.unwrap();
    assert_eq!(stands().await, [(SendStatus::Sent, 1)]);

    state.record_notice(&notice("failure:b"), 1, at(100)).await.unwrap();
    let (old, new) = (claim(100).await, claim(200).await);
    state.finish_send(&old[0], SendStatus::Sent, at(201)).await.unwrap();
    state.finish_send(&new[0], SendStatus::Waiting, at(202)).await.unwrap();
    assert_eq!(stands().await, [(SendStatus::Sent, 2)]);
}

async fn ended(state: &State, run_id: &str, outcome: RunOutcome, began: i64, took: i64) {
    let finish = RunFinish { outcome, finished_at: at(began + took), message: None, release: None };
    state.finish_run(run_id, &finish).await.unwrap();
}

async fn facts_and_totals_add_up(place: Place) {
    let state = place.open().await;
    assert!(state.job_facts(at(0)).await.unwrap().is_empty());
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(1))).await.unwrap();
    state.record_sources("a", &[source("orders", 100, 3), source("empty", 0, 0)]).await.unwrap();
    state.record_tables("a", &[table("marts.churn", TableAction::Built)]).await.unwrap();
    let checks = [check("churn.grain", CheckStatus::Passed), check("churn.drift", CheckStatus::Failed)];
    state.record_checks("a", &checks).await.unwrap();
    ended(&state, "a", RunOutcome::Succeeded, 1, 30).await;
    state.start_run(&run_start("b", "nightly", "2026-01-02", &lease, at(40))).await.unwrap();
    let trouble =
        RunTrouble { causes: vec!["it's \"full\"".to_owned(), "twice".to_owned()], hint: Some("clean".to_owned()) };
    state.record_trouble("b", &RunTrouble::default()).await.unwrap();
    state.record_trouble("b", &trouble).await.unwrap();
    ended(&state, "b", RunOutcome::Failed, 40, 20_000).await;
    assert_eq!(state.trouble_of("b").await.unwrap(), trouble);
    assert_eq!(state.trouble_of("a").await.unwrap(), RunTrouble::default());

    let facts = &state.job_facts(at(50)).await.unwrap()["nightly"];
    assert_eq!((facts.last_run.run_id.as_str(), facts.newest_day), ("b", Some(day("2026-01-01"))));
    assert_eq!(facts.intake.iter().map(|intake| (intake.rows_in, intake.rejected)).collect::<Vec<_>>(), [(103, 3)]);
    assert_eq!(facts.failing.iter().map(|check| check.check.as_str()).collect::<Vec<_>>(), ["churn.drift"]);

    let days = vec![day("2026-01-01"), day("2026-01-02")];
    let start = BackfillStart {
        backfill_id: "b1".to_owned(),
        job: "nightly".to_owned(),
        environment: "local".to_owned(),
        days,
        selection: "all".to_owned(),
        order: DayOrder::OldestFirst,
        created_at: at(0),
    };
    state.create_backfill(&start).await.unwrap();
    let totals = state.totals().await.unwrap();
    let runs: Vec<_> = totals.runs.iter().map(|count| (count.outcome, count.runs)).collect();
    assert_eq!(runs, [(RunOutcome::Failed, 1), (RunOutcome::Succeeded, 1)]);
    let seconds = &totals.seconds[0];
    assert_eq!((seconds.runs, seconds.seconds, seconds.last_success), (2, 20_030.0, Some(at(31))));
    assert_eq!(seconds.buckets, [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        (totals.sources[1].source.as_str(), totals.sources[1].landed, totals.sources[1].rejected),
        ("orders", 100, 3)
    );
    assert_eq!((totals.backfill_days[0].status, totals.backfill_days[0].days), (DayStatus::Pending, 2));
    assert_eq!(state.ended_runs().await.unwrap(), 2);
    assert!(state.missed_runs().await.unwrap().is_empty());
    state.answers().await.unwrap();
}

async fn progress_comes_and_goes(place: Place) {
    let state = place.open().await;
    let lease = acquire(&state, "nightly", at(0)).await;
    state.start_run(&run_start("a", "nightly", "2026-01-01", &lease, at(1))).await.unwrap();
    let note = |done| ProgressRecord {
        stage: "landing orders".to_owned(),
        detail: None,
        done,
        total: (done > 1).then_some(9),
        updated_at: at(2),
    };
    for done in [1, 2] {
        state.note_progress("a", &note(done)).await.unwrap();
        assert_eq!(state.progress_notes().await.unwrap()["a"], note(done));
    }
    assert_eq!(state.job_facts(at(3)).await.unwrap()["nightly"].progress, Some(note(2)));
    state.clear_progress("a").await.unwrap();
    assert!(state.progress_notes().await.unwrap().is_empty());
}
