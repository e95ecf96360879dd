//! referral_roi and referral_goal, and what became of each referral.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Buyer, Facts, Referral};
use super::load::Run;
use super::models::Models;
use super::moments::{ceiling, day_of, days_between, in_window, plus, rounded};

#[derive(Clone, Copy, PartialEq)]
pub enum Validity {
    Valid,
    SelfReferral,
    Circle,
}

/// What became of a referral up to a day.
pub struct Outcome<'a> {
    pub referral: &'a Referral,
    pub validity: Validity,
    pub is_converted: bool,
    is_duplicate: bool,
    pub is_matured: bool,
}

impl Outcome<'_> {
    pub fn is_valid(&self) -> bool {
        self.validity == Validity::Valid
    }
}

/// The outcomes of all referrals up to a day, from the facts up to it.
pub fn outcomes(facts: &Facts, cut: NaiveDate) -> Vec<Outcome<'_>> {
    let days = facts.parameters.referral_days;
    let mut referrals: Vec<&Referral> = facts.referrals.iter().filter(|referral| referral.day <= cut).collect();
    referrals.sort_by_key(|referral| (referral.at, &referral.id));
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for referral in &referrals {
        edges.entry(&referral.referrer).or_default().insert(&referral.referred);
    }
    let mut converted_friends = BTreeSet::new();
    let mut outcomes = Vec::new();
    for referral in referrals {
        let validity = if referral.referrer == referral.referred {
            Validity::SelfReferral
        } else if reaches(&edges, &referral.referred, &referral.referrer) {
            Validity::Circle
        } else {
            Validity::Valid
        };
        let is_valid = validity == Validity::Valid;
        let first = facts.buyers.get(&referral.referred).map(Buyer::first).filter(|first| *first <= cut);
        let holds = first.is_some_and(|first| (0..=days).contains(&days_between(referral.day, first)));
        let is_converted = is_valid && holds && converted_friends.insert(&referral.referred);
        outcomes.push(Outcome {
            referral,
            validity,
            is_converted,
            is_duplicate: is_valid && holds && !is_converted,
            is_matured: is_valid && plus(referral.day, days) <= cut,
        });
    }
    outcomes
}

fn reaches(edges: &BTreeMap<&str, BTreeSet<&str>>, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        if id == to {
            return true;
        }
        if seen.insert(id) {
            open.extend(edges.get(id).into_iter().flatten());
        }
    }
    false
}

/// The first inbound interaction or positive response of each customer.
pub fn first_engaged(facts: &Facts) -> BTreeMap<&str, DateTime<Utc>> {
    let mut first: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
    for interaction in facts.interactions.iter().filter(|fact| fact.is_inbound || fact.is_positive) {
        let at = first.entry(&interaction.customer).or_insert(interaction.at);
        *at = interaction.at.min(*at);
    }
    first
}

/// Matured leads that came otherwise than by a referral, and how many of them bought in time.
fn other_leads(facts: &Facts, outcomes: &[Outcome<'_>]) -> (i64, i64) {
    let days = facts.parameters.referral_days;
    let valid = || outcomes.iter().filter(|outcome| outcome.is_valid()).map(|outcome| outcome.referral.day);
    let (Some(from), Some(to)) = (valid().min(), valid().max()) else { return (0, 0) };
    let referred: BTreeSet<&str> = facts.referrals.iter().map(|referral| referral.referred.as_str()).collect();
    let (mut leads, mut bought) = (0, 0);
    for (id, at) in first_engaged(facts) {
        let buyer = facts.buyers.get(id);
        let day = day_of(at);
        let by_purchase = buyer.is_some_and(|buyer| buyer.purchases[0].1 < at);
        if referred.contains(id) || by_purchase || day < from || day > to || plus(day, days) > facts.as_of() {
            continue;
        }
        leads += 1;
        bought += i64::from(buyer.is_some_and(|buyer| days_between(day, buyer.first()) <= days));
    }
    (leads, bought)
}

#[derive(Default)]
struct Sums {
    referrals: i64,
    matured: i64,
    open: i64,
    converted: i64,
    converted_matured: i64,
    duplicates: i64,
    excluded_self: i64,
    excluded_circle: i64,
    revenue: i64,
    margin: i64,
    reward: i64,
    excluded_reward: i64,
    /// Margin and clv of converted friends.
    lifetime: f64,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome<'_>, facts: &Facts, models: &Models<'_>) {
        match outcome.validity {
            Validity::Valid => self.reward += outcome.referral.reward,
            Validity::SelfReferral => self.excluded_self += 1,
            Validity::Circle => self.excluded_circle += 1,
        }
        if !outcome.is_valid() {
            self.excluded_reward += outcome.referral.reward;
            return;
        }
        self.referrals += 1;
        self.matured += i64::from(outcome.is_matured);
        self.open += i64::from(!outcome.is_matured && !outcome.is_converted);
        self.converted += i64::from(outcome.is_converted);
        self.converted_matured += i64::from(outcome.is_converted && outcome.is_matured);
        self.duplicates += i64::from(outcome.is_duplicate);
        if outcome.is_converted {
            let friend = &facts.buyers[&outcome.referral.referred];
            self.revenue += friend.revenue;
            self.margin += friend.margin;
            self.lifetime += friend.margin as f64 / 100.0 + models.clv(friend);
        }
    }
}

