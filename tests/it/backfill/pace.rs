//! What a backfill says about its end: arithmetic over days and a clock that the tests set.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use lifecycle::run::{BackfillProgress, backfill_progress};
use lifecycle::state::{BackfillDay, DayStatus};
use proptest::prelude::*;

fn at(seconds: f64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_319_200, 0).unwrap() + TimeDelta::microseconds((seconds * 1e6) as i64)
}

fn day(number: usize, status: DayStatus, started: Option<f64>, finished: Option<f64>) -> BackfillDay {
    BackfillDay {
        backfill_id: "b".to_owned(),
        as_of: NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new(number as u64),
        status,
        run_id: None,
        attempts: 1,
        started_at: started.map(at),
        finished_at: finished.map(at),
        message: None,
    }
}

/// Days that were done from one second to another, days that have been at work since one, and days that wait.
fn days(done: &[(f64, f64)], at_work: &[f64], waiting: usize) -> Vec<BackfillDay> {
    let done = done.iter().map(|(start, end)| (DayStatus::Done, Some(*start), Some(*end)));
    let at_work = at_work.iter().map(|start| (DayStatus::Running, Some(*start), None));
    let waiting = (0..waiting).map(|_| (DayStatus::Pending, None, None));
    let all = done.chain(at_work).chain(waiting).enumerate();
    all.map(|(number, (status, start, end))| day(number, status, start, end)).collect()
}

fn look(done: &[(f64, f64)], at_work: &[f64], waiting: usize, now: f64) -> BackfillProgress {
    backfill_progress(&days(done, at_work, waiting), at(now))
}

#[track_caller]
fn assert_near(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() < 1e-3 * expected.max(1.0), "{found} is not {expected}");
}

#[test]
fn one_after_the_other_it_is_days_times_seconds() {
    let progress = look(&[(0.0, 10.0), (10.0, 20.0), (20.0, 30.0)], &[], 6, 30.0);
    assert_near(progress.pace.map(|pace| pace.days_per_minute), 6.0);
    assert_near(progress.seconds_left(), 60.0);
    assert_eq!(progress.left_in_words().unwrap(), "about 1 min left");
    assert_eq!(progress.ends_at(at(30.0)), Some(at(90.0)));
    // Half-way through the next day half of it is left.
    assert_near(look(&[(0.0, 10.0), (10.0, 20.0)], &[20.0], 5, 25.0).seconds_left(), 55.0);
}

#[test]
fn days_beside_each_other_count_and_pauses_do_not() {
    let two_at_once = look(&[(0.0, 10.0), (0.0, 10.0), (10.0, 20.0), (10.0, 20.0)], &[], 8, 20.0);
    assert_near(two_at_once.seconds_left(), 40.0);
    let after_a_week = look(&[(0.0, 10.0), (600_000.0, 600_010.0)], &[], 4, 700_000.0);
    assert_near(after_a_week.seconds_left(), 40.0);
    // However many are at work at once, a day takes as long as a day takes.
    assert_near(look(&[(0.0, 10.0), (0.0, 10.0), (0.0, 10.0), (0.0, 10.0)], &[], 1, 10.0).seconds_left(), 10.0);
}

#[test]
fn only_the_last_twenty_days_tell() {
    let mut done: Vec<(f64, f64)> = (0..30).map(|number| (f64::from(number), f64::from(number) + 1.0)).collect();
    done.extend((0..20).map(|number| (100.0 + f64::from(number) * 60.0, 160.0 + f64::from(number) * 60.0)));
    assert_near(look(&done, &[], 10, 1_300.0).seconds_left(), 600.0);
}

#[test]
fn nothing_is_said_that_nobody_can_know() {
    for done in [&[][..], &[(0.0, 10.0)]] {
        let progress = look(done, &[10.0], 5, 12.0);
        assert_eq!((progress.pace, progress.left_in_words()), (None, None), "{done:?}");
    }
    // Days that took no time, and days that ended before they began: the clock was set back.
    assert_eq!(look(&[(5.0, 5.0), (5.0, 5.0)], &[], 5, 12.0).pace, None);
    assert_eq!(look(&[(9.0, 5.0), (7.0, 3.0)], &[], 5, 12.0).pace, None);
    // The last day takes longer than those before.
    let late = look(&[(0.0, 10.0), (10.0, 20.0)], &[20.0], 0, 31.0);
    assert!(late.pace.is_some() && late.seconds_left().is_none() && late.ends_at(at(31.0)).is_none());
    // Failed and cancelled days say nothing of those that will be done, and are not left.
    let mut some = days(&[(0.0, 10.0), (10.0, 20.0)], &[], 1);
    some.push(day(8, DayStatus::Failed, Some(20.0), Some(20.1)));
    some.push(day(9, DayStatus::Cancelled, None, Some(21.0)));
    let progress = backfill_progress(&some, at(25.0));
    assert_near(progress.seconds_left(), 10.0);
    assert_eq!((progress.percent(), progress.left(), progress.days()), (40, 1, 5));
}

