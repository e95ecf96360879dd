//! The facts up to a day, by customer.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::Parameters;
use super::customers::{Identities, Profile, known, known_from_start, profiles};
use super::load::Rows;
use super::moments::{cents, date, day_of, flag, moment, rounded, scaled, text, whole};

/// The staged tables and the seeds as rows.
pub struct Staged {
    pub customers: Rows,
    pub interactions: Rows,
    pub order_lines: Rows,
    pub products: Rows,
    pub campaigns: Rows,
    pub campaign_members: Rows,
    pub referrals: Rows,
    pub surveys: Rows,
    pub identities: Rows,
    pub stages: Rows,
    pub interaction_kinds: Rows,
    pub churn_reasons: Rows,
    pub tenure_bands: Rows,
    pub rfm_segments: Rows,
}

pub struct Line {
    pub order: String,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub product: Option<String>,
    /// Thousandths.
    pub quantity: i64,
    pub revenue: i64,
    pub margin: i64,
}

pub struct Interaction {
    pub customer: String,
    pub at: DateTime<Utc>,
    pub day: NaiveDate,
    pub is_inbound: bool,
    pub is_outbound: bool,
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
}

pub struct Membership {
    pub customer: String,
    pub day: NaiveDate,
    pub cost: i64,
}

/// A customer with a purchase day.
pub struct Buyer {
    pub lines: Vec<Line>,
    /// Purchase days in order, with the moment and the revenue of each.
    pub purchases: Vec<(NaiveDate, DateTime<Utc>, i64)>,
    pub orders: i64,
    pub revenue: i64,
    pub margin: i64,
}

impl Buyer {
    pub fn first(&self) -> NaiveDate {
        self.purchases[0].0
    }

    pub fn last(&self) -> NaiveDate {
        self.purchases[self.purchases.len() - 1].0
    }

    pub fn bought(&self, in_window: impl Fn(NaiveDate) -> bool) -> bool {
        self.purchases.iter().any(|purchase| in_window(purchase.0))
    }

    /// Revenue and margin of the days that are chosen.
    pub fn money(&self, is_chosen: impl Fn(NaiveDate) -> bool) -> (i64, i64) {
        let lines = self.lines.iter().filter(|line| is_chosen(line.day));
        lines.fold((0, 0), |sum, line| (sum.0 + line.revenue, sum.1 + line.margin))
    }
}

/// Everything up to as_of, identities resolved.
pub struct Facts {
    pub parameters: Parameters,
    pub identities: Identities,
    pub profiles: BTreeMap<String, Profile>,
    pub known: BTreeMap<String, Option<DateTime<Utc>>>,
    /// Those with a profile or a link without a date: known at every earlier day too.
    pub known_from_start: BTreeSet<String>,
    pub buyers: BTreeMap<String, Buyer>,
    /// The last order of everyone with one: with a return on its day its customer need not be a buyer.
    pub last_orders: BTreeMap<String, DateTime<Utc>>,
    pub interactions: Vec<Interaction>,
    pub referrals: Vec<Referral>,
    pub surveys: Vec<Survey>,
    pub memberships: Vec<Membership>,
    /// The cost of referral campaigns that have begun.
    pub referral_campaign_cost: i64,
    pub categories: BTreeMap<String, String>,
    /// Reasons by text without blanks in lower case.
    pub churn_reasons: BTreeMap<String, String>,
    /// Band, from and to (months), shortest first.
    pub tenure_bands: Vec<(String, i64, Option<i64>)>,
    /// Segment and the bounds of r, f and m, in order of preference.
    pub rfm_segments: Vec<(String, [(i64, i64); 3])>,
    pub stages: Vec<(i64, String)>,
}

