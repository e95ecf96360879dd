//! churn and churn_summary.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Buyer, Facts, plain};
use super::load::Run;
use super::models::Models;
use super::moments::{days_between, in_window, plus};

struct Leaver {
    category: &'static str,
    is_new: bool,
    bought_before: bool,
    products: (i64, i64),
    revenue: (i64, i64),
    lost: i64,
    reason: Option<(String, &'static str)>,
}

pub fn churn(run: &Run) -> Expected {
    let models = Models::new(run);
    let rows = run.facts.buyers.iter().map(|(id, buyer)| {
        let leaver = leaver(&run.facts, id, buyer);
        let (reason, source) = leaver.reason.unzip();
        Row::from([
            ("customer_id", id.as_str().into()),
            ("category", leaver.category.into()),
            ("is_new_churn", leaver.is_new.into()),
            ("products_before", leaver.products.0.into()),
            ("products_now", leaver.products.1.into()),
            ("revenue_before", Cell::Money(leaver.revenue.0)),
            ("revenue_now", Cell::Money(leaver.revenue.1)),
            ("revenue_lost", Cell::Money(leaver.lost)),
            ("last_purchase_on", buyer.last().into()),
            ("p_alive", Cell::Modelled(models.p_alive(buyer))),
            ("reason", reason.into()),
            ("reason_source", source.into()),
            ("has_bought_before", leaver.bought_before.into()),
        ])
    });
    Expected { grain: &["customer_id"], rows: rows.collect() }
}

/// In which way a buyer is leaving, from the facts up to a day.
pub struct Position {
    pub category: &'static str,
    pub bought_before: bool,
    pub bought_now: bool,
    products: (i64, i64),
    revenue: (i64, i64),
}

pub fn position(facts: &Facts, buyer: &Buyer, cut: NaiveDate) -> Position {
    let days = facts.parameters.churn_window_days;
    let now = |day| in_window(day, cut, days);
    let before = |day| in_window(day, plus(cut, -days), days);
    let items = |chosen: &dyn Fn(NaiveDate) -> bool| {
        let lines = buyer.lines.iter().filter(|line| line.quantity > 0 && chosen(line.day));
        let items: BTreeSet<&String> = lines
            .filter_map(|line| line.product.as_ref())
            .map(|product| facts.categories.get(product).unwrap_or(product))
            .collect();
        items.len() as i64
    };
    let products = (items(&before), items(&now));
    let revenue = (buyer.money(before).0, buyer.money(now).0);
    let (bought_before, bought_now) = (buyer.bought(before), buyer.bought(now));
    let category = if !bought_now {
        "account"
    } else if bought_before && products.1 < products.0 {
        "product"
    } else if bought_before && 1000 * revenue.1 < revenue.0 * (1000 - facts.parameters.churn_spend_drop) {
        "spend"
    } else {
        "none"
    };
    Position { category, bought_before, bought_now, products, revenue }
}

fn leaver(facts: &Facts, id: &str, buyer: &Buyer) -> Leaver {
    let Position { category, bought_before, products, revenue, .. } = position(facts, buyer, facts.as_of());
    let lost = if category == "none" { 0 } else { (revenue.0 - revenue.1).max(0) };
    let reason = (category != "none").then(|| reason(facts, id, buyer.last(), category));
    Leaver { category, is_new: bought_before && category != "none", bought_before, products, revenue, lost, reason }
}

fn reason(facts: &Facts, id: &str, last: NaiveDate, category: &str) -> (String, &'static str) {
    let days = facts.parameters.churn_window_days;
    let surveys = || facts.surveys.iter().filter(|survey| survey.customer == id);
    let interactions = || facts.interactions.iter().filter(|interaction| interaction.customer == id);
    let exits = surveys().filter(|survey| survey.kind == "exit" && survey.day >= last);
    if let Some(exit) = exits.max_by_key(|survey| (survey.at, &survey.id)) {
        let known = exit.reason.as_deref().and_then(|text| facts.churn_reasons.get(&plain(text)));
        return (known.cloned().unwrap_or_else(|| "other".to_owned()), "stated");
    }
    let is_near = |day: NaiveDate| days_between(day, last) < days;
    let complained = interactions().any(|interaction| interaction.is_complaint && is_near(interaction.day));
    let is_unhappy = surveys().filter(|survey| is_near(survey.day)).any(|survey| match survey.kind.as_str() {
        "csat" => survey.score.is_some_and(|score| score <= 2.0),
        "nps" => survey.score.is_some_and(|score| score <= 6.0),
        _ => false,
    });
    if complained || is_unhappy {
        return ("dissatisfaction".to_owned(), "inferred");
    }
    let (from, to) =
        if category == "account" { (last, plus(last, days)) } else { (plus(facts.as_of(), 1 - days), facts.as_of()) };
    let was_contacted = interactions().any(|contact| contact.is_outbound && from <= contact.day && contact.day <= to);
    if to <= facts.as_of() && !was_contacted {
        return ("unappreciated".to_owned(), "inferred");
    }
    ("unknown".to_owned(), "unknown")
}

pub fn summary(run: &Run) -> Expected {
    let facts = &run.facts;
    let mut base = 0;
    let mut sums: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    sums.insert(("all".to_owned(), "all".to_owned()), (0, 0));
    for (id, buyer) in &facts.buyers {
        let leaver = leaver(facts, id, buyer);
        base += i64::from(leaver.bought_before);
        let Some((reason, _)) = leaver.reason.filter(|_| leaver.is_new) else { continue };
        for category in [leaver.category, "all"] {
            for reason in [reason.as_str(), "all"] {
                let sum = sums.entry((category.to_owned(), reason.to_owned())).or_default();
                *sum = (sum.0 + 1, sum.1 + leaver.lost);
            }
        }
    }
    let rows = sums.into_iter().map(|((category, reason), (customers, lost))| {
        Row::from([
            ("category", category.into()),
            ("reason", reason.into()),
            ("base", base.into()),
            ("customers", customers.into()),
            ("rate", ratio(customers, base)),
            ("revenue_lost", Cell::Money(lost)),
        ])
    });
    Expected { grain: &["category", "reason"], rows: rows.collect() }
}
