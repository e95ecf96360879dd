//! Clocks that change: fixed times fire once, what runs in every hour follows real time.

use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, Tz};

use super::instants;

const SPRING: (&str, &str) = ("2026-03-29T00:00:00Z", "2026-03-29T04:00:00Z");
const AUTUMN: (&str, &str) = ("2026-10-25T00:00:00Z", "2026-10-25T04:00:00Z");

fn spring(cron: &str) -> Vec<String> {
    times(cron, Europe::London, SPRING)
}

fn autumn(cron: &str) -> Vec<String> {
    times(cron, Europe::London, AUTUMN)
}

/// Times of day in UTC.
fn times(cron: &str, zone: Tz, (from, to): (&str, &str)) -> Vec<String> {
    instants(cron, zone, from, to).into_iter().map(|text| text.split_once('T').unwrap().1.to_owned()).collect()
}

#[test]
fn a_fixed_time_that_the_clock_skips_fires_at_the_first_instant_after_the_gap() {
    // London goes from 00:59:59 GMT to 02:00 BST at 01:00 UTC.
    assert_eq!(spring("30 1 * * *"), ["01:00"]);
    assert_eq!(spring("0 1 * * *"), ["01:00"]);
    assert_eq!(spring("59 1 * * *"), ["01:00"]);
    assert_eq!(spring("0 2 * * *"), ["01:00"]);
    assert_eq!(spring("30 2 * * *"), ["01:30"]);
}

#[test]
fn times_that_fall_on_one_instant_fire_once() {
    assert_eq!(spring("0,30 1 * * *"), ["01:00"]);
    assert_eq!(spring("*/15 1 * * *"), ["01:00"]);
    assert_eq!(spring("30 1,2 * * *"), ["01:00", "01:30"]);
    assert_eq!(spring("0 1,2,3 * * *"), ["01:00", "02:00"]);
}

#[test]
fn a_fixed_time_that_comes_twice_fires_at_its_first_occurrence() {
    // London goes from 01:59:59 BST back to 01:00 GMT at 01:00 UTC.
    assert_eq!(autumn("30 1 * * *"), ["00:30"]);
    assert_eq!(autumn("0 1 * * *"), ["00:00"]);
    assert_eq!(autumn("*/15 1 * * *"), ["00:00", "00:15", "00:30", "00:45"]);
    assert_eq!(autumn("0 1,2 * * *"), ["00:00", "02:00"]);
    assert_eq!(autumn("0 2 * * *"), ["02:00"]);
}

#[test]
fn what_runs_in_every_hour_follows_real_time() {
    assert_eq!(spring("0 * * * *"), ["00:00", "01:00", "02:00", "03:00"]);
    assert_eq!(autumn("0 * * * *"), ["00:00", "01:00", "02:00", "03:00"]);
    assert_eq!(spring("30 * * * *"), ["00:30", "01:30", "02:30", "03:30"]);
    assert_eq!(autumn("30 0-23 * * *"), ["00:30", "01:30", "02:30", "03:30"]);
    assert_eq!(autumn("*/15 * * * *").len(), 16);
    assert_eq!(spring("*/15 * * * *").len(), 16);
}

#[test]
fn half_an_hour_of_lord_howe_is_a_gap_like_any_other() {
    // 02:00 becomes 02:30 on 4 October 2026; 02:00 becomes 01:30 on 5 April 2026.
    let spring = ("2026-10-03T14:00:00Z", "2026-10-03T17:00:00Z");
    assert_eq!(times("15 2 * * *", Australia::Lord_Howe, spring), ["15:30"]);
    assert_eq!(times("30 2 * * *", Australia::Lord_Howe, spring), ["15:30"]);
    let autumn = ("2026-04-04T14:00:00Z", "2026-04-04T17:00:00Z");
    assert_eq!(times("45 1 * * *", Australia::Lord_Howe, autumn), ["14:45"]);
    assert_eq!(times("45 * * * *", Australia::Lord_Howe, autumn), ["14:45", "15:15", "16:15"]);
}

#[test]
fn midnight_may_not_exist() {
    // São Paulo, 2018: the 4th of November began at 01:00.
    let night = ("2018-11-04T00:00:00Z", "2018-11-04T06:00:00Z");
    assert_eq!(times("0 0 * * *", America::Sao_Paulo, night), ["03:00"]);
    assert_eq!(times("0 0 4 11 *", America::Sao_Paulo, night), ["03:00"]);
    // Beirut, 2026: the 29th of March begins at 01:00.
    let night = ("2026-03-28T20:00:00Z", "2026-03-29T01:00:00Z");
    assert_eq!(times("0 0 * * *", Asia::Beirut, night), ["22:00"]);
}

