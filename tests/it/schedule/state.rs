//! What is recorded: decisions once, claims by one, pauses.

use std::time::Duration;

use chrono::TimeDelta;
use lifecycle::state::{Decision, NotRunReason, Pause, RunOutcome, ScheduledEnd, ScheduledStatus, State, Verdict};

use super::at;
use crate::state::{Place, on_both_databases};

const LEASE: Duration = Duration::from_secs(60);

async fn open(place: &Place) -> State {
    place.open().await
}

fn start(text: &str) -> Decision {
    let instant = at(text);
    Decision {
        instant,
        first: instant,
        instants: 1,
        as_of: "2026-03-01".parse().unwrap(),
        verdict: Verdict::Start { is_made_up: false },
        answers: None,
    }
}

fn missed(text: &str) -> Decision {
    Decision { verdict: Verdict::Missed(NotRunReason::CatchUp), ..start(text) }
}

async fn of_two_who_decide_from_the_same_facts_the_second_does_not(place: Place) {
    let (one, other) = (open(&place).await, open(&place).await);
    let now = at("2026-03-02T02:00:00Z");
    let basis = one.begin_schedule("nightly", "a", at("2026-03-01T12:00:00Z")).await.unwrap();
    assert_eq!(other.begin_schedule("nightly", "a", now).await.unwrap(), basis);
    assert!(one.decide(&basis, &[start("2026-03-02T02:00:00Z")], &[], now, "one", now).await.unwrap());
    let later = missed("2026-03-02T02:00:00Z");
    assert!(!other.decide(&basis, &[later], &[], now, "other", now).await.unwrap());
    let open = other.open_scheduled_runs().await.unwrap();
    assert_eq!((open.len(), open[0].status, open[0].decided_by.as_str()), (1, ScheduledStatus::Waiting, "one"));
    let basis = other.begin_schedule("nightly", "a", now).await.unwrap();
    assert_eq!((basis.decided_until, basis.since), (now, at("2026-03-01T12:00:00Z")));
    // A key that is decided stays so, whatever is decided later.
    assert!(other.decide(&basis, &[missed("2026-03-02T02:00:00Z")], &[], now, "other", now).await.unwrap());
    assert_eq!(one.open_scheduled_runs().await.unwrap(), open);
}

async fn a_run_is_claimed_by_one_until_its_lease_ends(place: Place) {
    let (one, other) = (open(&place).await, open(&place).await);
    let now = at("2026-03-02T02:00:00Z");
    let basis = one.begin_schedule("nightly", "a", at("2026-03-01T12:00:00Z")).await.unwrap();
    let runs = [start("2026-03-02T01:00:00Z"), start("2026-03-02T02:00:00Z")];
    assert!(one.decide(&basis, &runs, &[], now, "one", now).await.unwrap());
    let open = one.open_scheduled_runs().await.unwrap();
    let claim = one.claim_scheduled_run(&open[0], "one", LEASE, now).await.unwrap().unwrap();
    assert_eq!((claim.attempt, claim.as_of.to_string()), (1, "2026-03-01".to_owned()));
    assert_eq!(other.claim_scheduled_run(&open[0], "other", LEASE, now).await.unwrap(), None);
    // Of one job one run is at work at a time.
    assert_eq!(other.claim_scheduled_run(&open[1], "other", LEASE, now).await.unwrap(), None);
    let soon = now + TimeDelta::seconds(59);
    assert!(one.renew_claim(&claim, LEASE, soon).await.unwrap());
    assert_eq!(other.claim_scheduled_run(&open[0], "other", LEASE, now + TimeDelta::seconds(61)).await.unwrap(), None);
    let over = now + TimeDelta::seconds(119);
    let taken = other.claim_scheduled_run(&open[0], "other", LEASE, over).await.unwrap().unwrap();
    assert_eq!(taken.attempt, 2);
    // Whoever lost it can neither renew nor end it.
    let end = ScheduledEnd { run_id: None, outcome: RunOutcome::Failed, message: None };
    assert!(!one.renew_claim(&claim, LEASE, over).await.unwrap());
    assert!(!one.finish_claim(&claim, &end, over).await.unwrap());
    one.release_claim(&claim, true).await.unwrap();
    assert_eq!(one.open_scheduled_runs().await.unwrap()[0].status, ScheduledStatus::Running);
    let end = ScheduledEnd { outcome: RunOutcome::Succeeded, run_id: Some("r1".to_owned()), ..end };
    assert!(other.finish_claim(&taken, &end, over).await.unwrap());
    let log = one.schedule_log(Some("nightly"), 10).await.unwrap();
    let shown: Vec<_> = log.iter().map(|run| (run.status, run.outcome, run.attempts)).collect();
    let done = (ScheduledStatus::Done, Some(RunOutcome::Succeeded), 2);
    assert_eq!(shown, [(ScheduledStatus::Waiting, None, 0), done]);
    assert!(other.claim_scheduled_run(&open[1], "other", LEASE, over).await.unwrap().is_some());
}

