use chrono::{DateTime, Utc};
use lifecycle::state::{
    BackfillDay, BackfillStart, BackfillStatus, ClaimRule, DayClaim, DayOrder, DayOutcome, DayStatus, DaysLeft, Lease,
    NextDay, PauseOutcome, State, StateError,
};

use super::{Place, acquire, at, day};

fn backfill(id: &str, days: &[&str]) -> BackfillStart {
    BackfillStart {
        backfill_id: id.to_owned(),
        job: "nightly".to_owned(),
        environment: "local".to_owned(),
        days: days.iter().map(|text| day(text)).collect(),
        selection: "all".to_owned(),
        order: DayOrder::OldestFirst,
        created_at: at(0),
    }
}

/// Any day.
fn rule(next: NextDay) -> ClaimRule {
    ClaimRule { next, only: DaysLeft::All }
}

async fn claim(state: &State, next: NextDay, lease: &Lease, now: DateTime<Utc>) -> Option<BackfillDay> {
    match state.claim_backfill_day("b", &rule(next), lease, now).await.unwrap() {
        DayClaim::Day(day) => Some(day),
        DayClaim::NoneLeft => None,
        DayClaim::Paused => panic!("it is paused"),
    }
}

const DAYS: [&str; 3] = ["2026-01-03", "2026-01-01", "2026-01-02"];

async fn finish_next(state: &State, lease: &Lease, outcome: DayOutcome) -> Option<String> {
    let claimed = claim(state, NextDay::Earliest, lease, at(1)).await?;
    state.finish_backfill_day(&claimed, lease, outcome, Some("run"), None, at(2)).await.unwrap();
    Some(claimed.as_of.to_string())
}

async fn days_come_in_order_each_once(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    assert_eq!(finish_next(&state, &lease, DayOutcome::Done).await.as_deref(), Some("2026-01-01"));
    assert_eq!(finish_next(&state, &lease, DayOutcome::Failed).await.as_deref(), Some("2026-01-02"));
    assert_eq!(finish_next(&state, &lease, DayOutcome::Done).await.as_deref(), Some("2026-01-03"));
    assert_eq!(finish_next(&state, &lease, DayOutcome::Done).await, None);
    let (shown, days) = state.show_backfill("b", at(3)).await.unwrap();
    assert_eq!((shown.status, shown.done, shown.failed, shown.days()), (BackfillStatus::Failed, 2, 1, 3));
    assert_eq!((shown.first_day, shown.last_day), (day("2026-01-01"), day("2026-01-03")));
    assert_eq!(days[1].status, DayStatus::Failed);
    assert_eq!(days[0].run_id.as_deref(), Some("run"));
}

async fn a_killed_backfill_goes_on_with_the_day_at_which_it_died(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    finish_next(&state, &lease, DayOutcome::Done).await;
    let dying = claim(&state, NextDay::Earliest, &lease, at(2)).await.unwrap();
    state.close().await;
    drop(state);

    let state = place.open().await;
    let (shown, _) = state.show_backfill("b", at(30)).await.unwrap();
    assert_eq!((shown.status, shown.running), (BackfillStatus::Running, 1), "its lease is still good");
    let (shown, days) = state.show_backfill("b", at(61)).await.unwrap();
    assert_eq!((shown.status, shown.pending, shown.done), (BackfillStatus::Pending, 2, 1));
    assert_eq!(days[1].status, DayStatus::Pending);

    let next_lease = acquire(&state, "backfill b", at(61)).await;
    assert_eq!(state.resume_backfill("b", DaysLeft::All, at(61)).await.unwrap(), 2);
    let again = claim(&state, NextDay::Earliest, &next_lease, at(62)).await.unwrap();
    assert_eq!((again.as_of, again.attempts), (dying.as_of, 2));
    // The first owner was only slow: the day is no longer its own.
    let error = state.finish_backfill_day(&dying, &lease, DayOutcome::Done, None, None, at(63)).await.unwrap_err();
    assert!(matches!(error, StateError::DayNotHeld { .. }), "{error}");
    let error = state.claim_backfill_day("b", &rule(NextDay::Earliest), &lease, at(63)).await.unwrap_err();
    assert!(matches!(error, StateError::LeaseLost { .. }), "{error}");
}