impl Facts {
    pub fn new(staged: &Staged, parameters: Parameters) -> Self {
        let as_of = parameters.as_of;
        let identities = Identities::new(&staged.identities, as_of);
        let profiles = profiles(&staged.customers, &identities);
        let lines = lines(&staged.order_lines, &identities, &parameters);
        let interactions = interactions(&staged.interactions, &staged.interaction_kinds, &identities, as_of);
        let referrals = referrals(&staged.referrals, &identities, as_of);
        let surveys = surveys(&staged.surveys, &identities, as_of);
        let members = members(&staged.campaign_members, &identities, as_of);
        let mut moments: Vec<(String, DateTime<Utc>)> = Vec::new();
        for (id, lines) in &lines {
            moments.extend(lines.iter().map(|line| (id.clone(), line.at)));
        }
        moments.extend(interactions.iter().map(|fact| (fact.customer.clone(), fact.at)));
        for referral in &referrals {
            moments.extend([&referral.referrer, &referral.referred].map(|id| (id.clone(), referral.at)));
        }
        moments.extend(surveys.iter().map(|fact| (fact.customer.clone(), fact.at)));
        for row in &staged.campaign_members {
            if let (Some(id), Some(at)) = (text(row, "customer_id"), moment(row, "assigned_at")) {
                moments.push((identities.resolve(&id), at));
            }
        }
        for row in &staged.identities {
            if let Some(at) = moment(row, "linked_at").filter(|at| day_of(*at) <= as_of) {
                for id in ["alias_id", "customer_id"].into_iter().filter_map(|column| text(row, column)) {
                    moments.push((identities.resolve(&id), at));
                }
            }
        }
        Self {
            known: known(&profiles, &moments, as_of),
            known_from_start: known_from_start(&profiles, &staged.identities, &identities),
            last_orders: lines
                .iter()
                .filter_map(|(id, lines)| Some((id.clone(), orders(lines).into_iter().max()?)))
                .collect(),
            buyers: lines.into_iter().filter_map(|(id, lines)| Some((id, buyer(lines)?))).collect(),
            memberships: memberships(members, &staged.campaigns),
            referral_campaign_cost: staged
                .campaigns
                .iter()
                .filter(|row| row["objective"] == "referral" && date(&row["started_on"]).is_none_or(|day| day <= as_of))
                .filter_map(|row| cents(row, "cost"))
                .sum(),
            categories: pairs(&staged.products, "product_id", "category"),
            churn_reasons: pairs(&staged.churn_reasons, "text", "reason")
                .into_iter()
                .map(|(text, reason)| (plain(&text), reason))
                .collect(),
            tenure_bands: tenure_bands(&staged.tenure_bands),
            rfm_segments: rfm_segments(&staged.rfm_segments),
            stages: stages(&staged.stages),
            parameters,
            identities,
            profiles,
            interactions,
            referrals,
            surveys,
        }
    }

    pub fn as_of(&self) -> NaiveDate {
        self.parameters.as_of
    }

    /// Whether a customer is known up to a day.
    pub fn is_known(&self, customer: &str, cut: NaiveDate) -> bool {
        let known = self.known.get(customer);
        self.known_from_start.contains(customer) || known.is_some_and(|at| at.is_none_or(|at| day_of(at) <= cut))
    }

    pub fn acquisition_source(&self, customer: &str) -> String {
        let source = self.profiles.get(customer).and_then(|profile| profile.acquisition_source.clone());
        source.unwrap_or_else(|| "(none)".to_owned())
    }

    /// Margin and revenue of all buyers: the overall margin rate as a quotient.
    pub fn margin_rate(&self) -> (i64, i64) {
        self.buyers.values().fold((0, 0), |sum, buyer| (sum.0 + buyer.margin, sum.1 + buyer.revenue))
    }
}

/// A text without blanks, in lower case.
pub fn plain(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect()
}

pub fn lines(rows: &Rows, identities: &Identities, parameters: &Parameters) -> BTreeMap<String, Vec<Line>> {
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for row in rows {
        let Some(customer) = text(row, "customer_id") else { continue };
        let at = moment(row, "ordered_at").unwrap();
        let day = day_of(at);
        if day > parameters.as_of {
            continue;
        }
        let revenue = cents(row, "net_amount").unwrap();
        lines.entry(identities.resolve(&customer)).or_default().push(Line {
            order: text(row, "order_id").unwrap(),
            at,
            day,
            product: text(row, "product_id"),
            quantity: scaled(row, "quantity", 1000.0).unwrap(),
            revenue,
            margin: cents(row, "margin").unwrap_or_else(|| rounded(revenue * parameters.default_margin_rate, 1000)),
        });
    }
    lines
}

/// Whether lines count as a purchase: they leave money, or goods for nothing.
fn is_purchase(lines: &[&Line]) -> bool {
    let revenue: i64 = lines.iter().map(|line| line.revenue).sum();
    let quantity: i64 = lines.iter().map(|line| line.quantity).sum();
    revenue > 0 || (revenue == 0 && quantity > 0)
}

/// The moments of a customer's orders.
fn orders(lines: &[Line]) -> Vec<DateTime<Utc>> {
    let mut orders: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        orders.entry(&line.order).or_default().push(line);
    }
    let counted = orders.values().filter(|lines| is_purchase(lines));
    counted.filter_map(|lines| lines.iter().map(|line| line.at).min()).collect()
}