async fn a_claim_that_is_given_back_before_its_run_began_leaves_no_trace(place: Place) {
    let state = open(&place).await;
    let now = at("2026-03-02T02:00:00Z");
    let basis = state.begin_schedule("nightly", "a", at("2026-03-01T12:00:00Z")).await.unwrap();
    assert!(state.decide(&basis, &[start("2026-03-02T02:00:00Z")], &[], now, "one", now).await.unwrap());
    let before = state.open_scheduled_runs().await.unwrap();
    let first = state.claim_scheduled_run(&before[0], "one", LEASE, now).await.unwrap().unwrap();
    state.release_claim(&first, false).await.unwrap();
    assert_eq!(state.open_scheduled_runs().await.unwrap(), before);
    let soon = now + TimeDelta::seconds(1);
    let second = state.claim_scheduled_run(&before[0], "other", LEASE, soon).await.unwrap().unwrap();
    assert_eq!((first.attempt, second.attempt), (1, 1));
    // The answer to the first was lost, so it is given back once more: that takes nothing from the second.
    state.release_claim(&first, false).await.unwrap();
    let open = state.open_scheduled_runs().await.unwrap();
    assert_eq!((open[0].status, open[0].owner.as_deref()), (ScheduledStatus::Running, Some("other")));
    // What had begun stays so.
    state.release_claim(&second, true).await.unwrap();
    let open = state.open_scheduled_runs().await.unwrap();
    assert_eq!((open[0].status, open[0].attempts, open[0].started_at), (ScheduledStatus::Waiting, 1, Some(soon)));
}

async fn another_timetable_begins_anew(place: Place) {
    let state = open(&place).await;
    let first = state.begin_schedule("nightly", "0 2 * * *", at("2026-03-01T12:00:00Z")).await.unwrap();
    assert_eq!(first.decided_until, at("2026-03-01T12:00:00Z"));
    let same = state.begin_schedule("nightly", "0 2 * * *", at("2026-03-05T12:00:00Z")).await.unwrap();
    assert_eq!(same, first);
    let other = state.begin_schedule("nightly", "0 * * * *", at("2026-03-05T12:00:00Z")).await.unwrap();
    assert_eq!(other.decided_until, at("2026-03-05T12:00:00Z"));
    assert!(other.version > first.version);
}