async fn a_cancelled_backfill_stops_and_a_resumed_one_runs_what_is_left(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    finish_next(&state, &lease, DayOutcome::Failed).await;
    let working = claim(&state, NextDay::Earliest, &lease, at(3)).await.unwrap();
    assert_eq!(state.cancel_backfill("b", at(4)).await.unwrap(), 1);
    assert_eq!(finish_next(&state, &lease, DayOutcome::Done).await, None);
    state.finish_backfill_day(&working, &lease, DayOutcome::Interrupted, None, None, at(5)).await.unwrap();
    let (shown, _) = state.show_backfill("b", at(6)).await.unwrap();
    assert_eq!((shown.status, shown.cancelled, shown.failed), (BackfillStatus::Cancelled, 2, 1));

    assert_eq!(state.resume_backfill("b", DaysLeft::All, at(7)).await.unwrap(), 3);
    let mut done = 0;
    while finish_next(&state, &lease, DayOutcome::Done).await.is_some() {
        done += 1;
    }
    assert_eq!(done, 3);
    assert_eq!(state.show_backfill("b", at(8)).await.unwrap().0.status, BackfillStatus::Done);
}

async fn the_latest_day_can_be_claimed_before_the_others_where_it_is_late_enough(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    let claim = async |next| claim(&state, next, &lease, at(1)).await.map(|day| day.as_of.to_string());
    assert_eq!(claim(NextDay::LatestFrom(Some(day("2026-01-04")))).await, None);
    assert_eq!(claim(NextDay::LatestFrom(Some(day("2026-01-03")))).await.as_deref(), Some("2026-01-03"));
    assert_eq!(claim(NextDay::LatestFrom(Some(day("2026-01-03")))).await, None);
    assert_eq!(claim(NextDay::LatestFrom(None)).await.as_deref(), Some("2026-01-02"));
    assert_eq!(claim(NextDay::Earliest).await.as_deref(), Some("2026-01-01"));
    assert_eq!(claim(NextDay::Earliest).await, None);
}

async fn an_interrupted_day_waits_again(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &["2026-01-01"])).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    finish_next(&state, &lease, DayOutcome::Interrupted).await;
    assert_eq!(state.show_backfill("b", at(3)).await.unwrap().0.status, BackfillStatus::Pending);
    assert_eq!(finish_next(&state, &lease, DayOutcome::Done).await.as_deref(), Some("2026-01-01"));
}

