//! A small random business with every kind of fact, for tests that compare models with themselves.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use lifecycle::config::{Project, TableName};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::builder::Tables;
use super::values::table;

/// A business of 120 ids over two years: sales, returns, interactions, surveys, referrals, links, campaigns.
pub fn random_business(project: &Project, seed: u64) -> Tables {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let random = &mut random;
    let customer = |random: &mut ChaCha8Rng| format!("c{}", random.random_range(0..120) * random.random_range(0..2));
    let instant = |random: &mut ChaCha8Rng| {
        let start = NaiveDate::from_ymd_opt(2023, 4, 1).expect("a date").and_time(chrono::NaiveTime::MIN);
        let at = start + chrono::Duration::seconds(random.random_range(0..63_500_000));
        format!("{}Z", at.format("%Y-%m-%dT%H:%M:%S"))
    };
    let pick = |random: &mut ChaCha8Rng, of: &[&str]| of[random.random_range(0..of.len())].to_owned();
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut add =
        |table: &'static str, row: String| texts.entry(table).or_default().push_str(&format!("- {{{row}}}\n"));
    for number in 0..1500 {
        let quantity = if random.random_range(0..12) == 0 { -1 } else { random.random_range(1..4) };
        let cents = i64::from(quantity) * random.random_range(0..4000);
        let (at, product) = (instant(random), random.random_range(0..12));
        let mut row = format!(
            "order_id: o{}, line_no: {number}, ordered_at: '{at}', product_id: p{product}, quantity: {quantity}, net_amount: {}.{:02}",
            number / 2,
            if cents < 0 { format!("-{}", cents.abs() / 100) } else { (cents / 100).to_string() },
            cents.abs() % 100
        );
        if random.random_range(0..10) > 0 {
            row.push_str(&format!(", customer_id: {}", customer(random)));
        }
        if random.random_range(0..4) == 0 {
            row.push_str(", campaign_id: k1");
        }
        add("order_lines", row);
    }
    let kinds = ["visit", "complaint", "review", "share", "offer", "newsletter", "unlisted"];
    for number in 0..2500 {
        let (at, id, kind) = (instant(random), customer(random), pick(random, &kinds));
        let direction = pick(random, &["inbound", "outbound"]);
        let response = pick(random, &["positive", "negative", "none", "later", "null"]);
        let channel = pick(random, &["web", "email", "null"]);
        let campaign = pick(random, &["k0", "k1", "k9", "null"]);
        let content = pick(random, &["t0", "t1", "t2", "t9", "null"]);
        add(
            "interactions",
            format!(
                "interaction_id: i{number}, customer_id: {id}, occurred_at: '{at}', direction: {direction}, kind: {kind}, \
                 channel: {channel}, response: {response}, campaign_id: {campaign}, content_id: {content}"
            ),
        );
    }
    for number in 0..160 {
        let (at, id, kind) = (instant(random), customer(random), pick(random, &["nps", "csat", "exit"]));
        let (score, reason) = (random.random_range(0..11), pick(random, &["Too expensive", "moved away", "hobby"]));
        add(
            "surveys",
            format!(
                "survey_id: s{number}, customer_id: {id}, responded_at: '{at}', kind: {kind}, score: {score}, reason: {reason}"
            ),
        );
    }
    for number in 0..90 {
        let (at, from, to) = (instant(random), customer(random), customer(random));
        let source = pick(random, &["app", "card", "null"]);
        add(
            "referrals",
            format!(
                "referral_id: r{number}, referrer_id: {from}, referred_id: {to}, referred_at: '{at}', source: {source}, \
                 reward_cost: 5.00"
            ),
        );
    }
    for number in 0..15 {
        let (at, to) = (instant(random), customer(random));
        add("identities", format!("alias_id: c{}, customer_id: {to}, linked_at: '{at}'", 90 + number));
    }
    for number in 0..100 {
        let (at, source) = (instant(random), pick(random, &["web", "list", "null"]));
        let contact = pick(random, &["true", "false", "null"]);
        add(
            "customers",
            format!(
                "customer_id: c{number}, first_seen_at: '{at}', acquisition_source: {source}, is_contactable: {contact}"
            ),
        );
    }
    for number in 0..12 {
        add("products", format!("product_id: p{number}, category: {}", pick(random, &["a", "b", "c", "null"])));
    }
    for (number, stage) in ["awareness", "comparison", "purchase"].iter().enumerate() {
        add("content", format!("content_id: t{number}, content_type: article, buying_stage: {stage}"));
    }
    for number in 0..4 {
        let objective = pick(random, &["referral", "retention"]);
        add(
            "campaigns",
            format!("campaign_id: k{number}, objective: {objective}, started_on: 2024-01-01, cost: 100.00"),
        );
        for member in 0..60 {
            let (at, arm) = (instant(random), pick(random, &["treatment", "control", "null"]));
            add(
                "campaign_members",
                format!("campaign_id: k{number}, customer_id: c{member}, assigned_at: '{at}', arm: {arm}"),
            );
        }
    }
    let given = |(name, text): (&str, String)| {
        let name = TableName::new("staging", name);
        let schema = lifecycle::transform::arrow_schema(&project.models[&name].columns);
        (name, vec![table(&schema, &text)])
    };
    texts.into_iter().map(given).collect()
}
