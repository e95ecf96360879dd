//! engagement_value: what each kind of contact goes with, and what it is owed.

use std::collections::{BTreeMap, BTreeSet};

use super::attribution::{Credit, apportioned, touches};
use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Facts, Interaction};
use super::load::Run;
use super::moments::{in_window, plus};
use super::stages::{place, reached};

const NONE: &str = "(none)";

/// Kind and channel.
type Key = (String, String);

fn key(fact: &Interaction) -> Key {
    (fact.kind.clone().unwrap_or_else(|| NONE.to_owned()), fact.channel.clone())
}

/// Customers and how many of them bought.
#[derive(Clone, Copy, Default)]
struct Group {
    customers: i64,
    bought: i64,
}

impl Group {
    fn add(&mut self, has_bought: bool) {
        self.customers += 1;
        self.bought += i64::from(has_bought);
    }
}

/// Everyone known at a day, with their stage then and whether they bought since.
fn audience(facts: &Facts) -> BTreeMap<&str, (usize, bool)> {
    let cut = plus(facts.as_of(), -facts.parameters.conversion_days);
    let known = reached(facts).into_iter().filter(|(id, _)| facts.is_known(id, cut));
    known
        .map(|(id, entries)| {
            let has_bought = facts.buyers.get(id).is_some_and(|buyer| buyer.bought(|day| day > cut));
            // Known is a suspect at least: one known without a date was it from the start.
            (id, (place(&entries, cut).unwrap_or(0), has_bought))
        })
        .collect()
}

/// Rate of the exposed and of the unexposed, where both are in a stage.
fn rates(audience: &BTreeMap<&str, (usize, bool)>, exposed: &BTreeSet<&str>) -> Option<(f64, f64)> {
    let mut stages: BTreeMap<usize, (Group, Group)> = BTreeMap::new();
    for (id, (stage, has_bought)) in audience {
        let groups = stages.entry(*stage).or_default();
        let group = if exposed.contains(id) { &mut groups.0 } else { &mut groups.1 };
        group.add(*has_bought);
    }
    let compared = || stages.values().filter(|groups| groups.0.customers > 0 && groups.1.customers > 0);
    let all: i64 = compared().map(|groups| groups.0.customers).sum();
    if all == 0 {
        return None;
    }
    let bought: i64 = compared().map(|groups| groups.0.bought).sum();
    let unexposed: f64 = compared()
        .map(|(exposed, unexposed)| (exposed.customers * unexposed.bought) as f64 / unexposed.customers as f64)
        .sum();
    Some((bought as f64 / all as f64, unexposed / all as f64))
}

/// The margin of the orders after interactions, by what the customer's interactions were.
fn values(facts: &Facts, keys: &BTreeSet<Key>) -> BTreeMap<Key, i64> {
    let mut credits: BTreeMap<Key, Credit> = keys.iter().map(|key| (key.clone(), Credit::default())).collect();
    let mut total = 0;
    for (order, touches) in touches(facts, |_| true) {
        for touch in &touches {
            credits.get_mut(&key(touch)).unwrap().add(order.margin, (1, touches.len() as i128));
        }
        total += if touches.is_empty() { 0 } else { order.margin };
    }
    apportioned(&credits, total)
}

pub fn engagement_value(run: &Run) -> Expected {
    let facts = &run.facts;
    let days = facts.parameters.conversion_days;
    let cut = plus(facts.as_of(), -days);
    let mut facts_of: BTreeMap<Key, Vec<&Interaction>> = BTreeMap::new();
    for fact in &facts.interactions {
        facts_of.entry(key(fact)).or_default().push(fact);
    }
    let values = values(facts, &facts_of.keys().cloned().collect());
    let audience = audience(facts);
    let rows = facts_of.into_iter().map(|(key, facts)| {
        let distinct = |is_chosen: &dyn Fn(&Interaction) -> bool| -> BTreeSet<&str> {
            facts.iter().filter(|fact| is_chosen(fact)).map(|fact| fact.customer.as_str()).collect()
        };
        let exposed = distinct(&|fact| in_window(fact.day, cut, days));
        let rates = rates(&audience, &exposed);
        let rate = |rate: Option<f64>| rate.map_or(Cell::Null, Cell::Ratio);
        let count = facts.len() as i64;
        let value = values[&key];
        let cost = facts.iter().map(|fact| fact.cost).sum();
        Row::from([
            ("kind", key.0.into()),
            ("channel", key.1.into()),
            ("interactions", count.into()),
            ("customers", (distinct(&|_| true).len() as i64).into()),
            ("exposed", (exposed.len() as i64).into()),
            ("exposed_rate", rate(rates.map(|rates| rates.0))),
            ("unexposed_rate", rate(rates.map(|rates| rates.1))),
            // Of two rates that are nearly the same few digits are left.
            ("lift_points", rates.map_or(Cell::Null, |rates| Cell::Modelled(rates.0 - rates.1))),
            ("value", Cell::Money(value)),
            ("value_per_interaction", ratio(value, 100 * count)),
            ("cost", Cell::Money(cost)),
            ("return_on_engagement", ratio(value - cost, cost)),
        ])
    });
    Expected { grain: &["kind", "channel"], rows: rows.collect() }
}