#[test]
fn lengths_of_time_are_told_as_roughly_as_they_are_known() {
    let words = |seconds: f64| look(&[(0.0, seconds), (seconds, 2.0 * seconds)], &[], 1, 1e9).left_in_words().unwrap();
    for (seconds, expected) in [
        (0.2, "about 5 s left"),
        (57.0, "about 55 s left"),
        (58.0, "about 1 min left"),
        (89.0, "about 1 min left"),
        (91.0, "about 2 min left"),
        (3_569.0, "about 59 min left"),
        (3_571.0, "about 1 h 00 min left"),
        (5_400.0, "about 1 h 30 min left"),
        (86_099.0, "about 23 h 50 min left"),
        (86_200.0, "about 1 d 00 h left"),
        (200_000.0, "about 2 d 08 h left"),
    ] {
        assert_eq!(words(seconds), expected, "{seconds}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn an_estimate_is_positive_finite_and_grows_with_what_waits(
        done in prop::collection::vec((0.0..1e5_f64, 0.001..1e4_f64), 2..40),
        at_work in prop::collection::vec(0.0..2e5_f64, 0..6),
        waiting in 1_usize..200,
        now in 0.0..3e5_f64,
    ) {
        let done: Vec<(f64, f64)> = done.into_iter().map(|(start, took)| (start, start + took)).collect();
        let less = look(&done, &at_work, waiting, now).seconds_left().unwrap();
        let more = look(&done, &at_work, waiting + 1, now).seconds_left().unwrap();
        prop_assert!(less.is_finite() && less > 0.0 && more >= less, "{less} {more}");
    }

    #[test]
    fn an_estimate_shrinks_as_time_goes_by(
        done in prop::collection::vec((0.0..1e5_f64, 0.001..1e4_f64), 2..40),
        at_work in prop::collection::vec(0.0..1e5_f64, 1..6),
        waiting in 0_usize..20,
        (now, later) in (1e5..2e5_f64, 0.0..1e4_f64),
    ) {
        let done: Vec<(f64, f64)> = done.into_iter().map(|(start, took)| (start, start + took)).collect();
        let left = |now| look(&done, &at_work, waiting, now).seconds_left().unwrap_or(0.0);
        prop_assert!(left(now + later) <= left(now));
    }

    #[test]
    fn it_depends_neither_on_the_order_of_days_nor_on_when_all_that_was(
        done in prop::collection::vec((0.0..1e4_f64, 0.001..1e3_f64), 2..40),
        at_work in prop::collection::vec(0.0..1e4_f64, 0..6),
        waiting in 0_usize..20,
        shift in 0_i64..1_000_000,
    ) {
        let done: Vec<(f64, f64)> = done.into_iter().map(|(start, took)| (start, start + took)).collect();
        let (mut some, now) = (days(&done, &at_work, waiting), at(1.2e4));
        let before = backfill_progress(&some, now);
        some.reverse();
        let shift = TimeDelta::seconds(shift);
        for day in &mut some {
            day.started_at = day.started_at.map(|started| started + shift);
            day.finished_at = day.finished_at.map(|finished| finished + shift);
        }
        let after = backfill_progress(&some, now + shift);
        let near = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-6 * one.max(1.0),
            (one, other) => one == other,
        };
        prop_assert!(near(before.seconds_left(), after.seconds_left()), "{before:?} {after:?}");
    }

    #[test]
    fn days_that_take_the_same_end_when_they_are_said_to(
        seconds in 1.0..1e4_f64,
        at_once in 1_usize..9,
        rounds in 2_usize..20,
        left in 1_usize..20,
    ) {
        // All at once, round by round: after so many rounds as many are left.
        let done: Vec<(f64, f64)> = (0..rounds * at_once)
            .map(|number| ((number / at_once) as f64 * seconds, (number / at_once + 1) as f64 * seconds))
            .collect();
        let progress = look(&done, &[], left * at_once, rounds as f64 * seconds);
        let (found, expected) = (progress.seconds_left().unwrap(), left as f64 * seconds);
        // The oldest round of the last twenty days may be counted with some of its days only.
        let exact = at_once == 1 || (rounds * at_once).min(20).is_multiple_of(at_once);
        prop_assert!(found >= expected * 0.999 && (!exact || found <= expected * 1.001), "{found} {expected}");
    }

    #[test]
    fn a_hundred_percent_are_all(done in 0_usize..300, waiting in 0_usize..300) {
        let done: Vec<(f64, f64)> = (0..done).map(|number| (number as f64, number as f64 + 1.0)).collect();
        let progress = look(&done, &[], waiting, 1e4);
        prop_assert_eq!(progress.percent() == 100, waiting == 0);
        prop_assert!(progress.percent() <= 100);
    }
}
