//! stage_entries and lifecycle_stages.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::compare::{Cell, Expected, Row};
use super::facts::Facts;
use super::load::Run;
use super::matrix::advocacy;
use super::moments::{day_of, days_between};
use super::referrals::first_engaged;

/// The moments at which a customer reached suspect, prospect and so on; none in the first place: known from the start.
pub type Entries = Vec<Option<DateTime<Utc>>>;

pub fn reached(facts: &Facts) -> BTreeMap<&str, Entries> {
    let engaged = first_engaged(facts);
    let acts = advocacy(facts, facts.as_of());
    let mut reached = BTreeMap::new();
    for (id, known_at) in &facts.known {
        let buyer = facts.buyers.get(id);
        let purchase = |number: usize| buyer.and_then(|buyer| buyer.purchases.get(number)).map(|purchase| purchase.1);
        let repeat = purchase(1);
        let advocate = acts
            .iter()
            .filter(|(who, at)| who == id && repeat.is_some_and(|repeat| *at >= repeat))
            .map(|(_, at)| *at)
            .min();
        let evidence = [*known_at, engaged.get(id.as_str()).copied(), purchase(0), repeat, advocate];
        let count = 1 + (1..5).rev().find(|stage| evidence[*stage].is_some()).unwrap_or(0);
        let entries = (0..count).map(|stage| evidence[stage..count].iter().flatten().min().copied()).collect();
        reached.insert(id.as_str(), entries);
    }
    reached
}

/// The place of the stage that a customer had reached by the end of a day.
pub fn place(entries: &Entries, cut: NaiveDate) -> Option<usize> {
    entries.iter().rposition(|at| at.is_none_or(|at| day_of(at) <= cut))
}

pub fn entries(run: &Run) -> Expected {
    let facts = &run.facts;
    let mut rows = Vec::new();
    for (id, entries) in reached(facts) {
        for ((rank, stage), at) in facts.stages.iter().zip(entries) {
            rows.push(Row::from([
                ("customer_id", id.into()),
                ("stage", stage.as_str().into()),
                ("stage_rank", (*rank).into()),
                ("entered_at", at.into()),
                ("entered_on", at.map(day_of).into()),
            ]));
        }
    }
    Expected { grain: &["customer_id", "stage"], rows }
}

pub fn stages(run: &Run) -> Expected {
    let facts = &run.facts;
    let (as_of, parameters) = (facts.as_of(), &facts.parameters);
    let mut seen: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
    let engaged = facts.interactions.iter().filter(|fact| fact.is_inbound || fact.is_positive);
    let engaged = engaged.map(|fact| (fact.customer.as_str(), fact.at));
    let ordered = facts.last_orders.iter().map(|(id, at)| (id.as_str(), *at));
    for (id, at) in engaged.chain(ordered) {
        let last = seen.entry(id).or_insert(at);
        *last = at.max(*last);
    }
    let rows = reached(facts).into_iter().map(|(id, entries)| {
        let place = entries.len() - 1;
        let (suspect, entered) = (entries[0], entries[place]);
        let seen_at = seen.get(id).copied();
        let since = |at: DateTime<Utc>| days_between(day_of(at), as_of);
        let activity = facts.buyers.get(id).map(|buyer| match days_between(buyer.last(), as_of) {
            days if days < parameters.active_days => "active",
            days if days < parameters.dormant_days => "at_risk",
            days if days < parameters.lost_days => "dormant",
            _ => "lost",
        });
        let reach = suspect.zip(entered).map(|(from, to)| days_between(day_of(from), day_of(to)));
        Row::from([
            ("customer_id", id.into()),
            ("stage", facts.stages[place].1.as_str().into()),
            ("entered_at", entered.into()),
            ("days_in_stage", entered.map(since).into()),
            ("previous_stage", place.checked_sub(1).map(|before| facts.stages[before].1.clone()).into()),
            ("days_to_reach", reach.into()),
            ("activity", activity.map_or(Cell::Null, Cell::from)),
            ("last_seen_at", seen_at.into()),
            ("is_dropped_out", seen_at.or(suspect).is_none_or(|at| since(at) >= parameters.lost_days).into()),
        ])
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}
