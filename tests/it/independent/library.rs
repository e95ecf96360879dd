//! content_performance: what was read, and what readers did next.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::compare::{Cell, Expected, Row, ratio};
use super::load::Run;
use super::moments::days_between;

const NONE: &str = "(none)";
const STAGES: [&str; 4] = ["awareness", "research", "comparison", "purchase"];
const ADVANCE_DAYS: i64 = 30;

/// What follows a buying stage.
enum Next {
    Stage(&'static str),
    Purchase,
    Nothing,
}

fn next(stage: &str) -> Next {
    match STAGES.iter().position(|known| *known == stage) {
        Some(place) => STAGES.get(place + 1).map_or(Next::Purchase, |next| Next::Stage(next)),
        None => Next::Nothing,
    }
}

/// The days of each customer.
type Days<'a> = BTreeMap<&'a str, BTreeSet<NaiveDate>>;

fn follows(day: NaiveDate, after: &BTreeSet<NaiveDate>, days: i64) -> bool {
    after.iter().any(|view| (0..=days).contains(&days_between(*view, day)))
}

pub fn content_performance(run: &Run) -> Expected {
    let facts = &run.facts;
    let group = |id: &str| {
        let listed = facts.content.get(id);
        let or_none = |value: Option<&String>| value.cloned().unwrap_or_else(|| NONE.to_owned());
        (
            or_none(listed.and_then(|listed| listed.content_type.as_ref())),
            or_none(listed.and_then(|listed| listed.buying_stage.as_ref())),
        )
    };
    let mut views: BTreeMap<(String, String), (i64, Days<'_>)> =
        facts.content.keys().map(|id| (group(id), Default::default())).collect();
    let mut stage_days: BTreeMap<String, Days<'_>> = BTreeMap::new();
    for fact in facts.interactions.iter().filter(|fact| fact.is_inbound || fact.is_positive) {
        let Some(content) = &fact.content else { continue };
        let group = group(content);
        stage_days.entry(group.1.clone()).or_default().entry(&fact.customer).or_default().insert(fact.day);
        let (count, days) = views.entry(group).or_default();
        *count += 1;
        days.entry(&fact.customer).or_default().insert(fact.day);
    }
    let purchase_days: Days<'_> = facts
        .buyers
        .iter()
        .map(|(id, buyer)| (id.as_str(), buyer.purchases.iter().map(|purchase| purchase.0).collect()))
        .collect();
    let nobody = Days::new();
    let rows = views.into_iter().map(|((content_type, stage), (count, days))| {
        let viewers = days.len() as i64;
        let steps = match next(&stage) {
            Next::Stage(next) => Some(stage_days.get(next).unwrap_or(&nobody)),
            Next::Purchase => Some(&purchase_days),
            Next::Nothing => None,
        };
        let advanced = steps.map(|steps| {
            let went_on =
                |id: &str, views| steps.get(id).into_iter().flatten().any(|day| follows(*day, views, ADVANCE_DAYS));
            days.iter().filter(|(id, views)| went_on(id, views)).count() as i64
        });
        let purchases = days.iter().map(|(id, views)| {
            let own = purchase_days.get(id).into_iter().flatten();
            own.filter(|day| follows(**day, views, facts.parameters.conversion_days)).count() as i64
        });
        Row::from([
            ("content_type", content_type.into()),
            ("buying_stage", stage.into()),
            ("views", count.into()),
            ("viewers", viewers.into()),
            ("advanced", advanced.into()),
            ("advance_rate", advanced.map_or(Cell::Null, |advanced| ratio(advanced, viewers))),
            ("purchases", purchases.sum::<i64>().into()),
        ])
    });
    Expected { grain: &["content_type", "buying_stage"], rows: rows.collect() }
}
