use lifecycle::state::{BackfillStart, DayOutcome, DayStatus, Lease, NextDay, State, StateError};

use super::{Place, acquire, at, day};

fn backfill(id: &str, days: &[&str]) -> BackfillStart {
    BackfillStart {
        backfill_id: id.to_owned(),
        job: "nightly".to_owned(),
        environment: "local".to_owned(),
        days: days.iter().map(|text| day(text)).collect(),
        selection: "all".to_owned(),
        created_at: at(0),
    }
}

const DAYS: [&str; 3] = ["2026-01-03", "2026-01-01", "2026-01-02"];

async fn finish_next(state: &State, lease: &Lease, outcome: DayOutcome) -> Option<String> {
    let claimed = state.claim_backfill_day("b", NextDay::Earliest, lease, at(1)).await.unwrap()?;
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
    assert_eq!((shown.status, shown.done, shown.failed, shown.days()), (DayStatus::Failed, 2, 1, 3));
    assert_eq!((shown.first_day, shown.last_day), (day("2026-01-01"), day("2026-01-03")));
    assert_eq!(days[1].status, DayStatus::Failed);
    assert_eq!(days[0].run_id.as_deref(), Some("run"));
}

async fn a_killed_backfill_goes_on_with_the_day_at_which_it_died(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    finish_next(&state, &lease, DayOutcome::Done).await;
    let dying = state.claim_backfill_day("b", NextDay::Earliest, &lease, at(2)).await.unwrap().unwrap();
    state.close().await;
    drop(state);

    let state = place.open().await;
    let (shown, _) = state.show_backfill("b", at(30)).await.unwrap();
    assert_eq!((shown.status, shown.running), (DayStatus::Running, 1), "its lease is still good");
    let (shown, days) = state.show_backfill("b", at(61)).await.unwrap();
    assert_eq!((shown.status, shown.pending, shown.done), (DayStatus::Pending, 2, 1));
    assert_eq!(days[1].status, DayStatus::Pending);

    let next_lease = acquire(&state, "backfill b", at(61)).await;
    assert_eq!(state.resume_backfill("b", at(61)).await.unwrap(), 2);
    let again = state.claim_backfill_day("b", NextDay::Earliest, &next_lease, at(62)).await.unwrap().unwrap();
    assert_eq!((again.as_of, again.attempts), (dying.as_of, 2));
    // The first owner was only slow: the day is no longer its own.
    let error = state.finish_backfill_day(&dying, &lease, DayOutcome::Done, None, None, at(63)).await.unwrap_err();
    assert!(matches!(error, StateError::DayNotHeld { .. }), "{error}");
    let error = state.claim_backfill_day("b", NextDay::Earliest, &lease, at(63)).await.unwrap_err();
    assert!(matches!(error, StateError::LeaseLost { .. }), "{error}");
}

async fn a_cancelled_backfill_stops_and_a_resumed_one_runs_what_is_left(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    finish_next(&state, &lease, DayOutcome::Failed).await;
    let working = state.claim_backfill_day("b", NextDay::Earliest, &lease, at(3)).await.unwrap().unwrap();
    assert_eq!(state.cancel_backfill("b", at(4)).await.unwrap(), 1);
    assert_eq!(finish_next(&state, &lease, DayOutcome::Done).await, None);
    state.finish_backfill_day(&working, &lease, DayOutcome::Interrupted, None, None, at(5)).await.unwrap();
    let (shown, _) = state.show_backfill("b", at(6)).await.unwrap();
    assert_eq!((shown.status, shown.cancelled, shown.failed), (DayStatus::Cancelled, 2, 1));

    assert_eq!(state.resume_backfill("b", at(7)).await.unwrap(), 3);
    let mut done = 0;
    while finish_next(&state, &lease, DayOutcome::Done).await.is_some() {
        done += 1;
    }
    assert_eq!(done, 3);
    assert_eq!(state.show_backfill("b", at(8)).await.unwrap().0.status, DayStatus::Done);
}

async fn the_latest_day_can_be_claimed_before_the_others_where_it_is_late_enough(place: Place) {
    let state = place.open().await;
    state.create_backfill(&backfill("b", &DAYS)).await.unwrap();
    let lease = acquire(&state, "backfill b", at(0)).await;
    let claim = async |next| {
        let claimed = state.claim_backfill_day("b", next, &lease, at(1)).await.unwrap();
        claimed.map(|day| day.as_of.to_string())
    };
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
    assert_eq!(state.show_backfill("b", at(3)).await.unwrap().0.status, DayStatus::Pending);
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
                while let Some(claimed) = state.claim_backfill_day("b", NextDay::Earliest, &lease, at(1)).await.unwrap()
                {
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

on_both_databases!(
    days_come_in_order_each_once,
    a_killed_backfill_goes_on_with_the_day_at_which_it_died,
    a_cancelled_backfill_stops_and_a_resumed_one_runs_what_is_left,
    the_latest_day_can_be_claimed_before_the_others_where_it_is_late_enough,
    an_interrupted_day_waits_again,
    many_claimers_never_get_the_same_day,
    a_backfill_needs_days_and_an_id_of_its_own,
);
