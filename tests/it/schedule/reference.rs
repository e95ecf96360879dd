//! Ten years of clocks against a second calculation that shares nothing with the planner but the zones: it walks every
//! minute of real time and looks at the wall clock.
//!
//! A time of day fires when the wall clock first reaches or passes it. An expression that runs in every hour fires
//! whenever the wall clock shows one of its minutes.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use lifecycle::config::{Schedule, cron_parser};
use lifecycle::schedule::Timetable;

use super::{at, schedule};

pub const PATTERNS: [&str; 30] = [
    "0 2 * * *",
    "30 1 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "15 3 * * *",
    "0 1,2,3 * * *",
    "30 1,2 * * *",
    "0 2,3 * * *",
    "*/15 2 * * *",
    "*/30 1-3 * * *",
    "0 */2 * * *",
    "0 */6 * * *",
    "0 * * * *",
    "30 * * * *",
    "*/15 * * * *",
    "7,37 * * * *",
    "0 2 * * 0",
    "0 2 * * 7",
    "0 9 * * 1-5",
    "*/10 9-17 * * 1-5",
    "0 2 1 * *",
    "0 2 31 * *",
    "0 2 29 2 *",
    "0 0 1 1 *",
    "0 2 1,15 * 0",
    "30 1 13 * 5",
    "0 0-23 * * *",
    "15 1 * 3,10 *",
    "0 12 * 11 7",
];

/// Zones with every kind of change: half hours, hours at midnight, days left out, four changes a year, none.
pub const ZONES: [&str; 50] = [
    "UTC",
    "Europe/London",
    "Europe/Dublin",
    "Europe/Berlin",
    "Europe/Lisbon",
    "Europe/Moscow",
    "Europe/Istanbul",
    "Europe/Chisinau",
    "Europe/Volgograd",
    "Europe/Samara",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/St_Johns",
    "America/Halifax",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Asuncion",
    "America/Havana",
    "America/Caracas",
    "America/Mexico_City",
    "America/Godthab",
    "America/Port-au-Prince",
    "America/Scoresbysund",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Africa/Windhoek",
    "Africa/Tripoli",
    "Asia/Tehran",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Amman",
    "Asia/Damascus",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tokyo",
    "Asia/Ulaanbaatar",
    "Asia/Magadan",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Norfolk",
    "Antarctica/Troll",
];

/// A cron expression of numbers, ranges, steps and lists, read the plain way.
struct Fields {
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    weekdays: Vec<u32>,
    any_day: bool,
    any_weekday: bool,
}

impl Fields {
    fn read(text: &str) -> Self {
        let fields: Vec<&str> = text.split(' ').collect();
        let values = |field: &str, low: u32, high: u32| -> Vec<u32> {
            field
                .split(',')
                .flat_map(|part| {
                    let (range, step) = part.split_once('/').unwrap_or((part, "1"));
                    let (from, to) = match range {
                        "*" => (low, high),
                        range => {
                            let (from, to) = range.split_once('-').unwrap_or((range, range));
                            (from.parse().unwrap(), to.parse().unwrap())
                        }
                    };
                    (from..=to).step_by(step.parse().unwrap()).collect::<Vec<_>>()
                })
                .collect()
        };
        Self {
            minutes: values(fields[0], 0, 59),
            hours: values(fields[1], 0, 23),
            days: values(fields[2], 1, 31),
            months: values(fields[3], 1, 12),
            weekdays: values(fields[4], 0, 6).into_iter().map(|day| day % 7).collect(),
            any_day: fields[2] == "*",
            any_weekday: fields[4] == "*",
        }
    }

    fn is_on(&self, date: NaiveDate) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().num_days_from_sunday());
        let is_day = match (self.any_day, self.any_weekday) {
            (true, true) => true,
            (true, false) => weekday,
            (false, true) => day,
            (false, false) => day || weekday,
        };
        is_day && self.months.contains(&date.month())
    }

    fn runs_in_every_hour(&self) -> bool {
        (0..24).all(|hour| self.hours.contains(&hour))
    }
}

/// All expressions in one walk over the minutes of a zone: instants as minutes since 1970, by expression.
struct Walk {
    fields: Vec<Fields>,
    /// Which expressions have a minute of the hour.
    of_minute: Vec<Vec<usize>>,
    every_hour: Vec<bool>,
    in_hour: Vec<[bool; 24]>,
    day: NaiveDate,
    on_day: Vec<bool>,
    fired: Vec<Vec<i64>>,
}

impl Walk {
    fn new(patterns: &[&str]) -> Self {
        let fields: Vec<Fields> = patterns.iter().map(|text| Fields::read(text)).collect();
        let having = |minute: u32| (0..fields.len()).filter(|index| fields[*index].minutes.contains(&minute)).collect();
        Self {
            of_minute: (0..60).map(having).collect(),
            every_hour: fields.iter().map(Fields::runs_in_every_hour).collect(),
            in_hour: fields
                .iter()
                .map(|fields| std::array::from_fn(|hour| fields.hours.contains(&(hour as u32))))
                .collect(),
            day: NaiveDate::MIN,
            on_day: vec![false; fields.len()],
            fired: vec![Vec::new(); fields.len()],
            fields,
        }
    }

