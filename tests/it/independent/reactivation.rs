//! reactivation and reactivation_results.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::channels::preference;
use super::churn::churn;
use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Buyer, Facts, Interaction};
use super::load::Run;
use super::models::Models;
use super::moments::{days_between, month_after, plus};

const NONE: &str = "(none)";
const NOT_CONTACTED: &str = "(not contacted)";

/// Whether so many days without a purchase are a dormancy.
fn is_dormant(facts: &Facts, days: i64) -> bool {
    (facts.parameters.dormant_days..facts.parameters.lost_days).contains(&days)
}

fn by_customer(expected: Expected) -> BTreeMap<String, Row> {
    let rows = expected.rows.into_iter().map(|row| match &row["customer_id"] {
        Cell::Text(id) => (id.clone(), row),
        other => panic!("a customer is {other:?}"),
    });
    rows.collect()
}

fn contacts(facts: &Facts) -> BTreeMap<&str, Vec<&Interaction>> {
    let mut contacts: BTreeMap<&str, Vec<&Interaction>> = BTreeMap::new();
    for contact in facts.interactions.iter().filter(|interaction| interaction.is_outbound) {
        contacts.entry(&contact.customer).or_default().push(contact);
    }
    contacts
}

pub fn reactivation(run: &Run) -> Expected {
    let facts = &run.facts;
    let models = Models::new(run);
    let (reasons, channels, contacts) = (by_customer(churn(run)), by_customer(preference(run)), contacts(facts));
    let since = |buyer: &Buyer| days_between(buyer.last(), facts.as_of());
    let mut dormant: Vec<(f64, &String, &Buyer)> = facts
        .buyers
        .iter()
        .filter(|(_, buyer)| is_dormant(facts, since(buyer)))
        .map(|(id, buyer)| (models.clv(buyer), id, buyer))
        .collect();
    dormant.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
    let rows = (1..).zip(dormant).map(|(rank, (clv, id, buyer))| {
        let dormant_since = plus(buyer.last(), facts.parameters.dormant_days);
        let own = || contacts.get(id.as_str()).into_iter().flatten().filter(|contact| contact.day >= dormant_since);
        Row::from([
            ("customer_id", id.as_str().into()),
            ("rank", Cell::Integer(rank)),
            ("clv", Cell::Modelled(clv)),
            ("revenue", Cell::Money(buyer.revenue)),
            ("last_purchase_on", buyer.last().into()),
            ("days_since_purchase", since(buyer).into()),
            ("dormant_since", dormant_since.into()),
            ("days_dormant", (since(buyer) - facts.parameters.dormant_days).into()),
            ("days_until_lost", (facts.parameters.lost_days - since(buyer)).into()),
            ("preferred_channel", channels[id]["preferred_channel"].clone()),
            ("is_contactable", facts.is_contactable(id).into()),
            ("last_reason", reasons[id]["reason"].clone()),
            ("last_reason_source", reasons[id]["reason_source"].clone()),
            ("is_contacted", own().next().is_some().into()),
            ("contacts", (own().count() as i64).into()),
            ("last_contacted_on", own().map(|contact| contact.day).max().into()),
            ("has_responded", own().any(|contact| contact.is_positive).into()),
        ])
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}

/// What became of the customers of one row.
#[derive(Default)]
struct Group {
    customers: i64,
    bought: i64,
    revenue: i64,
}

/// The groups of a month by campaign and channel, and how many customers were dormant on its first day.
fn month<'a>(
    facts: &'a Facts,
    contacts: &BTreeMap<&str, Vec<&'a Interaction>>,
    month: NaiveDate,
) -> (BTreeMap<(&'a str, &'a str), Group>, i64) {
    let mut dormant = 0;
    let mut groups: BTreeMap<(&str, &str), Group> =
        BTreeMap::from([((NOT_CONTACTED, NOT_CONTACTED), Group::default())]);
    for (id, buyer) in &facts.buyers {
        let days = || buyer.purchases.iter().map(|purchase| purchase.0);
        let last = days().rfind(|day| *day < month);
        if !last.is_some_and(|last| is_dormant(facts, days_between(last, month))) {
            continue;
        }
        dormant += 1;
        let returned_on = days().find(|day| *day >= month);
        // The first contact of each row.
        let mut from: BTreeMap<(&str, &str), NaiveDate> = BTreeMap::new();
        for contact in contacts.get(id.as_str()).into_iter().flatten() {
            let is_in_month = contact.day >= month && contact.day < month_after(month, 1);
            if is_in_month && returned_on.is_none_or(|day| contact.day <= day) {
                let key = (contact.campaign.as_deref().unwrap_or(NONE), contact.channel.as_str());
                let first = from.entry(key).or_insert(contact.day);
                *first = contact.day.min(*first);
            }
        }
        if from.is_empty() {
            from.insert((NOT_CONTACTED, NOT_CONTACTED), month);
        }
        for (key, from) in from {
            let is_within = |day: NaiveDate| from <= day && day <= plus(from, facts.parameters.conversion_days);
            let group = groups.entry(key).or_default();
            group.customers += 1;
            group.bought += i64::from(buyer.bought(is_within));
            group.revenue += buyer.money(is_within).0;
        }
    }
    (groups, dormant)
}

pub fn results(run: &Run) -> Expected {
    let facts = &run.facts;
    let contacts = contacts(facts);
    let mut rows = Vec::new();
    let first = facts.buyers.values().map(Buyer::first).min().unwrap();
    let mut starts =
        (0..).map(|number| month_after(first, number)).take_while(|start| *start <= facts.as_of()).peekable();
    while starts.next_if(|start| month(facts, &contacts, *start).1 == 0).is_some() {}
    for start in starts {
        let end = plus(month_after(start, 1), -1);
        let (groups, dormant) = month(facts, &contacts, start);
        rows.extend(groups.into_iter().map(|((campaign, channel), group)| {
            let last = if campaign == NOT_CONTACTED { start } else { end };
            let is_complete = end <= facts.as_of() && plus(last, facts.parameters.conversion_days) <= facts.as_of();
            Row::from([
                ("month", start.into()),
                ("campaign_id", campaign.into()),
                ("channel", channel.into()),
                ("dormant", dormant.into()),
                ("customers", group.customers.into()),
                ("bought", group.bought.into()),
                ("rate", if is_complete { ratio(group.bought, group.customers) } else { Cell::Null }),
                ("revenue", Cell::Money(group.revenue)),
                ("is_complete", is_complete.into()),
            ])
        }));
    }
    Expected { grain: &["month", "campaign_id", "channel"], rows }
}
