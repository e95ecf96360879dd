//! geography and satisfaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::assert_same;
use super::compare::{Cell, Expected, Row, ratio};
use super::load::Run;
use super::moments::{in_window, month_after, plus};
use super::segments::{Customer, customers};

fn mean(numbers: &[f64]) -> Cell {
    if numbers.is_empty() { Cell::Null } else { Cell::Ratio(numbers.iter().sum::<f64>() / numbers.len() as f64) }
}

fn geography(run: &Run) -> Expected {
    let customers = customers(run);
    let mut places: BTreeMap<(&str, [String; 3]), Vec<&Customer>> = BTreeMap::new();
    for customer in customers.values() {
        let place = ["country", "region", "city"]
            .map(|column| customer.attribute(column).unwrap_or_else(|| "(none)".to_owned()));
        for (depth, level) in ["country", "region", "city"].into_iter().enumerate() {
            let mut place = place.clone();
            place.iter_mut().skip(depth + 1).for_each(|below| *below = "all".to_owned());
            places.entry((level, place)).or_default().push(customer);
        }
    }
    let rows = places.into_iter().map(|((level, [country, region, city]), group)| {
        let count = |is: fn(&&&Customer) -> bool| group.iter().filter(is).count() as i64;
        let degrees = |customer: &Customer| {
            let profile = customer.profile?;
            Some((profile.latitude?, profile.longitude?))
        };
        let (latitudes, longitudes): (Vec<f64>, Vec<f64>) =
            group.iter().filter_map(|customer| degrees(customer)).unzip();
        let buyers = count(|customer| customer.buyer.is_some());
        let clv: f64 = group.iter().map(|customer| customer.clv).sum();
        let (bought_before, churned) =
            (count(|customer| customer.bought_before), count(|customer| customer.has_left()));
        Row::from([
            ("level", level.into()),
            ("country", country.into()),
            ("region", region.into()),
            ("city", city.into()),
            ("customers", (group.len() as i64).into()),
            ("buyers", buyers.into()),
            ("revenue", Cell::Money(group.iter().map(|customer| customer.revenue()).sum())),
            ("clv", if buyers == 0 { Cell::Null } else { Cell::Modelled(clv) }),
            ("bought_before", bought_before.into()),
            ("churned_accounts", churned.into()),
            ("account_churn_rate", ratio(churned, bought_before)),
            ("latitude", mean(&latitudes)),
            ("longitude", mean(&longitudes)),
        ])
    });
    Expected { grain: &["level", "country", "region", "city"], rows: rows.collect() }
}

#[derive(Default)]
struct Mood {
    nps: Vec<f64>,
    csat: Vec<f64>,
    complaints: i64,
    complaining: BTreeSet<String>,
    judged: BTreeSet<String>,
    left: BTreeSet<String>,
}

fn satisfaction(run: &Run) -> Expected {
    let facts = &run.facts;
    let (as_of, days) = (facts.as_of(), facts.parameters.churn_window_days);
    let mut moods: BTreeMap<(NaiveDate, String), Mood> = BTreeMap::new();
    for survey in &facts.surveys {
        let Some(score) = survey.score.filter(|_| survey.kind != "exit") else { continue };
        for touchpoint in [survey.touchpoint.as_deref().unwrap_or("(none)"), "all"] {
            let mood = moods.entry((month_after(survey.day, 0), touchpoint.to_owned())).or_default();
            if survey.kind == "nps" { &mut mood.nps } else { &mut mood.csat }.push(score);
        }
    }
    for complaint in facts.interactions.iter().filter(|fact| fact.is_complaint) {
        let (customer, day) = (&complaint.customer, complaint.day);
        let bought = |end| facts.buyers.get(customer).is_some_and(|b| b.bought(|on| in_window(on, end, days)));
        let is_judged = plus(day, days) <= as_of && bought(day);
        for touchpoint in [complaint.channel.as_str(), "all"] {
            let mood = moods.entry((month_after(day, 0), touchpoint.to_owned())).or_default();
            mood.complaints += 1;
            mood.complaining.insert(customer.clone());
            if is_judged {
                mood.judged.insert(customer.clone());
                if !bought(plus(day, days)) {
                    mood.left.insert(customer.clone());
                }
            }
        }
    }
    let rows = moods.into_iter().map(|((month, touchpoint), mood)| {
        let scores = |is: fn(f64) -> bool| mood.nps.iter().filter(|score| is(**score)).count() as i64;
        let (promoters, detractors) = (scores(|score| score >= 9.0), scores(|score| score <= 6.0));
        let answers = mood.nps.len() as i64;
        let end = plus(month_after(month, 1), -1);
        let known = facts.known.keys().filter(|id| facts.is_known(id, end)).count() as i64;
        let (judged, left) = (mood.judged.len() as i64, mood.left.len() as i64);
        Row::from([
            ("month", month.into()),
            ("touchpoint", touchpoint.into()),
            ("responses", (answers + mood.csat.len() as i64).into()),
            ("nps_responses", answers.into()),
            ("nps", ratio(100 * (promoters - detractors), answers)),
            ("promoters", promoters.into()),
            ("passives", (answers - promoters - detractors).into()),
            ("detractors", detractors.into()),
            ("csat_responses", (mood.csat.len() as i64).into()),
            ("csat", mean(&mood.csat)),
            ("complaints", mood.complaints.into()),
            ("known_customers", known.into()),
            ("complaints_per_1000_customers", ratio(1000 * mood.complaints, known)),
            ("complaining_customers", (mood.complaining.len() as i64).into()),
            ("buyers_complaining", judged.into()),
            ("churned_after_complaint", left.into()),
            ("churn_rate_after_complaint", ratio(left, judged)),
            ("silent_estimate", (24 * mood.complaints).into()),
        ])
    });
    Expected { grain: &["month", "touchpoint"], rows: rows.collect() }
}

#[test]
fn geography_is_what_the_facts_say() {
    assert_same("geography", geography);
}

#[test]
fn satisfaction_is_what_the_facts_say() {
    assert_same("satisfaction", satisfaction);
}
