//! segments, cluster_profiles and segment_performance.
//!
//! What customer_value and lifecycle_stages say is taken from them, as they are compared elsewhere. Of k-means only the
//! labels are taken: sizes, centres and distances follow from them, and each buyer must be nearest to their own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Map, Value as Json};

use super::compare::{Cell, Expected, Row, ratio};
use super::customers::Profile;
use super::facts::Buyer;
use super::load::Run;
use super::moments::{days_between, in_window, months_between, plus, text, whole};
use super::{assert_same, runs};

const FEATURES: [(&str, &str, &str, &str); 5] = [
    ("purchase_days", "purchase_days_standardised", "few purchase days", "many purchase days"),
    ("days_since_last_purchase", "days_since_last_purchase_standardised", "bought recently", "last bought long ago"),
    (
        "revenue_per_purchase_day",
        "revenue_per_purchase_day_standardised",
        "spends little per purchase day",
        "spends much per purchase day",
    ),
    ("products", "products_standardised", "few products", "many products"),
    ("inbound_interactions_90d", "inbound_interactions_90d_standardised", "seldom in touch", "often in touch"),
];

type JsonRow = Map<String, Json>;

/// A customer with what is known of them.
pub struct Customer<'a> {
    pub profile: Option<&'a Profile>,
    pub buyer: Option<&'a Buyer>,
    pub clv: f64,
    pub bought_before: bool,
    pub bought_now: bool,
    contacts: i64,
    positive: i64,
    nps: Option<(DateTime<Utc>, String, f64)>,
}

impl Customer<'_> {
    pub fn attribute(&self, column: &str) -> Option<String> {
        self.profile.and_then(|profile| profile.attribute(column)).cloned()
    }

    pub fn revenue(&self) -> i64 {
        self.buyer.map_or(0, |buyer| buyer.revenue)
    }

    pub fn has_left(&self) -> bool {
        self.bought_before && !self.bought_now
    }
}

fn by_customer(run: &Run, table: &str) -> BTreeMap<String, JsonRow> {
    run.published(table).into_iter().map(|row| (text(&row, "customer_id").unwrap(), row)).collect()
}

/// Everyone who is known.
pub fn customers(run: &Run) -> BTreeMap<String, Customer<'_>> {
    let facts = &run.facts;
    let value = by_customer(run, "customer_value");
    let mut customers: BTreeMap<String, Customer> = BTreeMap::new();
    for id in facts.known.keys() {
        let buyer = facts.buyers.get(id);
        let bought =
            |end| buyer.is_some_and(|b| b.bought(|day| in_window(day, end, facts.parameters.churn_window_days)));
        let customer = Customer {
            profile: facts.profiles.get(id),
            buyer,
            clv: buyer.map_or(0.0, |_| value[id]["clv"].as_f64().unwrap()),
            bought_before: bought(plus(facts.as_of(), -facts.parameters.churn_window_days)),
            bought_now: bought(facts.as_of()),
            contacts: 0,
            positive: 0,
            nps: None,
        };
        customers.insert(id.clone(), customer);
    }
    for contact in facts.interactions.iter().filter(|interaction| interaction.is_outbound) {
        let customer = customers.get_mut(&contact.customer).unwrap();
        customer.contacts += 1;
        customer.positive += i64::from(contact.is_positive);
    }
    for survey in facts.surveys.iter().filter(|survey| survey.kind == "nps") {
        let Some(score) = survey.score else { continue };
        let newest = &mut customers.get_mut(&survey.customer).unwrap().nps;
        let is_newer = newest.as_ref().is_none_or(|(at, id, _)| (*at, id) < (survey.at, &survey.id));
        if is_newer {
            *newest = Some((survey.at, survey.id.clone(), score));
        }
    }
    customers
}

fn age_band(birth: Option<NaiveDate>, as_of: NaiveDate, bands: &[(String, i64, Option<i64>)]) -> Option<String> {
    let years = months_between(birth.filter(|birth| *birth <= as_of)?, as_of) / 12;
    let band = bands.iter().find(|(_, from, to)| *from <= years && to.is_none_or(|to| years < to));
    band.map(|(band, _, _)| band.clone())
}

/// The groups of each customer, in the order of the columns.
fn groups(run: &Run) -> BTreeMap<String, Vec<(&'static str, Option<String>)>> {
    let value = by_customer(run, "customer_value");
    let stages = by_customer(run, "lifecycle_stages");
    let labels = labels(run);
    let group = |(id, customer): (&String, &Customer)| {
        let birth = customer.profile.and_then(|profile| profile.birth_date);
        let mut groups = vec![("age_band", age_band(birth, run.facts.as_of(), &run.facts.age_bands))];
        for column in ["gender", "income_band", "occupation", "persona", "country", "region"] {
            groups.push((column, customer.attribute(column)));
        }
        groups.push(("rfm_segment", value.get(id).and_then(|row| text(row, "rfm_segment"))));
        groups.push(("value_tier", value.get(id).and_then(|row| text(row, "value_tier"))));
        groups.push(("stage", text(&stages[id], "stage")));
        groups.push(("behaviour_cluster", labels.get(id).map(|label| label.to_string())));
        (id.clone(), groups)
    };
    customers(run).iter().map(group).collect()
}