fn buyer(lines: Vec<Line>) -> Option<Buyer> {
    let mut days: BTreeMap<NaiveDate, Vec<&Line>> = BTreeMap::new();
    for line in &lines {
        days.entry(line.day).or_default().push(line);
    }
    let mut purchases = Vec::new();
    for (day, lines) in &days {
        if is_purchase(lines) {
            let positive = lines.iter().filter(|line| line.quantity > 0).map(|line| line.at).min();
            let at = positive.or_else(|| lines.iter().map(|line| line.at).min());
            purchases.push((*day, at.unwrap(), lines.iter().map(|line| line.revenue).sum()));
        }
    }
    if purchases.is_empty() {
        return None;
    }
    let (revenue, margin) = lines.iter().fold((0, 0), |sum, line| (sum.0 + line.revenue, sum.1 + line.margin));
    Some(Buyer { purchases, orders: orders(&lines).len() as i64, revenue, margin, lines })
}

fn interactions(rows: &Rows, kinds: &Rows, identities: &Identities, as_of: NaiveDate) -> Vec<Interaction> {
    let kinds: BTreeMap<String, (bool, bool, i64, f64)> = kinds
        .iter()
        .map(|row| {
            let cost = cents(row, "cost").unwrap_or(0);
            let points = row["lead_points"].as_f64().unwrap_or(0.0);
            (text(row, "kind").unwrap(), (flag(row, "is_advocacy"), flag(row, "is_complaint"), cost, points))
        })
        .collect();
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
            customer: identities.resolve(&customer),
            at,
            day: day_of(at),
            is_inbound: row["direction"] == "inbound",
            is_outbound: row["direction"] == "outbound",
            is_positive: row["response"] == "positive",
            is_negative: row["response"] == "negative",
            kind: name,
            lead_points: kind.3,
            is_advocacy: kind.0,
            is_complaint: kind.1,
            cost: kind.2,
        });
    }
    interactions
}

fn referrals(rows: &Rows, identities: &Identities, as_of: NaiveDate) -> Vec<Referral> {
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

fn surveys(rows: &Rows, identities: &Identities, as_of: NaiveDate) -> Vec<Survey> {
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
            });
        }
    }
    surveys
}

/// Campaign and customer, with the moment of the earliest assignment, the id as landed, and whether it is a treatment.
pub type Members = BTreeMap<(String, String), (DateTime<Utc>, String, bool)>;

pub fn members(rows: &Rows, identities: &Identities, as_of: NaiveDate) -> Members {
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

pub fn memberships(members: Members, campaigns: &Rows) -> Vec<Membership> {
    let costs: BTreeMap<String, i64> =
        campaigns.iter().filter_map(|row| Some((text(row, "campaign_id")?, cents(row, "cost")?))).collect();
    let mut treated: BTreeMap<String, i64> = BTreeMap::new();
    for ((campaign, _), (_, _, is_treatment)) in &members {
        *treated.entry(campaign.clone()).or_default() += i64::from(*is_treatment);
    }
    let shares = members.into_iter().filter(|(_, (_, _, is_treatment))| *is_treatment);
    shares
        .map(|((campaign, customer), (at, _, _))| Membership {
            customer,
            day: day_of(at),
            cost: rounded(costs.get(&campaign).copied().unwrap_or(0), treated[&campaign]),
        })
        .collect()
}

fn pairs(rows: &Rows, key: &str, value: &str) -> BTreeMap<String, String> {
    rows.iter().filter_map(|row| Some((text(row, key)?, text(row, value)?))).collect()
}

fn tenure_bands(rows: &Rows) -> Vec<(String, i64, Option<i64>)> {
    let mut bands: Vec<_> = rows
        .iter()
        .map(|row| (text(row, "band").unwrap(), whole(row, "from_months").unwrap(), whole(row, "to_months")))
        .collect();
    bands.sort_by_key(|band| band.1);
    bands
}

fn rfm_segments(rows: &Rows) -> Vec<(String, [(i64, i64); 3])> {
    let mut segments: Vec<_> = rows
        .iter()
        .map(|row| {
            let bounds = ["r", "f", "m"].map(|letter| {
                (whole(row, &format!("{letter}_from")).unwrap(), whole(row, &format!("{letter}_to")).unwrap())
            });
            (whole(row, "rank").unwrap(), text(row, "segment").unwrap(), bounds)
        })
        .collect();
    segments.sort();
    segments.into_iter().map(|(_, segment, bounds)| (segment, bounds)).collect()
}

fn stages(rows: &Rows) -> Vec<(i64, String)> {
    let stages: BTreeSet<_> =
        rows.iter().map(|row| (whole(row, "rank").unwrap(), text(row, "stage").unwrap())).collect();
    stages.into_iter().collect()
}
