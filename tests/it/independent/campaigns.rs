//! campaign_performance.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use lifecycle::transform::functions::models::intervals::{Interval, Proportion, Sample, newcombe, welch};

use super::compare::{Cell, Expected, Row, ratio};
use super::load::Run;
use super::moments::{cents, date, day_of, moment, plus, text};

/// What a campaign and a customer have had to do with each other.
#[derive(Default)]
struct Contact {
    first: Option<NaiveDate>,
    /// The newest answer with its moment; of one moment the smallest interaction.
    answer: Option<(DateTime<Utc>, std::cmp::Reverse<String>, String)>,
}

#[derive(Default)]
struct Group {
    targeted: i64,
    contacted: i64,
    answers: BTreeMap<String, i64>,
    visited: i64,
    conversions: i64,
    /// Cents of each of them.
    revenue: Vec<i64>,
    margin: i64,
    last: Option<NaiveDate>,
}

impl Group {
    fn visits(&self) -> Proportion {
        Proportion { successes: self.visited as f64, trials: self.targeted as f64 }
    }

    fn purchases(&self) -> Proportion {
        Proportion { successes: self.conversions as f64, trials: self.targeted as f64 }
    }

    fn spent(&self) -> i64 {
        self.revenue.iter().sum()
    }

    /// Of money per head.
    fn sample(&self) -> Sample {
        let size = self.revenue.len() as f64;
        let mean = self.spent() as f64 / 100.0 / size;
        let squares: f64 = self.revenue.iter().map(|cents| (*cents as f64 / 100.0 - mean).powi(2)).sum();
        Sample { mean, variance: squares / (size - 1.0), size }
    }
}

/// By campaign: its name, objective, channel, cost, and its arms.
pub fn campaign_performance(run: &Run) -> Expected {
    let facts = &run.facts;
    let (as_of, conversion_days) = (facts.as_of(), facts.parameters.conversion_days);
    let listed: BTreeMap<String, _> = run
        .rows("select * from staging.campaigns")
        .into_iter()
        .map(|row| (text(&row, "campaign_id").unwrap(), row))
        .collect();
    let mut known: BTreeSet<String> = listed
        .iter()
        .filter(|(_, row)| date(&row["started_on"]).is_none_or(|day| day <= as_of))
        .map(|(id, _)| id.clone())
        .collect();

    let mut contacts: BTreeMap<(String, String), Contact> = BTreeMap::new();
    for row in run.rows("select * from staging.interactions where campaign_id is not null and customer_id is not null")
    {
        let at = moment(&row, "occurred_at").unwrap();
        if day_of(at) > as_of {
            continue;
        }
        let campaign = text(&row, "campaign_id").unwrap();
        known.insert(campaign.clone());
        let answer = text(&row, "response").filter(|response| response != "none");
        if row["direction"] != "outbound" && answer.is_none() {
            continue;
        }
        let customer = facts.identities.resolve(&text(&row, "customer_id").unwrap());
        let contact = contacts.entry((campaign, customer)).or_default();
        contact.first = Some(contact.first.map_or(day_of(at), |first| first.min(day_of(at))));
        if let Some(answer) = answer {
            let id = std::cmp::Reverse(text(&row, "interaction_id").unwrap());
            contact.answer = contact.answer.take().max(Some((at, id, answer)));
        }
    }

    // The earliest membership of each customer.
    let mut targets: BTreeMap<(String, String), (DateTime<Utc>, String, bool)> = BTreeMap::new();
    for row in run.rows("select * from staging.campaign_members") {
        let at = moment(&row, "assigned_at").unwrap();
        if day_of(at) > as_of {
            continue;
        }
        let (campaign, id) = (text(&row, "campaign_id").unwrap(), text(&row, "customer_id").unwrap());
        let member = (at, id.clone(), row["arm"] == "control");
        let key = (campaign, facts.identities.resolve(&id));
        let earliest = targets.remove(&key).map_or_else(|| member.clone(), |other| other.min(member.clone()));
        targets.insert(key, earliest);
    }
    let with_members: BTreeSet<String> = targets.keys().map(|(campaign, _)| campaign.clone()).collect();
    known.extend(with_members.iter().cloned());
    let mut targeted: Vec<(&str, &str, NaiveDate, bool)> = targets
        .iter()
        .map(|((campaign, customer), (at, _, is_control))| {
            (campaign.as_str(), customer.as_str(), day_of(*at), *is_control)
        })
        .collect();
    let without = contacts.iter().filter(|((campaign, _), _)| !with_members.contains(campaign));
    targeted.extend(
        without.map(|((campaign, customer), contact)| {
            (campaign.as_str(), customer.as_str(), contact.first.unwrap(), false)
        }),
    );

    let mut visits: BTreeMap<&str, BTreeSet<NaiveDate>> = BTreeMap::new();
    for interaction in facts.interactions.iter().filter(|interaction| interaction.is_inbound) {
        visits.entry(&interaction.customer).or_default().insert(interaction.day);
    }
    let mut groups: BTreeMap<(&str, &str), Group> = BTreeMap::new();
    for campaign in &known {
        groups.entry((campaign, "treatment")).or_default();
        groups.entry((campaign, "all")).or_default();
    }
    for (campaign, customer, day, is_control) in targeted {
        let is_within = |other: NaiveDate| other >= day && other <= plus(day, conversion_days);
        let contact = contacts.get(&(campaign.to_owned(), customer.to_owned()));
        let answer = contact.map(|contact| contact.answer.as_ref().map_or("none", |(_, _, answer)| answer));
        // Someone with returns alone is no buyer, but has revenue.
        let buyer = facts.buyers.get(customer);
        let (revenue, margin) = buyer.map_or((0, 0), |buyer| buyer.money(is_within));
        for arm in [if is_control { "control" } else { "treatment" }, "all"] {
            let group = groups.entry((campaign, arm)).or_default();
            group.targeted += 1;
            if let Some(answer) = answer {
                group.contacted += 1;
                *group.answers.entry(answer.to_owned()).or_default() += 1;
            }
            group.visited += i64::from(visits.get(customer).is_some_and(|days| days.iter().any(|day| is_within(*day))));
            group.conversions += i64::from(buyer.is_some_and(|buyer| buyer.bought(is_within)));
            group.revenue.push(revenue);
            group.margin += margin;
            group.last = group.last.max(Some(day));
        }
    }

    let rows = groups.iter().map(|((campaign, arm), group)| {
        let list = listed.get(*campaign);
        let word = |column: &str| list.and_then(|row| text(row, column));
        let cost = list.and_then(|row| cents(row, "cost")).unwrap_or(0);
        let treated = &groups[&(*campaign, "treatment")];
        let control = groups.get(&(*campaign, "control")).filter(|_| *arm != "control");
        let mut row = Row::from([
            ("campaign_id", (*campaign).into()),
            ("arm", (*arm).into()),
            ("name", word("name").into()),
            ("objective", word("objective").into()),
            ("channel", word("channel").into()),
            ("cost", Cell::Money(if *arm == "control" { 0 } else { cost })),
            ("roi", if *arm == "control" { Cell::Null } else { ratio(treated.margin - cost, cost) }),
            ("is_complete", group.last.is_some_and(|last| plus(last, conversion_days) <= as_of).into()),
        ]);
        row.extend(counts(group));
        row.extend(effects(treated, control, cost));
        row
    });
    Expected { grain: &["campaign_id", "arm"], rows: rows.collect() }
}

