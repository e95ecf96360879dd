//! The facts up to a day, by customer.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::Parameters;
pub use super::contacts::{Campaign, Content, Interaction, Membership, Referral, Survey};
use super::contacts::{campaigns, content, interactions, memberships, referrals, surveys};
use super::customers::{Identities, Profile, known, known_from_start, profiles};
use super::load::Rows;
use super::moments::{day_of, moment, text};
pub use super::sales::{Buyer, Line, Order};
use super::sales::{by_customer, lines, orders};
pub use super::seeds::{Action, plain};
use super::seeds::{actions, bands, churn_reasons, kinds, kpi_targets, pairs, rfm_segments, stages};

/// The staged tables and the seeds as rows.
pub struct Staged {
    pub customers: Rows,
    pub interactions: Rows,
    pub order_lines: Rows,
    pub products: Rows,
    pub campaigns: Rows,
    pub campaign_members: Rows,
    pub content: Rows,
    pub referrals: Rows,
    pub surveys: Rows,
    pub identities: Rows,
    pub stages: Rows,
    pub interaction_kinds: Rows,
    pub churn_reasons: Rows,
    pub tenure_bands: Rows,
    pub age_bands: Rows,
    pub rfm_segments: Rows,
    pub actions: Rows,
    pub kpi_targets: Rows,
}

/// Everything up to as_of, identities resolved.
pub struct Facts {
    pub parameters: Parameters,
    pub identities: Identities,
    pub profiles: BTreeMap<String, Profile>,
    pub known: BTreeMap<String, Option<DateTime<Utc>>>,
    /// Those with a profile or a link without a date: known at every earlier day too.
    pub known_from_start: BTreeSet<String>,
    /// All lines, those of customers without a purchase day and the anonymous ones too.
    pub lines: Vec<Line>,
    /// The orders of customers that count: with a return on its day its customer need not be a buyer.
    pub orders: Vec<Order>,
    pub buyers: BTreeMap<String, Buyer>,
    /// The last order of everyone with one.
    pub last_orders: BTreeMap<String, DateTime<Utc>>,
    pub interactions: Vec<Interaction>,
    pub referrals: Vec<Referral>,
    pub surveys: Vec<Survey>,
    /// Of both arms.
    pub memberships: Vec<Membership>,
    /// All that are listed, those too that have not begun.
    pub campaigns: BTreeMap<String, Campaign>,
    /// The cost of referral campaigns that have begun.
    pub referral_campaign_cost: i64,
    pub content: BTreeMap<String, Content>,
    /// The names of the products that have one.
    pub product_names: BTreeMap<String, String>,
    /// Of the products that have one.
    pub categories: BTreeMap<String, String>,
    pub actions: BTreeMap<String, Action>,
    /// By metric and stage.
    pub kpi_targets: BTreeMap<(String, String), f64>,
    /// Reasons by text without blanks in lower case.
    pub churn_reasons: BTreeMap<String, String>,
    /// Band, from and to (months), shortest first.
    pub tenure_bands: Vec<(String, i64, Option<i64>)>,
    /// Band, from and to (years), youngest first.
    pub age_bands: Vec<(String, i64, Option<i64>)>,
    /// Segment and the bounds of r, f and m, in order of preference.
    pub rfm_segments: Vec<(String, [(i64, i64); 3])>,
    pub stages: Vec<(i64, String)>,
}

impl Facts {
    pub fn new(staged: &Staged, parameters: Parameters) -> Self {
        let as_of = parameters.as_of;
        let identities = Identities::new(&staged.identities, as_of);
        let profiles = profiles(&staged.customers, &identities);
        let kinds = kinds(&staged.interaction_kinds);
        let lines = lines(&staged.order_lines, &identities, &parameters);
        let customer_lines = by_customer(&lines);
        let interactions = interactions(&staged.interactions, &kinds, &identities, as_of);
        let referrals = referrals(&staged.referrals, &identities, as_of);
        let surveys = surveys(&staged.surveys, &identities, as_of);
        let campaigns = campaigns(&staged.campaigns);
        let mut moments: Vec<(String, DateTime<Utc>)> = Vec::new();
        for (id, lines) in &customer_lines {
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
        let orders: Vec<Order> = customer_lines.values().flat_map(|lines| orders(lines)).collect();
        let mut last_orders: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for order in &orders {
            let last = last_orders.entry(order.customer.clone()).or_insert(order.at);
            *last = order.at.max(*last);
        }
        Self {
            known: known(&profiles, &moments, as_of),
            known_from_start: known_from_start(&profiles, &staged.identities, &identities),
            lines,
            orders,
            last_orders,
            buyers: customer_lines.into_iter().filter_map(|(id, lines)| Some((id, Buyer::new(lines)?))).collect(),
            memberships: memberships(&staged.campaign_members, &campaigns, &identities, as_of),
            referral_campaign_cost: campaigns
                .values()
                .filter(|campaign| campaign.objective.as_deref() == Some("referral") && campaign.has_begun(as_of))
                .filter_map(|campaign| campaign.cost)
                .sum(),
            campaigns,
            content: content(&staged.content),
            product_names: pairs(&staged.products, "product_id", "name"),
            categories: pairs(&staged.products, "product_id", "category"),
            actions: actions(&staged.actions),
            kpi_targets: kpi_targets(&staged.kpi_targets),
            churn_reasons: churn_reasons(&staged.churn_reasons),
            tenure_bands: bands(&staged.tenure_bands, "months"),
            age_bands: bands(&staged.age_bands, "years"),
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

    /// Whether a customer may be contacted.
    pub fn is_contactable(&self, customer: &str) -> bool {
        let consent = self.profiles.get(customer).and_then(|profile| profile.is_contactable);
        consent.unwrap_or(self.parameters.contactable_when_unknown)
    }

    /// Margin and revenue of all buyers: the overall margin rate as a quotient.
    pub fn margin_rate(&self) -> (i64, i64) {
        self.buyers.values().fold((0, 0), |sum, buyer| (sum.0 + buyer.margin, sum.1 + buyer.revenue))
    }
}
