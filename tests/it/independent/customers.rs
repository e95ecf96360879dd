//! Which ids are one customer, and who is known.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value as Json};

use super::load::Rows;
use super::moments::{date, day_of, moment, text};

/// A component with more ids is not merged.
const LARGEST: usize = 50;

/// The customer of each linked id.
pub struct Identities {
    customer: BTreeMap<String, String>,
    /// How many ids belong to a customer with another id.
    pub merged: usize,
}

impl Identities {
    pub fn new(links: &Rows, as_of: NaiveDate) -> Self {
        let mut neighbours: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut named = BTreeSet::new();
        for link in links {
            if moment(link, "linked_at").is_some_and(|at| day_of(at) > as_of) {
                continue;
            }
            let (Some(alias), Some(customer)) = (text(link, "alias_id"), text(link, "customer_id")) else { continue };
            neighbours.entry(alias.clone()).or_default().insert(customer.clone());
            neighbours.entry(customer.clone()).or_default().insert(alias);
            named.insert(customer);
        }
        let mut customer = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for start in neighbours.keys() {
            let mut component = BTreeSet::new();
            let mut open = vec![start.clone()];
            while let Some(id) = open.pop() {
                if seen.insert(id.clone()) {
                    open.extend(neighbours[&id].iter().cloned());
                    component.insert(id);
                }
            }
            if component.is_empty() || component.len() > LARGEST {
                continue;
            }
            let winner = component.iter().find(|id| named.contains(*id)).unwrap().clone();
            customer.extend(component.into_iter().map(|id| (id, winner.clone())));
        }
        let merged = customer.iter().filter(|(id, customer)| id != customer).count();
        Self { customer, merged }
    }

    pub fn resolve(&self, id: &str) -> String {
        self.customer.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }
}

/// What is known of a customer besides facts.
#[derive(Default)]
pub struct Profile {
    /// The id whose row it is.
    id: String,
    pub birth_date: Option<NaiveDate>,
    pub gender: Option<String>,
    pub income_band: Option<String>,
    pub occupation: Option<String>,
    pub persona: Option<String>,
    pub country: Option<String>,
    pub region: Option<String>,
    pub city: Option<String>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub acquisition_source: Option<String>,
    /// No if any row of the customer says so, else yes if any does.
    pub is_contactable: Option<bool>,
    /// The earliest.
    pub first_seen_at: Option<DateTime<Utc>>,
    is_without_date: bool,
}

impl Profile {
    /// One of the groups that a profile names.
    pub fn attribute(&self, column: &str) -> Option<&String> {
        let value = match column {
            "gender" => &self.gender,
            "income_band" => &self.income_band,
            "occupation" => &self.occupation,
            "persona" => &self.persona,
            "country" => &self.country,
            "region" => &self.region,
            "city" => &self.city,
            other => panic!("profiles have no {other}"),
        };
        value.as_ref()
    }
}

/// The profiles of customers, of which the customer's own row wins, else the smallest id.
pub fn profiles(rows: &Rows, identities: &Identities) -> BTreeMap<String, Profile> {
    let mut profiles: BTreeMap<String, Profile> = BTreeMap::new();
    for row in rows {
        let Some(id) = text(row, "customer_id") else { continue };
        let customer = identities.resolve(&id);
        let seen_at = moment(row, "first_seen_at");
        let is_better =
            profiles.get(&customer).is_none_or(|held| id == customer || (held.id != customer && id < held.id));
        let held = profiles.entry(customer).or_default();
        let consents = [held.is_contactable, row["is_contactable"].as_bool()];
        let merged = Profile {
            is_contactable: consents.into_iter().flatten().min(),
            first_seen_at: [held.first_seen_at, seen_at].into_iter().flatten().min(),
            is_without_date: held.is_without_date || seen_at.is_none(),
            ..if is_better { profile(id, row) } else { std::mem::take(held) }
        };
        *held = merged;
    }
    profiles
}

fn profile(id: String, row: &Map<String, Json>) -> Profile {
    Profile {
        id,
        birth_date: date(&row["birth_date"]),
        gender: text(row, "gender"),
        income_band: text(row, "income_band"),
        occupation: text(row, "occupation"),
        persona: text(row, "persona"),
        country: text(row, "country"),
        region: text(row, "region"),
        city: text(row, "city"),
        latitude: row["latitude"].as_f64(),
        longitude: row["longitude"].as_f64(),
        acquisition_source: text(row, "acquisition_source"),
        ..Profile::default()
    }
}

/// The customers with a profile or a link without a date.
pub fn known_from_start(
    profiles: &BTreeMap<String, Profile>,
    links: &Rows,
    identities: &Identities,
) -> BTreeSet<String> {
    let undated = profiles.iter().filter(|(_, profile)| profile.is_without_date).map(|(id, _)| id.clone());
    let linked = links.iter().filter(|link| moment(link, "linked_at").is_none());
    let linked = linked.flat_map(|link| [text(link, "alias_id"), text(link, "customer_id")]).flatten();
    undated.chain(linked.map(|id| identities.resolve(&id))).collect()
}

/// The moment from which each customer is known; null for a profile without a date of whom there is no fact.
pub fn known(
    profiles: &BTreeMap<String, Profile>,
    facts: &[(String, DateTime<Utc>)],
    as_of: NaiveDate,
) -> BTreeMap<String, Option<DateTime<Utc>>> {
    let mut known: BTreeMap<String, Option<DateTime<Utc>>> = BTreeMap::new();
    let dated = profiles.iter().filter_map(|(id, profile)| Some((id.clone(), profile.first_seen_at?)));
    for (id, at) in facts.iter().cloned().chain(dated) {
        if day_of(at) <= as_of {
            let first = known.entry(id).or_insert(Some(at));
            *first = [*first, Some(at)].into_iter().flatten().min();
        }
    }
    for (id, profile) in profiles {
        if profile.is_without_date {
            known.entry(id.clone()).or_insert(None);
        }
    }
    known
}
