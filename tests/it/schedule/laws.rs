//! Laws that hold for every schedule: nothing twice, in order, however time is cut, whoever asks.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use lifecycle::config::{CatchUp, Overlap, Schedule};
use lifecycle::schedule::{Recorded, Timetable, plan, simulate};
use lifecycle::state::Verdict;
use proptest::prelude::*;

use super::schedule;

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("*".to_owned()),
        3 => (low..=high).prop_map(|value| value.to_string()),
        1 => (low..=high, low..=high).prop_map(|(one, other)| format!("{one},{other}")),
        1 => (low..=high, 0..4_u32).prop_map(move |(from, more)| format!("{from}-{}", (from + more).min(high))),
        1 => (2..9_u32).prop_map(|step| format!("*/{step}")),
    ]
}

fn cron() -> impl Strategy<Value = String> {
    (field(0, 59), field(0, 23), field(1, 28), prop_oneof![4 => Just("*".to_owned()), 1 => field(1, 12)], field(0, 6))
        .prop_map(|(minute, hour, day, month, weekday)| {
            // Every minute of every hour is right, and slow to check.
            let minute = if minute == "*" { "*/7".to_owned() } else { minute };
            format!("{minute} {hour} {day} {month} {weekday}")
        })
}

fn zone() -> impl Strategy<Value = Tz> {
    (0..TZ_VARIANTS.len()).prop_map(|index| TZ_VARIANTS[index])
}

fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    (1_000_000_000..1_900_000_000_i64).prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

fn between(table: &Timetable, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    table.instants(after).take_while(|instant| *instant <= until).collect()
}

/// Looks at `moments`, executes what starts at once, and returns what started.
fn play(table: &Timetable, since: DateTime<Utc>, moments: &[DateTime<Utc>]) -> Vec<DateTime<Utc>> {
    let mut recorded = Recorded { decided_until: since, ..Recorded::default() };
    let mut started = Vec::new();
    for now in moments {
        let plan = plan(table, &recorded, *now);
        recorded.decided_until = plan.decided_until;
        let starts = plan.decisions.iter().filter(|decision| matches!(decision.verdict, Verdict::Start { .. }));
        started.extend(starts.map(|decision| decision.instant));
    }
    started
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn instants_ascend_and_are_the_same_however_time_is_cut(
        cron in cron(), zone in zone(), from in moment(), cut in 0..60_000_i64, length in 1..40_i64,
    ) {
        let table = super::timetable(&Schedule { timezone: zone, ..schedule(&cron) });
        let (middle, to) = (from + TimeDelta::minutes(cut), from + TimeDelta::days(length));
        let whole = between(&table, from, to);
        prop_assert!(whole.is_sorted_by(|one, other| one < other), "{cron} in {zone}");
        prop_assert!(whole.iter().all(|instant| *instant > from));
        let middle = middle.min(to);
        let cut: Vec<_> = [between(&table, from, middle), between(&table, middle, to)].concat();
        prop_assert_eq!(&whole, &cut, "{} in {}, cut at {}", cron, zone, middle);
        // From any instant on, the rest is the same.
        if let Some(some) = whole.get(whole.len() / 2) {
            prop_assert_eq!(&whole[whole.len() / 2 + 1..], &between(&table, *some, to)[..]);
        }
    }

    #[test]
    fn whenever_somebody_looks_every_instant_is_decided_once(
        cron in cron(), zone in zone(), from in moment(),
        steps in prop::collection::vec(-600..40_000_i64, 1..25), jitter in 0..900_u64,
    ) {
        let schedule = Schedule {
            timezone: zone,
            catch_up: CatchUp::All,
            catch_up_window: Duration::from_secs(3_000 * 86_400),
            overlap: Overlap::Allow,
            jitter: Duration::from_secs(jitter),
            ..schedule(&cron)
        };
        let table = super::timetable(&schedule);
        // The clock steps forth, and back now and then.
        let moments: Vec<_> = steps.iter().scan(from, |now, step| { *now += TimeDelta::seconds(*step); Some(*now) }).collect();
        let started = play(&table, from, &moments);
        let distinct: BTreeSet<_> = started.iter().collect();
        prop_assert_eq!(distinct.len(), started.len(), "nothing twice");
        prop_assert!(started.is_sorted());
        let last = moments.iter().copied().max().unwrap();
        let mut expected = between(&table, from, last.max(from));
        // What may not start before its jitter is over waits, and so does what comes after it.
        let open = expected.iter().position(|instant| table.start_of(*instant) > last).unwrap_or(expected.len());
        expected.truncate(open);
        let few = started.iter().zip(&expected).all(|(one, other)| one == other) || expected.len() > 100;
        prop_assert!(few, "{cron} in {zone}: {started:?} instead of {expected:?}");
        prop_assert!(expected.len() > 100 || started.len() == expected.len());
        // Another daemon that starts from the same record decides the same.
        prop_assert_eq!(started, play(&super::timetable(&schedule), from, &moments));
    }

    #[test]
    fn the_next_look_is_never_too_late(cron in cron(), zone in zone(), from in moment(), jitter in 0..3_600_u64) {
        let schedule = Schedule { timezone: zone, jitter: Duration::from_secs(jitter), ..schedule(&cron) };
        let table = super::timetable(&schedule);
        let mut recorded = Recorded { decided_until: from, ..Recorded::default() };
        let mut now = from;
        for _ in 0..12 {
            let before = plan(&table, &recorded, now);
            let Some(next) = before.next else { break };
            prop_assert!(next > now);
            recorded.decided_until = before.decided_until;
            let earlier = plan(&table, &recorded, next - TimeDelta::milliseconds(1));
            prop_assert!(earlier.decisions.is_empty(), "{cron}: something is due before {next}");
            let due = plan(&table, &recorded, next);
            prop_assert!(!due.decisions.is_empty(), "{cron}: nothing is due at {next}");
            now = next;
        }
    }

    #[test]
    fn a_simulation_can_be_cut_in_two(cron in cron(), zone in zone(), from in moment(), cut in 1..20_000_i64) {
        let table = [super::timetable(&Schedule { timezone: zone, ..schedule(&cron) })];
        let (middle, to) = (from + TimeDelta::minutes(cut), from + TimeDelta::minutes(30_000));
        let whole = simulate(&table, from, to, 1_000_000);
        let cut = [simulate(&table, from, middle, 1_000_000), simulate(&table, middle, to, 1_000_000)].concat();
        prop_assert_eq!(whole, cut);
    }
}