    /// The wall clock shows `shown` at `minute`: those fire whose reading this is.
    fn show(&mut self, shown: NaiveDateTime, minute: i64, which: bool) {
        if shown.date() != self.day {
            self.day = shown.date();
            for (on_day, fields) in self.on_day.iter_mut().zip(&self.fields) {
                *on_day = fields.is_on(shown.date());
            }
        }
        for &index in &self.of_minute[shown.minute() as usize] {
            let fits = self.on_day[index] && self.in_hour[index][shown.hour() as usize];
            if fits && self.every_hour[index] == which && self.fired[index].last() != Some(&minute) {
                self.fired[index].push(minute);
            }
        }
    }
}

fn reference(patterns: &[&str], zone: Tz, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<Vec<i64>> {
    let shown_at = |minute: i64| zone.from_utc_datetime(&instant(minute).naive_utc()).naive_local();
    let (from, to) = (from.timestamp() / 60, to.timestamp() / 60);
    let mut walk = Walk::new(patterns);
    // Two days before, so that what the clock has shown before is known.
    let begin = (from - 2 * 1_440).div_euclid(60) * 60;
    let mut furthest = shown_at(begin - 1);
    for hour in (begin..to).step_by(60) {
        // Asking for the zone's offset is what takes the time: in an hour whose clock goes on in step it is counted.
        let first = shown_at(hour);
        let is_steady = shown_at(hour + 59) - first == TimeDelta::minutes(59);
        for minute in hour..(hour + 60).min(to) {
            let shown = if is_steady { first + TimeDelta::minutes(minute - hour) } else { shown_at(minute) };
            walk.show(shown, minute, true);
            while furthest < shown {
                furthest += TimeDelta::minutes(1);
                walk.show(furthest, minute, false);
            }
        }
    }
    for fired in &mut walk.fired {
        fired.retain(|minute| *minute >= from);
    }
    walk.fired
}

fn instant(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).unwrap()
}

/// Compares a zone's instants; returns how many there were, and how many expressions croner alone gets otherwise.
fn compare(zone: &str, from: &str, to: &str, asks_croner: bool) -> (usize, Vec<String>) {
    let (from, to, name) = (at(from), at(to), zone);
    let zone: Tz = zone.parse().unwrap();
    let expected = reference(&PATTERNS, zone, from, to);
    let mut count = 0;
    let mut otherwise = Vec::new();
    for (pattern, expected) in PATTERNS.iter().zip(expected) {
        let table = Timetable::new("nightly", &Schedule { timezone: zone, ..schedule(pattern) }, Tz::UTC).unwrap();
        let found = table.instants(from - TimeDelta::microseconds(1)).take_while(|instant| *instant < to);
        let found: Vec<i64> = found.map(|instant| instant.timestamp().div_euclid(60)).collect();
        if found != expected {
            let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
            let shown = first.map(|(found, expected)| (instant(*found), instant(*expected)));
            panic!("{name} `{pattern}`: {} found, {} expected, first {shown:?}", found.len(), expected.len());
        }
        count += found.len();
        if asks_croner {
            let cron = cron_parser().parse(pattern).unwrap();
            let start = (from - TimeDelta::seconds(1)).with_timezone(&zone);
            let theirs: Vec<i64> = cron
                .iter_after(start)
                .take_while(|instant| instant.to_utc() < to)
                .map(|instant| instant.timestamp().div_euclid(60))
                .collect();
            if theirs != expected {
                otherwise.push(format!("{name} `{pattern}`"));
            }
        }
    }
    (count, otherwise)
}

#[test]
fn the_planner_agrees_with_a_walk_over_every_minute() {
    // The years in which these changed their clocks in the strangest ways.
    let years = [
        ("Europe/London", "2026-03-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("Africa/Casablanca", "2018-03-01T00:00:00Z", "2018-11-01T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-03-15T00:00:00Z", "2026-04-15T00:00:00Z"),
        ("Pacific/Apia", "2011-12-15T00:00:00Z", "2012-01-15T00:00:00Z"),
        ("America/St_Johns", "2010-10-15T00:00:00Z", "2010-11-15T00:00:00Z"),
        ("Asia/Pyongyang", "2015-08-01T00:00:00Z", "2015-09-01T00:00:00Z"),
        ("Antarctica/Troll", "2026-03-15T00:00:00Z", "2026-04-15T00:00:00Z"),
    ];
    let mut count = 0;
    let mut otherwise = BTreeMap::new();
    for (zone, from, to) in years {
        let (found, theirs) = compare(zone, from, to, true);
        count += found;
        otherwise.insert(zone, theirs.len());
    }
    println!("{} zones x {} expressions: {count} instants, no difference", years.len(), PATTERNS.len());
    println!("expressions of which croner alone makes something else, by zone: {otherwise:?}");
    assert!(count > 20_000, "{count}");
    assert!(otherwise.values().sum::<usize>() > 0, "croner keeps the rules now: our own calculation could go");
}

#[test]
#[ignore = "long: 50 zones x 30 expressions x 10 years"]
fn ten_years_of_fifty_zones() {
    let begun = std::time::Instant::now();
    let mut count = 0;
    let zones = std::sync::Mutex::new(ZONES.to_vec());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut count = 0;
                    loop {
                        let Some(zone) = zones.lock().unwrap().pop() else { return count };
                        count += compare(zone, "2011-01-01T00:00:00Z", "2021-01-01T00:00:00Z", false).0;
                    }
                })
            })
            .collect();
        count = workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>();
    });
    let pairs = ZONES.len() * PATTERNS.len();
    println!(
        "10 years x {} zones x {} expressions: {pairs} pairs, {count} instants, no difference, {:.0} s",
        ZONES.len(),
        PATTERNS.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(count > 40_000_000, "{count}");
}