pub fn roi(run: &Run) -> Expected {
    let facts = &run.facts;
    let models = Models::new(run);
    let outcomes = outcomes(facts, facts.as_of());
    let mut sums: BTreeMap<(&'static str, &str), Sums> = BTreeMap::new();
    sums.entry(("program", "all")).or_default();
    for outcome in &outcomes {
        let referral = outcome.referral;
        for key in [("program", "all"), ("source", referral.source.as_str()), ("referrer", &referral.referrer)] {
            sums.entry(key).or_default().add(outcome, facts, &models);
        }
    }
    let all_referrals = sums[&("program", "all")].referrals;
    let (leads, leads_bought) = other_leads(facts, &outcomes);
    let referred: BTreeSet<&str> = facts.referrals.iter().map(|referral| referral.referred.as_str()).collect();
    let others: Vec<f64> = facts
        .buyers
        .iter()
        .filter(|(id, _)| !referred.contains(id.as_str()))
        .map(|(_, buyer)| buyer.margin as f64 / 100.0 + models.clv(buyer))
        .collect();
    let ranks: BTreeMap<String, i64> = {
        let referrers = sums.iter().filter(|((level, _), _)| *level == "referrer");
        let ordered: BTreeSet<_> = referrers.map(|((_, key), sum)| (-sum.converted, -sum.margin, *key)).collect();
        (1..).zip(ordered).map(|(place, (_, _, key))| (key.to_owned(), place)).collect()
    };
    let a_year = |day| in_window(day, facts.as_of(), 365);
    let year_referrals =
        outcomes.iter().filter(|outcome| outcome.is_valid() && a_year(outcome.referral.day)).count() as i64;
    let year_buyers = facts.buyers.values().filter(|buyer| buyer.bought(a_year)).count() as i64;
    let rows = sums.iter().map(|((level, key), sum)| {
        let program = match all_referrals {
            0 => 0,
            all => rounded(facts.referral_campaign_cost * sum.referrals, all),
        };
        let cost = sum.reward + program;
        let is_program = *level == "program";
        let spread = if is_program { ratio(year_referrals, year_buyers) } else { Cell::Null };
        let k_factor = if is_program {
            ratio(year_referrals * sum.converted_matured, year_buyers * sum.matured)
        } else {
            Cell::Null
        };
        let ltv = if sum.converted == 0 { Cell::Null } else { Cell::Modelled(sum.lifetime / sum.converted as f64) };
        Row::from([
            ("level", (*level).into()),
            ("key", (*key).into()),
            ("referrals", sum.referrals.into()),
            ("matured", sum.matured.into()),
            ("open", sum.open.into()),
            ("converted", sum.converted.into()),
            ("duplicates", sum.duplicates.into()),
            ("excluded_self", sum.excluded_self.into()),
            ("excluded_circle", sum.excluded_circle.into()),
            ("conversion_rate", ratio(sum.converted_matured, sum.matured)),
            ("other_leads", leads.into()),
            ("other_conversion_rate", ratio(leads_bought, leads)),
            ("lift_ratio", ratio(sum.converted_matured * leads, sum.matured * leads_bought)),
            ("referred_revenue", Cell::Money(sum.revenue)),
            ("referred_margin", Cell::Money(sum.margin)),
            ("reward_cost", Cell::Money(sum.reward)),
            ("program_cost", Cell::Money(program)),
            ("excluded_reward_cost", Cell::Money(sum.excluded_reward)),
            ("roi", ratio(sum.margin - cost, cost)),
            ("cost_per_customer", ratio(cost, 100 * sum.converted)),
            ("ltv_referred", ltv),
            ("ltv_other", Cell::Modelled(others.iter().sum::<f64>() / others.len() as f64)),
            ("referrals_per_customer", spread),
            ("k_factor", k_factor),
            ("rank", (*level == "referrer").then(|| ranks[*key]).into()),
        ])
    });
    Expected { grain: &["level", "key"], rows: rows.collect() }
}

pub fn goal(run: &Run) -> Expected {
    let facts = &run.facts;
    let as_of = facts.as_of();
    let days = 7 * facts.parameters.referral_goal_weeks;
    let starts_on = facts.parameters.referral_goal_start.unwrap_or_else(|| plus(as_of, 1 - days));
    let passed = (days_between(starts_on, as_of) + 1).clamp(0, days);
    let mut counts: BTreeMap<&str, (i64, i64)> = BTreeMap::from([("all", (0, 0))]);
    for outcome in outcomes(facts, as_of).iter().filter(|outcome| outcome.is_valid()) {
        let offset = days_between(starts_on, outcome.referral.day);
        for source in [outcome.referral.source.as_str(), "all"] {
            let count = counts.entry(source).or_default();
            count.0 += i64::from((-days..0).contains(&offset));
            count.1 += i64::from((0..days).contains(&offset));
        }
    }
    let rows = counts.into_iter().map(|(source, (baseline, to_date))| {
        let goal = ceiling(baseline * (1000 + facts.parameters.referral_goal), 1000);
        Row::from([
            ("source", source.into()),
            ("starts_on", starts_on.into()),
            ("ends_on", plus(starts_on, days - 1).into()),
            ("baseline", baseline.into()),
            ("goal", goal.into()),
            ("to_date", to_date.into()),
            ("expected_to_date", ratio(goal * passed, days)),
            ("on_track", (to_date * days >= goal * passed).into()),
        ])
    });
    Expected { grain: &["source"], rows: rows.collect() }
}