async fn many_claimers_never_get_the_same_day(place: Place) {
    let state = place.open().await;
    let days: Vec<String> = (1..=20).map(|number| format!("2026-01-{number:02}")).collect();
    state.create_backfill(&backfill("b", &days.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (location, lease) = (place.location(), lease.clone());
            tokio::spawn(async move {
                let state = State::open(&location).await.unwrap();
                let mut mine = Vec::new();
                while let Some(claimed) = claim(&state, NextDay::Earliest, &lease, at(1)).await {
                    mine.push(claimed.as_of);
                }
                mine
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort();
    let expected: Vec<_> = days.iter().map(|text| day(text)).collect();
    assert_eq!(all, expected);
}

async fn a_backfill_needs_days_and_an_id_of_its_own(place: Place) {
    let state = place.open().await;
    assert!(matches!(state.create_backfill(&backfill("b", &[])).await, Err(StateError::EmptyBackfill)));
    state.create_backfill(&backfill("b", &["2026-01-01", "2026-01-01"])).await.unwrap();
    assert_eq!(state.list_backfills(at(1)).await.unwrap()[0].days(), 1);
    let error = state.create_backfill(&backfill("b", &DAYS)).await.unwrap_err();
    assert_eq!(error.to_string(), "backfill b exists already");
    assert_eq!(state.show_backfill("x", at(1)).await.unwrap_err().hint().unwrap(), "the newest backfills are b");
}

async fn nothing_is_claimed_of_a_paused_backfill_until_it_is_resumed(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    let working = claim(&state, NextDay::Earliest, &lease, at(1)).await.unwrap();
    assert_eq!(state.pause_backfill("b", "anna on moon", at(2)).await.unwrap(), PauseOutcome::Paused);
    let (shown, _) = state.show_backfill("b", at(3)).await.unwrap();
    let pause = shown.pause.unwrap();
    assert_eq!((shown.status, pause.by.as_str(), pause.at), (BackfillStatus::Pausing, "anna on moon", at(2)));
    let again = state.pause_backfill("b", "ben on sun", at(3)).await.unwrap();
    assert_eq!(again, PauseOutcome::PausedBefore(pause));
    let claimed = state.claim_backfill_day("b", &rule(NextDay::Earliest), &lease, at(3)).await.unwrap();
    assert_eq!(claimed, DayClaim::Paused);
    assert!(!state.backfill_goes_on("b", DaysLeft::All, at(3)).await.unwrap());
    state.finish_backfill_day(&working, &lease, DayOutcome::Done, None, None, at(4)).await.unwrap();
    assert_eq!(state.show_backfill("b", at(5)).await.unwrap().0.status, BackfillStatus::Paused);
    // Resuming what did not fail changes nothing; resuming what waits does.
    assert_eq!(state.resume_backfill("b", DaysLeft::Failed, at(6)).await.unwrap(), 0);
    assert_eq!(state.show_backfill("b", at(6)).await.unwrap().0.status, BackfillStatus::Paused);
    assert_eq!(state.resume_backfill("b", DaysLeft::All, at(6)).await.unwrap(), 2);
    let (shown, _) = state.show_backfill("b", at(6)).await.unwrap();
    assert_eq!((shown.status, shown.pause), (BackfillStatus::Pending, None));
    while finish_next(&state, &lease, DayOutcome::Done).await.is_some() {}
    assert_eq!(state.pause_backfill("b", "anna on moon", at(7)).await.unwrap(), PauseOutcome::Over);
}

async fn a_backfill_that_dies_while_it_pauses_is_paused(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    claim(&state, NextDay::Earliest, &lease, at(1)).await.unwrap();
    state.pause_backfill("b", "anna on moon", at(2)).await.unwrap();
    let (shown, _) = state.show_backfill("b", at(61)).await.unwrap();
    assert_eq!((shown.status, shown.pending), (BackfillStatus::Paused, 3));
    let next_lease = acquire(&state, "backfill b", at(61)).await;
    let claimed = state.claim_backfill_day("b", &rule(NextDay::Earliest), &next_lease, at(61)).await.unwrap();
    assert_eq!(claimed, DayClaim::Paused);
    assert_eq!(state.resume_backfill("b", DaysLeft::All, at(62)).await.unwrap(), 3);
}

async fn only_failed_or_only_waiting_days_are_run_where_that_is_asked_for(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    finish_next(&state, &lease, DayOutcome::Failed).await;
    let next = async |only| {
        let rule = ClaimRule { next: NextDay::Earliest, only };
        match state.claim_backfill_day("b", &rule, &lease, at(5)).await.unwrap() {
            DayClaim::Day(day) => Some(day),
            _ => None,
        }
    };
    assert_eq!(state.resume_backfill("b", DaysLeft::Failed, at(4)).await.unwrap(), 1);
    let day = next(DaysLeft::Failed).await.unwrap();
    assert_eq!((day.as_of.to_string().as_str(), day.attempts), ("2026-01-01", 2));
    // Interrupted, it is still one that failed.
    state.finish_backfill_day(&day, &lease, DayOutcome::Interrupted, None, None, at(6)).await.unwrap();
    assert_eq!(state.resume_backfill("b", DaysLeft::Waiting, at(7)).await.unwrap(), 2);
    assert_eq!(state.resume_backfill("b", DaysLeft::Failed, at(7)).await.unwrap(), 1);
    let day = next(DaysLeft::Failed).await.unwrap();
    state.finish_backfill_day(&day, &lease, DayOutcome::Failed, None, None, at(8)).await.unwrap();
    assert_eq!(next(DaysLeft::Failed).await, None);
    assert_eq!(state.resume_backfill("b", DaysLeft::Waiting, at(9)).await.unwrap(), 2);
    while let Some(day) = next(DaysLeft::Waiting).await {
        state.finish_backfill_day(&day, &lease, DayOutcome::Done, None, None, at(9)).await.unwrap();
    }
    let (shown, _) = state.show_backfill("b", at(10)).await.unwrap();
    assert_eq!((shown.status, shown.done, shown.failed), (BackfillStatus::Failed, 2, 1));
}

async fn all_backfills_together_have_no_more_days_at_once_than_is_allowed(place: Place) {
    let state = place.open().await;
    for (id, job) in [("b", "nightly"), ("c", "hourly"), ("d", "weekly")] {
        state.create_backfill(&BackfillStart { job: job.to_owned(), ..backfill(id, &DAYS) }).await.unwrap();
    }
    let mut leases = Vec::new();
    for id in ["b", "c", "d"] {
        leases.push(acquire(&state, &format!("backfill {id}"), at(0)).await);
    }
    let begin = async |id, wanted, lease, now| {
        let share = state.begin_backfill(id, wanted, 4, lease, now).await.unwrap();
        (share.taken, share.granted)
    };
    assert_eq!(begin("b", 3, &leases[0], at(1)).await, (0, 3));
    assert_eq!(begin("b", 3, &leases[0], at(1)).await, (0, 3), "its own do not count");
    assert_eq!(begin("c", 2, &leases[1], at(1)).await, (3, 1));
    assert_eq!(begin("d", 1, &leases[2], at(1)).await, (4, 0));
    assert_eq!(state.show_backfill("d", at(1)).await.unwrap().0.status, BackfillStatus::Pending);
    // One ends, one dies.
    state.release_lease(&leases[1], at(2)).await.unwrap();
    assert_eq!(begin("d", 4, &leases[2], at(3)).await, (3, 1));
    let lease = acquire(&state, "backfill d", at(61)).await;
    assert_eq!(begin("d", 4, &lease, at(61)).await, (0, 4));
}

async fn a_day_waits_in_one_backfill_of_a_job(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let late = backfill("c", &["2025-12-31", "2026-01-01", "2026-01-02", "2026-01-04"]);
    let error = state.create_backfill(&late).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "backfill b of job `nightly` is not done with 2 of these days: 2026-01-01 to 2026-01-02"
    );
    let hint = error.hint().unwrap();
    for way in ["`lifecycle backfill resume b`", "`lifecycle backfill cancel b`", "choose other days"] {
        assert!(hint.contains(way), "{hint}");
    }
    assert_eq!(state.list_backfills(at(1)).await.unwrap().len(), 1, "nothing of it was written");
    // Of another job, or other days: it is nobody's concern.
    state.create_backfill(&BackfillStart { job: "hourly".to_owned(), ..backfill("h", &DAYS) }).await.unwrap();
    state.create_backfill(&backfill("o", &["2025-12-31", "2026-01-04"])).await.unwrap();
    // Days that are over are free, and so is what was cancelled; resuming must not take it back.
    let lease = acquire(&state, "backfill b", at(0)).await;
    finish_next(&state, &lease, DayOutcome::Failed).await;
    state.cancel_backfill("b", at(5)).await.unwrap();
    state.create_backfill(&backfill("d", &["2026-01-01", "2026-01-02"])).await.unwrap();
    for only in [DaysLeft::All, DaysLeft::Failed] {
        let error = state.resume_backfill("b", only, at(6)).await.unwrap_err();
        assert!(matches!(&error, StateError::BackfillOverlap(overlap) if overlap.backfill_id == "d"), "{error}");
    }
    let (shown, _) = state.show_backfill("b", at(6)).await.unwrap();
    assert_eq!((shown.status, shown.cancelled, shown.failed), (BackfillStatus::Cancelled, 2, 1));
}

async fn of_backfills_that_are_made_at_once_over_the_same_days_one_is_made(place: Place) {
    let state = place.open().await;
    for round in 0..50 {
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let (location, id) = (place.location(), format!("{round}-{number}"));
                let first = day("2026-01-01") + chrono::Days::new(round * 10 + number);
                tokio::spawn(async move {
                    let state = State::open(&location).await.unwrap();
                    let days = first.iter_days().take(4).collect();
                    match state.create_backfill(&BackfillStart { days, ..backfill(&id, &[]) }).await {
                        Ok(()) => true,
                        Err(StateError::BackfillOverlap(_)) => false,
                        Err(error) => panic!("{error}"),
                    }
                })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            made += u32::from(task.await.unwrap());
        }
        assert_eq!(made, 1, "round {round}");
    }
    assert_eq!(state.list_backfills(at(1)).await.unwrap().len(), 50);
}

async fn a_backfill_is_running_while_its_process_lives_also_between_two_days(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let status = async |now| state.show_backfill("b", now).await.unwrap().0.status;
    assert_eq!(status(at(0)).await, BackfillStatus::Pending);
    let lease = acquire(&state, "backfill b", at(0)).await;
    state.begin_backfill("b", 2, 64, &lease, at(0)).await.unwrap();
    assert_eq!(status(at(1)).await, BackfillStatus::Running);
    state.pause_backfill("b", "anna on moon", at(2)).await.unwrap();
    assert_eq!(status(at(2)).await, BackfillStatus::Pausing);
    assert_eq!(status(at(61)).await, BackfillStatus::Paused, "it died");
    state.release_lease(&lease, at(3)).await.unwrap();
    assert_eq!(status(at(4)).await, BackfillStatus::Paused);
    let error = state.begin_backfill("b", 2, 64, &lease, at(5)).await.unwrap_err();
    assert!(matches!(error, StateError::LeaseLost { .. }), "{error}");
}

on_both_databases!(
    days_come_in_order_each_once,
    a_killed_backfill_goes_on_with_the_day_at_which_it_died,
    a_cancelled_backfill_stops_and_a_resumed_one_runs_what_is_left,
    the_latest_day_can_be_claimed_before_the_others_where_it_is_late_enough,
    an_interrupted_day_waits_again,
    many_claimers_never_get_the_same_day,
    a_backfill_needs_days_and_an_id_of_its_own,
    nothing_is_claimed_of_a_paused_backfill_until_it_is_resumed,
    a_backfill_that_dies_while_it_pauses_is_paused,
    only_failed_or_only_waiting_days_are_run_where_that_is_asked_for,
    all_backfills_together_have_no_more_days_at_once_than_is_allowed,
    a_day_waits_in_one_backfill_of_a_job,
    of_backfills_that_are_made_at_once_over_the_same_days_one_is_made,
    a_backfill_is_running_while_its_process_lives_also_between_two_days,
);
