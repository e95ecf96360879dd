//! attribution, and how an order's money is shared among what led to it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::compare::{Cell, Expected, Row};
use super::facts::{Facts, Interaction, Order};
use super::load::Run;
use super::moments::{days_between, in_window};

const NONE: &str = "(none)";
const HALF_LIFE_DAYS: f64 = 7.0;
/// Parts of an order or a cent.
const UNIT: i128 = 100_000_000_000_000;
/// Parts of a cent below which two shares are the same.
const GRAIN: i128 = 1_000_000_000;

pub const MODELS: [&str; 5] = ["first_touch", "last_touch", "linear", "position_based", "time_decay"];

/// What an order or a cent is shared out in.
#[derive(Clone, Copy, Default)]
pub struct Credit {
    units: i128,
    money: i128,
}

impl Credit {
    pub fn add(&mut self, cents: i64, (numerator, denominator): (i128, i128)) {
        self.units += UNIT * numerator / denominator;
        self.money += i128::from(cents) * UNIT * numerator / denominator;
    }

    pub fn count(&self) -> f64 {
        self.units as f64 / UNIT as f64
    }
}

/// Whole cents: all are rounded down, and what is left of the total goes to those that lost most.
pub fn apportioned<K: Ord + Clone>(credits: &BTreeMap<K, Credit>, total: i64) -> BTreeMap<K, i64> {
    let step = UNIT / GRAIN;
    let grains = |credit: &Credit| (credit.money + step / 2).div_euclid(step);
    let mut cents: BTreeMap<K, i64> =
        credits.iter().map(|(key, credit)| (key.clone(), grains(credit).div_euclid(GRAIN) as i64)).collect();
    let left = total - cents.values().sum::<i64>();
    let mut losses: Vec<_> =
        credits.iter().map(|(key, credit)| (Reverse(grains(credit).rem_euclid(GRAIN)), key)).collect();
    losses.sort();
    assert!((0..=losses.len() as i64).contains(&left), "{left} cents are left");
    for (_, key) in losses.into_iter().take(left as usize) {
        *cents.get_mut(key).unwrap() += 1;
    }
    cents
}

/// The customer's chosen interactions in the days up to each order, in order.
pub fn touches(facts: &Facts, is_chosen: impl Fn(&Interaction) -> bool) -> Vec<(&Order, Vec<&Interaction>)> {
    let mut chosen: BTreeMap<&str, Vec<&Interaction>> = BTreeMap::new();
    for fact in facts.interactions.iter().filter(|fact| is_chosen(fact)) {
        chosen.entry(&fact.customer).or_default().push(fact);
    }
    let days = facts.parameters.attribution_days;
    let touches = facts.orders.iter().map(|order| {
        let own = chosen.get(order.customer.as_str()).into_iter().flatten();
        let mut touches: Vec<&Interaction> =
            own.filter(|fact| fact.at <= order.at && in_window(fact.day, order.day, days)).copied().collect();
        touches.sort_by_key(|fact| (fact.at, &fact.id));
        (order, touches)
    });
    touches.collect()
}

/// The share of each touch, as a quotient.
fn shares(model: &str, days: &[i64]) -> Vec<(i128, i128)> {
    let count = days.len() as i128;
    let weights: Vec<i128> = match model {
        "first_touch" => (0..count).map(|place| i128::from(place == 0)).collect(),
        "last_touch" => (0..count).map(|place| i128::from(place == count - 1)).collect(),
        "linear" => vec![1; days.len()],
        "position_based" if count <= 2 => vec![1; days.len()],
        // In fifths of the inner touches: two each for the ends, one for all inner ones together.
        "position_based" => {
            (0..count).map(|place| if place == 0 || place == count - 1 { 2 * (count - 2) } else { 1 }).collect()
        }
        "time_decay" => {
            days.iter().map(|days| (1e15 * (-(*days as f64) / HALF_LIFE_DAYS).exp2()).round() as i128).collect()
        }
        other => panic!("no model {other}"),
    };
    let sum = weights.iter().sum();
    weights.into_iter().map(|weight| (weight, sum)).collect()
}

pub fn attribution(run: &Run) -> Expected {
    let facts = &run.facts;
    let mut credits: BTreeMap<&str, BTreeMap<String, Credit>> = BTreeMap::new();
    let mut campaigns: BTreeSet<String> = facts
        .campaigns
        .iter()
        .filter(|(_, campaign)| campaign.has_begun(facts.as_of()))
        .map(|(id, _)| id.clone())
        .collect();
    for (order, touches) in touches(facts, |fact| fact.campaign.is_some()) {
        let days: Vec<i64> = touches.iter().map(|touch| days_between(touch.day, order.day)).collect();
        let mut owed: Vec<String> = touches.iter().filter_map(|touch| touch.campaign.clone()).collect();
        if owed.is_empty() {
            owed.push(order.campaign.clone().unwrap_or_else(|| NONE.to_owned()));
        }
        campaigns.extend(owed.iter().cloned());
        for model in MODELS {
            let shares = if touches.is_empty() { vec![(1, 1)] } else { shares(model, &days) };
            for (campaign, share) in owed.iter().zip(shares) {
                credits.entry(model).or_default().entry(campaign.clone()).or_default().add(order.revenue, share);
            }
        }
    }
    let total = facts.orders.iter().map(|order| order.revenue).sum();
    let mut rows = Vec::new();
    for model in MODELS {
        let mut credits = credits.remove(model).unwrap_or_default();
        for campaign in &campaigns {
            credits.entry(campaign.clone()).or_default();
        }
        let revenue = apportioned(&credits, total);
        rows.extend(credits.into_iter().map(|(campaign, credit)| {
            Row::from([
                ("revenue", Cell::Money(revenue[&campaign])),
                ("campaign_id", campaign.into()),
                ("model", model.into()),
                ("conversions", Cell::Ratio(credit.count())),
            ])
        }));
    }
    Expected { grain: &["campaign_id", "model"], rows }
}

/// Campaigns for which no two models give the same revenue.
pub fn disputed(expected: &Expected) -> usize {
    let mut revenues: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for row in &expected.rows {
        if let (Cell::Text(campaign), Cell::Money(revenue)) = (&row["campaign_id"], &row["revenue"]) {
            revenues.entry(campaign).or_default().insert(*revenue);
        }
    }
    revenues.values().filter(|revenues| revenues.len() == MODELS.len()).count()
}
