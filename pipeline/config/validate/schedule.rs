//! Cron expressions and time zones.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::parser::{CronParser, Seconds, Year};

use crate::config::document::Findings;
use crate::config::raw::{RawBlackout, RawSchedule};
use crate::config::text::{Unfit, closest, parse_duration};
use crate::config::yaml::Placed;
use crate::config::{Blackout, CatchUp, Overlap, Schedule};

pub(super) fn validate_schedule(findings: &mut Findings, raw: &Placed<RawSchedule>) -> Option<Schedule> {
    let place = raw.place;
    let raw = &raw.value;
    let before = findings.problems.len();
    let cron = raw.cron.as_ref().and_then(|cron| {
        findings.parse("cron", cron, check_cron)?;
        Some(cron.value.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    let timezone = raw.timezone.as_ref().and_then(|zone| findings.parse("timezone", zone, parse_zone));
    let blackout = raw.blackout.iter().filter_map(|blackout| validate_blackout(findings, blackout)).collect();
    let mut duration = |key: &str, text: &Option<super::Text>| {
        text.as_ref().and_then(|text| findings.parse(key, text, parse_duration))
    };
    let catch_up_window = duration("catch_up_window", &raw.catch_up_window);
    let jitter = duration("jitter", &raw.jitter).unwrap_or(Duration::ZERO);
    let deadline = duration("deadline", &raw.deadline);
    if let (Some(deadline), Some(text)) = (deadline, &raw.deadline)
        && deadline < jitter
    {
        let hint = "a run that starts `jitter` after its time must still meet its `deadline`".to_owned();
        findings.report(text.place, "`deadline` is shorter than `jitter`", Some(hint));
    }
    if raw.cron.is_none() && raw.after.is_empty() && findings.problems.len() == before {
        let hint = "write when it runs, such as `cron: \"0 2 * * *\"`, or after which jobs, such as `after: [landing]`";
        findings.report(place, "the key `cron` or `after` is missing in `schedule`", Some(hint.to_owned()));
    }
    let schedule = Schedule {
        cron,
        after: raw.after.iter().map(|job| job.value.clone()).collect(),
        timezone: timezone.unwrap_or(Tz::UTC),
        blackout,
        catch_up: raw.catch_up.unwrap_or(CatchUp::Last),
        catch_up_window: catch_up_window.unwrap_or(Duration::from_secs(24 * 3600)),
        overlap: raw.overlap.unwrap_or(Overlap::Skip),
        jitter,
        deadline,
    };
    (schedule.cron.is_some() || !schedule.after.is_empty()).then_some(schedule)
}

fn validate_blackout(findings: &mut Findings, raw: &Placed<RawBlackout>) -> Option<Blackout> {
    match &raw.value {
        RawBlackout::Day(text) => match parse_day(text) {
            Ok(day) => Some(Blackout { from: day, to: day }),
            Err(unfit) => {
                let message = format!("`blackout` names `{}`, expected {}", raw.shown_or(text), unfit.expected);
                findings.report(raw.place, message, unfit.hint);
                None
            }
        },
        RawBlackout::Range(range) => {
            let from = findings.parse("from", range.from.as_ref()?, parse_day);
            let to_text = range.to.as_ref()?;
            let to = findings.parse("to", to_text, parse_day);
            let (from, to) = (from?, to?);
            if to < from {
                findings.report(to_text.place, format!("`to` is before `from`: {to} before {from}"), None);
                return None;
            }
            Some(Blackout { from, to })
        }
    }
}

fn parse_day(text: &str) -> Result<NaiveDate, Unfit> {
    let is_shaped = text.len() == 10;
    let day = text.parse().ok().filter(|_| is_shaped);
    day.ok_or_else(|| Unfit::new("a day of the calendar such as `2026-12-25`, or `{from: 2026-12-24, to: 2026-12-26}`"))
}

/// The parser of [`Schedule::cron`]: five fields, or six with seconds first; day of month or day of week.
pub fn cron_parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).dom_and_dow(false).build()
}

/// Checks a cron expression of five fields, or six with seconds first, that fires sometime.
fn check_cron(text: &str) -> Result<(), Unfit> {
    let fields = text.split_whitespace().count();
    if !(5..=6).contains(&fields) {
        let unfit = Unfit::new(format!(
            "five fields (minute, hour, day of month, month, day of week), or six with seconds first; found {fields}"
        ));
        return Err(match text.trim().to_ascii_lowercase().as_str() {
            "@hourly" => unfit.hint("write `0 * * * *`"),
            "@daily" | "@midnight" => unfit.hint("write `0 0 * * *`"),
            "@weekly" => unfit.hint("write `0 0 * * 0`"),
            "@monthly" => unfit.hint("write `0 0 1 * *`"),
            "@yearly" | "@annually" => unfit.hint("write `0 0 1 1 *`"),
            _ => unfit,
        });
    }
    let cron = cron_parser().parse(text).map_err(|_| broken_field(text))?;
    // A run lists stores and writes a record: more often than once a minute is a slip, not a wish.
    if cron.pattern.seconds.values().len() > 1 {
        return Err(Unfit::new("an expression that fires at most once a minute")
            .hint("name one second, as in `0 * * * * *`, or leave that field out"));
    }
    // A fixed moment, so that the same file is right today and tomorrow.
    let start = DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::days(19_723);
    cron.find_next_occurrence(&start, true)
        .map(|_| ())
        .map_err(|_| Unfit::new("an expression that fires sometime, but no date fits this one"))
}

/// Says which field of a cron expression is wrong.
fn broken_field(text: &str) -> Unfit {
    let mut fields: Vec<&str> = text.split_whitespace().collect();
    let mut limits = vec![
        ("a minute", "0 to 59"),
        ("an hour", "0 to 23"),
        ("a day of month", "1 to 31"),
        ("a month", "1 to 12 or `JAN` to `DEC`"),
        ("a day of week", "0 to 7 or `SUN` to `SAT`"),
    ];
    if fields.len() == 6 {
        limits.insert(0, ("a second", "0 to 59"));
    }
    let parser = cron_parser();
    for position in 0..fields.len() {
        let field = std::mem::replace(&mut fields[position], "*");
        let mut alone = vec!["*"; fields.len()];
        alone[position] = field;
        if parser.parse(&alone.join(" ")).is_err()
            && let Some((name, limit)) = limits.get(position)
        {
            return Unfit::new(format!("{name} from {limit}, or `*`, a list, a range or a step of them"));
        }
    }
    Unfit::new("a cron expression such as `0 2 * * *`")
}

/// Parses the name of a zone of the IANA database.
pub(super) fn parse_zone(text: &str) -> Result<Tz, Unfit> {
    text.parse().map_err(|_| {
        let unfit = Unfit::new("a zone of the IANA database such as `Europe/London`");
        let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
        let city_of = |name: &'static str| name.rsplit_once('/').map_or(name, |(_, city)| city);
        let by_city = || names().find(|name| city_of(name).eq_ignore_ascii_case(&text.replace(' ', "_")));
        let in_other_case = || names().find(|name| name.eq_ignore_ascii_case(text));
        match in_other_case().or_else(by_city).or_else(|| closest(text, names())) {
            Some(name) => unfit.hint(format!("did you mean `{name}`?")),
            None => unfit,
        }
    })
}