async fn a_clock_that_was_far_ahead_undoes_what_was_only_skipped(place: Place) {
    let state = open(&place).await;
    let basis = state.begin_schedule("nightly", "a", at("2026-03-01T12:00:00Z")).await.unwrap();
    let far = at("2038-01-01T00:00:00Z");
    let decisions = [missed("2030-01-01T02:00:00Z"), start("2038-01-01T00:00:00Z")];
    assert!(state.decide(&basis, &decisions, &[], far, "one", far).await.unwrap());
    // A few seconds are the difference of two clocks.
    let near = state.begin_schedule("nightly", "a", far - TimeDelta::seconds(30)).await.unwrap();
    assert_eq!(near.decided_until, far);
    let now = at("2026-03-02T12:00:00Z");
    let back = state.begin_schedule("nightly", "a", now).await.unwrap();
    assert_eq!(back.decided_until, now);
    let log = state.schedule_log(None, 10).await.unwrap();
    assert_eq!(log.iter().map(|run| run.scheduled_at).collect::<Vec<_>>(), [far], "what was to run stays");
}

async fn a_paused_job_is_not_claimed(place: Place) {
    let state = open(&place).await;
    let now = at("2026-03-02T02:00:00Z");
    let basis = state.begin_schedule("nightly", "a", at("2026-03-01T12:00:00Z")).await.unwrap();
    assert!(state.decide(&basis, &[start("2026-03-02T02:00:00Z")], &[], now, "one", now).await.unwrap());
    let pause = Pause { at: now, by: "anna".to_owned(), reason: Some("the till moves".to_owned()) };
    assert_eq!(state.pause_schedule("nightly", &pause).await.unwrap(), pause);
    let second = Pause { at: now + TimeDelta::hours(1), by: "ben".to_owned(), reason: None };
    assert_eq!(state.pause_schedule("nightly", &second).await.unwrap(), pause, "the first pause holds");
    let open = state.open_scheduled_runs().await.unwrap();
    assert_eq!(state.claim_scheduled_run(&open[0], "one", LEASE, now).await.unwrap(), None);
    assert_eq!(state.schedules().await.unwrap()[0].pause, Some(pause));
    let later = now + TimeDelta::hours(3);
    assert!(state.resume_schedule("nightly", later).await.unwrap());
    assert!(!state.resume_schedule("nightly", later).await.unwrap());
    let resumed = state.begin_schedule("nightly", "a", later).await.unwrap();
    assert_eq!((resumed.pause, resumed.decided_until), (None, later));
    assert!(state.claim_scheduled_run(&open[0], "one", LEASE, later).await.unwrap().is_some());
}

async fn old_decisions_are_deleted_and_open_ones_stay(place: Place) {
    let state = open(&place).await;
    let begun = at("2026-01-01T00:00:00Z");
    let mut basis = state.begin_schedule("nightly", "a", begun).await.unwrap();
    let mut minute = 0;
    let mut rounds = 0;
    while rounds < 130 {
        let now = begun + TimeDelta::minutes(minute + 100);
        let mut decisions: Vec<Decision> = (1..=100)
            .map(|step| {
                let instant = begun + TimeDelta::minutes(minute + step);
                Decision { instant, first: instant, ..missed("2026-01-01T00:00:00Z") }
            })
            .collect();
        if rounds == 0 {
            decisions[0].verdict = Verdict::Start { is_made_up: false };
        }
        assert!(state.decide(&basis, &decisions, &[], now, "one", now).await.unwrap());
        basis = state.begin_schedule("nightly", "a", now).await.unwrap();
        (minute, rounds) = (minute + 100, rounds + 1);
    }
    let log = state.schedule_log(Some("nightly"), 100_000).await.unwrap();
    assert!((10_000..13_000).contains(&log.len()), "{}", log.len());
    assert_eq!(log.last().unwrap().status, ScheduledStatus::Waiting, "what is open is kept, however old");
}

on_both_databases!(
    of_two_who_decide_from_the_same_facts_the_second_does_not,
    a_run_is_claimed_by_one_until_its_lease_ends,
    a_claim_that_is_given_back_before_its_run_began_leaves_no_trace,
    another_timetable_begins_anew,
    a_clock_that_was_far_ahead_undoes_what_was_only_skipped,
    a_paused_job_is_not_claimed,
    old_decisions_are_deleted_and_open_ones_stay,
);
