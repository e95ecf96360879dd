//! What the planner makes of missed runs, runs at work, pauses, blackout days, deadlines, and jobs that follow others.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::{Europe, Tz};
use lifecycle::config::{Blackout, CatchUp, Overlap, Schedule};
use lifecycle::schedule::{MOST_AT_ONCE, OpenRun, Plan, Recorded, Timetable, Upstream, plan};
use lifecycle::state::{NotRunReason, Verdict};

use super::{at, schedule, timetable};

const HOURLY: &str = "0 * * * *";

/// The decisions in short: `03:00 start`, `02:00 missed catch_up`.
fn shown(plan: &Plan) -> Vec<String> {
    plan.decisions
        .iter()
        .map(|decision| {
            let verdict = match decision.verdict {
                Verdict::Start { is_made_up: false } => "start".to_owned(),
                Verdict::Start { is_made_up: true } => "make up".to_owned(),
                Verdict::Missed(reason) => format!("missed {reason}"),
                Verdict::Skipped(reason) => format!("skipped {reason}"),
            };
            let count = if decision.instants > 1 { format!(" x{}", decision.instants) } else { String::new() };
            format!("{} {verdict}{count}", decision.instant.format("%H:%M"))
        })
        .collect()
}

fn since(text: &str) -> Recorded {
    Recorded { decided_until: at(text), ..Recorded::default() }
}

fn at_work(text: &str) -> OpenRun {
    OpenRun { instant: at(text), is_at_work: true, is_made_up: false }
}

fn waits(text: &str) -> OpenRun {
    OpenRun { instant: at(text), is_at_work: false, is_made_up: false }
}

fn decide(schedule: &Schedule, recorded: &Recorded, now: &str) -> Plan {
    plan(&timetable(schedule), recorded, at(now))
}

#[test]
fn a_run_is_due_at_its_time_and_not_before() {
    let daily = schedule("0 2 * * *");
    let recorded = since("2026-03-01T03:00:00Z");
    let before = decide(&daily, &recorded, "2026-03-02T01:59:59Z");
    assert_eq!((shown(&before), before.next), (vec![], Some(at("2026-03-02T02:00:00Z"))));
    let due = decide(&daily, &recorded, "2026-03-02T02:00:00Z");
    assert_eq!(shown(&due), ["02:00 start"]);
    assert_eq!(due.decided_until, at("2026-03-02T02:00:00Z"));
    assert_eq!(due.next, Some(at("2026-03-03T02:00:00Z")));
    assert_eq!(due.decisions[0].as_of.to_string(), "2026-03-01");
    let late = decide(&daily, &recorded, "2026-03-02T02:00:59Z");
    assert_eq!(shown(&late), ["02:00 start"]);
    let made_up = decide(&daily, &recorded, "2026-03-02T02:01:01Z");
    assert_eq!(shown(&made_up), ["02:00 make up"]);
}

#[test]
fn of_missed_runs_none_the_last_or_all_are_made_up_for() {
    let recorded = since("2026-03-02T00:30:00Z");
    let now = "2026-03-02T03:30:00Z";
    let of = |catch_up| shown(&decide(&Schedule { catch_up, ..schedule(HOURLY) }, &recorded, now));
    assert_eq!(of(CatchUp::None), ["01:00 missed catch_up", "02:00 missed catch_up", "03:00 missed catch_up"]);
    assert_eq!(of(CatchUp::Last), ["01:00 missed catch_up", "02:00 missed catch_up", "03:00 make up"]);
    assert_eq!(of(CatchUp::All), ["01:00 make up", "02:00 make up", "03:00 make up"]);
    // What is on time runs, whatever was missed.
    let none = Schedule { catch_up: CatchUp::None, ..schedule(HOURLY) };
    let on_time = decide(&none, &recorded, "2026-03-02T02:00:20Z");
    assert_eq!(shown(&on_time), ["01:00 missed catch_up", "02:00 start"]);
}

#[test]
fn nothing_is_made_up_for_beyond_the_window() {
    let window = Duration::from_secs(2 * 3600);
    let all = Schedule { catch_up: CatchUp::All, catch_up_window: window, ..schedule(HOURLY) };
    let due = decide(&all, &since("2026-03-02T00:30:00Z"), "2026-03-02T04:30:00Z");
    assert_eq!(shown(&due), ["01:00 missed catch_up", "02:00 missed catch_up", "03:00 make up", "04:00 make up"]);
    let last = Schedule { catch_up: CatchUp::Last, catch_up_window: Duration::ZERO, ..schedule(HOURLY) };
    let due = decide(&last, &since("2026-03-02T00:30:00Z"), "2026-03-02T01:00:30Z");
    assert_eq!(shown(&due), ["01:00 start"], "a window of nothing does not take what is on time");
}

