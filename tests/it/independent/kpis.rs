//! kpis: the figures of each stage on two days.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::churn::position;
use super::compare::{Cell, Expected, Row};
use super::contacts::memberships;
use super::facts::{Buyer, Facts, Line};
use super::leads::qualified;
use super::load::Run;
use super::matrix::advocacy;
use super::models::Models;
use super::moments::{ceiling, day_of, days_between, in_window, plus};
use super::referrals::{first_engaged, outcomes};

/// Stage, metric, unit, and whether more of it is better.
const METRICS: [(&str, &str, &str, Option<bool>); 18] = [
    ("suspect", "reach", "count", Some(true)),
    ("prospect", "qualified_leads", "count", Some(true)),
    ("prospect", "lead_conversion_rate", "rate", Some(true)),
    ("new", "new_customers", "count", Some(true)),
    ("new", "cost_per_acquisition", "money", Some(false)),
    ("new", "referral_share", "rate", Some(true)),
    ("repeat", "retention_rate", "rate", Some(true)),
    ("repeat", "repeat_rate", "rate", Some(true)),
    ("repeat", "churn_rate_account", "rate", Some(false)),
    ("repeat", "churn_rate_product", "rate", Some(false)),
    ("repeat", "churn_rate_spend", "rate", Some(false)),
    ("advocate", "advocates", "count", Some(true)),
    ("advocate", "nps", "points", Some(true)),
    ("advocate", "k_factor", "rate", Some(true)),
    ("all", "clv", "money", Some(true)),
    ("all", "return_on_engagement", "rate", Some(true)),
    ("all", "vip_share_of_revenue", "rate", None),
    ("all", "contactable_share", "rate", Some(true)),
];

type Measures = BTreeMap<&'static str, Option<f64>>;

fn share(part: i64, whole: i64) -> Option<f64> {
    (whole != 0).then(|| part as f64 / whole as f64)
}

fn count(items: impl Iterator) -> i64 {
    items.count() as i64
}

pub fn kpis(run: &Run) -> Expected {
    let as_of = run.facts.as_of();
    let mut now = measure(run, as_of);
    let before = measure(run, plus(as_of, -run.facts.parameters.kpi_period_days));
    let models = Models::new(run);
    let clv: f64 = run.facts.buyers.values().map(|buyer| models.clv(buyer)).sum();
    now.insert("clv", Some(clv / run.facts.buyers.len() as f64));
    let number = |value: Option<f64>| value.map_or(Cell::Null, Cell::Modelled);
    let rows = METRICS.iter().map(|(stage, metric, unit, is_higher_better)| {
        let value = now[metric];
        let value_before = before.get(metric).copied().flatten();
        let target = run.facts.kpi_targets.get(&((*metric).to_owned(), (*stage).to_owned())).copied();
        let is_reached = value.zip(target).zip(*is_higher_better);
        let is_reached = is_reached.map(|((value, target), up)| if up { value >= target } else { value <= target });
        Row::from([
            ("metric", (*metric).into()),
            ("stage", (*stage).into()),
            ("value", number(value)),
            ("value_before", number(value_before)),
            ("change", number(value.zip(value_before).map(|(now, before)| now - before))),
            ("target", number(target)),
            ("unit", (*unit).into()),
            ("is_higher_better", (*is_higher_better).into()),
            ("is_on_target", is_reached.into()),
        ])
    });
    Expected { grain: &["metric", "stage"], rows: rows.collect() }
}