fn counts(group: &Group) -> [(&'static str, Cell); 14] {
    let answered = |answer: &str| group.answers.get(answer).copied().unwrap_or(0);
    [
        ("targeted", group.targeted.into()),
        ("contacted", group.contacted.into()),
        ("positive", answered("positive").into()),
        ("negative", answered("negative").into()),
        ("none", answered("none").into()),
        ("later", answered("later").into()),
        ("response_rate", ratio(answered("positive"), group.contacted)),
        ("visited", group.visited.into()),
        ("visit_rate", ratio(group.visited, group.targeted)),
        ("conversions", group.conversions.into()),
        ("conversion_rate", ratio(group.conversions, group.targeted)),
        ("revenue", Cell::Money(group.spent())),
        ("revenue_per_head", ratio(group.spent(), 100 * group.targeted)),
        ("margin", Cell::Money(group.margin)),
    ]
}

fn effects(treated: &Group, control: Option<&Group>, cost: i64) -> Vec<(&'static str, Cell)> {
    let compared = control.filter(|control| treated.targeted > 0 && control.targeted > 0);
    let number = |value: Option<f64>| value.map_or(Cell::Null, Cell::Ratio);
    let rate = |of: Proportion| of.successes / of.trials;
    let points = |of: fn(&Group) -> Proportion| compared.map(|control| rate(of(treated)) - rate(of(control)));
    let visits = compared.and_then(|control| newcombe(treated.visits(), control.visits()));
    let purchases = compared.and_then(|control| newcombe(treated.purchases(), control.purchases()));
    let spend = compared.and_then(|control| welch(treated.sample(), control.sample()));
    let low = |interval: Option<Interval>| number(interval.map(|interval| interval.low));
    let high = |interval: Option<Interval>| number(interval.map(|interval| interval.high));
    // More than as many of control would have had; money in cents.
    let more = |of: fn(&Group) -> i64| {
        let expected = |control: &Group| of(control) as f64 * treated.targeted as f64 / control.targeted as f64;
        compared.map(|control| of(treated) as f64 - expected(control))
    };
    let money = |amount: Option<f64>| amount.map_or(Cell::Null, |amount| Cell::Money(amount.round() as i64));
    let margin = more(|group| group.margin);
    let return_on_cost = margin.map_or(Cell::Null, |margin| ratio(margin.round() as i64 - cost, cost));
    vec![
        ("visit_lift_points", number(points(Group::visits))),
        ("visit_lift_points_low", low(visits)),
        ("visit_lift_points_high", high(visits)),
        ("conversion_lift_points", number(points(Group::purchases))),
        ("conversion_lift_points_low", low(purchases)),
        ("conversion_lift_points_high", high(purchases)),
        ("revenue_lift", number(compared.map(|control| treated.sample().mean - control.sample().mean))),
        ("revenue_lift_low", low(spend)),
        ("revenue_lift_high", high(spend)),
        ("incremental_conversions", number(more(|group| group.conversions))),
        ("incremental_revenue", money(more(Group::spent))),
        ("incremental_margin", money(margin)),
        ("incremental_roi", return_on_cost),
    ]
}
