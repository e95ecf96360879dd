//! lead_scores and lead_score_bands.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Facts, Interaction};
use super::load::Run;
use super::moments::{days_between, plus};

const GRADES: [(&str, Option<f64>); 5] =
    [("A", Some(50.0)), ("B", Some(20.0)), ("C", Some(5.0)), ("D", Some(0.0)), ("E", None)];

fn grade(score: f64) -> &'static str {
    GRADES.iter().find(|(_, from)| from.is_none_or(|from| score >= from)).unwrap().0
}

/// What an interaction adds to a score while it is new; 0: it is no signal.
fn points(fact: &Interaction) -> f64 {
    let is_goodbye = fact.kind.as_deref() == Some("unsubscribe");
    match fact {
        _ if fact.is_negative || is_goodbye => -fact.lead_points.abs(),
        _ if fact.is_inbound || fact.is_positive => fact.lead_points,
        _ => 0.0,
    }
}

/// The signals of everyone who is known and has not bought up to a day.
fn leads(facts: &Facts, cut: NaiveDate) -> BTreeMap<&str, Vec<&Interaction>> {
    let has_bought = |id: &str| facts.buyers.get(id).is_some_and(|buyer| buyer.first() <= cut);
    let known = facts.known.keys().map(String::as_str);
    let mut leads: BTreeMap<&str, Vec<&Interaction>> =
        known.filter(|id| facts.is_known(id, cut) && !has_bought(id)).map(|id| (id, Vec::new())).collect();
    for fact in facts.interactions.iter().filter(|fact| fact.day <= cut && points(fact) != 0.0) {
        if let Some(signals) = leads.get_mut(fact.customer.as_str()) {
            signals.push(fact);
        }
    }
    leads
}

/// Day by day, oldest first: what cancels out on a day leaves nothing.
fn score(signals: &[&Interaction], cut: NaiveDate, half_life: i64) -> f64 {
    let mut days: BTreeMap<NaiveDate, f64> = BTreeMap::new();
    for fact in signals {
        *days.entry(fact.day).or_default() += points(fact);
    }
    let faded = |day: NaiveDate| (-(days_between(day, cut) as f64) / half_life as f64).exp2();
    days.iter().map(|(day, points)| points * faded(*day)).sum()
}

/// How many leads have grade A or B.
pub fn qualified(facts: &Facts, cut: NaiveDate) -> i64 {
    let half_life = facts.parameters.lead_half_life_days;
    let leads = leads(facts, cut);
    let grades = leads.values().map(|signals| grade(score(signals, cut, half_life)));
    grades.filter(|grade| ["A", "B"].contains(grade)).count() as i64
}

pub fn scores(run: &Run) -> Expected {
    let facts = &run.facts;
    let as_of = facts.as_of();
    let rows = leads(facts, as_of).into_iter().map(|(id, signals)| {
        let score = score(&signals, as_of, facts.parameters.lead_half_life_days);
        let newest = signals.iter().min_by_key(|fact| (Reverse(fact.at), &fact.kind));
        let count = |sign: f64| signals.iter().filter(|fact| points(fact) * sign > 0.0).count() as i64;
        Row::from([
            ("customer_id", id.into()),
            ("score", Cell::Ratio(score)),
            ("grade", grade(score).into()),
            ("last_signal", newest.and_then(|fact| fact.kind.clone()).into()),
            ("last_signal_on", newest.map(|fact| fact.day).into()),
            ("days_since_signal", newest.map(|fact| days_between(fact.day, as_of)).into()),
            ("signals_positive", count(1.0).into()),
            ("signals_negative", count(-1.0).into()),
        ])
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}

pub fn bands(run: &Run) -> Expected {
    let facts = &run.facts;
    let cut = plus(facts.as_of(), -facts.parameters.conversion_days);
    let mut counts: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let mut all = (0, 0);
    for (id, signals) in leads(facts, cut) {
        let converted = i64::from(facts.buyers.contains_key(id));
        for count in
            [&mut all, counts.entry(grade(score(&signals, cut, facts.parameters.lead_half_life_days))).or_default()]
        {
            count.0 += 1;
            count.1 += converted;
        }
    }
    let rows = GRADES.iter().map(|(grade, from)| {
        let (leads, converted) = counts.get(grade).copied().unwrap_or_default();
        Row::from([
            ("grade", (*grade).into()),
            ("from_score", from.map_or(Cell::Null, Cell::Ratio)),
            ("leads", leads.into()),
            ("converted", converted.into()),
            ("conversion_rate", ratio(converted, leads)),
            ("lift_ratio", ratio(converted * all.0, leads * all.1)),
        ])
    });
    Expected { grain: &["grade"], rows: rows.collect() }
}
