//! customer_value: what customers were worth, and what they are expected to be worth; revenue_concentration.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Buyer, Facts};
use super::load::Run;
use super::models::Models;
use super::moments::{ceiling, days_between, plus, rounded};

/// Cost of serving and of marketing to each customer, on the days that are chosen, in cents.
pub fn costs(facts: &Facts, is_chosen: impl Fn(NaiveDate) -> bool) -> BTreeMap<String, (i64, i64)> {
    let mut costs: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for interaction in facts.interactions.iter().filter(|interaction| is_chosen(interaction.day)) {
        costs.entry(interaction.customer.clone()).or_default().0 += interaction.cost;
    }
    for membership in facts.memberships.iter().filter(|membership| is_chosen(membership.day)) {
        costs.entry(membership.customer.clone()).or_default().1 += membership.cost;
    }
    for referral in facts.referrals.iter().filter(|referral| is_chosen(referral.day)) {
        costs.entry(referral.referrer.clone()).or_default().1 += referral.reward;
    }
    costs
}

/// Class 1 to 5 of every value: one more than the linearly interpolated cut points at .2, .4, .6 and .8 below it.
fn classes(values: &BTreeMap<&str, i64>) -> BTreeMap<String, i64> {
    let mut sorted: Vec<i64> = values.values().copied().collect();
    sorted.sort_unstable();
    let last = sorted.len() - 1;
    // Five times each cut point: whole numbers.
    let cuts: Vec<i64> = (1..5)
        .map(|fifth| {
            let (index, rest) = (fifth * last / 5, (fifth * last % 5) as i64);
            5 * sorted[index] + rest * (sorted[(index + 1).min(last)] - sorted[index])
        })
        .collect();
    let class = |value: i64| 1 + cuts.iter().filter(|cut| 5 * value > **cut).count() as i64;
    values.iter().map(|(id, value)| ((*id).to_owned(), class(*value))).collect()
}

fn classes_of(facts: &Facts, measure: impl Fn(&Buyer) -> i64) -> BTreeMap<String, i64> {
    classes(&facts.buyers.iter().map(|(id, buyer)| (id.as_str(), measure(buyer))).collect())
}

pub fn customer_value(run: &Run) -> Expected {
    let facts = &run.facts;
    let models = Models::new(run);
    let costs = costs(facts, |_| true);
    let profit = |id: &str, buyer: &Buyer| {
        let (serving, marketing) = costs.get(id).copied().unwrap_or_default();
        buyer.margin - serving - marketing
    };
    let r = classes_of(facts, |buyer| days_between(NaiveDate::MIN, buyer.last()));
    let f = classes_of(facts, |buyer| buyer.purchases.len() as i64);
    let m = classes_of(facts, |buyer| buyer.revenue);
    let ranked: BTreeSet<(i64, &String)> = facts.buyers.iter().map(|(id, buyer)| (-profit(id, buyer), id)).collect();
    let count = ranked.len() as i64;
    let vips = ceiling(count * facts.parameters.vip_share, 1000);
    let low = ceiling(count * facts.parameters.low_share, 1000);
    let tiers: BTreeMap<&String, &str> = (0..)
        .zip(ranked)
        .map(|(place, (_, id))| {
            let tier = if place < vips {
                "vip"
            } else if place >= count - low {
                "low"
            } else {
                "core"
            };
            (id, tier)
        })
        .collect();
    let rows = facts.buyers.iter().map(|(id, buyer)| {
        let (serving, marketing) = costs.get(id).copied().unwrap_or_default();
        let inputs = models.inputs(buyer);
        let span = days_between(buyer.first(), buyer.last());
        let triple = [r[id], f[id], m[id]];
        let segment = facts
            .rfm_segments
            .iter()
            .find(|(_, bounds)| triple.iter().zip(bounds).all(|(class, (from, to))| (from..=to).contains(&class)));
        let next = (inputs.frequency > 0).then(|| plus(buyer.last(), rounded(span, inputs.frequency)));
        Row::from([
            ("customer_id", id.as_str().into()),
            ("first_purchase_on", buyer.first().into()),
            ("last_purchase_on", buyer.last().into()),
            ("purchase_days", (buyer.purchases.len() as i64).into()),
            ("orders", buyer.orders.into()),
            ("revenue", Cell::Money(buyer.revenue)),
            ("margin", Cell::Money(buyer.margin)),
            ("cost_to_serve", Cell::Money(serving)),
            ("marketing_cost", Cell::Money(marketing)),
            ("profit", Cell::Money(profit(id, buyer))),
            ("average_days_between", ratio(span, inputs.frequency)),
            ("expected_next_purchase_on", next.into()),
            ("frequency", inputs.frequency.into()),
            ("recency", Cell::Ratio(inputs.recency)),
            ("age", Cell::Ratio(inputs.age)),
            ("monetary", inputs.monetary.map_or(Cell::Null, Cell::Ratio)),
            ("p_alive", Cell::Modelled(models.p_alive(buyer))),
            ("expected_purchases", Cell::Modelled(models.expected_purchases(buyer, 365.0))),
            ("expected_purchase_value", Cell::Modelled(models.expected_value(buyer))),
            ("clv", Cell::Modelled(models.clv(buyer))),
            ("r", triple[0].into()),
            ("f", triple[1].into()),
            ("m", triple[2].into()),
            ("rfm_segment", segment.map(|(segment, _)| segment.clone()).into()),
            ("value_tier", tiers[id].into()),
        ])
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}

/// The first are one larger where customers cannot be shared out evenly.
fn tiles(count: i64) -> impl Iterator<Item = i64> {
    (0..10).map(move |tile| count / 10 + i64::from(tile < count % 10)).filter(|size| *size > 0)
}

pub fn concentration(run: &Run) -> Expected {
    let ranked: BTreeSet<(i64, &String)> = run.facts.buyers.iter().map(|(id, buyer)| (-buyer.revenue, id)).collect();
    let revenues: Vec<i64> = ranked.into_iter().map(|(negated, _)| -negated).collect();
    let total: i64 = revenues.iter().sum();
    let fifth = ceiling(revenues.len() as i64, 5) as usize;
    let top: i64 = revenues.iter().take(fifth).sum();
    let mut rest = revenues.iter();
    let mut cumulative = 0;
    let rows = (1..).zip(tiles(revenues.len() as i64)).map(|(decile, size)| {
        let revenue: i64 = rest.by_ref().take(size as usize).sum();
        cumulative += revenue;
        Row::from([
            ("decile", Cell::Integer(decile)),
            ("customers", size.into()),
            ("revenue", Cell::Money(revenue)),
            ("cumulative_share", ratio(cumulative, total)),
            ("top_20_share", ratio(top, total)),
        ])
    });
    Expected { grain: &["decile"], rows: rows.collect() }
}