fn measure(run: &Run, cut: NaiveDate) -> Measures {
    let facts = &run.facts;
    let period = facts.parameters.kpi_period_days;
    let in_period = |day: NaiveDate| in_window(day, cut, period);
    let known = || facts.known.keys().filter(|id| facts.is_known(id, cut));
    let new: Vec<&str> =
        facts.buyers.iter().filter(|(_, buyer)| in_period(buyer.first())).map(|(id, _)| id.as_str()).collect();
    let brought = outcomes(facts, cut)
        .iter()
        .filter(|outcome| outcome.is_converted && new.contains(&outcome.referral.referred.as_str()))
        .count() as i64;
    let customers = new.len() as i64;
    let mut measures = Measures::from([
        ("reach", Some(count(known().filter(|id| !facts.is_known(id, plus(cut, -period)))) as f64)),
        ("qualified_leads", Some(qualified(facts, cut) as f64)),
        ("lead_conversion_rate", lead_conversion(facts, cut)),
        ("new_customers", Some(customers as f64)),
        ("cost_per_acquisition", (customers > 0).then(|| acquisition_cost(run, cut) / customers as f64)),
        ("referral_share", share(brought, customers)),
        ("repeat_rate", repeat_rate(facts, cut)),
        ("advocates", Some(advocates(facts, cut) as f64)),
        ("nps", promoter_score(facts, cut)),
        ("k_factor", k_factor(facts, cut)),
        ("return_on_engagement", return_on_engagement(run, cut)),
        ("vip_share_of_revenue", vip_share(run, cut)),
        ("contactable_share", share(count(known().filter(|id| facts.is_contactable(id))), count(known()))),
    ]);
    let base: Vec<_> = facts
        .buyers
        .values()
        .filter(|buyer| buyer.first() <= cut)
        .map(|buyer| position(facts, buyer, cut))
        .filter(|position| position.bought_before)
        .collect();
    let of = |category: &str| share(count(base.iter().filter(|found| found.category == category)), base.len() as i64);
    measures.insert("churn_rate_account", of("account"));
    measures.insert("churn_rate_product", of("product"));
    measures.insert("churn_rate_spend", of("spend"));
    let retained = count(base.iter().filter(|position| position.bought_now));
    measures.insert("retention_rate", share(retained, base.len() as i64));
    measures
}

fn lead_conversion(facts: &Facts, cut: NaiveDate) -> Option<f64> {
    let days = facts.parameters.conversion_days;
    let (mut prospects, mut bought) = (0, 0);
    for (id, at) in first_engaged(facts) {
        let buyer = facts.buyers.get(id);
        let day = day_of(at);
        let by_purchase = buyer.is_some_and(|buyer| buyer.purchases[0].1 < at);
        if in_window(day, plus(cut, -days), facts.parameters.kpi_period_days) && !by_purchase {
            prospects += 1;
            bought += i64::from(buyer.is_some_and(|buyer| buyer.first() <= plus(day, days)));
        }
    }
    share(bought, prospects)
}

/// What acquisition campaigns cost on the days of the period, day by day.
fn acquisition_cost(run: &Run, cut: NaiveDate) -> f64 {
    let mut sum = 0.0;
    let campaigns = run.facts.campaigns.values();
    for campaign in campaigns.filter(|campaign| campaign.objective.as_deref() == Some("acquisition")) {
        let (from, to) = (campaign.started_on, campaign.ended_on);
        let Some(from) = from.or(to) else { continue };
        let to = to.unwrap_or(run.facts.as_of()).max(from);
        let days = days_between(from, to) + 1;
        let paid = (0..days)
            .filter(|day| in_window(plus(from, *day), cut, run.facts.parameters.kpi_period_days))
            .count() as f64;
        sum += campaign.cost.unwrap_or(0) as f64 / 100.0 * paid / days as f64;
    }
    sum
}

fn repeat_rate(facts: &Facts, cut: NaiveDate) -> Option<f64> {
    let first = facts.buyers.values().filter(|buyer| (90..180).contains(&days_between(buyer.first(), cut)));
    let back =
        |buyer: &&Buyer| buyer.purchases.get(1).is_some_and(|second| days_between(buyer.first(), second.0) <= 90);
    let first: Vec<&Buyer> = first.collect();
    share(count(first.iter().filter(|buyer| back(buyer))), first.len() as i64)
}

fn advocates(facts: &Facts, cut: NaiveDate) -> i64 {
    let acts = advocacy(facts, cut);
    let second = |id: &str| facts.buyers.get(id).and_then(|buyer| buyer.purchases.get(1)).map(|purchase| purchase.1);
    let found: BTreeSet<&String> =
        acts.iter().filter(|(id, at)| second(id).is_some_and(|second| second <= *at)).map(|(id, _)| id).collect();
    found.len() as i64
}

fn promoter_score(facts: &Facts, cut: NaiveDate) -> Option<f64> {
    let asked = facts.surveys.iter().filter(|survey| survey.kind == "nps" && in_window(survey.day, cut, 90));
    let scores: Vec<f64> = asked.filter_map(|survey| survey.score).collect();
    let promoters = count(scores.iter().filter(|score| **score >= 9.0));
    let detractors = count(scores.iter().filter(|score| **score <= 6.0));
    share(100 * (promoters - detractors), scores.len() as i64)
}

