//! geography and satisfaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::assert_same;
use super::compare::{Cell, Expected, Row, ratio};
use super::load::Run;
use super::moments::{day_of, in_window, moment, month_after, plus, text};
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
            let row = customer.profile.as_ref()?;
            Some((row["latitude"].as_f64()?, row["longitude"].as_f64()?))
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
    for row in run.rows("select * from staging.surveys") {
        let (Some(_), Some(score)) = (text(&row, "customer_id"), row["score"].as_f64()) else { continue };
        let day = day_of(moment(&row, "responded_at").unwrap());
        if day > as_of {
            continue;
        }
        for touchpoint in [text(&row, "touchpoint").unwrap_or_else(|| "(none)".to_owned()), "all".to_owned()] {
            let kind = row["kind"].as_str().unwrap();
            if kind != "exit" {
                let mood = moods.entry((month_after(day, 0), touchpoint)).or_default();
                if kind == "nps" { &mut mood.nps } else { &mut mood.csat }.push(score);
            }
        }
    }
    let sql = "select i.* from staging.interactions as i inner join seeds.interaction_kinds as k on i.kind = k.kind \
               where k.is_complaint";
    for row in run.rows(sql) {
        let Some(id) = text(&row, "customer_id") else { continue };
        let (customer, day) = (facts.identities.resolve(&id), day_of(moment(&row, "occurred_at").unwrap()));
        if day > as_of {
            continue;
        }
        let bought = |end| facts.buyers.get(&customer).is_some_and(|b| b.bought(|on| in_window(on, end, days)));
        let is_judged = plus(day, days) <= as_of && bought(day);
        for touchpoint in [text(&row, "channel").unwrap_or_else(|| "(none)".to_owned()), "all".to_owned()] {
            let mood = moods.entry((month_after(day, 0), touchpoint)).or_default();
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