#[test]
fn at_most_a_hundred_are_made_up_for_and_the_rest_is_one_record() {
    let month = Duration::from_secs(31 * 86_400);
    let all = Schedule { catch_up: CatchUp::All, catch_up_window: month, ..schedule(HOURLY) };
    let due = decide(&all, &since("2026-03-01T00:00:00Z"), "2026-03-11T00:30:00Z");
    assert_eq!(due.decisions.len(), MOST_AT_ONCE + 1);
    assert_eq!(shown(&due)[0], "20:00 missed catch_up x140");
    assert_eq!(due.decisions[0].first, at("2026-03-01T01:00:00Z"));
    assert_eq!(due.decisions[0].instant, at("2026-03-06T20:00:00Z"));
    assert!(due.decisions[1..].iter().all(|decision| decision.verdict == Verdict::Start { is_made_up: true }));
    assert_eq!(due.decided_until, at("2026-03-11T00:00:00Z"));
    // A minute's job after a year and more: it takes no hour to say so.
    let minutely = Schedule { catch_up: CatchUp::Last, ..schedule("* * * * *") };
    let due = decide(&minutely, &since("2016-03-01T00:00:00Z"), "2026-03-11T00:30:00Z");
    assert_eq!(due.decisions.len(), MOST_AT_ONCE + 1);
    assert!(due.decisions[0].instants > 500_000);
}

#[test]
fn beyond_a_hundred_what_was_paused_or_on_a_blackout_day_is_skipped() {
    let recorded = Recorded { is_paused: true, ..since("2026-03-01T00:00:00Z") };
    let due = decide(&schedule(HOURLY), &recorded, "2026-03-11T00:30:00Z");
    assert_eq!(shown(&due)[0], "20:00 skipped paused x140");
    assert_eq!(due.decisions.len(), MOST_AT_ONCE + 1);
    let day = |text: &str| text.parse().unwrap();
    let blackout = vec![Blackout { from: day("2026-03-02"), to: day("2026-03-03") }];
    let due =
        decide(&Schedule { blackout, ..schedule(HOURLY) }, &since("2026-03-01T00:00:00Z"), "2026-03-11T00:30:00Z");
    let beyond = ["23:00 missed catch_up x23", "23:00 skipped blackout x48", "20:00 missed catch_up x69"];
    assert_eq!(shown(&due)[..3], beyond);
    assert_eq!((due.decisions[1].first, due.decisions[1].as_of), (at("2026-03-02T00:00:00Z"), day("2026-03-02")));
    assert_eq!(due.decisions.len(), MOST_AT_ONCE + 3);
}