fn k_factor(facts: &Facts, cut: NaiveDate) -> Option<f64> {
    let outcomes = outcomes(facts, cut);
    let valid: Vec<_> = outcomes.iter().filter(|outcome| outcome.is_valid()).collect();
    let a_year = |day| in_window(day, cut, 365);
    let buyers = count(facts.buyers.values().filter(|buyer| buyer.bought(a_year)));
    let matured = count(valid.iter().filter(|outcome| outcome.is_matured));
    let converted = count(valid.iter().filter(|outcome| outcome.is_matured && outcome.is_converted));
    let made = count(valid.iter().filter(|outcome| a_year(outcome.referral.day)));
    share(made * converted, buyers * matured)
}

/// Margin of orders with any interaction in the days before, against what all interactions cost.
fn return_on_engagement(run: &Run, cut: NaiveDate) -> Option<f64> {
    let facts = &run.facts;
    let mut moments: BTreeMap<&str, Vec<(DateTime<Utc>, NaiveDate)>> = BTreeMap::new();
    let mut cost = 0;
    for fact in facts.interactions.iter().filter(|fact| fact.day <= cut) {
        moments.entry(&fact.customer).or_default().push((fact.at, fact.day));
        cost += fact.cost;
    }
    let mut value = 0;
    for ((id, _), lines) in orders(facts) {
        let counted: Vec<&Line> = lines.into_iter().filter(|line| line.day <= cut).collect();
        let Some(at) = counted.iter().map(|line| line.at).min() else { continue };
        let sum = |of: &dyn Fn(&Line) -> i64| counted.iter().map(|line| of(line)).sum::<i64>();
        let (revenue, quantity) = (sum(&|line| line.revenue), sum(&|line| line.quantity));
        let is_order = revenue > 0 || (revenue == 0 && quantity > 0);
        let mut touches = moments.get(id).into_iter().flatten();
        let is_touched = touches
            .any(|(moment, day)| *moment <= at && in_window(*day, day_of(at), facts.parameters.attribution_days));
        if is_order && is_touched {
            value += sum(&|line| line.margin);
        }
    }
    share(value - cost, cost)
}

/// Lines by customer and order, of those who never made a purchase too.
fn orders(facts: &Facts) -> BTreeMap<(&str, &str), Vec<&Line>> {
    let mut orders: BTreeMap<(&str, &str), Vec<&Line>> = BTreeMap::new();
    for line in &facts.lines {
        if let Some(customer) = &line.customer {
            orders.entry((customer, &line.order)).or_default().push(line);
        }
    }
    orders
}

fn vip_share(run: &Run, cut: NaiveDate) -> Option<f64> {
    let facts = &run.facts;
    let drawn = run.rows("select * from staging.campaign_members");
    let mut costs: BTreeMap<String, i64> = BTreeMap::new();
    for membership in memberships(&drawn, &facts.campaigns, &facts.identities, cut) {
        *costs.entry(membership.customer).or_default() += membership.cost;
    }
    for fact in facts.interactions.iter().filter(|fact| fact.day <= cut) {
        *costs.entry(fact.customer.clone()).or_default() += fact.cost;
    }
    for referral in facts.referrals.iter().filter(|referral| referral.day <= cut) {
        *costs.entry(referral.referrer.clone()).or_default() += referral.reward;
    }
    let ranked: BTreeSet<(i64, &String, i64)> = facts
        .buyers
        .iter()
        .filter(|(_, buyer)| buyer.first() <= cut)
        .map(|(id, buyer)| {
            let margin = buyer.money(|day| day <= cut).1;
            let revenue = buyer.money(|day| in_window(day, cut, 365)).0;
            (costs.get(id).copied().unwrap_or(0) - margin, id, revenue)
        })
        .collect();
    let vips = ceiling(ranked.len() as i64 * facts.parameters.vip_share, 1000) as usize;
    let revenue = |taken: usize| ranked.iter().take(taken).map(|(_, _, revenue)| revenue).sum::<i64>();
    share(revenue(vips), revenue(ranked.len()))
}