#[test]
fn a_day_may_not_exist() {
    // Samoa left out the 30th of December 2011.
    let days = ("2011-12-29T00:00:00Z", "2012-01-02T00:00:00Z");
    assert_eq!(
        instants("0 2 * * *", Pacific::Apia, days.0, days.1),
        ["12-29T12:00", "12-30T10:00", "12-30T12:00", "12-31T12:00", "01-01T12:00"]
    );
    assert_eq!(instants("0 2 30 12 *", Pacific::Apia, days.0, days.1), ["12-30T10:00"]);
    assert_eq!(
        instants("0 0 * * *", Pacific::Apia, days.0, days.1),
        ["12-29T10:00", "12-30T10:00", "12-31T10:00", "01-01T10:00"]
    );
}

#[test]
fn a_clock_may_go_back_over_midnight() {
    // Havana: 01:00 becomes 00:00 on 1 November 2026; St. John's: 00:01 became 23:01 of the day before on 7 November 2010.
    let night = ("2026-11-01T03:00:00Z", "2026-11-01T07:00:00Z");
    assert_eq!(times("30 0 * * *", America::Havana, night), ["04:30"]);
    assert_eq!(times("30 * * * *", America::Havana, night), ["03:30", "04:30", "05:30", "06:30"]);
    let night = ("2010-11-07T00:00:00Z", "2010-11-07T05:00:00Z");
    assert_eq!(times("30 23 * * *", America::St_Johns, night), ["02:00"]);
    assert_eq!(times("0 0 * * *", America::St_Johns, night), ["02:30"]);
    assert_eq!(times("30 * * * *", America::St_Johns, night), ["00:00", "01:00", "02:00", "03:00", "04:00"]);
}

#[test]
fn ramadan_changes_the_clock_four_times_a_year() {
    // Casablanca, 2018: 25 March forward, 13 May back, 17 June forward, then for good.
    let found = instants("30 2 * * *", Africa::Casablanca, "2018-05-12T00:00:00Z", "2018-05-14T12:00:00Z");
    assert_eq!(found, ["05-12T01:30", "05-13T01:30", "05-14T02:30"]);
    let found = instants("30 2 * * *", Africa::Casablanca, "2018-06-16T00:00:00Z", "2018-06-18T12:00:00Z");
    assert_eq!(found, ["06-16T02:30", "06-17T02:00", "06-18T01:30"]);
}

#[test]
fn day_of_month_or_day_of_week() {
    let found = instants("0 2 1,15 * MON", Tz::UTC, "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
    assert_eq!(found, ["06-01T02:00", "06-08T02:00", "06-15T02:00", "06-22T02:00", "06-29T02:00"]);
    let found = instants("0 2 10 * MON", Tz::UTC, "2026-06-01T00:00:00Z", "2026-06-16T00:00:00Z");
    assert_eq!(found, ["06-01T02:00", "06-08T02:00", "06-10T02:00", "06-15T02:00"]);
    assert_eq!(instants("0 0 L * *", Tz::UTC, "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"), ["02-29T00:00"]);
    assert_eq!(instants("0 0 * * 5L", Tz::UTC, "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"), ["06-26T00:00"]);
    assert_eq!(instants("30 0 2 * * *", Tz::UTC, "2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"), ["06-01T02:00"]);
}

#[test]
fn a_day_that_is_rare_is_found_soon() {
    let table = super::timetable(&super::schedule("0 * 29 2 0"));
    let begun = std::time::Instant::now();
    let first = table.instants(super::at("2048-03-01T00:00:00Z")).next().unwrap();
    // Sundays count too: day of month or day of week.
    assert_eq!(first, super::at("2049-02-07T00:00:00Z"));
    let table = super::timetable(&super::schedule("*/15 * 29 2 *"));
    let first = table.instants(super::at("2096-03-01T00:00:00Z")).next().unwrap();
    assert_eq!(first, super::at("2104-02-29T00:00:00Z"), "1900, 2100 and 2200 are no leap years");
    assert!(begun.elapsed().as_millis() < 500, "{:?}", begun.elapsed());
}