fn segments(run: &Run) -> Expected {
    let rows = groups(run).into_iter().map(|(id, groups)| {
        let cell = |(column, value): (&'static str, Option<String>)| match column {
            "behaviour_cluster" => (column, value.map(|label| label.parse::<i64>().unwrap()).into()),
            _ => (column, value.into()),
        };
        std::iter::once(("customer_id", id.into())).chain(groups.into_iter().map(cell)).collect::<Row>()
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}

fn performance(run: &Run) -> Expected {
    let customers = customers(run);
    let mut members: BTreeMap<(&str, String), Vec<&Customer>> = BTreeMap::new();
    for (id, groups) in groups(run) {
        for (dimension, value) in groups {
            let value = value.unwrap_or_else(|| "(none)".to_owned());
            members.entry((dimension, value)).or_default().push(&customers[&id]);
        }
    }
    let rows = members.into_iter().map(|((dimension, value), group)| {
        let count = |is: fn(&&&Customer) -> bool| group.iter().filter(is).count() as i64;
        let sum = |of: fn(&Customer) -> i64| group.iter().map(|customer| of(customer)).sum::<i64>();
        let size = group.len() as i64;
        let buyers = count(|customer| customer.buyer.is_some());
        let is_bought = ["rfm_segment", "value_tier", "stage", "behaviour_cluster"].contains(&dimension);
        let score = |customer: &Customer| customer.nps.as_ref().map(|newest| newest.2);
        let scores: Vec<f64> = group.iter().filter_map(|customer| score(customer)).collect();
        let promoters = scores.iter().filter(|score| **score >= 9.0).count() as i64;
        let detractors = scores.iter().filter(|score| **score <= 6.0).count() as i64;
        let revenue = sum(|customer| customer.revenue());
        let (bought_before, churned) =
            (count(|customer| customer.bought_before), count(|customer| customer.has_left()));
        let (contacts, positive) = (sum(|customer| customer.contacts), sum(|customer| customer.positive));
        let clv: f64 = group.iter().map(|customer| customer.clv).sum();
        Row::from([
            ("dimension", dimension.into()),
            ("value", value.into()),
            ("customers", size.into()),
            ("share", ratio(size, customers.len() as i64)),
            ("buyers", buyers.into()),
            ("conversion_rate", if is_bought { Cell::Null } else { ratio(buyers, size) }),
            ("revenue", Cell::Money(revenue)),
            ("revenue_per_customer", Cell::Ratio(revenue as f64 / 100.0 / size as f64)),
            ("clv_per_customer", Cell::Modelled(clv / size as f64)),
            ("bought_before", bought_before.into()),
            ("churned_accounts", churned.into()),
            ("account_churn_rate", ratio(churned, bought_before)),
            ("nps_responses", (scores.len() as i64).into()),
            ("nps", ratio(100 * (promoters - detractors), scores.len() as i64)),
            ("contacts", contacts.into()),
            ("positive_responses", positive.into()),
            ("response_rate", ratio(positive, contacts)),
        ])
    });
    Expected { grain: &["dimension", "value"], rows: rows.collect() }
}

fn labels(run: &Run) -> BTreeMap<String, i64> {
    let rows = run.published("segments").into_iter();
    rows.filter_map(|row| Some((text(&row, "customer_id")?, whole(&row, "behaviour_cluster")?))).collect()
}

/// The standardised logarithms of what each buyer does, and the logarithms' means and deviations.
fn features(run: &Run) -> (BTreeMap<String, [f64; 5]>, [(f64, f64); 5]) {
    let as_of = run.facts.as_of();
    let mut inbound: BTreeMap<&str, i64> = BTreeMap::new();
    for contact in
        run.facts.interactions.iter().filter(|contact| contact.is_inbound && in_window(contact.day, as_of, 90))
    {
        *inbound.entry(&contact.customer).or_default() += 1;
    }
    let mut features: BTreeMap<String, [f64; 5]> = BTreeMap::new();
    for (id, buyer) in &run.facts.buyers {
        let days = buyer.purchases.len() as f64;
        let lines = buyer.lines.iter().filter(|line| line.quantity > 0);
        let products: BTreeSet<&String> = lines.filter_map(|line| line.product.as_ref()).collect();
        let numbers = [
            days,
            days_between(buyer.last(), as_of) as f64,
            buyer.revenue.max(0) as f64 / 100.0 / days,
            products.len() as f64,
            inbound.get(id.as_str()).copied().unwrap_or(0) as f64,
        ];
        features.insert(id.clone(), numbers.map(f64::ln_1p));
    }
    let count = features.len() as f64;
    let scale = std::array::from_fn(|at| {
        let mean = features.values().map(|numbers| numbers[at]).sum::<f64>() / count;
        let variance = features.values().map(|numbers| (numbers[at] - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt())
    });
    for numbers in features.values_mut() {
        *numbers = std::array::from_fn(|at| (numbers[at] - scale[at].0) / scale[at].1);
    }
    (features, scale)
}

fn squared(one: &[f64; 5], other: &[f64; 5]) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum()
}

fn profiles(run: &Run) -> Expected {
    let (features, scale) = features(run);
    let (labels, customers) = (labels(run), customers(run));
    let mut members: BTreeMap<i64, Vec<&String>> = BTreeMap::new();
    labels.iter().for_each(|(id, label)| members.entry(*label).or_default().push(id));
    let centre = |ids: &Vec<&String>| -> [f64; 5] {
        std::array::from_fn(|at| ids.iter().map(|id| features[*id][at]).sum::<f64>() / ids.len() as f64)
    };
    let centres: BTreeMap<i64, [f64; 5]> = members.iter().map(|(label, ids)| (*label, centre(ids))).collect();
    let clusters = 1..=run.facts.parameters.clusters;
    assert!(centres.keys().copied().eq(clusters), "{}: {:?}", run.name, centres.keys());
    assert!(centres.values().is_sorted_by(|one, other| one[0] >= other[0]), "{}: clusters out of order", run.name);
    let within: BTreeMap<i64, f64> = members
        .iter()
        .map(|(label, ids)| (*label, ids.iter().map(|id| squared(&features[*id], &centres[label])).sum()))
        .collect();
    for (id, label) in &labels {
        let own = squared(&features[id], &centres[label]);
        let other = centres.values().map(|centre| squared(&features[id], centre)).fold(f64::INFINITY, f64::min);
        assert!(own <= other + 1e-9, "{}: {id} is nearer to another cluster", run.name);
    }
    let total: f64 = features.values().map(|numbers| squared(numbers, &[0.0; 5])).sum();
    let revenue_of = |ids: &Vec<&String>| ids.iter().map(|id| customers[*id].revenue()).sum::<i64>();
    let all_revenue: i64 = members.values().map(revenue_of).sum();
    let rows = members.iter().map(|(label, ids)| {
        let (size, revenue) = (ids.len() as i64, revenue_of(ids));
        let clv: f64 = ids.iter().map(|id| customers[*id].clv).sum();
        let traits: Vec<&str> = (FEATURES.iter().zip(&centres[label]))
            .filter_map(|((_, _, low, high), at)| {
                if *at >= 0.5 {
                    Some(*high)
                } else if *at <= -0.5 {
                    Some(*low)
                } else {
                    None
                }
            })
            .collect();
        let mut row = Row::from([
            ("cluster", (*label).into()),
            ("customers", size.into()),
            ("share", ratio(size, features.len() as i64)),
            ("description", if traits.is_empty() { "average in all".into() } else { traits.join(", ").into() }),
            ("revenue", Cell::Money(revenue)),
            ("revenue_share", ratio(revenue, all_revenue)),
            ("revenue_per_customer", Cell::Ratio(revenue as f64 / 100.0 / size as f64)),
            ("clv_per_customer", Cell::Modelled(clv / size as f64)),
            ("within_sum", Cell::Modelled(within[label])),
            ("explained_share", Cell::Modelled(1.0 - within.values().sum::<f64>() / total)),
            ("iterations", Cell::Any),
            ("is_converged", true.into()),
        ]);
        for (at, (name, standardised, ..)) in FEATURES.iter().enumerate() {
            let number = centres[label][at];
            row.insert(name, Cell::Modelled((scale[at].0 + scale[at].1 * number).exp_m1()));
            row.insert(standardised, Cell::Modelled(number));
        }
        row
    });
    Expected { grain: &["cluster"], rows: rows.collect() }
}

#[test]
fn segments_are_what_the_facts_say() {
    assert_same("segments", segments);
}

#[test]
fn segment_performance_is_what_the_facts_say() {
    assert_same("segment_performance", performance);
}

#[test]
fn cluster_profiles_are_what_the_facts_say() {
    assert_same("cluster_profiles", profiles);
}

/// The demo's bargain hunters leave more often than the others.
#[test]
fn the_segment_that_churns_is_found() {
    let rows = runs()[0].published("segment_performance");
    let personas = rows.iter().filter(|row| row["dimension"] == "persona" && row["value"] != "(none)");
    let mut rates: Vec<(f64, &str)> =
        personas.map(|row| (row["account_churn_rate"].as_f64().unwrap(), row["value"].as_str().unwrap())).collect();
    rates.sort_by(|one, other| other.0.total_cmp(&one.0));
    assert_eq!(rates[0].1, "bargain_hunter", "{rates:?}");
    assert!(rates[0].0 > rates[1].0 + 0.1, "{rates:?}");
}