#[test]
fn the_next_start_is_found_at_once_behind_a_blackout_of_any_length() {
    const NOON: &str = "2026-03-02T12:00:00Z";
    let day = |text: &str| text.parse().unwrap();
    let of = |cron: &str, zone: Tz, blackout: &[(&str, &str)], now: &str| {
        let blackout = blackout.iter().map(|(from, to)| Blackout { from: day(from), to: day(to) }).collect();
        let jitter = Duration::from_secs(300);
        let table = timetable(&Schedule { blackout, timezone: zone, jitter, ..schedule(cron) });
        table.starts_after(at(now)).next()
    };
    let begun = std::time::Instant::now();
    for cron in ["* * * * *", "*/10 * * * * *", "0 2 * * *"] {
        assert_eq!(of(cron, Europe::London, &[("2026-03-01", "9999-12-31")], NOON), None, "{cron}: never again");
        let blackouts = [("2026-03-01", "2036-03-31"), ("2036-04-01", "2036-04-02")];
        let (instant, start) = of(cron, Europe::London, &blackouts, NOON).unwrap();
        assert!(instant >= at("2036-04-02T23:00:00Z") && instant <= at("2036-04-03T01:00:00Z"), "{cron}: {instant}");
        assert!(start >= instant);
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // A minute after midnight the clock of St. John's went back to the day before.
    let zone = chrono_tz::America::St_Johns;
    let first = of("30 * * * *", zone, &[("2010-11-01", "2010-11-06")], "2010-11-06T12:00:00Z").unwrap().0;
    assert_eq!(first, at("2010-11-07T04:00:00Z"));
    let free = of("0 * * * *", Tz::UTC, &[], NOON).unwrap();
    assert!(free.1 > at(NOON) && free.0 <= at("2026-03-02T13:00:00Z"));
}

#[test]
fn a_run_that_could_only_start_too_late_is_missed() {
    let deadline = Some(Duration::from_secs(3 * 3600));
    let daily = Schedule { deadline, ..schedule("0 2 * * *") };
    let recorded = since("2026-03-01T03:00:00Z");
    assert_eq!(shown(&decide(&daily, &recorded, "2026-03-02T05:00:00Z")), ["02:00 make up"]);
    assert_eq!(shown(&decide(&daily, &recorded, "2026-03-02T05:00:01Z")), ["02:00 missed deadline"]);
}

#[test]
fn nothing_starts_on_a_blackout_day_of_the_schedule_s_zone() {
    let day = |text: &str| text.parse().unwrap();
    let blackout = vec![
        Blackout { from: day("2026-12-25"), to: day("2026-12-25") },
        Blackout { from: day("2026-12-31"), to: day("2027-01-01") },
    ];
    let zone = Tz::Pacific__Auckland;
    let daily = Schedule { blackout, timezone: zone, catch_up: CatchUp::All, ..schedule("0 2 * * *") };
    let daily = Schedule { catch_up_window: Duration::from_secs(30 * 86_400), ..daily };
    let table = Timetable::new("nightly", &daily, zone).unwrap();
    let due = plan(&table, &since("2026-12-23T20:00:00Z"), at("2027-01-02T12:00:00Z"));
    let skipped: Vec<String> = due
        .decisions
        .iter()
        .filter(|decision| decision.verdict == Verdict::Skipped(NotRunReason::Blackout))
        .map(|decision| decision.instant.with_timezone(&zone).format("%m-%d").to_string())
        .collect();
    assert_eq!(skipped, ["12-25", "12-31", "01-01"]);
    assert_eq!(due.decisions.len(), 9);
}

#[test]
fn a_paused_job_skips_what_is_due() {
    let recorded = Recorded { is_paused: true, ..since("2026-03-02T00:30:00Z") };
    let due = decide(&schedule(HOURLY), &recorded, "2026-03-02T02:30:00Z");
    assert_eq!(shown(&due), ["01:00 skipped paused", "02:00 skipped paused"]);
}

#[test]
fn what_is_due_while_a_run_is_at_work_follows_overlap() {
    let recorded = Recorded { open: vec![at_work("2026-03-02T00:00:00Z")], ..since("2026-03-02T00:30:00Z") };
    let of = |overlap| decide(&Schedule { overlap, ..schedule(HOURLY) }, &recorded, "2026-03-02T01:00:00Z");
    assert_eq!(shown(&of(Overlap::Skip)), ["01:00 skipped overlap"]);
    assert_eq!(shown(&of(Overlap::QueueOne)), ["01:00 start"]);
    assert_eq!(shown(&of(Overlap::Allow)), ["01:00 start"]);
    // One waits already.
    let open = vec![at_work("2026-03-02T00:00:00Z"), waits("2026-03-02T01:00:00Z")];
    let recorded = Recorded { open, ..since("2026-03-02T01:30:00Z") };
    let of = |overlap| decide(&Schedule { overlap, ..schedule(HOURLY) }, &recorded, "2026-03-02T02:00:00Z").withdrawn;
    assert_eq!(of(Overlap::QueueOne), [at("2026-03-02T01:00:00Z")]);
    assert!(of(Overlap::Allow).is_empty());
    assert!(of(Overlap::Skip).is_empty(), "what is skipped takes nobody's place");
}

#[test]
fn a_run_that_has_not_begun_gives_way_to_a_newer_one() {
    let recorded = Recorded { open: vec![waits("2026-03-02T00:00:00Z")], ..since("2026-03-02T00:30:00Z") };
    let due = decide(&schedule(HOURLY), &recorded, "2026-03-02T01:00:00Z");
    assert_eq!((shown(&due), due.withdrawn), (vec!["01:00 start".to_owned()], vec![at("2026-03-02T00:00:00Z")]));
    let all = Schedule { catch_up: CatchUp::All, ..schedule(HOURLY) };
    assert!(decide(&all, &recorded, "2026-03-02T01:00:00Z").withdrawn.is_empty());
}

#[test]
fn a_run_that_makes_up_for_a_missed_one_takes_nobody_s_place() {
    let open = vec![OpenRun { instant: at("2026-03-02T00:00:00Z"), is_at_work: true, is_made_up: true }];
    let recorded = Recorded { open, ..since("2026-03-02T00:30:00Z") };
    for overlap in [Overlap::Skip, Overlap::QueueOne, Overlap::Allow] {
        let due = decide(&Schedule { overlap, ..schedule(HOURLY) }, &recorded, "2026-03-02T01:00:00Z");
        assert_eq!((shown(&due), due.withdrawn), (vec!["01:00 start".to_owned()], vec![]));
    }
}

#[test]
fn a_clock_that_went_back_fires_nothing_twice() {
    let decided = [at("2026-03-02T01:00:00Z"), at("2026-03-02T02:00:00Z")].into();
    let recorded = Recorded { decided, ..since("2026-03-02T00:30:00Z") };
    let all = Schedule { catch_up: CatchUp::All, ..schedule(HOURLY) };
    assert_eq!(shown(&decide(&all, &recorded, "2026-03-02T03:00:00Z")), ["03:00 start"]);
    // The record is ahead of the clock.
    let recorded = since("2026-03-02T05:00:00Z");
    let due = decide(&all, &recorded, "2026-03-02T03:00:00Z");
    assert_eq!((shown(&due), due.decided_until), (vec![], at("2026-03-02T05:00:00Z")));
}

#[test]
fn jitter_moves_the_start_and_nothing_else() {
    let jitter = Duration::from_secs(600);
    let daily = Schedule { jitter, deadline: Some(Duration::from_secs(3600)), ..schedule("0 2 * * *") };
    let table = timetable(&daily);
    let instant = at("2026-03-02T02:00:00Z");
    let start = table.start_of(instant);
    assert!(start > instant && start <= instant + TimeDelta::minutes(10), "{start}");
    assert_eq!(start, timetable(&daily).start_of(instant), "two daemons agree");
    let recorded = since("2026-03-01T03:00:00Z");
    assert_eq!(shown(&plan(&table, &recorded, start - TimeDelta::milliseconds(1))), [""; 0]);
    let due = plan(&table, &recorded, start);
    assert_eq!(shown(&due), ["02:00 start"]);
    assert_eq!(due.decisions[0].instant, instant, "the key is the scheduled instant");
    let other = Timetable::new("landing", &daily, Tz::UTC).unwrap().start_of(instant);
    assert_ne!(other, start, "two jobs of one time start at two");
}

#[test]
fn the_day_of_a_run_is_the_last_complete_one_at_its_scheduled_instant() {
    let late_evening = Schedule { timezone: Europe::London, ..schedule("30 23 * * *") };
    let table = Timetable::new("nightly", &late_evening, Tz::Asia__Tokyo).unwrap();
    // 23:30 in London is 08:30 of the next day in Tokyo, whose yesterday is London's day.
    let due = plan(&table, &since("2026-01-31T00:00:00Z"), at("2026-02-01T11:00:00Z"));
    assert_eq!(due.decisions[0].as_of.to_string(), "2026-01-31");
}

/// A job after `landing` and `stock`, or after `landing` alone.
fn follower(after: &[&str], cron: Option<&str>) -> Schedule {
    let after = after.iter().map(|job| (*job).to_owned()).collect();
    Schedule { cron: cron.map(str::to_owned), after, ..schedule("0 0 * * *") }
}

fn good(runs: &[(&str, &str, &str)]) -> BTreeMap<(String, chrono::NaiveDate), DateTime<Utc>> {
    runs.iter().map(|(job, day, end)| (((*job).to_owned(), day.parse().unwrap()), at(end))).collect()
}

#[test]
fn a_job_follows_the_good_runs_of_others_for_the_same_day() {
    let both = follower(&["landing", "stock"], None);
    let upstream = |runs| Upstream { good: good(runs), ..Upstream::default() };
    let now = "2026-03-02T04:00:00Z";
    let one = [("landing", "2026-03-01", "2026-03-02T03:00:00Z")];
    let recorded = Recorded { upstream: upstream(&one), ..since("2026-03-02T00:00:00Z") };
    assert_eq!(shown(&decide(&both, &recorded, now)), [""; 0]);
    let other_day = [one[0], ("stock", "2026-02-28", "2026-03-02T03:59:30Z")];
    let recorded = Recorded { upstream: upstream(&other_day), ..since("2026-03-02T00:00:00Z") };
    assert_eq!(shown(&decide(&both, &recorded, now)), [""; 0]);
    let same_day = [one[0], ("stock", "2026-03-01", "2026-03-02T03:59:30Z")];
    let recorded = Recorded { upstream: upstream(&same_day), ..since("2026-03-02T00:00:00Z") };
    let due = decide(&both, &recorded, now);
    assert_eq!(shown(&due), ["03:59 start"]);
    assert_eq!(due.decisions[0].as_of.to_string(), "2026-03-01");
    assert_eq!(due.decisions[0].answers, Some(at("2026-03-02T03:59:30Z")));
    // Answered: it takes a new good run of both to call again.
    let answered = BTreeMap::from([("2026-03-01".parse().unwrap(), at("2026-03-02T03:59:30Z"))]);
    let again = |runs| Recorded {
        upstream: Upstream { good: good(runs), answered: answered.clone() },
        ..since("2026-03-02T00:00:00Z")
    };
    assert_eq!(shown(&decide(&both, &again(&same_day), now)), [""; 0]);
    let one_anew = [("landing", "2026-03-01", "2026-03-02T05:00:00Z"), same_day[1]];
    assert_eq!(shown(&decide(&both, &again(&one_anew), "2026-03-02T05:00:00Z")), [""; 0]);
    let both_anew = [one_anew[0], ("stock", "2026-03-01", "2026-03-02T05:10:00Z")];
    assert_eq!(shown(&decide(&both, &again(&both_anew), "2026-03-02T05:10:10Z")), ["05:10 start"]);
}

#[test]
fn good_runs_from_before_the_schedule_was_seen_call_nobody() {
    let runs = [("landing", "2026-03-01", "2026-03-02T03:00:00Z")];
    let upstream = Upstream { good: good(&runs), ..Upstream::default() };
    let recorded = Recorded { upstream, ..since("2026-03-02T03:30:00Z") };
    assert_eq!(shown(&decide(&follower(&["landing"], None), &recorded, "2026-03-02T04:00:00Z")), [""; 0]);
}

#[test]
fn with_a_cron_as_well_a_run_waits_for_both() {
    let nightly = follower(&["landing"], Some("0 2 * * *"));
    let with = |runs: &[(&str, &str, &str)]| Recorded {
        upstream: Upstream { good: good(runs), ..Upstream::default() },
        ..since("2026-03-01T03:00:00Z")
    };
    let waiting = decide(&nightly, &with(&[]), "2026-03-02T02:10:00Z");
    assert_eq!((shown(&waiting), waiting.decided_until), (vec![], at("2026-03-01T03:00:00Z")));
    let landed = with(&[("landing", "2026-03-01", "2026-03-02T06:00:00Z")]);
    assert_eq!(shown(&decide(&nightly, &landed, "2026-03-02T01:59:00Z")), [""; 0]);
    assert_eq!(shown(&decide(&nightly, &landed, "2026-03-02T06:00:30Z")), ["02:00 start"], "on time when called");
    // It stops to wait when its window is over, or when the next one is due.
    assert_eq!(shown(&decide(&nightly, &with(&[]), "2026-03-03T01:00:00Z")), [""; 0]);
    assert_eq!(shown(&decide(&nightly, &with(&[]), "2026-03-03T02:00:01Z")), ["02:00 missed after"]);
    let twice = follower(&["landing"], Some("0 2,14 * * *"));
    let missed = decide(&twice, &with(&[]), "2026-03-02T14:00:01Z");
    assert_eq!(shown(&missed), ["14:00 missed after", "02:00 missed after"]);
    assert_eq!(missed.decided_until, at("2026-03-02T02:00:00Z"), "today's 14:00 waits");
    let deadline = Schedule { deadline: Some(Duration::from_secs(3600)), ..nightly };
    assert_eq!(shown(&decide(&deadline, &with(&[]), "2026-03-02T03:00:01Z")), ["02:00 missed after"]);
    assert_eq!(decide(&deadline, &with(&[]), "2026-03-02T02:10:00Z").next, Some(at("2026-03-02T03:00:01Z")));
}

#[test]
fn one_good_run_is_answered_by_one_run() {
    let all = Schedule { catch_up: CatchUp::All, ..follower(&["landing"], Some("0 2,14 * * *")) };
    let upstream = Upstream { good: good(&[("landing", "2026-03-01", "2026-03-02T06:00:00Z")]), ..Upstream::default() };
    let recorded = Recorded { upstream, ..since("2026-03-02T00:00:00Z") };
    let due = decide(&all, &recorded, "2026-03-02T14:30:00Z");
    assert_eq!(shown(&due), ["02:00 make up"], "14:00 waits for another one");
    let last = Schedule { catch_up: CatchUp::Last, ..all };
    let due = decide(&last, &recorded, "2026-03-02T14:30:00Z");
    assert_eq!(shown(&due), ["02:00 missed catch_up", "14:00 make up"]);
}
