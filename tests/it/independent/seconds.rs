//! second_purchase.

use std::collections::{BTreeMap, BTreeSet};

use lifecycle::transform::functions::models::intervals::{Proportion, wald};

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::Buyer;
use super::load::Run;
use super::moments::{days_between, in_window, plus};

/// Bands with their last day.
const BANDS: [(&str, Option<i64>); 6] = [
    ("0-30", Some(30)),
    ("31-60", Some(60)),
    ("61-90", Some(90)),
    ("91-365", Some(365)),
    ("none_in_365", None),
    ("waiting", None),
];

struct Wait<'a> {
    buyer: &'a Buyer,
    /// From the first purchase day to as_of.
    age: i64,
    /// To the second purchase day.
    days: Option<i64>,
}

impl Wait<'_> {
    fn band(&self) -> &'static str {
        let in_time = BANDS.iter().find(|(_, end)| matches!((self.days, end), (Some(days), Some(end)) if days <= *end));
        match in_time {
            Some((band, _)) => band,
            None if self.days.is_none() && self.age < 365 => "waiting",
            None => "none_in_365",
        }
    }

    fn first_year(&self) -> i64 {
        let first = self.buyer.first();
        self.buyer.money(|day| day >= first && in_window(day, plus(first, 364), 365)).0
    }

    fn is_active(&self) -> bool {
        let first = self.buyer.first();
        self.buyer.bought(|day| (365..=454).contains(&days_between(first, day)))
    }
}

pub fn second_purchase(run: &Run) -> Expected {
    let facts = &run.facts;
    let mut segments: BTreeMap<String, Vec<Wait<'_>>> = BTreeMap::from([("all".to_owned(), Vec::new())]);
    for (id, buyer) in &facts.buyers {
        for segment in ["all".to_owned(), facts.acquisition_source(id)] {
            let second = buyer.purchases.get(1).map(|purchase| purchase.0);
            segments.entry(segment).or_default().push(Wait {
                buyer,
                age: days_between(buyer.first(), facts.as_of()),
                days: second.map(|day| days_between(buyer.first(), day)),
            });
        }
    }
    let rows = segments.iter().flat_map(|(segment, waits)| {
        BANDS.iter().map(move |(band, end)| row(segment, band, end.and_then(|end| probability(waits, end)), waits))
    });
    Expected { grain: &["band", "segment"], rows: rows.collect() }
}

fn row(segment: &str, band: &'static str, probability: Option<f64>, waits: &[Wait<'_>]) -> Row {
    let customers = waits.iter().filter(|wait| wait.band() == band).count() as i64;
    let (here, others): (Vec<&Wait<'_>>, Vec<&Wait<'_>>) =
        waits.iter().filter(|wait| wait.age >= 455).partition(|wait| wait.band() == band);
    let active = |group: &[&Wait<'_>]| Proportion {
        successes: group.iter().filter(|wait| wait.is_active()).count() as f64,
        trials: group.len() as f64,
    };
    let (one, other) = (active(&here), active(&others));
    let rate = |of: Proportion| (of.trials > 0.0).then(|| of.successes / of.trials);
    let both = rate(one).zip(rate(other));
    let interval = wald(one, other);
    let number = |value: Option<f64>| value.map_or(Cell::Null, Cell::Ratio);
    let revenue: i64 = here.iter().map(|wait| wait.first_year()).sum();
    Row::from([
        ("band", band.into()),
        ("segment", segment.into()),
        ("customers", customers.into()),
        ("share", ratio(customers, waits.len() as i64)),
        ("observed", (here.len() as i64).into()),
        ("revenue_12m", ratio(revenue, 100 * here.len() as i64)),
        ("active_after_year", number(rate(one))),
        ("lift_points", number(both.map(|(one, other)| one - other))),
        ("lift_points_low", number(interval.map(|interval| interval.low))),
        ("lift_points_high", number(interval.map(|interval| interval.high))),
        ("lift_ratio", number(both.filter(|(_, other)| *other > 0.0).map(|(one, other)| one / other))),
        ("second_purchase_probability", number(probability)),
    ])
}

/// The product of the shares that each day of a second purchase leaves over.
fn probability(waits: &[Wait<'_>], end: i64) -> Option<f64> {
    let days: BTreeSet<i64> = waits.iter().filter_map(|wait| wait.days).collect();
    let survival = |end: i64| {
        let mut survival = 1.0;
        for day in days.iter().filter(|day| **day <= end) {
            let at_risk = waits.iter().filter(|wait| wait.days.unwrap_or(wait.age) >= *day).count();
            let events = waits.iter().filter(|wait| wait.days == Some(*day)).count();
            survival *= (at_risk - events) as f64 / at_risk as f64;
        }
        survival
    };
    let longest = waits.iter().map(|wait| wait.days.unwrap_or(wait.age)).max()?;
    (longest >= end || survival(longest) == 0.0).then(|| 1.0 - survival(end))
}
