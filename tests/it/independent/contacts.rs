//! Interactions, referrals, surveys, campaigns and their members.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::customers::Identities;
use super::load::Rows;
use super::moments::{cents, date, day_of, moment, rounded, text};
use super::seeds::Kind;

pub struct Interaction {
    pub id: String,
    pub customer: String,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub is_inbound: bool,
    pub is_outbound: bool,
    /// '(none)' without one.
    pub channel: String,
    pub campaign: Option<String>,
    pub content: Option<String>,
    /// positive, negative, none or later.
    pub response: Option<String>,
    pub is_positive: bool,
    pub is_negative: bool,
    pub kind: Option<String>,
    /// Of its kind; 0 for one that the seed does not list.
    pub lead_points: f64,
    pub is_advocacy: bool,
    pub is_complaint: bool,
    pub cost: i64,
}

pub struct Referral {
    pub id: String,
    pub referrer: String,
    pub referred: String,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub source: String,
    pub reward: i64,
}

pub struct Survey {
    pub id: String,
    pub customer: String,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub kind: String,
    pub score: Option<f64>,
    pub reason: Option<String>,
    pub touchpoint: Option<String>,
}

/// The earliest assignment of a customer to a campaign.
pub struct Membership {
    pub customer: String,
    pub campaign: String,
    pub day: NaiveDate,
    pub is_treatment: bool,
    /// A treated member's share of the campaign's cost; 0 for control.
    pub cost: i64,
}

pub struct Campaign {
    pub name: Option<String>,
    pub objective: Option<String>,
    pub channel: Option<String>,
    pub started_on: Option<NaiveDate>,
    pub ended_on: Option<NaiveDate>,
    pub cost: Option<i64>,
}

impl Campaign {
    pub fn has_begun(&self, as_of: NaiveDate) -> bool {
        self.started_on.is_none_or(|day| day <= as_of)
    }
}

pub struct Content {
    pub content_type: Option<String>,
    pub buying_stage: Option<String>,
}

pub fn interactions(
    rows: &Rows,
    kinds: &BTreeMap<String, Kind>,
    identities: &Identities,
    as_of: NaiveDate,
) -> Vec<Interaction> {
    let mut interactions = Vec::new();
    for row in rows {
        let Some(customer) = text(row, "customer_id") else { continue };
        let at = moment(row, "occurred_at").unwrap();
        if day_of(at) > as_of {
            continue;
        }
        let name = text(row, "kind");
        let kind = name.as_ref().and_then(|kind| kinds.get(kind).copied()).unwrap_or_default();
        interactions.push(Interaction {
            id: text(row, "interaction_id").unwrap(),
            customer: identities.resolve(&customer),
            at,
            day: day_of(at),
            is_inbound: row["direction"] == "inbound",
            is_outbound: row["direction"] == "outbound",
            channel: text(row, "channel").unwrap_or_else(|| "(none)".to_owned()),
            campaign: text(row, "campaign_id"),
            content: text(row, "content_id"),
            response: text(row, "response"),
            is_positive: row["response"] == "positive",
            is_negative: row["response"] == "negative",
            kind: name,
            lead_points: kind.lead_points,
            is_advocacy: kind.is_advocacy,
            is_complaint: kind.is_complaint,
            cost: kind.cost,
        });
    }
    interactions
}

pub fn referrals(rows: &Rows, identities: &Identities, as_of: NaiveDate) -> Vec<Referral> {
    let all = rows.iter().map(|row| {
        let at = moment(row, "referred_at").unwrap();
        Referral {
            id: text(row, "referral_id").unwrap(),
            referrer: identities.resolve(&text(row, "referrer_id").unwrap()),
            referred: identities.resolve(&text(row, "referred_id").unwrap()),
            at,
            day: day_of(at),
            source: text(row, "source").unwrap_or_else(|| "(none)".to_owned()),
            reward: cents(row, "reward_cost").unwrap_or(0),
        }
    });
    all.filter(|referral| referral.day <= as_of).collect()
}

pub fn surveys(rows: &Rows, identities: &Identities, as_of: NaiveDate) -> Vec<Survey> {
    let mut surveys = Vec::new();
    for row in rows {
        let Some(customer) = text(row, "customer_id") else { continue };
        let at = moment(row, "responded_at").unwrap();
        if day_of(at) <= as_of {
            surveys.push(Survey {
                id: text(row, "survey_id").unwrap(),
                customer: identities.resolve(&customer),
                at,
                day: day_of(at),
                kind: text(row, "kind").unwrap_or_default(),
                score: row["score"].as_f64(),
                reason: text(row, "reason"),
                touchpoint: text(row, "touchpoint"),
            });
        }
    }
    surveys
}

pub fn campaigns(rows: &Rows) -> BTreeMap<String, Campaign> {
    let campaigns = rows.iter().filter_map(|row| {
        let campaign = Campaign {
            name: text(row, "name"),
            objective: text(row, "objective"),
            channel: text(row, "channel"),
            started_on: date(&row["started_on"]),
            ended_on: date(&row["ended_on"]),
            cost: cents(row, "cost"),
        };
        Some((text(row, "campaign_id")?, campaign))
    });
    campaigns.collect()
}

pub fn content(rows: &Rows) -> BTreeMap<String, Content> {
    let content = rows.iter().filter_map(|row| {
        let content = Content { content_type: text(row, "content_type"), buying_stage: text(row, "buying_stage") };
        Some((text(row, "content_id")?, content))
    });
    content.collect()
}

/// Campaign and customer, with the moment of the earliest assignment, the id as landed, and whether it is a treatment.
type Members = BTreeMap<(String, String), (DateTime<Utc>, String, bool)>;

fn members(rows: &Rows, identities: &Identities, as_of: NaiveDate) -> Members {
    let mut members = Members::new();
    for row in rows {
        let at = moment(row, "assigned_at").unwrap();
        if day_of(at) > as_of {
            continue;
        }
        let id = text(row, "customer_id").unwrap();
        let member = (at, id.clone(), row["arm"] != "control");
        let held = members
            .entry((text(row, "campaign_id").unwrap(), identities.resolve(&id)))
            .or_insert_with(|| member.clone());
        if member < *held {
            *held = member;
        }
    }
    members
}

pub fn memberships(
    rows: &Rows,
    campaigns: &BTreeMap<String, Campaign>,
    identities: &Identities,
    as_of: NaiveDate,
) -> Vec<Membership> {
    let members = members(rows, identities, as_of);
    let mut treated: BTreeMap<String, i64> = BTreeMap::new();
    for ((campaign, _), (_, _, is_treatment)) in &members {
        *treated.entry(campaign.clone()).or_default() += i64::from(*is_treatment);
    }
    let shares = members.into_iter().map(|((campaign, customer), (at, _, is_treatment))| {
        let cost = campaigns.get(&campaign).and_then(|campaign| campaign.cost).filter(|_| is_treatment);
        let cost = cost.map_or(0, |cost| rounded(cost, treated[&campaign]));
        Membership { customer, campaign, day: day_of(at), is_treatment, cost }
    });
    shares.collect()
}
